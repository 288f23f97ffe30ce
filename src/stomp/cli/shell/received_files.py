"""Saves files received in messages. Their names come from the network and are not trusted.

Rules of this file: no file is written outside the chosen folder, overwritten, or hidden. A name is limited in length
and has no characters or device names with a special meaning for an operating system.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from pathlib import Path

from stomp.cli.framework.terminal import clean

#: Maximum length of a name in characters. File systems allow 255 bytes.
_MAX_NAME = 60
#: Maximum number of attempts to find an unused name.
_MAX_ATTEMPTS = 1000
#: Names that mean devices on Windows, with any extension.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in "0123456789")]
)


def safe_name(name: str) -> str:
    """A safe file name for the name in a message.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\\\boot.ini"), safe_name(".profile"), safe_name("..")
    ('passwd', 'boot.ini', '_profile', '_')
    """
    last = name.replace("\\", "/").rpartition("/")[2].rpartition(":")[2]
    cleaned = "".join(char if char.isprintable() and char not in '<>"|?*' else "_" for char in last).strip()
    cleaned = cleaned.rstrip(". ")
    if cleaned.startswith(".") or cleaned.partition(".")[0].lower() in _DEVICES:
        cleaned = "_" + cleaned.lstrip(".")
    if not cleaned:
        return "_"
    stem, dot, extension = cleaned.rpartition(".")
    if dot and len(extension) < 12:
        return stem[: _MAX_NAME - len(extension)] + dot + extension
    return cleaned[:_MAX_NAME]


def save(folder: Path, name: str, body: bytes | str) -> Path:
    """Write the file of a message.

    Args:
        folder: the folder for the file. It is created if it does not exist.
        name: the name of the file in the message.
        body: the content in base64.

    Returns:
        The path of the file: the safe form of `name`, followed by the time if a file of this name exists.

    Raises:
        ValueError: the body is not base64. Nothing was written.
        OSError: the file cannot be written, or there are too many files of this name.
    """
    content = _decoded(body)
    folder.mkdir(parents=True, exist_ok=True)
    plain = safe_name(name)
    now = int(time.time())
    for attempt in range(_MAX_ATTEMPTS):
        suffix = "" if attempt == 0 else f".{now}" if attempt == 1 else f".{now}.{attempt}"
        file = folder / f"{plain}{suffix}"
        try:
            # O_EXCL does not follow symbolic links, and fails if the name exists (POSIX, open).
            descriptor = os.open(
                file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
            )
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        return file
    raise OSError(f"there are too many files called {clean(plain, lines=False)} in {folder}")


def _decoded(body: bytes | str) -> bytes:
    data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else body
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as err:
        raise ValueError(f"the body is not base64: {err}") from err
