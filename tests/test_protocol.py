"""The methods of the listener API: the frames that each writes, and that it does not modify the caller's arguments."""

import threading
from unittest import mock

import pytest

import stomp
from stomp.connect import BaseConnection
from stomp.core.errors import FrameError
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.versions import VERSIONS
from stomp.protocol import Protocol12
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from stomp.transport import Transport
from tests.listening import PATIENCE, RecentFrames, wait_until


@pytest.fixture(params=["1.0", "1.1", "1.2"])
def version(request):
    return request.param


class SessionPair:
    """A connection to a server that records its frames."""

    def __init__(self, version, **options):
        self.version = version
        self.raw = []
        self.done = threading.Event()
        self.server = ScriptedServer(self.script)
        self.options = options

    def script(self, sock):
        self.raw.append(read_frame(sock))
        greet_back(sock, version=self.version)
        while True:
            try:
                self.raw.append(read_frame(sock))
            except ConnectionResetError:
                return

    def __enter__(self):
        self.server.__enter__()
        cls = {"1.0": stomp.Connection10, "1.1": stomp.Connection11, "1.2": stomp.Connection12}[self.version]
        self.conn = cls([self.server.address], **self.options)
        return self

    def __exit__(self, *exc):
        self.conn.transport.stop()
        self.server.__exit__(*exc)

    def frame(self, index):
        wait_until(lambda: len(self.raw) > index, PATIENCE)
        decoder = Decoder(version=VERSIONS[self.version])
        decoder.feed(self.raw[index])
        (frame,) = decoder.frames()
        return frame


@pytest.fixture
def wire(version):
    with SessionPair(version) as running:
        running.conn.connect("admin", "secret", wait=True)
        yield running


def test_connect_sends_the_headers_of_each_version(version, wire):
    frame = wire.frame(0)
    assert frame.command == ("CONNECT" if version == "1.0" else "STOMP")
    expected = {"accept-version": version, "login": "admin", "passcode": "secret"}
    assert frame.headers == (expected if version != "1.2" else {**expected, "host": "127.0.0.1"})


def test_connect_sends_all_options():
    with SessionPair("1.2", vhost="/", heartbeats=(1000, 2000)) as wire:
        wire.conn.connect(
            "admin",
            wait=True,
            headers={"client-id": "me"},
            with_connect_command=True,
            durable=True,
            nothing=None,
        )
        frame = wire.frame(0)
    assert frame.command == "CONNECT"
    assert frame.headers == {
        "client-id": "me",
        "durable": "true",
        "accept-version": "1.2",
        "heart-beat": "1000,2000",
        "login": "admin",
        "host": "/",
    }


def test_send_sends_destination_body_and_headers(wire):
    wire.conn.send(
        "/queue/a", "ä", "text/plain", {"n": 1, "destination": "ignored", "gone": None}, persistent="true"
    )
    frame = wire.frame(1)
    assert frame.command == "SEND"
    assert frame.headers == {
        "n": "1",
        "destination": "/queue/a",
        "persistent": "true",
        "content-type": "text/plain",
        "content-length": "2",
    }
    assert frame.body == "ä".encode()


def test_wrong_content_length_is_corrected(wire):
    wire.conn.send("/queue/a", "four", headers={"content-length": 17})
    assert wire.frame(1).headers["content-length"] == "4"


def test_auto_content_length_can_be_turned_off(version):
    with SessionPair(version, auto_content_length=False) as wire:
        wire.conn.connect(wait=True)
        wire.conn.send("/queue/a", "x")
        assert "content-length" not in wire.frame(1).headers


def test_what_a_version_can_escape_is_escaped_and_the_rest_refused(version, wire):
    awkward = "a:b\\c" if version == "1.0" else "a:b\\c\nd"
    for _ in range(2):
        headers = {"x": awkward}
        wire.conn.send("/queue/a", "x", headers=headers)
        assert headers == {"x": awkward}
    assert wire.frame(1).headers["x"] == wire.frame(2).headers["x"] == awkward
    with pytest.raises(FrameError):
        wire.conn.send("/queue/a", "x", headers={"x": "\0"})
    if version == "1.0":
        with pytest.raises(FrameError):
            wire.conn.send("/queue/a", "x", headers={"x": "1\nforged:yes"})
    with pytest.raises(FrameError):
        wire.conn.send("/queue/a", "x", headers={"x\nforged": "yes"})
    assert wire.conn.is_connected()


def test_connect_cannot_be_made_to_carry_a_second_frame(version):
    with SessionPair(version) as wire:
        with pytest.raises(FrameError):
            wire.conn.connect("admin\n\n\0SEND", "x", wait=True)
        with pytest.raises(FrameError):
            wire.conn.connect("admin", "x\nforged:yes", wait=True)
        assert wire.raw == []


def test_subscribe_and_unsubscribe_send_their_headers(version, wire):
    wire.conn.subscribe("/queue/a", 7, "client", {"selector": "x > 1"}, exclusive=True)
    assert wire.frame(1).headers == {
        "selector": "x > 1",
        "exclusive": "true",
        "destination": "/queue/a",
        "id": "7",
        "ack": "client",
    }
    wire.conn.unsubscribe(id=7)
    assert wire.frame(2).headers == {"id": "7"}
    if version == "1.0":
        wire.conn.subscribe("/queue/b")
        assert "id" not in wire.frame(3).headers
        wire.conn.unsubscribe("/queue/b")
        assert wire.frame(4).headers == {"destination": "/queue/b"}


def test_ack_and_nack_send_the_headers_of_each_version(version, wire):
    more = {"transaction": "t", "receipt": "r"}
    if version == "1.0":
        wire.conn.ack("m1", "t", "r")
        assert wire.frame(1).headers == {"message-id": "m1", **more}
        assert not hasattr(wire.conn, "nack")
    elif version == "1.1":
        wire.conn.ack("m1", 4, "t", "r")
        wire.conn.nack("m2", 4, requeue=False)
        assert wire.frame(1).headers == {"message-id": "m1", "subscription": "4", **more}
        assert wire.frame(2).headers == {"requeue": "false", "message-id": "m2", "subscription": "4"}
    else:
        wire.conn.ack("m1", "t", "r")
        wire.conn.nack("m2", requeue=False)
        assert wire.frame(1).headers == {"id": "m1", **more}
        assert wire.frame(2).headers == {"requeue": "false", "id": "m2"}


def test_transaction_frames_are_sent(wire):
    tx = wire.conn.begin()
    assert wire.conn.begin("mine", {"x": "y"}) == "mine"
    wire.conn.commit(tx)
    wire.conn.abort("mine")
    frames = [wire.frame(i) for i in range(1, 5)]
    assert [frame.command for frame in frames] == ["BEGIN", "BEGIN", "COMMIT", "ABORT"]
    assert [frame.headers["transaction"] for frame in frames] == [tx, "mine", tx, "mine"]


def test_send_frame_escapes_the_dictionary_it_is_given(version, wire):
    headers = {"destination": "/queue/a", "x": "a:b"}
    wire.conn.send_frame("SEND", headers, "body")
    assert headers["x"] == ("a:b" if version == "1.0" else "a\\cb")
    assert wire.frame(1).headers["x"] == "a:b"


def test_missing_arguments_are_refused(version, wire):
    conn = wire.conn
    wrong = [
        lambda: conn.send(None, "x"),
        lambda: conn.send("/queue/a", None),
        lambda: conn.subscribe(None, "1"),
        lambda: conn.commit(),
        lambda: conn.abort(None),
        lambda: conn.unsubscribe(id=None),
    ]
    if version == "1.1":
        wrong += [lambda: conn.ack("m", None), lambda: conn.ack(None, "1"), lambda: conn.nack("m", None)]
    if version == "1.2":
        wrong += [lambda: conn.ack(None), lambda: conn.nack(None), lambda: conn.subscribe("/queue/a", None)]
    for call in wrong:
        with pytest.raises(AssertionError):
            call()


def test_a_tuple_is_a_header_that_is_repeated():
    with SessionPair("1.2") as wire:
        wire.conn.connect(wait=True)
        wire.conn.send("/queue/a", "x", headers={"tag": ("a:b", "c\nd", 3), "none": (), "bytes": b"e:f"})
        frame = wire.frame(1)
        assert frame.headers.all("tag") == ["a:b", "c\nd", "3"]
        assert "none" not in frame.headers
        assert frame.headers["bytes"] == "e:f"


def test_ack_takes_further_headers(version, wire):
    arguments = ("m1", "s1") if version == "1.1" else ("m1",)
    wire.conn.ack(*arguments, durable=True)
    assert wire.frame(1).headers["durable"] == "true"


def test_escape_headers_can_be_overridden():
    class Plain(stomp.Connection12):
        def _escape_headers(self, headers):
            headers["hook"] = "was here"

    with SessionPair("1.2") as wire:
        wire.conn = Plain([wire.server.address])
        wire.conn.connect(wait=True)
        wire.conn.send("/queue/a", "x")
        assert wire.frame(1).headers["hook"] == "was here"


def test_send_frame_escapes_in_place_and_goes_out_by_transmit():
    conn = stomp.Connection12()
    conn.transport = transport = mock.Mock()
    headers = {"a": "b:c\n"}
    conn.send_frame("SEND", headers, "x")
    assert headers == {"a": "b\\cc\\n"}
    conn.nack("m1", requeue=False)
    conn.ack("m2")
    frames = [call[0][0] for call in transport.transmit.call_args_list]
    assert [frame.cmd for frame in frames] == ["SEND", "NACK", "ACK"]
    assert frames[0].headers is headers
    assert frames[1].headers["requeue"] is False


def test_listeners_see_a_frame_as_it_was_given():
    conn = stomp.Connection11()
    conn.transport = transport = mock.Mock()
    for body, size in (("text", 4), ("ä", 2), (b"\xff", 1), (bytearray(b"abc"), 3)):
        conn.send("/queue/a", body)
        frame = transport.transmit.call_args[0][0]
        assert frame.body is body
        assert frame.headers == {"destination": "/queue/a", "content-length": size}
    conn.send("/queue/a", "")
    assert transport.transmit.call_args[0][0].headers == {"destination": "/queue/a"}
    conn.ack("m1", "s1", receipt="r1")
    assert list(transport.transmit.call_args[0][0].headers.items()) == [
        ("message-id", "m1"),
        ("subscription", "s1"),
        ("receipt", "r1"),
    ]
    conn.nack("m1", "s1", "t1", **{"requeue": "false", "message-id": "loses"})
    assert list(transport.transmit.call_args[0][0].headers.items()) == [
        ("message-id", "m1"),
        ("subscription", "s1"),
        ("requeue", "false"),
        ("transaction", "t1"),
    ]
    with pytest.raises(TypeError, match="should be a string or bytes"):
        conn.send("/queue/a", {"a": 1})


def test_heartbeats_are_those_agreed_and_each_connection_starts_from_the_configured_ones():
    wishes = []

    def script(sock):
        wishes.append(read_frame(sock).split(b"heart-beat:")[1].split(b"\n")[0])
        greet_back(sock, version="1.1", heartbeat="0,0" if len(wishes) == 1 else "50000,50000")
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn = stomp.Connection([server.address], heartbeats=[10_000, 20_000])  # type: ignore[arg-type]
        for agreed in ((0, 0), (50_000, 50_000)):
            conn.connect(wait=True)
            assert conn.heartbeats == agreed
            conn.transport.stop()
            assert tuple(conn.heartbeats) == (10_000, 20_000)
        conn.heartbeats = (1, 2)
        assert conn.heartbeats == (1, 2)
    assert wishes == [b"10000,20000"] * 2


def test_connection_may_be_its_own_listener(broker):
    class Listening(stomp.Connection):
        def __init__(self, *args, **kwargs):
            self.bodies: list[str] = []
            super().__init__(*args, **kwargs)

        def on_message(self, frame):
            self.bodies.append(frame.body)

    conn = Listening([(broker.host, broker.port)])
    assert conn.get_listener("protocol-listener") is conn
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1")
    conn.send("/queue/a", "x")
    wait_until(lambda: conn.bodies == ["x"])
    conn.disconnect()


@pytest.mark.parametrize(
    "cls", [stomp.Connection10, stomp.Connection11, stomp.Connection12, stomp.WSConnection]
)
def test_the_protocol_is_a_listener_of_its_connection(cls):
    conn = cls()
    assert conn.get_listener("protocol-listener") is conn
    assert conn.transport.listeners == {"protocol-listener": conn}
    conn.set_listener("mine", stomp.ConnectionListener())
    assert list(conn.transport.listeners) == ["protocol-listener", "mine"]


def test_any_version_that_a_program_sets_is_offered():
    """Test suites set an unsupported version to see the broker refuse it."""
    offers = []

    def refuse(sock):
        offers.append(read_frame(sock))
        sock.sendall(b"ERROR\nmessage:version\n\nSupported protocol versions are 1.2\0")

    with ScriptedServer(refuse) as server:
        for cls in (stomp.Connection10, stomp.Connection11, stomp.Connection12):
            recorder = RecentFrames()
            conn = cls([server.address])
            conn.version = "100.1"
            conn.set_listener("", recorder)
            with pytest.raises(stomp.exception.ConnectFailedException, match="Supported protocol versions"):
                conn.connect(wait=True)
            recorder.wait_for_method("on_disconnected")
            assert recorder.methods.count("on_error") == 1
    assert all(b"\naccept-version:100.1\n" in offer for offer in offers)


def test_composed_connection_works(broker):
    class Own(BaseConnection, Protocol12):
        def __init__(self, transport):
            BaseConnection.__init__(self, transport)
            Protocol12.__init__(self, transport, (1000, 1000), heart_beat_receive_scale=4)

        def connect(self, *args, **kwargs):
            self.transport.start()
            Protocol12.connect(self, *args, **kwargs)

    conn = Own(Transport([(broker.host, broker.port)]))
    assert conn.heart_beat_receive_scale == 4
    with conn:
        conn.connect("a", "b", wait=True)
        assert conn.version == "1.2"
        assert conn.is_connected()
    assert conn.disconnect_listener.received
    assert not conn.is_connected()


@pytest.mark.parametrize("cls", [stomp.Connection10, stomp.Connection11, stomp.Connection12])
def test_connection_mocks_keep_the_signatures(cls):
    conn = mock.create_autospec(cls)([("h", 1)])
    conn.connect("a", "b", wait=True)
    conn.send("/queue/a", "x")
    with pytest.raises(TypeError):
        conn.send()
    with mock.patch.object(cls, "connect") as connect:
        cls().connect(1)
    connect.assert_called_once_with(1)


def test_is_eol_recognises_line_ends():
    assert [stomp.Connection12.is_eol(c) for c in (b"\n", b"\r\n", b"\r")] == [True, True, False]


@pytest.mark.parametrize("where", ["transport", "conn"])
def test_a_method_that_a_program_replaces_gets_all_frames(where):
    """Also on an open connection, and for the frames that have a fast path."""
    with SessionPair("1.2") as wire:
        wire.conn = stomp.Connection12([wire.server.address])
        wire.conn.connect(wait=True)
        wire.conn.send("/queue/a", "x")
        if where == "conn":
            spy = mock.patch.object(wire.conn, "send_frame", wraps=wire.conn.send_frame)
        else:
            spy = mock.patch.object(wire.conn.transport, "transmit", wraps=wire.conn.transport.transmit)
        with spy as seen:
            wire.conn.send("/queue/a", "x")
            wire.conn.send("/queue/a", "x", receipt="r")
            wire.conn.ack("1")
        assert seen.call_count == 3
        assert [wire.frame(at).command for at in (1, 2, 3, 4)] == ["SEND", "SEND", "SEND", "ACK"]


def test_a_listener_may_get_its_on_send_at_any_time():
    class Late(stomp.ConnectionListener):
        pass

    with SessionPair("1.2") as wire:
        wire.conn = stomp.Connection12([wire.server.address])
        listener = Late()
        wire.conn.set_listener("", listener)
        wire.conn.connect(wait=True)
        wire.conn.send("/queue/a", "x")
        vars(listener)["on_send"] = lambda frame: frame.headers.update(tag="here")
        wire.conn.send("/queue/a", "x")
        wire.conn.send("/queue/a", "x", receipt="r")
        assert "tag" not in wire.frame(1).headers
        assert wire.frame(2).headers["tag"] == "here"
        assert wire.frame(3).headers["tag"] == "here"


@pytest.mark.parametrize("name", ["send_frame", "_escape_headers", "transmit"])
def test_a_class_may_get_a_method_in_the_place_of_its_own_at_any_time(monkeypatch, name):
    """Tracers wrap methods of the class, possibly while connections are open."""
    kind = Transport if name == "transmit" else stomp.Connection12
    seen = []

    def wrapped(self, *args):
        seen.append(name)
        return original(self, *args)

    with SessionPair("1.2") as wire:
        wire.conn = stomp.Connection12([wire.server.address])
        wire.conn.connect(wait=True)
        wire.conn.send("/queue/a", "x")
        original = getattr(kind, name)
        monkeypatch.setattr(kind, name, wrapped)
        wire.conn.send("/queue/a", "x")
        wire.conn.send("/queue/a", "x", receipt="r")
        wire.conn.ack("1")
        assert seen == [name] * 3
        monkeypatch.undo()
        wire.conn.send("/queue/a", "x")
        assert seen == [name] * 3
        assert [wire.frame(at).command for at in range(1, 6)] == ["SEND", "SEND", "SEND", "ACK", "SEND"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"tag": "plain"},
        {"tag": "a:b\\c\n"},
        {"tag": 5},
        {"tag": True},
        {"tag": None},
        {"tag": b"x"},
        {"tag": ("a", "b")},
        {"content-length": "1000"},
        {"destination": "/queue/other"},
    ],
)
@pytest.mark.parametrize("content_type", [None, "text/plain", "a:b"])
def test_sent_bytes_do_not_depend_on_listeners(headers, content_type):
    """A listener with `on_send` disables the fast path of outgoing frames."""

    class Sees(stomp.ConnectionListener):
        def on_send(self, frame):
            pass

    with SessionPair("1.2") as wire:
        wire.conn = stomp.Connection12([wire.server.address])
        wire.conn.connect(wait=True)
        for body in ("x", b"x", "\u20ac", bytearray(b"x"), ""):
            wire.conn.remove_listener("sees") if wire.conn.get_listener("sees") else None
            given = dict(headers)
            wire.conn.send("/queue/a", body, content_type, given)
            wire.conn.set_listener("sees", Sees())
            wire.conn.send("/queue/a", body, content_type, given)
            assert given == headers
        for number in range(1, 11, 2):
            short, long = wire.frame(number), wire.frame(number + 1)
            assert dict(short.headers) == dict(long.headers)
            assert short.headers.all("tag") == long.headers.all("tag")
            assert short.body == long.body
