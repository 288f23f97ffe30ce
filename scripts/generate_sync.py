#!/usr/bin/env python3
"""Generates modules of `stomp.client.sync` from those of `stomp.client.aio`: the two clients are one text.

Usage: ``python scripts/generate_sync.py``, and ``--check`` to only compare. Needs ruff, which formats the result.

- ``async`` and ``await`` are removed, and the names of `NAMES` are replaced.
- In docstrings and comments the texts of `TEXTS` are replaced, in this order.
- A block ``if True:  # ASYNC`` is removed, and so is a decorator with the comment ``# ASYNC``. What differs more than
  that is in ``waiting.py`` of both packages.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "src" / "stomp" / "client"
MODULES = ("client.py", "driver.py", "handles.py")
HEADER = "# Generated from stomp/client/aio/{name} by scripts/generate_sync.py; do not edit.\n"

NAMES = {
    "AsyncClient": "Client",
    "AsyncDriver": "SyncDriver",
    "AsyncGenerator": "Generator",
    "AsyncIterator": "Iterator",
    "AsyncMessage": "Message",
    "AsyncWaiting": "SyncWaiting",
    "StopAsyncIteration": "StopIteration",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aio": "sync",
    "anext": "next",
    "asynccontextmanager": "contextmanager",
}

TEXTS = {
    "Connect, unless that is done by an ``async with`` statement.\n": (
        "Connect, unless that is done by a ``with`` statement.\n\n"
        "        The callbacks for the state changes have been called when this returns or raises, unless they\n"
        "        take longer than 2 s.\n"
    ),
    "It does not raise for a lost connection, and may be called again.": (
        "It does not raise for a lost connection, and may be called again. Handlers and callbacks have ended\n"
        "        when this returns, unless handlers take longer than the timeout, or callbacks longer than 2 s."
    ),
    "a coroutine function, or a function that does not block": "called on separate threads, and may block",
    "how many run at the same time; with 1, messages are handled": "how many threads; with 1, messages are handled",
    "the handler is not callable.": (
        "the handler is not callable, or is a coroutine function, which only `AsyncClient` runs."
    ),
    "the callback is not callable.": (
        "the callback is not callable, or is a coroutine function, which only `AsyncClient` runs."
    ),
    "already connected, or is connected on another event loop": "already connected",
    "    Handlers that are still running then are cancelled.\n": (
        "    Handlers that are still running then go on, on their threads.\n"
    ),
    " A task that is cancelled while it waits has received none.": "",
    "Several tasks may": "Several threads may",
    "the tasks that call it": "the threads that call it",
    "After a cancellation": "After Ctrl-C",
    "\n\n    ``await confirmation`` is ``await confirmation.result()``.\n    ": "",
    "An ``async with``": "A ``with``",
    "an ``async with``": "a ``with``",
    "async with": "with",
    "await ": "",
    "which only `AsyncClient` runs": "which only `Async_Client` runs",
    "AsyncClient": "Client",
    "AsyncMessage": "Message",
    "Async_Client": "AsyncClient",
}

#: An asynchronous generator returns nothing, so its type has an argument less.
_GENERATOR = re.compile(r"\bAsyncGenerator\[(\w+), None\]")
_ASYNC_DECORATOR = re.compile(r" *@\w+  # ASYNC\n")
_ASYNC_BLOCK = re.compile(r"( *)if True:  # ASYNC\n(?:\1 +[^\n]*\n|\n(?=\1 +\S|\n))+")


def generate(source: str) -> str:
    """Return the text of the module for threads, not formatted yet."""
    source = _GENERATOR.sub(
        r"AsyncGenerator[\1, None, None]", _ASYNC_BLOCK.sub("", _ASYNC_DECORATOR.sub("", source))
    )
    lines = source.splitlines(keepends=True)
    result: list[str] = []
    row, column = 1, 0  # up to where the source is copied
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        result.append(_between(lines, (row, column), token.start))
        (row, column), text = token.end, token.string
        if token.type == tokenize.NAME and text in ("async", "await"):
            column += 1  # the space after it
        elif token.type == tokenize.NAME:
            result.append(NAMES.get(text, text))
        elif token.type in (tokenize.STRING, tokenize.COMMENT):
            result.append(_replaced(text))
        else:
            result.append(_between(lines, token.start, token.end))
    return "".join(result)


def _replaced(text: str) -> str:
    for old, new in TEXTS.items():
        text = text.replace(old, new)
    return text


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """The text between two positions, each a line (from 1) and a column."""
    (row, column), (last, until) = start, end
    if row == last:
        return lines[row - 1][column:until] if row <= len(lines) else ""
    first, middle = lines[row - 1][column:], lines[row : last - 1]
    return first + "".join(middle) + (lines[last - 1][:until] if last <= len(lines) else "")


def formatted(text: str, path: Path) -> str:
    """Return the text without unused imports, sorted and formatted by ruff."""
    name = f"--stdin-filename={path}"
    for command in (
        ["check", "--quiet", "--select=I,F401", "--fix", name, "-"],
        ["format", "--quiet", name, "-"],
    ):
        ruff = [sys.executable, "-m", "ruff", *command]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> int:
    """Write the modules, or with ``--check`` compare them. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Generate stomp.client.sync from stomp.client.aio.")
    parser.add_argument("--check", action="store_true", help="do not write: fail if a module differs")
    check = parser.parse_args().check
    stale: list[Path] = []
    for name in MODULES:
        path = CLIENT / "sync" / name
        text = generate((CLIENT / "aio" / name).read_text(encoding="utf-8"))
        text = formatted(HEADER.format(name=name) + text, path)
        if check and text != path.read_text(encoding="utf-8"):
            stale.append(path)
        elif not check:
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path} is not what scripts/generate_sync.py generates: run it", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
