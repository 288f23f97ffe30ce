"""The cost of starting: time to import stomp and to run the command, and the size on disk."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import OURS, Contender
from bench.measuring import quantile
from bench.places import ROOT, on_cpu
from bench.scenarios import Failed, Figures, Lacking, Scenario, Setting

if sys.platform != "win32":
    import resource

#: Processes per run; the figure is their median.
TIMES = 5

#: What the console script does, without the script, which not every environment has.
COMMAND = "import sys; from stomp.__main__ import main; sys.argv[0] = 'stomp'; sys.exit(main())"


@dataclass(frozen=True)
class Spent:
    """What a process took from its start to its end, in seconds."""

    wall: float
    cpu: float


def spent(command: Sequence[str], variables: Mapping[str, str]) -> Spent:
    """Run a process to its end."""
    cpu, begin = _cpu_of_children(), time.perf_counter()
    done = subprocess.run(
        command, env=variables, cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL, timeout=30
    )
    taken = Spent(time.perf_counter() - begin, _cpu_of_children() - cpu)
    if done.returncode:
        raise Failed(done.stderr.decode(errors="replace").strip()[-300:])
    return taken


def _cpu_of_children() -> float:
    if sys.platform == "win32":
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Start:
    """A process from its start to its end, against a bare interpreter in turns with it."""

    title: str
    words: tuple[str, ...] = ()  #: of the command; without, the module is imported
    group: str = "start"
    figures: tuple[str, ...] = ("start", "start_cpu", "over_cpu")
    clients: tuple[str, ...] = ()

    def measure(self, contender: Contender, setting: Setting) -> Figures:
        if not contender.module or not contender.python:
            raise Lacking("it is no Python module")
        python = str(contender.python())
        words = [word.format(port=setting.server.port) for word in self.words]
        code = COMMAND if words else f"import {contender.module}"
        command = [python, "-c", code, *words]
        variables = contender.variables()
        with on_cpu(setting.cpu):
            spent(command, variables)  # the first one writes the byte code
            pairs = [
                (spent([python, "-c", "pass"], variables), spent(command, variables)) for _ in range(TIMES)
            ]
        return {
            "version": "",
            "start": quantile([whole.wall for _, whole in pairs], 0.5),
            "start_cpu": quantile([whole.cpu for _, whole in pairs], 0.5),
            "over_cpu": quantile([whole.cpu - bare.cpu for bare, whole in pairs], 0.5),
        }


@dataclass(frozen=True)
class Size:
    """What pip puts on the disk, without byte code."""

    title: str = "installed"
    group: str = "start"
    figures: tuple[str, ...] = ("size", "packages")
    clients: tuple[str, ...] = ()

    def measure(self, contender: Contender, setting: Setting) -> Figures:
        if not contender.module or not contender.python:
            raise Lacking("it is no Python module")
        library = next((contender.python().parent.parent / "lib").glob("python*/site-packages"))
        sizes = [
            _listed(library, record)
            for record in library.glob("*.dist-info/RECORD")
            if not record.parent.name.startswith(("pip-", "setuptools-"))
        ]
        source = contender.variables()["PYTHONPATH"]
        if source:  # stompkit itself is not installed
            files = [file for file in Path(source).rglob("*") if file.suffix != ".pyc" and file.is_file()]
            sizes.append(sum(file.stat().st_size for file in files))
        return {"version": "", "size": sum(sizes), "packages": len(sizes)}


def _listed(library: Path, record: Path) -> int:
    names = [line.split(",")[0] for line in record.read_text(encoding="utf-8").splitlines()]
    files = [library / name for name in names if not name.endswith(".pyc")]
    return sum(file.stat().st_size for file in files if file.exists())


STARTS: dict[str, Scenario] = {
    "start-import": Start("import it, and end"),
    "start-version": Start("stomp --version", ("--version",), clients=(*OURS, "stomp.py", "stomp.py-8")),
    "start-help": Start("stomp --help", ("--help",), clients=(*OURS, "stomp.py", "stomp.py-8")),
    "start-send": Start(
        "stomp send, confirmed",
        ("send", "-H", "127.0.0.1", "-P", "{port}", "/queue/bench", "hello"),
        clients=OURS,
    ),
    "size": Size(),
}
