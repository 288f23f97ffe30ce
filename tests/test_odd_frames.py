"""A frame whose end is certain never ends the connection of a client, whatever it contains: see `tests.odd_frames`."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import stomp
from stomp.classic.frames import BytesMessageFrame, TextMessageFrame
from stomp.core.engine.message import BaseMessage
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.frame import Frame
from stomp.core.frames.versions import STOMP12
from stomp.core.session.events import MessageFrame
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from tests.awaiting import run
from tests.listening import PATIENCE, RecentFrames, wait_until
from tests.odd_frames import IN_DOUBT, NEXT, ODD, Odd, message

pytestmark = pytest.mark.usefixtures("each_codec")

CONNECTIONS = {"1.0": stomp.Connection10, "1.1": stomp.Connection11, "1.2": stomp.Connection12}
#: A received message: headers, body, raw_head.
Got = tuple[dict[str, str], bytes, bytes | None]
Reader = Callable[[ScriptedServer, str, int], list[Got]]


def sending(data: bytes, version: str = "1.2") -> ScriptedServer:
    """A server that sends these bytes to a client that has subscribed."""

    def script(sock):
        read_frame(sock)
        greet_back(sock, version=version)
        read_frame(sock)
        sock.sendall(data)
        say_nothing(sock)

    return ScriptedServer(script)


def by_listener(server: ScriptedServer, version: str, count: int) -> list[Got]:
    conn = CONNECTIONS[version]([server.address], auto_decode=False)
    recorder = RecentFrames()
    conn.set_listener("", recorder)
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1")
    recorder.wait_for_bodies(count)
    assert conn.is_connected()
    frames = [frame for method, frame in recorder.notes if method == "on_message"]
    conn.transport.disconnect_socket()
    return [(frame.headers, frame.body, frame.raw_head) for frame in frames]


def got(message: stomp.Message | stomp.AsyncMessage | None) -> Got:
    assert message is not None, "no message came"
    return message.headers, message.body, message.raw_head


def by_client(server: ScriptedServer, version: str, count: int) -> list[Got]:
    client = stomp.Client(server.url, versions=[version], reconnect=False)
    client.connect()
    try:
        subscription = client.subscribe("/queue/a", id="1", confirm=False)
        messages = [got(subscription.receive(PATIENCE)) for _ in range(count)]
    finally:
        client.close(0.0)
    return messages


def by_async_client(server: ScriptedServer, version: str, count: int) -> list[Got]:
    async def read():
        client = stomp.AsyncClient(server.url, versions=[version], reconnect=False)
        await client.connect()
        try:
            subscription = await client.subscribe("/queue/a", id="1", confirm=False)
            return [got(await subscription.receive(PATIENCE)) for _ in range(count)]
        finally:
            await client.close(0.0)

    return run(read())


READERS: list[Reader] = [by_listener, by_client, by_async_client]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_odd_frame_and_the_next_frame_are_delivered(
    odd: Odd, read: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), sending(odd.data * 3 + NEXT, odd.version) as server:
        *seen, (_, last, raw_head) = read(server, odd.version, 4)
    assert last == b"next"
    assert raw_head is None
    for headers, body, raw_head in seen:
        assert body == odd.body
        assert headers["message-id"] == "1"
        assert odd.headers.items() <= headers.items()
        assert (raw_head is not None) is ("\ufffd" in "".join((*headers, *headers.values())))
        if raw_head is not None:
            assert odd.data.startswith(raw_head + b"\n\n")
    # Logged once for a connection, not for each frame; each unknown frame has a line.
    if not odd.legal and b"\0\0" not in odd.data and "equal" not in odd.name:
        wait_until(lambda: warnings(caplog))
        (warning,) = warnings(caplog)
        assert f"from {server.address[0]}" in warning
        assert "\n" not in warning
        assert warning.isprintable()
    assert len(warnings(caplog)) <= 1


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the log about tolerated faults."""
    texts = [record.getMessage() for record in caplog.records]
    return [text for text in texts if "unknown frame" not in text]


@pytest.mark.parametrize("read", READERS)
def test_the_warning_names_the_message_and_escapes_what_it_shows(
    read: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    data = b"MESSAGE\nmessage-id:ID\\n\x1b[31m\xe9\nsubscription:1\n\nx\0" + NEXT
    with caplog.at_level(logging.WARNING), sending(data) as server:
        read(server, "1.2", 2)
    wait_until(lambda: warnings(caplog))
    (warning,) = warnings(caplog)
    assert r"'ID\n\x1b[31m" in warning
    assert "U+FFFD" in warning
    assert "raw_head" in warning


@pytest.mark.parametrize("data", IN_DOUBT.values(), ids=IN_DOUBT)
@pytest.mark.parametrize("api", ["listener", "client"])
def test_a_frame_whose_end_is_in_doubt_ends_the_connection(data: bytes, api: str) -> None:
    with sending(data + NEXT * 2) as server:
        if api == "client":
            with stomp.Client(server.url, reconnect=False) as client:
                subscription = client.subscribe("/queue/a", id="1", confirm=False)
                bodies = []
                with pytest.raises(stomp.StompError):
                    while True:
                        bodies.append(got(subscription.receive(PATIENCE))[1])
        else:
            conn = stomp.Connection12([server.address], auto_decode=False)
            recorder = RecentFrames()
            conn.set_listener("", recorder)
            conn.connect(wait=True)
            conn.subscribe("/queue/a", id="1")
            recorder.wait_for_method("on_disconnected")
            bodies = recorder.bodies
    # With a NUL in its middle, the part of the frame up to it looks like a complete frame.
    assert bodies in ([], [b"he"])


@pytest.mark.parametrize("make", [MessageFrame, BaseMessage, BytesMessageFrame, TextMessageFrame])
@pytest.mark.parametrize(
    "twin",
    [copy.copy, copy.deepcopy, lambda frame: pickle.loads(pickle.dumps(frame))],
    ids=["copy", "deep", "pickle"],
)
def test_copies_have_the_original_bytes_of_a_head(make: type[Frame], twin: Callable[[Frame], Frame]) -> None:
    decoder = Decoder(version=STOMP12, lenient=True, classes={"MESSAGE": make})
    decoder.feed(b"MESSAGE\na:\xe9\n\nx\0")
    (frame,) = decoder.frames()
    assert isinstance(frame, Frame)
    assert twin(frame).raw_head == frame.raw_head == b"MESSAGE\na:\xe9"


# ------------------------------------------------------------------------------------- limits= and lenient=


@pytest.mark.parametrize("make", [*CONNECTIONS.values(), stomp.WSConnection])
def test_connections_of_the_listener_api_take_limits_and_leniency(make: type) -> None:
    options = make(limits=stomp.Limits(body=5), lenient="trim").transport._options
    assert (options.limits, options.lenient) == (stomp.Limits(body=5), stomp.Leniency.TRIM)
    options = make().transport._options
    assert (options.limits, options.lenient) == (stomp.Limits(), stomp.Leniency.LENIENT)
    for wrong in ({"limits": 5}, {"lenient": "yes"}):
        with pytest.raises(stomp.UsageError):
            make(**wrong)


#: Frames that end a connection with these settings, and the text of the error.
REFUSED = [
    ({"limits": stomp.Limits(body=4)}, message(b""), "a body is larger than 4 bytes"),
    ({"limits": stomp.Limits(frame=60)}, message(b""), "a frame is larger than 60 bytes"),
    ({"limits": stomp.Limits(head=59)}, message(b"a:b\n"), "head of a frame is longer than 59 bytes"),
    ({"limits": stomp.Limits(headers=3)}, message(b"a:b\n"), "more than 3 headers"),
    (
        {"limits": stomp.Limits(header_line=22)},
        message(b"a:%b\n" % (b"x" * 21)),
        "header line is longer than 22",
    ),
    ({"lenient": False}, message(b"a:\xff\n"), "not UTF-8"),
]


@pytest.mark.parametrize(("settings", "data", "words"), REFUSED, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("api", ["listener", "client", "asyncio"])
def test_limits_and_strictness_end_the_connection_with_their_reason(
    settings: dict[str, Any], data: bytes, words: str, api: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def read():
        async with stomp.AsyncClient(server.url, versions=["1.2"], reconnect=False, **settings) as client:
            await (await client.subscribe("/queue/a", id="1", confirm=False)).receive(PATIENCE)

    with caplog.at_level(logging.INFO), sending(data) as server:
        if api == "listener":
            conn = stomp.Connection12([server.address], **settings)
            recorder = RecentFrames()
            conn.set_listener("", recorder)
            conn.connect(wait=True)
            conn.subscribe("/queue/a", id="1")
            recorder.wait_for_method("on_disconnected")
            assert recorder.bodies == []
            assert words in caplog.text
            return
        with pytest.raises(stomp.RemoteProtocolError, match=words):
            if api == "asyncio":
                run(read())
            else:
                with stomp.Client(server.url, versions=["1.2"], reconnect=False, **settings) as client:
                    client.subscribe("/queue/a", id="1", confirm=False).receive(PATIENCE)
