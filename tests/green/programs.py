"""Runs programs that must have a process of their own: those that fork, and those with monkey-patched modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parent.parent.parent / "src"
#: Filters as for ``python -W``. Python 3.15 warns of threads in every process that forks; these tests fork on purpose.
WARNINGS = ("error", "ignore:This process:DeprecationWarning")


def run(
    program: str, *arguments: object, warnings: tuple[str, ...] = WARNINGS, noise: bool = False
) -> list[str]:
    """Run the text of a program with a fresh Python; returns the lines that it printed.

    Warnings are errors there as well; `warnings` are filters as for ``python -W``. With `noise` it may write to
    its standard error.

    Raises:
        AssertionError: it failed, complained, or did not end.
    """
    preamble = f"import sys; sys.path.insert(0, {str(SRC)!r})\n"
    filters = [part for text in warnings for part in ("-W", text)]
    done = subprocess.run(
        [sys.executable, *filters, "-c", preamble + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, f"it ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    assert noise or not done.stderr, done.stderr
    return done.stdout.splitlines()
