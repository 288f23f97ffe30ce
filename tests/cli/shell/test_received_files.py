"""Files that somebody else names."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stomp.cli.shell import received_files
from stomp.cli.shell.received_files import safe_name, save


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.txt", "a.txt"),
        ("/etc/passwd", "passwd"),
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\x", "x"),
        ("C:\\Windows\\x.ini", "x.ini"),
        ("C:x", "x"),
        (".bashrc", "_bashrc"),
        ("...", "_"),
        ("", "_"),
        ("a/", "_"),
        ("x\0y\n\x1b[2J", "x_y__[2J"),
        ("nul.txt", "_nul.txt"),
        ("COM1", "_COM1"),
        ("trailing. . ", "trailing"),
        ("a" * 300 + ".tar", "a" * 57 + ".tar"),
        ("x." + "y" * 300, "x." + "y" * 58),
        ("ü 漢.pdf", "ü 漢.pdf"),
    ],
)
def test_unsafe_names_are_replaced(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text())
def test_name_never_leaves_the_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert not set(safe) & set('/\\\0:<>"|?*')
    assert not safe.startswith(".")
    assert len(safe.encode()) <= 255
    assert safe.isprintable()


def test_file_is_written(tmp_path: Path) -> None:
    content = bytes(range(256))
    file = save(tmp_path / "new" / "folder", "a/b.bin", base64.encodebytes(content))
    assert file == tmp_path / "new" / "folder" / "b.bin"
    assert file.read_bytes() == content
    assert os.name != "posix" or file.stat().st_mode & 0o177 == 0


def test_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    bodies = [base64.b64encode(str(number).encode()).decode() for number in range(5)]
    written = [save(tmp_path, "x", body) for body in bodies]
    assert len(set(written)) == 5
    assert [file.read_text() for file in written] == list("01234")
    assert written[0].name == "x"
    assert all(file.name.startswith("x.") for file in written[1:])


def test_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "x").symlink_to(outside)
    assert save(folder, "x", b"aGk=").name != "x"
    assert not outside.exists()


@pytest.mark.parametrize("body", ["not base64!", b"\xff", "abc", "\udcff"])
def test_body_that_is_not_base64_is_not_written(tmp_path: Path, body: str | bytes) -> None:
    with pytest.raises(ValueError, match="not base64"):
        save(tmp_path / "folder", "x", body)
    assert not (tmp_path / "folder").exists()


def test_too_many_files_of_one_name_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received_files, "_MAX_ATTEMPTS", 2)
    for _ in range(2):
        save(tmp_path, "x", b"")
    with pytest.raises(OSError, match="too many files called x"):
        monkeypatch.setattr("time.time", lambda: 0)
        (tmp_path / "x.0").touch()
        save(tmp_path, "x", b"")
