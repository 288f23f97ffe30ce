from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import pytest

import stomp
from stomp.broker import Broker
from stomp.cli.framework.exit_status import Interrupted
from stomp.core.engine.failover import Backoff
from stomp.core.engine.status import ClientState
from stomp.core.errors import ConnectFailed, NotConnected, OutcomeUnknown, UsageError
from stomp.testing.relay import Relay
from stomp.testing.servers import ScriptedServer, greet, greet_back, read_frame, say_nothing
from tests.processes import catches

WAIT = 10.0


def until(condition, seconds: float = WAIT) -> None:
    """Poll for something without an event."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        pause.wait(0.01)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("stomp")}


def test_no_thread_is_left(broker: Broker) -> None:
    before = threads() - {"stomp-timer"}
    with stomp.Client(broker.url) as client:
        client.consume("/queue/a", lambda message: None, concurrency=3)
        assert not threads() - {"stomp-timer"} <= before
    until(lambda: threads() - {"stomp-timer"} <= before)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")
def test_a_with_statement_takes_a_connected_client_and_closes_it(broker: Broker) -> None:
    with stomp.Client(broker.url).connect() as client:
        client.send("/queue/a", b"x", confirm=True)
        with pytest.raises(UsageError, match="connected already"):
            client.connect()
    assert client.state is ClientState.CLOSED
    with client:
        assert client.stats().connections == 2


def test_no_thread_or_descriptor_is_left_after_many_connections(broker: Broker) -> None:
    restless: dict[str, Any] = {"backoff": Backoff(0.001, 0, 0, 0.001), "reattempts": -1}
    with Relay(broker.host, broker.port) as relay, contextlib.ExitStack() as stack:
        client = stack.enter_context(stomp.Client(relay.url, **restless))
        states = client.states(timeout=WAIT)
        subscription = client.subscribe("/queue/a")
        until(lambda: len(relay.forwarded) == 2)
        before, descriptors = len(threads()), len(os.listdir("/proc/self/fd"))
        for number in range(50):
            relay.cut()
            next(change for change in states if change.state is ClientState.CONNECTED)
            client.send("/queue/a", str(number), confirm=True)
            message = subscription.receive(timeout=WAIT)
            assert message is not None
            assert message.text == str(number)
        until(lambda: len(threads()) <= before)
        until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)
        assert client.stats().connections == 51


def test_many_threads_share_a_client(broker: Broker) -> None:
    count, each = 8, 200
    with stomp.Client(broker.url, window=50) as client, client.subscribe("/queue/a") as subscription:
        failures: list[BaseException] = []

        def send(worker: int) -> None:
            try:
                for number in range(each):
                    client.send_async("/queue/a", f"{worker} {number}")
            except BaseException as err:
                failures.append(err)

        taken: list[list[str]] = [[] for _ in range(count)]

        def take(into: list[str]) -> None:
            for message in subscription:
                into.append(message.text)  # noqa: PERF401 - looked at meanwhile

        # Not by the identity of the thread: that of one which has ended is given to the next.
        workers = [threading.Thread(target=send, args=(worker,)) for worker in range(count)]
        workers += [threading.Thread(target=take, args=(into,)) for into in taken]
        for worker in workers:
            worker.start()
        until(lambda: bool(failures) or sum(map(len, taken)) == count * each, WAIT * 3)
        subscription.close()
        for worker in workers:
            worker.join(WAIT)
        assert not failures
        assert len({text for into in taken for text in into}) == count * each


def test_a_slow_consumer_does_not_fill_the_memory(broker: Broker) -> None:
    high = 1_000_000
    with stomp.Client(broker.url, high_water=high) as client, stomp.Client(broker.url) as producer:
        subscription = client.subscribe("/queue/a")
        body = b"x" * 10_000
        for _ in range(2000):
            producer.send("/queue/a", body)
        producer.close()
        until(lambda: client._engine.reading_paused)
        # What came in one read, and what the timer thread reads meanwhile for heart-beats, comes on top.
        assert client.stats().queued * len(body) < high + 1_000_000
        taken = sum(1 for _ in zip(range(2000), subscription, strict=False))
        assert taken == 2000


def test_pending_request_is_not_blocked_by_messages(broker: Broker) -> None:
    with stomp.Client(broker.url, high_water=100_000) as client:
        subscription = client.subscribe("/queue/a")
        with stomp.Client(broker.url) as producer:
            for _ in range(20):
                producer.send("/queue/a", b"x" * 10_000, confirm=True)
        until(lambda: client.stats().queued >= 10)
        client.send("/queue/b", b"x", confirm=True, timeout=WAIT)
        assert subscription.receive(timeout=WAIT) is not None


def test_a_broker_that_does_not_read_does_not_fill_the_memory() -> None:
    over = threading.Event()

    def greet_and_forget(sock) -> None:
        read_frame(sock)
        greet_back(sock)
        over.wait(WAIT)

    options = stomp.Options(send_timeout=0.2)
    with ScriptedServer(greet_and_forget) as server:
        client = stomp.Client(
            f"stomp://127.0.0.1:{server.address[1]}", options=options, heartbeat=(0, 0)
        ).connect()
        sent = 0
        with pytest.raises(stomp.SendStalled):
            for _ in range(10_000):
                client.send("/queue/a", b"x" * 100_000)
                sent += 1
        assert sent * 100_000 < 30_000_000
        client.close(timeout=0.1)
        over.set()


def test_silent_address_times_out(free_port: int) -> None:
    with pytest.raises(ConnectFailed, match="refused") as caught:
        stomp.Client(f"stomp://127.0.0.1:{free_port}", attempts=1).connect()
    assert caught.value.phase == "tcp"
    client = stomp.Client(f"stomp://127.0.0.1:{free_port}", attempts=1)
    with pytest.raises(NotConnected, match="call connect"):
        client.send("/queue/a", b"")


def test_next_address_is_tried(broker: Broker, free_port: int) -> None:
    with stomp.Client(f"stomp://127.0.0.1:{free_port},127.0.0.1:{broker.port}") as client:
        assert client.address is not None
        assert client.address.port == broker.port


def test_per_address_makes_a_client_for_each_address() -> None:
    with Broker() as one, Broker() as two:
        url = f"stomp://127.0.0.1:{one.port},127.0.0.1:{two.port}"
        clients = stomp.Client.per_address(url, heartbeat=(0, 0))
        for client in clients:
            client.connect()
        assert len(one.connections) == len(two.connections) == 1
        for client in clients:
            client.close()


def test_per_address_resolves_names(tls_broker: Broker, ca_file: str) -> None:
    # The certificate is for the name, and the numeric address is what is dialed.
    clients = stomp.Client.per_address(
        f"stomp+ssl://localhost:{tls_broker.port}?ca_certs={ca_file}", resolve=True, attempts=1
    )
    [client] = [client for client in clients if "127.0.0.1" in repr(client)]
    with client:
        client.send("/queue/a", b"x", confirm=True)


def test_unconfirmed_send_times_out(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer(greet) as server:
        client = stomp.Client(f"stomp://127.0.0.1:{server.address[1]}", heartbeat=(0, 0)).connect()
        with pytest.raises(OutcomeUnknown, match="SEND in time"):
            client.send("/queue/a", b"x", confirm=True, timeout=0.1)
        confirmation = client.send_async("/queue/a", b"x", timeout=5)
        with pytest.raises(TimeoutError):
            confirmation.result(timeout=0.05)
        assert client.close(timeout=0.1) is False
        assert confirmation.outcome == "unknown"
        assert isinstance(confirmation.exception(), OutcomeUnknown)


def test_lost_connection_logs_its_last_frames(broker: Broker) -> None:
    with stomp.Client(broker.url, reconnect=False, login="me", passcode="swordfish") as client:
        subscription = client.subscribe("/queue/a")
        broker.disconnect_all()
        with pytest.raises(stomp.ConnectionLost) as caught:
            subscription.receive(timeout=WAIT)
        recent = "\n".join(caught.value.recent)
        assert "> SUBSCRIBE" in recent
        assert "swordfish" not in recent
        assert client.state is ClientState.FAILED


def test_a_callback_that_fails_is_logged(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    client = stomp.Client(broker.url)
    client.on_state(lambda change: 1 // 0)
    with client:
        client.send("/queue/a", b"x", confirm=True)
    assert "a callback failed" in caplog.text


def test_callback_of_a_completed_confirmation_is_called_at_once(broker: Broker) -> None:
    with stomp.Client(broker.url) as client:
        confirmation = client.send_async("/queue/a", b"x")
        confirmation.result(timeout=WAIT)
        outcomes: list[object] = []
        confirmation.add_done_callback(outcomes.append)
        assert outcomes == [confirmation]


def test_token_is_requested_for_each_connect(caplog: pytest.LogCaptureFixture) -> None:
    tokens = iter(["one", "two"])
    with Broker(users={"me": "one"}) as broker:
        client = stomp.Client(
            broker.url, login="me", passcode=lambda: next(tokens), backoff=Backoff(0.001)
        ).connect()
        states = client.states(timeout=WAIT)
        broker.disconnect_all()
        assert [change.state for change in states] == [ClientState.RECONNECTING, ClientState.FAILED]
        with pytest.raises(NotConnected, match="refused the login"):
            client.send("/queue/a", b"")
        assert isinstance(client.error, stomp.AuthenticationFailed)


def test_invalid_concurrency_is_refused(broker: Broker) -> None:
    with stomp.Client(broker.url) as client, pytest.raises(UsageError, match="at least 1"):
        client.consume("/queue/a", print, concurrency=0)


def test_close_works_in_a_handler(broker: Broker) -> None:
    closed = threading.Event()
    with stomp.Client(broker.url) as client:

        def handle(message: stomp.Message) -> None:
            client.close(timeout=2)
            closed.set()

        client.consume("/queue/a", handle)
        client.send("/queue/a", b"x", confirm=True)
        assert closed.wait(WAIT)


RUN_FOREVER = r"""
    import os, signal, sys, time, stomp
    client = stomp.Client(sys.argv[1]).connect()

    # One write for a line, because two threads write.
    def write_line(line):
        os.write(1, f"{line}\n".encode())

    def handle(message):
        write_line("begun")
        sys.stdin.readline()
        # The main thread may need a moment to see the signal; until then the next message would be begun.
        deadline = time.monotonic() + 10
        while not client._engine.draining and time.monotonic() < deadline:
            os.sched_yield()
        write_line("ended")

    client.consume("/queue/a", handle, prefetch=1)
    write_line("ready")
    write_line(client.run_forever(signals=(signal.SIGINT, signal.SIGTERM), timeout=10))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="/proc shows whether a signal is caught")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_handler_finish(broker: Broker, number: int) -> None:
    with stomp.Client(broker.url) as client:
        client.send_many([("/queue/a", b"1"), ("/queue/a", b"2")])
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN_FOREVER), broker.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program, contextlib.ExitStack() as stack:
        stack.callback(program.kill)
        assert program.stdin is not None
        assert program.stdout is not None
        assert {program.stdout.readline(), program.stdout.readline()} == {"ready\n", "begun\n"}
        until(lambda: catches(program.pid, signal.SIGTERM))
        program.send_signal(number)
        program.stdin.write("\n")
        program.stdin.flush()
        assert program.stdout.readline() == "ended\n"
        assert "clean=True" in program.stdout.readline()
        assert program.wait(WAIT) == 0
    assert broker.depth("/queue/a") == 1


FORK = """
    import os, sys, stomp
    client = stomp.Client(sys.argv[1]).connect()
    client.send("/queue/a", b"parent", confirm=True)
    child = os.fork()
    if not child:
        try:
            client.send("/queue/a", b"child", confirm=True)
        except stomp.NotConnected as err:
            print(err, flush=True)
        with stomp.Client(sys.argv[1]) as own:
            own.send("/queue/a", b"child", confirm=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    client.send("/queue/a", b"parent", confirm=True)
    print(client.stats().connections, client.close(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_does_not_touch_the_connection(broker: Broker) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORK), broker.url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert "the process that this one was forked from" in first
    assert second == "1 True"
    assert broker.depth("/queue/a") == 3


def test_silence_during_a_suspended_process_is_checked(broker: Broker) -> None:
    with stomp.Client(broker.url, backoff=Backoff(0.001)) as client:
        subscription = client.subscribe("/queue/a", max_silence=0.1)
        assert subscription.receive(timeout=0.5) is None
        assert client.stats().connections > 1


def test_wait_for_a_silent_server_can_be_interrupted() -> None:
    with ScriptedServer(say_nothing) as server:
        client = stomp.Client(f"stomp://127.0.0.1:{server.address[1]}")
        threading.Timer(0.2, client.close).start()
        with pytest.raises(NotConnected, match="closed while it was connecting"):
            client.connect()
        until(lambda: client.state is ClientState.CLOSED)


def test_unknown_option_is_refused(broker: Broker) -> None:
    with stomp.Client(broker.url) as client:
        untyped: Any = client
        with pytest.raises(TypeError, match=r"unexpected option 'persistant' .did you mean persistent"):
            untyped.send("/queue/a", "x", persistant=True)
        with pytest.raises(
            TypeError, match=r"unexpected option 'colour' .there are json, headers, .*headers="
        ):
            untyped.send_many([("/queue/a", "x")], colour="red")
        with pytest.raises(TypeError, match=r"unexpected option 'prefech' .did you mean prefetch"):
            untyped.subscribe("/queue/a", prefech=1)
        assert client.stats().frames_sent == 1


def test_ctrl_c_does_not_wait_for_a_silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    close = stomp.Client.close

    def noted(self: stomp.Client, timeout: float | None = None) -> bool:
        waits.append(timeout)
        return close(self, 0.01)

    monkeypatch.setattr(stomp.Client, "close", noted)
    # The command line makes a KeyboardInterrupt of its own of SIGTERM.
    for failure in (KeyboardInterrupt, Interrupted, SystemExit):
        with (
            ScriptedServer(greet) as server,
            pytest.raises(failure),
            stomp.Client(f"stomp://127.0.0.1:{server.address[1]}", heartbeat=(0, 0)) as client,
        ):
            client.send_async("/queue/a", b"x")
            raise failure
    # Answers that are due are waited for, as long as nobody is in a hurry.
    assert waits == [2.0, 2.0, None]


def test_ctrl_c_does_not_reject_the_message(broker: Broker) -> None:
    with pytest.raises(KeyboardInterrupt), stomp.Client(broker.url) as client:
        client.send("/queue/a", b"x", confirm=True)
        with client.subscribe("/queue/a", ack="client-individual") as orders:
            message = orders.receive(timeout=WAIT)
            assert message is not None
            with message:
                raise KeyboardInterrupt
    assert message is not None
    assert not message.settled
    with stomp.Client(broker.url) as client, client.subscribe("/queue/a") as orders:
        again = orders.receive(timeout=WAIT)
        assert again is not None
        assert again.body == b"x"
