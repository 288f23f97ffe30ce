"""Sockets for asyncio: on the loop where that can be, else on a thread, and always within the time there is."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable

import pytest

from stomp.client.aio.connect import open_stream
from stomp.client.options import Options
from stomp.core.errors import ConnectFailed
from stomp.net.address import Address
from stomp.net.dial import Deadline, open_socket
from stomp.testing.servers import ScriptedServer, say_nothing
from tests.awaiting import LOOPS, loop_of, run, until


def no_thread(run):
    raise AssertionError("a thread was started")


@pytest.fixture(params=LOOPS)
def loop(request):
    """The arguments of `run` for each kind of loop."""
    return loop_of(request.param)


def test_numeric_address_is_connected_on_the_loop(loop):
    async def test():
        sock, layer = await open_stream(
            Address(server.host, server.port), Options(start_thread=no_thread), None
        )
        with sock:
            assert layer is None
            assert sock.getpeername() == (server.host, server.port)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    with ScriptedServer(say_nothing) as server:
        run(test(), **loop)


def test_a_connection_to_itself_is_refused(monkeypatch):
    # As when the system gives the socket the port that it connects to.
    connect = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

    async def connect_from_there(self, sock, address):
        sock.bind(address)
        await connect(self, sock, address)

    async def test():
        with pytest.raises(ConnectFailed, match="connection refused"):
            await open_stream(Address("127.0.0.1", port), Options(), None)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", connect_from_there)
    run(test())


def test_resolved_name_is_connected_on_the_loop():
    async def test():
        address = Address("broker.invalid", server.port, via=server.host)
        sock, _ = await open_stream(address, Options(start_thread=no_thread), None)
        sock.close()

    with ScriptedServer(say_nothing) as server:
        run(test())


def test_socket_options_are_applied():
    async def test():
        sock, _ = await open_stream(Address(server.host, server.port), Options(keepalive=True), None)
        with sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    with ScriptedServer(say_nothing) as server:
        run(test())


@pytest.mark.parametrize("via", ["", "127.0.0.1"])
def test_failure_equals_that_of_the_blocking_dial(loop, free_port, via):
    address = Address("broker.invalid" if via else "127.0.0.1", free_port, via=via)

    async def test():
        with pytest.raises(ConnectFailed) as caught:
            await open_stream(address, Options(start_thread=no_thread), None)
        return caught.value

    with pytest.raises(ConnectFailed) as blocking:
        open_socket(address, Deadline(5))
    error = run(test(), **loop)
    assert (str(error), error.message, error.phase, error.address, error.hint) == (
        str(blocking.value),
        blocking.value.message,
        "tcp",
        blocking.value.address,
        blocking.value.hint,
    )
    assert [type(failure) for failure in error.failures] == [ConnectionRefusedError]
    assert error.failures[0].strerror == os.strerror(errno.ECONNREFUSED)


@pytest.fixture
def dialed(monkeypatch):
    """The sockets that were made to dial, on a loop whose `sock_connect` never comes to an end."""
    made = []

    async def connect(sock, where):
        made.append(sock)
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", lambda _, *args: connect(*args))
    return made


def test_connect_ends_at_the_deadline(dialed):
    async def test():
        with pytest.raises(ConnectFailed, match="timed out") as caught:
            await open_stream(Address("127.0.0.1", 1), Options(connect_timeout=0.01), None)
        assert caught.value.hint == "a firewall may be dropping packets"

    run(test())
    assert [sock.fileno() for sock in dialed] == [-1]


def test_a_cancelled_dial_leaves_no_socket_open(dialed):
    async def test():
        dialing = asyncio.create_task(open_stream(Address("127.0.0.1", 1), Options(), None))
        await until(lambda: dialed)
        await cancel(dialing)

    run(test())
    assert [sock.fileno() for sock in dialed] == [-1]


# ------------------------------------------------------------------------------------- on a thread


def named(server):
    return Address("localhost", server.port)


async def dial(server, runs):
    """A dial that has got as far as its thread: what that is to run is the last of `runs`, which the test does."""
    dialing = asyncio.create_task(open_stream(named(server), Options(start_thread=runs.append), None))
    await until(lambda: runs)
    return dialing


async def cancel(dialing):
    dialing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialing


def test_late_socket_of_a_cancelled_dial_is_closed():
    runs: list[Callable[[], None]] = []

    async def test():
        await cancel(await dial(server, runs))
        await asyncio.to_thread(runs[0])
        await asyncio.sleep(0)

    # The script ends when the client has closed; what is not closed complains to `run`.
    with ScriptedServer(say_nothing) as server:
        run(test())
        assert len(runs) == 1


def test_socket_arriving_with_the_cancellation_is_closed():
    runs: list[Callable[[], None]] = []

    async def test():
        dialing = await dial(server, runs)
        runs[0]()
        # The next turn hands the socket over; the cancellation is there before the task takes it.
        asyncio.get_running_loop().call_soon(dialing.cancel)
        with pytest.raises(asyncio.CancelledError):
            await dialing

    with ScriptedServer(say_nothing) as server:
        run(test())


def test_socket_arriving_after_the_loop_was_closed_is_closed():
    runs: list[Callable[[], None]] = []

    async def test():
        await cancel(await dial(server, runs))

    with ScriptedServer(say_nothing) as server:
        run(test())
        runs[0]()
