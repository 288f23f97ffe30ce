"""Files that are sent from the prompt."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest

from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.terminal import Terminal
from stomp.cli.shell.send_file import encoded, headers_of, progress
from tests.cli.framework.test_terminal import Screen


@pytest.mark.parametrize("size", [0, 1, 2, 3, 3 * 256 * 1024, 3 * 256 * 1024 + 1, 2_000_000])
def test_chunks_form_one_base64_text(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "file").write_bytes(content[:size])
    sent = encoded(tmp_path / "file", Terminal(io.StringIO(), io.StringIO()))
    assert sent == base64.b64encode(content[:size]).decode()


def test_missing_file_and_directory_are_errors(tmp_path: Path) -> None:
    terminal = Terminal(io.StringIO(), io.StringIO())
    with pytest.raises(CommandError, match="does not exist"):
        encoded(tmp_path / "gone", terminal)
    with pytest.raises(IsADirectoryError):
        encoded(tmp_path, terminal)


def test_headers_are_loaded_from_json(tmp_path: Path) -> None:
    reported: list[str] = []
    (tmp_path / "headers.json").write_text('{"a": "b", "n": 1, "t": true}')
    headers = headers_of(str(tmp_path / "headers.json"), reported.append)
    assert headers == {"a": "b", "n": "1", "t": "true"}
    assert reported == [f"Loading {tmp_path}/headers.json", "Using headers {'a': 'b', 'n': 1, 't': True}"]


@pytest.mark.parametrize("content", [b"\xff", b"{", b"[1]", b"[" * 100_000])
def test_invalid_headers_are_errors(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "headers.json").write_bytes(content)
    with pytest.raises(CommandError, match=r"headers\.json"):
        headers_of(str(tmp_path / "headers.json"), lambda text: None)


def test_progress_bar_needs_a_terminal_and_a_large_file() -> None:
    screen, pipe = Screen(), io.StringIO()
    for stream, total in ((screen, 10), (pipe, 10_000_000)):
        with progress(total, "file", Terminal(err=stream, environ={})) as advance:
            advance(10)
        assert stream.getvalue() == ""
    with progress(10_000_000, "[bold]file", Terminal(err=screen, environ={})) as advance:
        advance(5_000_000)
    assert "[bold]file" in screen.getvalue()
