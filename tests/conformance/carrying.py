"""Headers and bodies of messages: they arrive as they were sent."""

from __future__ import annotations

import pytest

from stomp.core.errors import FrameError
from tests.conformance.lobby import Lobby, Suite
from tests.conformance.venues import needs, once

#: Header values that are special but can be encoded in every version.
VALUES = {
    "colons": "a:b:c",
    "a-colon": ":",
    "backslashes": r"C:\new\code",
    "a-backslash-at-the-end": "end\\",
    "two-backslashes": r"a\\b",
    "like-a-newline": r"\n",
    "like-a-colon": r"\c",
    "like-no-escape": r"\t is no escape",
    "utf-8": "äöü ☃ 😀",
    "leading-blanks": "  before",
    "trailing-blanks": "behind  ",
    "tabs": "\taround\t",
    "a-blank": " ",
    "nothing": "",
}
#: Header values that some versions cannot encode.
LINES = {
    "a-newline": "a\nb",
    "a-newline-at-the-end": "a\n",
    "a-header-in-disguise": "a\nreceipt:b",
    "a-frame-in-disguise": "a\n\n\0SEND\ndestination:/queue/b\n\nc",
    "a-carriage-return": "a\rb",
    "a-carriage-return-at-the-end": "a\r",
    "both": "a\r\nb",
}

BODIES = {
    "nothing": b"",
    "a-nul": b"\0",
    "nuls": b"\0\0a\0\n\0\0",
    "every-byte": bytes(range(256)),
    "newlines": b"\n\n\r\n\n",
    "like-a-frame": b"a\0\nMESSAGE\ndestination:/queue/b\n\nc\0\n",
    "not-utf-8": "ä".encode("latin-1"),
}
MEBIBYTE = 1024 * 1024
LARGE = {
    "letters": b"x" * MEBIBYTE,
    "every-byte": bytes(range(256)) * (MEBIBYTE // 256),
    "nuls": bytes(MEBIBYTE),
}
TEXT = "Grüße aus Zürich ☃ 😀 \\c \\n : \n zwei Zeilen"


def can_carry(version: str, value: str) -> bool:
    if "\0" in value:
        return False
    return {"1.0": not set(value) & set("\r\n"), "1.1": "\r" not in value, "1.2": True}[version]


class Carrying(Suite):
    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
    def test_header_value_is_returned_unchanged(self, lobby: Lobby, value: str) -> None:
        expected = lobby.venue.habits.returns(lobby.version, value)
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        guest.send(queue, "body", probe=value, other="as it is")
        if expected is None:
            guest.recorder.wait_for_method("on_disconnected")
            return
        (frame,) = guest.messages(1)
        assert frame.headers["probe"] == expected
        assert frame.headers["other"] == "as it is"
        assert frame.body == "body"

    @pytest.mark.parametrize("value", LINES.values(), ids=LINES.keys())
    def test_line_end_is_returned_or_refused(self, lobby: Lobby, value: str) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        headers = guest.headers_for(queue, {"probe": value})
        given = dict(headers)
        if can_carry(lobby.version, value):
            guest.conn.send(queue, "body", headers=headers)
            assert guest.message("body").headers["probe"] == value
        else:
            with pytest.raises(FrameError):
                guest.conn.send(queue, "body", headers=headers)
        assert headers == given
        # Nothing of it was sent, and the connection can still be used.
        guest.send(queue, "after")
        guest.message("after")
        assert [body for body in guest.recorder.bodies if body not in ("body", "after")] == []

    def test_a_header_name_may_be_of_any_language(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        guest.conn.send(queue, "body", headers=guest.headers_for(queue, {"grüße": "☃"}))
        assert guest.message("body").headers["grüße"] == "☃"

    @pytest.mark.parametrize("name", ["a:b", "a\nb", "a\nb:c\n\n\0SEND", "a\0b", ""])
    def test_header_name_cannot_inject_headers(self, lobby: Lobby, name: str) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        with pytest.raises(FrameError):
            guest.conn.send(queue, "body", headers={name: "x"})
        guest.send(queue, "after")
        guest.message("after")
        assert guest.recorder.bodies == ["after"]

    def test_given_headers_are_not_changed(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        headers = {"probe": r"a\\b", **guest.venue.habits.queue_headers}
        given = dict(headers)
        for number in range(3):
            guest.conn.send(queue, str(number), headers=headers)
        assert headers == given
        assert len({frame.headers["probe"] for frame in guest.messages(3)}) == 1

    def test_64_kib_of_headers_are_returned(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        many = {f"h{number}": f"{number}-".ljust(1024, "x") for number in range(64)}
        guest.send(queue, "body", **many)
        headers = guest.message("body").headers
        assert {name: headers[name] for name in many} == many

    @needs(lambda habits: habits.long_lines, "it limits header lines")
    def test_header_line_of_64_kib_is_returned(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        long = "x" * (64 * 1024 - len("probe:"))
        guest.send(queue, "body", probe=long)
        assert guest.message("body").headers["probe"] == long

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
    def test_body_is_returned_unchanged(self, lobby: Lobby, body: bytes) -> None:
        guest, queue = lobby.enter(auto_decode=False), lobby.queue()
        guest.subscribe(queue)
        guest.send(queue, body)
        guest.send(queue, b"after")
        guest.messages(2)
        assert guest.recorder.bodies == [body, b"after"]

    @once
    @pytest.mark.parametrize("body", LARGE.values(), ids=LARGE.keys())
    def test_body_of_1_mib_is_returned(self, lobby: Lobby, body: bytes) -> None:
        guest, queue = lobby.enter(auto_decode=False), lobby.queue()
        guest.subscribe(queue)
        guest.send(queue, body)
        guest.send(queue, b"after")
        guest.messages(2)
        assert guest.recorder.bodies[0] == body
        assert guest.recorder.bodies[1] == b"after"

    def test_text_is_returned_as_text(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        guest.send(queue, TEXT)
        frame = guest.message(TEXT)
        assert frame.headers["content-length"] == str(len(TEXT.encode()))

    def test_invalid_utf8_is_replaced(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        guest.send(queue, b"\xff\xfe")
        guest.send(queue, "after")
        guest.messages(2)
        assert guest.recorder.bodies == ["\N{REPLACEMENT CHARACTER}" * 2, "after"]

    def test_body_without_content_length_is_returned(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(auto_content_length=False), lobby.queue()
        guest.subscribe(queue)
        guest.send(queue, TEXT)
        frame = guest.message(TEXT)
        assert ("content-length" in frame.headers) == (lobby.version in lobby.venue.habits.adds_length)

    def test_a_nul_without_a_content_length_is_not_sent(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(auto_content_length=False), lobby.queue()
        guest.subscribe(queue)
        with pytest.raises(FrameError):
            guest.send(queue, b"a\0b")
        guest.send(queue, "after")
        guest.message("after")
        assert guest.recorder.bodies == ["after"]

    def test_content_type_is_returned(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        guest.conn.send(queue, "{}", "application/json;a=b", guest.headers_for(queue, {}))
        assert guest.message("{}").headers["content-type"] == "application/json;a=b"

    @needs(lambda habits: {"1.0", "1.2"} <= set(habits.versions), "it does not have both 1.0 and 1.2")
    @once
    def test_newest_and_oldest_version_exchange_messages(self, lobby: Lobby) -> None:
        """Headers that 1.0 cannot encode are left out or altered; the connection stays open."""
        queue = lobby.queue()
        new, old = lobby.enter("1.2"), lobby.enter("1.0")
        old.subscribe(queue)
        new.send(queue, "first", probe="a\nb:c\\d\r", plain="text")
        new.send(queue, "second", plain="text")
        first, second = old.messages(2)
        assert (first.body, second.body) == ("first", "second")
        assert second.headers["plain"] == "text"
        assert "a\nb" not in first.headers.get("probe", "")
