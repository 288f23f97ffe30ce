"""stomp.testing.relay"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stomp.testing.fault_plans import Cut, Direction, frame_cuts
from stomp.testing.relay import Relay
from stomp.testing.servers import ScriptedServer, reset, say_nothing

PATIENCE = 10.0
FDS = Path("/proc/self/fd")


def echo(sock: socket.socket) -> None:
    """Script: send everything back."""
    while data := sock.recv(65536):
        sock.sendall(data)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    threads = threading.active_count()
    fds = len(os.listdir(FDS)) if FDS.exists() else 0
    yield
    # Less, where what an earlier test began was ending still.
    assert threading.active_count() <= threads
    assert not FDS.exists() or len(os.listdir(FDS)) <= fds


@pytest.fixture
def broker() -> Iterator[ScriptedServer]:
    with ScriptedServer(echo) as server:
        yield server


@pytest.fixture
def relay(broker: ScriptedServer) -> Iterator[Relay]:
    with Relay(*broker.address) as relay:
        yield relay


@pytest.fixture
def client(relay: Relay) -> Iterator[socket.socket]:
    with connected(relay) as sock:
        yield sock


def connected(relay: Relay) -> socket.socket:
    """A client whose connection goes all the way."""
    sock = socket.create_connection(relay.address, PATIENCE)
    sock.sendall(b"?")
    assert sock.recv(1) == b"?"
    return sock


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def assert_silent(sock: socket.socket) -> None:
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    sock.settimeout(PATIENCE)


def test_bytes_go_both_ways_and_are_counted(relay: Relay, client: socket.socket) -> None:
    body = bytes(range(256)) * 4096

    def write() -> None:
        client.sendall(body)
        client.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_all(client) == body
    writer.join(PATIENCE)
    assert relay.forwarded == {"to_target": len(body) + 1, "to_client": len(body) + 1}
    assert relay.accepted == 1


def test_end_of_stream_is_relayed_and_the_answer_returned() -> None:
    def answer_the_end(sock: socket.socket) -> None:
        sock.sendall(b"got %d" % len(read_all(sock)))

    with (
        ScriptedServer(answer_the_end) as server,
        Relay(*server.address) as relay,
        socket.create_connection(relay.address, PATIENCE) as client,
    ):
        client.sendall(b"12345")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"got 5"


def test_reset_is_relayed() -> None:
    with (
        ScriptedServer(reset) as server,
        Relay(*server.address) as relay,
        pytest.raises(ConnectionResetError),  # by connecting, too: a reset may be fast
        socket.create_connection(relay.address, PATIENCE) as client,
    ):
        client.recv(1)


def test_refusing_target_resets_the_client() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with (
            Relay(*unused.getsockname()) as relay,
            pytest.raises(ConnectionResetError),  # by connecting, too: a reset may be fast
            socket.create_connection(relay.address, PATIENCE) as client,
        ):
            client.recv(1)


def test_cut_resets_the_client(relay: Relay, client: socket.socket, broker: ScriptedServer) -> None:
    with connected(relay) as other:
        relay.cut()
        for sock in (client, other):
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
    # The next one is served.
    connected(relay).close()


def test_cut_resets_the_broker() -> None:
    with ScriptedServer(echo) as server, Relay(*server.address) as relay, connected(relay):
        relay.cut()
    assert [type(error) for error in server.errors] == [ConnectionResetError]


def test_close_ends_the_stream_of_the_client(
    relay: Relay, client: socket.socket, broker: ScriptedServer
) -> None:
    relay.close()
    assert client.recv(1) == b""
    # Whoever has not noticed yet is not answered, and not reset either.
    client.sendall(b"x" * 100_000)
    assert client.recv(1) == b""
    connected(relay).close()


def test_close_ends_the_stream_of_the_broker() -> None:
    with ScriptedServer(echo) as server, Relay(*server.address) as relay, connected(relay):
        relay.close()
    assert server.errors == []


@pytest.mark.parametrize("direction", [None, "to_target", "to_client"])
def test_stalled_bytes_arrive_after_resume(
    relay: Relay, client: socket.socket, direction: Direction | None
) -> None:
    relay.stall(direction)
    before = dict(relay.forwarded)
    client.sendall(b"x" * 1000)
    # Between two orders the relay does what there is to do.
    relay.stall(direction)
    while direction == "to_client" and relay.forwarded["to_target"] < 1001:
        relay.stall(direction)
    assert_silent(client)
    stalled: Direction = direction or "to_target"
    assert relay.forwarded[stalled] == before[stalled]
    relay.resume()
    got = b""
    while len(got) < 1000:
        got += client.recv(1000)
    assert got == b"x" * 1000


def test_stall_applies_to_new_connections_and_can_be_cut(relay: Relay) -> None:
    relay.stall()
    with socket.create_connection(relay.address, PATIENCE) as client:
        client.sendall(b"x")
        # Taken in one after the other.
        with socket.create_connection(relay.address, PATIENCE):
            while relay.accepted < 2:
                relay.stall()
            assert_silent(client)
            relay.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert relay.forwarded == {"to_target": 0, "to_client": 0}


def test_stalled_relay_buffers_little(relay: Relay, client: socket.socket) -> None:
    relay.stall("to_target")
    client.setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 1 << 30:
            sent += client.send(b"x" * 65536)
    assert relay.forwarded["to_target"] == 1


@pytest.mark.parametrize("count", [1, 7, 10_000])
def test_cut_after_some_bytes_to_the_client(relay: Relay, client: socket.socket, count: int) -> None:
    relay.cut_after(count, "to_client")
    feeder = threading.Thread(target=send_until_reset, args=[client, b"y" * 200_000])
    feeder.start()
    got = bytearray()
    with pytest.raises(ConnectionResetError):
        while data := client.recv(65536):
            got += data
    feeder.join(PATIENCE)
    assert len(got) == count
    # Once only.
    with connected(relay) as other:
        other.sendall(b"z" * 10)
        assert other.recv(10)


def send_until_reset(sock: socket.socket, data: bytes) -> None:
    try:
        sock.sendall(data)
    except OSError:
        return


def test_cut_after_some_bytes_to_the_target() -> None:
    got = bytearray()

    def collect(sock: socket.socket) -> None:
        sock.sendall(b"ready")  # a reset before it was accepted would take everything with it
        while data := sock.recv(65536):
            got.extend(data)

    with ScriptedServer(collect) as server, Relay(*server.address) as relay:
        relay.cut_after(5, "to_target")
        with socket.create_connection(relay.address, PATIENCE) as client:
            assert client.recv(5) == b"ready"
            client.sendall(b"1234567")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
    assert got == b"12345"
    assert [type(error) for error in server.errors] == [ConnectionResetError]


def test_invalid_byte_count_is_refused(relay: Relay) -> None:
    with pytest.raises(ValueError, match="use cut"):
        relay.cut_after(0, "to_client")
    with pytest.raises(ValueError, match="to_target, to_client"):
        relay.cut_after(1, "sideways")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="to_target, to_client"):
        relay.stall("sideways")  # type: ignore[arg-type]


def test_target_may_change(relay: Relay, client: socket.socket) -> None:
    with ScriptedServer(lambda sock: sock.sendall(b"moved")) as other:
        relay.target_port = other.port
        with socket.create_connection(relay.address, PATIENCE) as newcomer:
            assert newcomer.recv(5) == b"moved"
        client.sendall(b"still there")
        assert client.recv(100)


def test_relay_works_over_ipv6() -> None:
    with ScriptedServer(echo, host="::1") as server, Relay(*server.address, host="::1") as relay:
        connected(relay).close()


def test_exit_resets_open_connections() -> None:
    with ScriptedServer(say_nothing) as server:
        with Relay(*server.address) as relay:
            client = socket.create_connection(relay.address, PATIENCE)
            while not relay.accepted:
                relay.resume()
        with client, pytest.raises(ConnectionResetError):
            client.recv(1)


def test_methods_outside_of_with_are_ignored_or_refused(broker: ScriptedServer) -> None:
    relay = Relay(*broker.address)
    with pytest.raises(RuntimeError, match="with"):
        relay.cut()
    with relay:
        pass
    with pytest.raises(RuntimeError, match="with"):
        relay.cut()


# ------------------------------------------------------------------------------------- plans

FRAMES = [b"CONNECT\nhost:/\n\n\0", b"SEND\ncontent-length:3\n\n\0\n\0\0", b"DISCONNECT\n\n\0"]


def said_until_the_end(relay: Relay) -> tuple[bytes, bool]:
    """What comes back of all `FRAMES`, and whether a reset ended it."""
    with socket.create_connection(relay.address, timeout=PATIENCE) as client:
        received = b""
        try:
            client.sendall(b"\n".join(FRAMES))
            while data := client.recv(65536):
                received += data
        except ConnectionResetError:
            return received, True
        return received, False


@pytest.mark.parametrize("close", [False, True])
def test_plan_cuts_at_each_frame(relay: Relay, close: bool) -> None:
    cuts = list(frame_cuts([1, 2, 3], directions=["to_client"], close=close))
    relay.follow(cuts)
    stream = b"\n".join(FRAMES)
    for cut in cuts:
        assert cut.frame is not None
        begin = stream.index(FRAMES[cut.frame - 1])
        end = {
            "before": begin,
            "inside": stream.index(b"\n", begin) + 1,
            "behind": begin + len(FRAMES[cut.frame - 1]),
        }[cut.place]
        assert said_until_the_end(relay) == (stream[:end], not close)
    assert relay.executed == cuts


def test_plan_cuts_the_other_direction_and_ends(relay: Relay) -> None:
    relay.follow([None, Cut(direction="to_target", bytes=10), None])
    for number in range(4):
        with socket.create_connection(relay.address, timeout=PATIENCE) as client:
            client.sendall(b"x" * 20)
            if number == 1:
                with pytest.raises(ConnectionResetError):
                    while client.recv(100):
                        pass
                continue
            received = b""
            while len(received) < 20:
                received += client.recv(100)
    assert len(relay.executed) == 1
    assert relay.forwarded["to_target"] == 70


def test_new_plan_replaces_the_old_one(relay: Relay) -> None:
    relay.follow(Cut(direction="to_client", bytes=count) for count in (1, 2))
    assert said_until_the_end(relay)[0] == FRAMES[0][:1]
    relay.follow([Cut(direction="to_client", bytes=5, close=True)])
    assert said_until_the_end(relay) == (FRAMES[0][:5], False)


def test_url_names_the_relay(relay: Relay, broker: ScriptedServer) -> None:
    assert relay.url == f"stomp://127.0.0.1:{relay.port}"
    assert broker.url == f"stomp://127.0.0.1:{broker.port}"


def test_end_of_a_reset_side_is_ignored() -> None:
    """The end cannot be passed on then, which is no reason for the relay to stop."""
    late = threading.Event()

    def send_too_late(sock: socket.socket) -> None:
        read_all(sock)
        sock.sendall(b"late")
        assert late.wait(PATIENCE)

    with ScriptedServer(send_too_late, echo) as broker, Relay(*broker.address) as relay:
        with socket.create_connection(relay.address, PATIENCE) as client:
            client.sendall(b"!")
        deadline = time.monotonic() + PATIENCE
        while relay.forwarded["to_client"] < 4:
            assert time.monotonic() < deadline
        late.set()
        connected(relay).close()
