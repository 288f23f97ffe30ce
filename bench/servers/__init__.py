"""The other end of every benchmark: a server that fires, counts, echoes and confirms, and is never what is measured.

`server.c` is built with the C compiler of the machine into `.bench/`; where there is none, `server.py` does the same in
Python. What they do is chosen by the destination that a client subscribes to:

    /bench/fire?count=N&size=B     N messages with bodies of B bytes, and further options:
        escaped=1                  headers as ActiveMQ sends them, with escapes, instead of RabbitMQ's
        length=0                   no content-length
        nul=1                      a body of nothing but NULs
        extra=N                    N more headers
        segment=N                  N bytes at a time
        acks=1                     one message more when N frames have come back
    /bench/sink?count=N            one message when N frames have come
    /bench/echo                    every SEND there comes back as a message
    /bench/stall                   nothing is read any more

Every frame that has a `receipt` is confirmed, and heart-beats are sent as often as the client asks for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.places import HOME, ROOT, on_cpu

SOURCE = Path(__file__).with_name("server.c")

_TEXT = '{"order": 4711, "name": "Café au lait", "pieces": 12, "sum": 99.50, "paid": true}, '.encode()


def body_of(size: int) -> bytes:
    """Text of that many bytes, UTF-8, without a NUL: whole repetitions, and dots for what is left of the last one."""
    return (_TEXT * (size // len(_TEXT))).ljust(size, b".")


def compiler() -> str | None:
    """The C compiler of this machine: what `$CC` says, else cc, gcc or clang."""
    candidates = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    return next((found for name in candidates if name and (found := shutil.which(name))), None)


def build(source: Path, home: Path = HOME) -> Path | None:
    """Compile a C file of the kit, unless that is done. None: no compiler, or not for this system."""
    program = home / source.stem
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    cc = compiler()
    if cc is None or os.name != "posix":
        return None
    home.mkdir(parents=True, exist_ok=True)
    # Two runs may build at the same time: each its own file, and the last one wins.
    fresh = program.with_suffix(f".{os.getpid()}")
    done = subprocess.run([cc, "-O2", "-o", fresh, source], capture_output=True, text=True)
    if done.returncode:
        print(f"{source.name} cannot be built: {done.stderr.strip()[-500:]}", file=sys.stderr)
        return None
    fresh.replace(program)
    return program


def command() -> tuple[str, list[str]]:
    """The language of the server, and how to start it."""
    program = build(SOURCE)
    if program:
        return "C", [str(program)]
    return "Python", [sys.executable, "-m", "bench.servers.server"]


class Server:
    """The server in a separate process, which ends with the block."""

    def __init__(self, cpu: int | None = None, start: Sequence[str] | None = None) -> None:
        with on_cpu(cpu):
            self.process = subprocess.Popen(
                start or command()[1],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.process.communicate(timeout=5)  # closes its standard input, which ends it
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
