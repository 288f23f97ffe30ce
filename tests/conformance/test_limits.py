"""The limits of the embedded broker: a frame at the limit is accepted, a frame just above it is refused."""

from __future__ import annotations

import contextlib

import pytest

from stomp.broker.settings import LIMITS
from stomp.exception import NotConnectedException
from tests.conformance.lobby import Guest, Lobby, Suite
from tests.conformance.venues import EMBEDDED, once, spread

VENUES = {"embedded_tcp": (EMBEDDED, ("1.2",)), "embedded_tls": (EMBEDDED, ("1.2",))}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    spread(metafunc, VENUES)


class TestLimits(Suite):
    @once
    def test_body_of_the_maximum_size_is_accepted(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(auto_decode=False), lobby.queue()
        guest.subscribe(queue)
        body = bytes(range(256)) * (LIMITS.body // 256)
        assert len(body) == LIMITS.body
        guest.send(queue, body)
        guest.messages(1)
        assert guest.recorder.bodies[0] == body

    @once
    def test_body_above_the_maximum_is_refused(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        self.refused(guest, queue, bytes(LIMITS.body + 1), match=f"larger than {LIMITS.body} bytes")
        assert lobby.take_all(queue) == []

    @once
    def test_header_line_of_the_maximum_length_is_accepted(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        longest = "x" * (LIMITS.header_line - len("probe:"))
        guest.send(queue, "body", probe=longest)
        assert guest.message("body").headers["probe"] == longest

    @once
    def test_header_line_above_the_maximum_is_refused(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        longer = "x" * (LIMITS.header_line - len("probe:") + 1)
        self.refused(guest, queue, b"", match=f"longer than {LIMITS.header_line} bytes", probe=longer)
        assert lobby.take_all(queue) == []

    @once
    def test_head_of_the_maximum_size_is_accepted(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        size = LIMITS.head // 20
        many = {f"h{number:02}": "x" * (size - len("h00:\n")) for number in range(20)}
        rest = LIMITS.head - 20 * size + len(f"SEND\ndestination:{queue}\ncontent-length:4\n") - len("\n")
        many["h19"] = many["h19"][:-rest]
        guest.send(queue, "body", **many)
        assert many.items() <= guest.message("body").headers.items()
        many["h19"] += "x"
        self.refused(guest, queue, b"body", match=f"longer than {LIMITS.head} bytes", **many)

    @once
    def test_too_many_headers_are_refused(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        # The frame also has destination and content-length. The MESSAGE has more headers, within the client's limit.
        many = {f"h{number}": "x" for number in range(LIMITS.headers - 2)}
        guest.send(queue, "body", **many)
        assert many.items() <= guest.message("body").headers.items()
        self.refused(guest, queue, b"body", match=f"more than {LIMITS.headers} headers", **many, more="x")

    def refused(self, guest: Guest, queue: str, body: bytes, match: str, **headers: str) -> None:
        """Check that the broker names the exceeded limit and closes, and that the client can connect again."""
        guest.blunders = True
        # The broker may refuse the frame while the client is still writing.
        with contextlib.suppress(NotConnectedException):
            guest.send(queue, body, **headers)
        guest.recorder.wait_for_method("on_receiver_loop_completed")
        (refusal,) = [detail for method, detail in guest.recorder.notes if method == "on_error"]
        assert match in refusal.headers["message"]
        assert guest.recorder.methods.count("on_disconnected") == 1
        guest.enter()
        assert guest.conn.is_connected()
