"""The lines that were typed, kept between runs in a file that only its owner can read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

#: Lines that are read again.
_KEPT = 2000


def path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the file is (XDG Base Directory Specification); it need not exist."""
    given = environ.get("XDG_STATE_HOME", "")
    folder = (
        Path(given) if given.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".local/state"
    )
    return folder / "stomp" / "history"


def load(file: Path) -> list[str]:
    """The lines, oldest first; none, if there is no file, or it cannot be read."""
    with contextlib.suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace").splitlines()[-_KEPT:]
    return []


def append(file: Path, line: str) -> None:
    """Add a line. A history that cannot be kept is no reason to stop working."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as out:
            # On a file that somebody else's umask has made, too.
            os.chmod(file, 0o600)
            out.write(" ".join(line.splitlines()) + "\n")
