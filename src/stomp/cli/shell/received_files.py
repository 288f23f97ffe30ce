"""Files that come in messages. Their names come from somebody else.

Rules of this file: nothing is written outside the chosen folder, nothing is overwritten, nothing is hidden, and no name
is so long or so strange that it means something else to the system.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from pathlib import Path

from stomp.cli.framework.terminal import clean

#: Characters of a name; file systems have room for 255 bytes.
_LONGEST = 60
#: As many files of one name and second; then there is something wrong.
_TRIES = 1000
#: Names that Windows takes for devices, whatever their extension.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in "0123456789")]
)


def safe_name(name: str) -> str:
    """The name of a file, from what a message calls it.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\\\boot.ini"), safe_name(".profile"), safe_name("..")
    ('passwd', 'boot.ini', '_profile', '_')
    """
    last = name.replace("\\", "/").rpartition("/")[2].rpartition(":")[2]
    kept = "".join(char if char.isprintable() and char not in '<>"|?*' else "_" for char in last).strip()
    kept = kept.rstrip(". ")
    if kept.startswith(".") or kept.partition(".")[0].lower() in _DEVICES:
        kept = "_" + kept.lstrip(".")
    if not kept:
        return "_"
    stem, dot, extension = kept.rpartition(".")
    if dot and len(extension) < 12:
        return stem[: _LONGEST - len(extension)] + dot + extension
    return kept[:_LONGEST]


def save(folder: Path, name: str, body: bytes | str) -> Path:
    """Write the file of a message.

    Args:
        folder: where to; it is made if it is not there.
        name: what the message calls it.
        body: the content, in base64.

    Returns:
        The file: `name` without its path, with the time behind it if there is such a file already.

    Raises:
        ValueError: the body is not base64. Nothing was written.
        OSError: it cannot be written.
    """
    content = _decoded(body)
    folder.mkdir(parents=True, exist_ok=True)
    plain = safe_name(name)
    now = int(time.time())
    for attempt in range(_TRIES):
        tail = "" if attempt == 0 else f".{now}" if attempt == 1 else f".{now}.{attempt}"
        file = folder / f"{plain}{tail}"
        try:
            # O_EXCL follows no link, and fails for whatever is there (POSIX, open).
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "wb") as out:
            out.write(content)
        return file
    raise OSError(f"there are too many files called {clean(plain, lines=False)} in {folder}")


def _decoded(body: bytes | str) -> bytes:
    data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else body
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as err:
        raise ValueError(f"the body is not base64: {err}") from err
