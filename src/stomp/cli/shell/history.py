"""The history of typed lines, in a file that only its owner can read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

#: The maximum number of lines to load.
_MAX_LINES = 2000


def path(environ: Mapping[str, str] = os.environ) -> Path:
    """The path of the history file (XDG Base Directory Specification). The file need not exist."""
    given = environ.get("XDG_STATE_HOME", "")
    folder = (
        Path(given) if given.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".local/state"
    )
    return folder / "stomp" / "history"


def load(file: Path) -> list[str]:
    """The last lines, oldest first; an empty list if there is no file or it cannot be read."""
    with contextlib.suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace").splitlines()[-_MAX_LINES:]
    return []


def append(file: Path, line: str) -> None:
    """Append a line. Errors are ignored: the shell must work without a history."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as out:
            # The mode above applies to a new file only. An existing file may be readable by others.
            os.chmod(file, 0o600)
            out.write(" ".join(line.splitlines()) + "\n")
