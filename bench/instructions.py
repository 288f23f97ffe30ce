"""How many instructions the pure codec takes, counted by callgrind: the one figure that a busy machine does not change.

    python -m bench.instructions              compare with instructions.json; exits with 1 if there are more
    python -m bench.instructions --update     write them there, after a change that is meant to cost something

A count depends on the build of the interpreter, so each build has its own; without one, or without valgrind, nothing is
compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import environment
from bench.places import ROOT
from bench.report import number
from bench.servers import body_of
from bench.servers.server import Shape

if TYPE_CHECKING:
    from stomp.core.session.client import ClientSession

FILE = Path(__file__).with_name("instructions.json")
#: So much more than before is a loss. Small changes of the code move the counts by some percent.
TOLERANCE = 0.1
#: Frames that are counted: those of a run with as many, less those of a run with none.
FRAMES = 1000
PATIENCE = 120
READ = 64 * 1024


def _ready() -> ClientSession:
    from stomp.core.session.client import ClientSession

    session = ClientSession()
    session.connect(["1.2"], "/")
    session.receive_data(b"CONNECTED\nversion:1.2\n\n\0\n", now=0.0)
    session.events()
    session.data_to_send(now=0.0)
    return session


def decode(frames: int) -> None:
    """Messages of 100 B, from the bytes of a read to events."""
    session = _ready()
    # All are rendered whatever `frames` is, so that rendering them falls out of the difference.
    rendered = [Shape("1", 100).frame(number) for number in range(FRAMES)]
    data = b"".join(rendered[:frames])
    for at in range(0, len(data), READ):
        session.receive_data(data[at : at + READ], now=0.0)
        session.events()


def encode(frames: int) -> None:
    """Plain sends of 100 B, from the arguments to bytes."""
    session, body = _ready(), body_of(100)
    for _ in range(frames):
        session.send("/queue/bench", body)
        session.data_to_send(now=0.0)


def encode_headers(frames: int) -> None:
    """Sends of 100 B with headers of their own."""
    session, body = _ready(), body_of(100)
    for each in range(frames):
        session.send("/queue/bench", body, headers={"number": str(each)})
        session.data_to_send(now=0.0)


WORKS = {"decode": decode, "encode": encode, "encode-headers": encode_headers}


def build_key() -> str:
    """What the counts depend on besides the code."""
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{interpreter}, {platform.python_compiler()}, {platform.machine()}"


def counted(work: str, frames: int) -> int:
    """The instructions of a process that does this.

    Raises:
        subprocess.SubprocessError: it failed.
    """
    command = [str(environment()), "-S", "-m", "bench.instructions", "--work", work, str(frames)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0"}

    def run(*before: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*before, *command],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )

    run()  # compiles to byte code, which is not to be counted
    done = run("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    found = re.search(r"Collected : (\d+)", done.stderr)
    if not found:
        raise subprocess.SubprocessError(f"valgrind printed no count: {done.stderr[-300:]}")
    return int(found[1])


def count() -> dict[str, int]:
    """The instructions of one frame, for each work."""
    return {work: (counted(work, FRAMES) - counted(work, 0)) // FRAMES for work in WORKS}


def compare(now: dict[str, int], before: dict[str, int]) -> list[tuple[bool, str]]:
    """For each work whether it is no worse than before, and a sentence."""
    verdicts: list[tuple[bool, str]] = []
    for work, instructions in now.items():
        if work not in before:
            verdicts.append(
                (True, f"{work}: {number(instructions)} instructions a frame; --update keeps them")
            )
            continue
        limit = before[work] * (1 + TOLERANCE)
        met = instructions <= limit
        sentence = f"{work}: {number(instructions)} instructions a frame, at most {number(limit)} are allowed"
        verdicts.append((met, f"{sentence}: {'met' if met else 'MISSED'}"))
    return verdicts


def check(file: Path = FILE) -> list[tuple[bool, str]]:
    """Count and compare. Without counts for this build or without valgrind, nothing is compared."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if build_key() not in known:
        return [(True, f"instructions are not compared: none are known for {build_key()}")]
    if shutil.which("valgrind") is None:
        return [(True, "instructions are not compared: there is no valgrind on this machine")]
    return compare(count(), known[build_key()])


def update(file: Path = FILE) -> dict[str, int]:
    """Count, and keep the counts for this build."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known[build_key()] = count()
    file.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    found: dict[str, int] = known[build_key()]
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="count the instructions of the pure codec")
    parser.add_argument("--update", action="store_true", help="keep the counts as what is compared with")
    parser.add_argument("--work", nargs=2, metavar=("WORK", "FRAMES"), help="only do it, under valgrind")
    args = parser.parse_args(argv)
    if args.work:
        WORKS[args.work[0]](int(args.work[1]))
        return 0
    if args.update:
        print(update())
        return 0
    verdicts = check()
    print("\n".join(sentence for _, sentence in verdicts))
    return 0 if all(met for met, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
