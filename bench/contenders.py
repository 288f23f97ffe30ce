"""The clients to compare, each in a separate environment under `.bench/`, which is created on first use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.places import HOME, ROOT
from bench.servers import build

ADAPTERS = Path(__file__).with_name("adapters")
#: An installation that takes longer hangs, in seconds.
PATIENCE = 300
#: The extension module with the codec in C.
NATIVE = ROOT / "native"


class Missing(Exception):
    """This machine cannot run the client: why."""


@dataclass(frozen=True)
class Contender:
    """A client to measure."""

    prepare: Callable[[], list[str]]  #: makes it ready; how to start it, before the words of `bench.work`
    language: str = "Python"
    environment: tuple[tuple[str, str], ...] = ()
    module: str = ""  #: what its users import, for the benchmarks of starting
    python: Callable[[], Path] | None = None  #: the interpreter of its environment, if it has one

    def variables(self) -> dict[str, str]:
        """The environment of its process."""
        # Without the byte code, which every installation has, a start is mostly compiling.
        own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**own, "PYTHONPATH": "", **dict(self.environment)}


def _run(command: list[str | Path], **options: object) -> None:
    try:
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=str(options.get("cwd", ROOT)),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{Path(command[0]).name} failed: {error}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Missing(f"{' '.join(map(str, command[:4]))} failed: {' '.join(last)}")


def _tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise Missing(f"there is no {name} on this machine")
    return found


def _once(home: Path, make: Callable[[], None], sources: Sequence[Path] = ()) -> None:
    """Make what is not complete yet, or older than what it is made of; what is half made is made again."""
    ready = home / "ready"
    newest = max((source.stat().st_mtime for source in sources), default=0.0)
    if ready.exists() and ready.stat().st_mtime >= newest:
        return
    print(f"installing into {home.relative_to(ROOT)}", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    make()
    ready.touch()


def _home(name: str) -> tuple[Path, Path]:
    """A folder for this version of Python, and the interpreter in it."""
    home = HOME / f"{name}-python{sys.version_info[0]}.{sys.version_info[1]}"
    return home, home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _pip(python: Path, *what: str | Path) -> None:
    _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what])


def environment(*packages: str) -> Path:
    """The Python of an environment that holds these packages and nothing else."""
    home, python = _home("-".join(package.replace("==", "-") for package in packages) or "plain")

    def make() -> None:
        _run([sys.executable, "-m", "venv", *([] if packages else ["--without-pip"]), home])
        if packages:
            _pip(python, *packages)

    _once(home, make)
    return python


def native_environment() -> Path:
    """The Python of an environment that holds stompkit's codec in C, built from this checkout."""
    if not (NATIVE / "pyproject.toml").exists():
        raise Missing(f"there is no {NATIVE.name}/ in this checkout")
    home, python = _home("native")

    def make() -> None:
        _run([sys.executable, "-m", "venv", home])
        # pip builds in the folder that it is given
        shutil.copytree(NATIVE, home / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
        _pip(python, home / "source")

    _once(home, make, [NATIVE / "pyproject.toml", *NATIVE.glob("src/**/*.[chp]*")])
    return python


def _python(
    adapter: str, *packages: str, module: str = "", native: bool = False, **variables: str
) -> Contender:
    def python() -> Path:
        return native_environment() if native else environment(*packages)

    def prepare() -> list[str]:
        return [str(python()), "-m", "bench.client", adapter]

    return Contender(prepare, environment=tuple(variables.items()), module=module, python=python)


def _stompkit(adapter: str, *, native: bool, module: str = "") -> Contender:
    variables = {"PYTHONPATH": str(ROOT / "src"), "STOMPKIT_NATIVE": "1" if native else "0"}
    return _python(adapter, module=module, native=native, **variables)


def _node(adapter: str, *packages: str) -> Contender:
    def prepare() -> list[str]:
        node, npm = _tool("node"), _tool("npm")
        home = HOME / f"node-{adapter}"
        _once(
            home,
            lambda: _run(
                [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", home, *packages]
            ),
        )
        folder = ADAPTERS / "node"
        return [node, str(folder / "driver.mjs"), str(folder / f"{adapter}.mjs"), str(home)]

    return Contender(prepare, language="Node.js")


def build_go(name: str, sources: Path) -> Path:
    """Build the program in Go that is in this folder."""
    go, home = _tool("go"), HOME / name

    def make() -> None:
        for source in sources.iterdir():
            shutil.copy(source, home)
        _run([go, "build", "-o", home / "program", "."], cwd=home)

    _once(home, make, list(sources.iterdir()))
    return home / "program"


def _go() -> list[str]:
    return [str(build_go("go-stomp", ADAPTERS / "go"))]


def _bare_c() -> list[str]:
    program = build(ADAPTERS / "bare.c")
    if program is None:
        raise Missing("there is no C compiler on this machine")
    return [str(program)]


#: The order is that of the reports.
CLIENTS: dict[str, Contender] = {
    "stompkit": _stompkit("stompkit_listener", native=False, module="stomp"),
    "stompkit-native": _stompkit("stompkit_listener", native=True, module="stomp"),
    "stompkit-client": _stompkit("stompkit_client", native=False),
    "stompkit-client-native": _stompkit("stompkit_client", native=True),
    "stompkit-aio": _stompkit("stompkit_aio", native=False),
    "stompkit-aio-native": _stompkit("stompkit_aio", native=True),
    "aio-uvloop": _python(
        "stompkit_aio",
        "uvloop==0.22.1",
        PYTHONPATH=str(ROOT / "src"),
        STOMPKIT_NATIVE="0",
        BENCH_LOOP="uvloop",
    ),
    "stomp.py": _python("stomp_py", "stomp-py==9.0.0", module="stomp"),
    "stomp.py-8": _python("stomp_py", "stomp-py==8.2.0", module="stomp"),
    "stompman": _python("stompman_client", "stompman==3.16.0", module="stompman"),
    "stompest": _python("stompest_sync", "stompest==2.3.0", module="stompest.sync"),
    "aiostomp": _python("aiostomp_client", "aiostomp==1.7.3", module="aiostomp"),
    "stompjs": _node("stompjs", "@stomp/stompjs@7.5.0", "@stomp/tcp-wrapper@1.0.1"),
    "stompit": _node("stompit", "stompit@1.0.0"),
    "go-stomp": Contender(_go, language="Go"),
    "bare": _python("bare"),
    "bare-c": Contender(_bare_c, language="C"),
}

#: The client that all are compared with, and the client without STOMP, which is the limit.
BASE, LIMIT = "stomp.py", "bare"
#: Ours: the rest are peers.
OURS = tuple(name for name in CLIENTS if name.startswith("stompkit"))
#: Without --clients.
USUAL = (*OURS, BASE, LIMIT)
