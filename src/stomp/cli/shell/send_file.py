"""The body and the headers for the command `sendfile`: the file in base64, and headers from JSON."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stomp.cli.framework.exit_status import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from stomp.cli.framework.terminal import Terminal

#: Bytes per read. Divisible by three, so that the pieces of base64 have no padding and can be joined.
_PIECE = 3 * 256 * 1024


def headers_of(text: str, report: Callable[[str], None]) -> dict[str, str]:
    """Headers from a JSON object, or from a file that holds one.

    Raises:
        CommandError: there is no such file, or the text is not a JSON object.
    """
    given, source_name = text, "the headers"
    if not text.lstrip().startswith("{"):
        report(f"Loading {text}")
        source_name = text
        try:
            given = Path(text).expanduser().read_text(encoding="utf-8")
        except FileNotFoundError:
            raise CommandError(f"File {text} does not exist") from None
        except UnicodeDecodeError:
            raise CommandError(f"{text} is not UTF-8") from None
    try:
        loaded = json.loads(given)
    except (ValueError, RecursionError) as err:
        raise CommandError(f"{source_name}: not JSON: {err}") from None
    if not isinstance(loaded, dict):
        raise CommandError(f"{source_name}: not a JSON object of headers")
    report(f"Using headers {loaded}")
    return {
        str(name): value if isinstance(value, str) else json.dumps(value) for name, value in loaded.items()
    }


def encoded(file: Path, terminal: Terminal) -> str:
    """The content of a file in base64.

    Raises:
        CommandError: there is no such file.
        OSError: the file cannot be read.
    """
    path = file.expanduser()
    if path.is_dir():
        raise IsADirectoryError(21, "Is a directory", str(file))
    if not path.exists():
        raise CommandError(f"File {file} does not exist")
    pieces: list[str] = []
    with path.open("rb") as source, progress(path.stat().st_size, file.name, terminal) as advance:
        while piece := source.read(_PIECE):
            pieces.append(base64.b64encode(piece).decode("ascii"))
            advance(len(piece))
    return "".join(pieces)


@contextlib.contextmanager
def progress(total: int, label: str, terminal: Terminal) -> Generator[Callable[[int], None]]:
    """A progress bar on standard error, if that is a terminal and the package `rich` is installed.

    Args:
        total: the size of the file in bytes. For small files there is no bar.
        label: the text beside the bar.
        terminal: where to show the bar.

    Yields:
        A function to call with the number of bytes that have been processed since the last call.
    """
    bar = _bar(terminal) if total > _PIECE and terminal.is_terminal(terminal.err) else None
    if bar is None:
        yield lambda count: None
        return
    with bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


def _bar(terminal: Terminal) -> Any:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    console = Console(file=terminal.err, no_color=not terminal.has_colour(terminal.err))
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
