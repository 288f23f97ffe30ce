"""Every verb is called from every kind of code of the user: it works, or it raises at once; no lock is held.

The client's timeout is longer than any wait of these tests, so that a verb that waits for its timeout fails them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import stomp
from stomp.broker import Broker
from stomp.client.connect import TlsSettings
from stomp.core.engine.failover import Backoff
from stomp.core.engine.status import ClientState
from stomp.core.errors import NotConnected, OutcomeUnknown, StaleDelivery, StompError, UsageError
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from tests.awaiting import run
from tests.listening import wait_until
from tests.locks import own_lock

WAIT = 20.0
#: No verb may need this long.
TIMEOUT = 3 * WAIT
NUMBERS = itertools.count()


def queue() -> str:
    return f"/queue/own-{next(NUMBERS)}"


@pytest.fixture(scope="module")
def served() -> Iterator[Broker]:
    """A broker at which somebody answers requests."""
    with Broker() as broker, stomp.Client(broker.url) as responder:
        responder.consume("/queue/service", lambda message: message.reply(message.body))
        yield broker


# ------------------------------------------------------------------------------------- the verbs


def take(client: Any) -> None:
    place = queue()
    with client.subscribe(place, ack="client-individual") as subscription:
        client.send(place, b"x", confirm=True)
        message = subscription.receive()
        message.ack(confirm=True)


def consume(client: Any) -> None:
    place, came = queue(), threading.Event()
    with client.consume(place, lambda message: came.set()):
        client.send(place, b"x", confirm=True)
        assert came.wait(WAIT)


def merge(client: Any) -> None:
    client.merge(client.subscribe(queue()), client.subscribe(queue())).receive(timeout=0)


def transact(client: Any) -> None:
    with client.transaction() as transaction:
        transaction.send(queue(), b"x")


def confirm_several(client: Any) -> None:
    with client.confirmations() as batch:
        batch.send(queue(), b"x")


def numbers(client: Any) -> None:
    client.stats()
    client.recent_frames()
    client.on_state(lambda change: None)
    assert client.state is not None


VERBS: dict[str, Callable[[Any], object]] = {
    "send": lambda client: client.send(queue(), b"x"),
    "send confirmed": lambda client: client.send(queue(), b"x", confirm=True),
    "send_async": lambda client: client.send_async(queue(), b"x").result(),
    "send_many": lambda client: client.send_many([(queue(), b"x")] * 3),
    "confirmations": confirm_several,
    "transaction": transact,
    "request": lambda client: client.request("/queue/service", b"x"),
    "take": take,
    "consume": consume,
    "merge": merge,
    "states": lambda client: next(client.states(timeout=0), None),
    "numbers": numbers,
    "connect": lambda client: client.connect(),
    "drain": lambda client: client.drain(),
    "close": lambda client: client.close(),
    "run_forever": lambda client: client.run_forever(),
}


class Once:
    """Code of the user that calls a verb when it is first called."""

    def __init__(self, verb: Callable[[Any], object], locks: Any) -> None:
        self.client: Any = None
        self.error: BaseException | None = None
        self.faults: list[str] = []
        self.ended = threading.Event()
        self._verb = verb
        self._locks = locks
        self._begun = False

    def __call__(self, *args: object) -> None:
        if any(lock.mine for lock in self._locks):
            self.faults.append("a lock is held")
        era = self.client._engine.connection
        if era is not None and era.link.is_receiving_thread():
            self.faults.append("it runs on the receiving thread")
        if self._begun:
            return
        self._begun = True
        try:
            self._verb(self.client)
        except BaseException as err:
            self.error = err
        finally:
            self.ended.set()


class Hook(stomp.Hooks):
    """Calls something in one of its methods."""

    def __init__(self, method: str, call: Callable[[], object]) -> None:
        def instead(*args: object) -> object:
            return call()

        setattr(self, method, instead)


class Logging(logging.Handler):
    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(logging.DEBUG)
        self._call = call

    def emit(self, record: logging.LogRecord) -> None:
        self._call()


@contextlib.contextmanager
def logging_by(call: Callable[[], object]) -> Iterator[None]:
    """Have every line that clients log handled by this."""
    handler = Logging(call)
    # Not the broker's: its thread would wait for the lock that `logging` holds around a handler.
    loggers = [logging.getLogger(name) for name in ("stomp.client", "stomp.py")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)


# ------------------------------------------------------------------------------------- the kinds of callbacks


def in_state(state: ClientState, once: Once) -> Callable[[Any], object]:
    return lambda change: once() if change.state is state else None


#: What the broker answers by an ERROR, before it hangs up.
WRONG: dict[str, Any] = {"confirm": True, "headers": {"transaction": "none"}}


def exercise(client: stomp.Client) -> None:
    """Have everything happen that hooks are called for, but an ERROR."""
    orders = queue()
    client.consume(orders, lambda message: None)
    client.send(orders, b"x", confirm=True)


def by_done(once: Once, url: str, settings: Any) -> None:
    once.client = client = stomp.Client(url, **settings).connect()
    client.send_async(queue(), b"x").add_done_callback(once)


def by_state(state: ClientState) -> Any:
    def arrange(once: Once, url: str, settings: Any) -> None:
        once.client = client = stomp.Client(url, **settings)
        client.on_state(in_state(state, once))
        client.connect()
        if state is ClientState.RECONNECTING:
            client._engine.current.link.close(stomp.ConnectionLost("cut"))
        elif state is ClientState.CLOSED:
            client.close()

    return arrange


def by_hook(method: str) -> Any:
    def arrange(once: Once, url: str, settings: Any) -> None:
        once.client = client = stomp.Client(url, hooks=[Hook(method, once)], **settings)
        client.connect()
        exercise(client)
        if method == "error":
            client.send(queue(), b"x", **WRONG)

    return arrange


def by_outcome(once: Once, url: str, settings: Any) -> None:
    once.client = client = stomp.Client(url, hooks=[Hook("sending", lambda: once)], **settings)
    client.connect()
    exercise(client)


def by_handler(once: Once, url: str, settings: Any) -> None:
    once.client = client = stomp.Client(url, **settings).connect()
    orders = queue()
    client.consume(orders, once)
    client.send(orders, b"x", confirm=True)


def by_setting(name: str) -> Any:
    def arrange(once: Once, url: str, settings: Any) -> None:
        credentials: dict[str, Any] = {name: lambda: once()}
        once.client = client = stomp.Client(url, **credentials, **settings)
        client.connect()

    return arrange


def by_setting_again(once: Once, url: str, settings: Any) -> None:
    calls: Iterator[Callable[[], None]] = iter([lambda: None, once])
    once.client = client = stomp.Client(url, passcode=lambda: next(calls, once)(), **settings).connect()
    client._engine.current.link.close(stomp.ConnectionLost("cut"))


def by_log(once: Once, url: str, settings: Any) -> None:
    with logging_by(once):
        once.client = client = stomp.Client(url, **settings)
        client.connect()
        exercise(client)
        once.ended.wait(WAIT)


def by_iterable(once: Once, url: str, settings: Any) -> None:
    once.client = client = stomp.Client(url, **settings).connect()

    def messages() -> Iterator[tuple[str, bytes]]:
        once()
        yield queue(), b"x"

    client.send_many(messages())


#: Those that connecting waits for: what waits for a connection cannot work there.
CONNECTING = {
    "login": by_setting("login"),
    "passcode": by_setting("passcode"),
    "headers": by_setting("headers"),
    "passcode again": by_setting_again,
}
KINDS: dict[str, Any] = {
    "done callback": by_done,
    "on_state connecting": by_state(ClientState.CONNECTING),
    "on_state connected": by_state(ClientState.CONNECTED),
    "on_state reconnecting": by_state(ClientState.RECONNECTING),
    "on_state closed": by_state(ClientState.CLOSED),
    **{
        f"hook {name}": by_hook(name)
        for name in ("sending", "received", "processing", "settled", "error", "state_changed")
    },
    "outcome of a send": by_outcome,
    "handler": by_handler,
    "log handler": by_log,
    "iterable of send_many": by_iterable,
    **CONNECTING,
}


def allowed(kind: str, verb: str) -> tuple[type[BaseException], ...]:
    """The errors that a verb may raise at once; else it has to work."""
    if verb in ("connect", "run_forever") or kind in CONNECTING:
        return (UsageError,)
    if kind == "on_state closed":
        return (NotConnected,)
    if kind == "hook error":
        return (OutcomeUnknown, StaleDelivery, NotConnected)  # the broker hangs up meanwhile
    if verb == "drain" and kind in ("handler", "hook processing"):
        return (UsageError,)
    return ()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_method_works_or_raises_at_once_in_every_callback(
    served: Broker, monkeypatch: pytest.MonkeyPatch, kind: str, verb: str
) -> None:
    once = Once(VERBS[verb], own_lock(monkeypatch))
    settings = {"timeout": TIMEOUT, "backoff": Backoff(0.001), "attempts": 1}

    def arrange() -> None:
        # What the callback does to the client, closing it for one, may fail what goes on meanwhile.
        with contextlib.suppress(StompError):
            KINDS[kind](once, served.url, settings)

    # Not on the main thread, on which run_forever would do what it promises.
    arranging = threading.Thread(target=arrange)
    arranging.start()
    assert once.ended.wait(WAIT), f"{verb} waits in {kind}"
    errors = allowed(kind, verb)
    assert once.error is None or isinstance(once.error, errors), repr(once.error)
    once.client.close(timeout=WAIT)
    arranging.join(WAIT)
    assert not arranging.is_alive()
    assert once.faults == []


def test_a_validator_of_certificates_cannot_wait_for_the_connection(tls_broker: Broker, ca_file: str) -> None:
    def validate(certificate: object, host: str) -> tuple[bool, str]:
        client.send("/queue/a", b"x", confirm=True)
        return True, ""

    tls = TlsSettings(ca_certs=ca_file, validator=validate)
    url = f"stomp+ssl://localhost:{tls_broker.port}"
    client = stomp.Client(url, tls=tls, timeout=TIMEOUT, attempts=1)
    with pytest.raises(UsageError, match="made by a function that connecting waits for"):
        client.connect()


# ------------------------------------------------------------------------------------- what depends on it


def test_a_callback_that_sends_does_not_delay_the_reconnect(broker: Broker) -> None:
    sent = threading.Event()

    def on_state(change: Any) -> None:
        if change.state is ClientState.RECONNECTING:
            # Not confirmed before the connection is there again, which it must not wait for.
            client.send("/queue/a", b"x", confirm=True)
            sent.set()

    client = stomp.Client(broker.url, timeout=TIMEOUT, backoff=Backoff(0.001))
    client.on_state(on_state)
    with client:
        states = client.states(timeout=WAIT)
        broker.disconnect_all()
        assert [next(states).state, next(states).state] == [ClientState.RECONNECTING, ClientState.CONNECTED]
        assert sent.wait(WAIT)
    assert broker.depth("/queue/a") == 1


def test_callbacks_are_called_in_order(broker: Broker) -> None:
    class Noting(stomp.Hooks):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def received(self, message: Any) -> None:
            self.notes.append(message.text)

    hook = Noting()
    done: list[str] = []
    with stomp.Client(broker.url, hooks=[hook]) as client:
        client.subscribe("/queue/a")
        for number in range(500):
            client.send_async("/queue/a", str(number)).add_done_callback(
                lambda confirmation, number=number: done.append(str(number))  # type: ignore[misc]
            )
        expected = [str(number) for number in range(500)]
        wait_until(lambda: len(hook.notes) == len(done) == 500)
    assert hook.notes == done == expected


def test_callbacks_have_been_called_when_connect_and_close_return(broker: Broker) -> None:
    states: list[ClientState] = []
    client = stomp.Client(broker.url)
    client.on_state(lambda change: states.append(change.state))
    client.connect()
    assert states == [ClientState.CONNECTING, ClientState.CONNECTED]
    client.close()
    assert states[2:] == [ClientState.CLOSING, ClientState.CLOSED]


def test_a_callback_that_is_slow_does_not_stop_reading(broker: Broker) -> None:
    go_on = threading.Event()
    with stomp.Client(broker.url, timeout=TIMEOUT) as client:
        client.send_async("/queue/a", b"x").add_done_callback(lambda confirmation: go_on.wait(WAIT))
        client.send("/queue/a", b"x", confirm=True)
        assert not go_on.is_set()
        go_on.set()


def test_callbacks_that_are_too_slow_stop_reading(broker: Broker) -> None:
    go_on = threading.Event()

    class Slow(stomp.Hooks):
        def received(self, message: Any) -> None:
            go_on.wait(WAIT)

    high = 200_000
    with (
        stomp.Client(broker.url, hooks=[Slow()], high_water=high) as client,
        stomp.Client(broker.url) as other,
    ):
        subscription = client.subscribe("/queue/a")
        for _ in range(2000):
            other.send("/queue/a", b"x" * 1000)
        taken = threading.Thread(target=lambda: list(subscription))
        taken.start()  # only the hook is slow
        wait_until(lambda: client._engine.reading_paused)
        go_on.set()
        wait_until(lambda: client.stats().messages == 2000)
        subscription.close()
        taken.join(WAIT)


def test_sys_exit_in_a_callback_is_logged_and_the_next_one_is_called(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    called = threading.Event()

    def leave(confirmation: object) -> None:
        raise SystemExit(3)

    with stomp.Client(broker.url) as client:
        client.send_async("/queue/a", b"x").add_done_callback(leave)
        client.send_async("/queue/a", b"x").add_done_callback(lambda confirmation: called.set())
        assert called.wait(WAIT)
    assert "a callback called sys.exit()" in caplog.text


def test_there_is_no_callback_thread_without_callbacks(broker: Broker) -> None:
    logging.getLogger("stomp.client").setLevel(logging.WARNING)
    try:
        begun: list[str] = []
        original = stomp.Client._start

        class Watched(stomp.Client):
            def _start(self, run: Any, name: str) -> None:
                begun.append(name)
                original(self, run, name)

        with Watched(broker.url) as client:
            subscription = client.subscribe("/queue/a")
            client.send("/queue/a", b"x", confirm=True)
            client.send_many([("/queue/a", b"x")] * 3)
            assert subscription.receive(timeout=WAIT) is not None
        assert begun == []
    finally:
        logging.getLogger("stomp.client").setLevel(logging.NOTSET)


def test_log_handlers_run_without_locks_and_may_send_when_a_connection_is_refused(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting fails, connects again, gets an ERROR: each line is sent through the client that logs it."""
    errors: list[str] = []
    go_on = threading.Event()  # the client is connected
    locks = own_lock(monkeypatch)

    def refuse(sock: Any) -> None:
        read_frame(sock)
        greet_back(sock)
        go_on.wait(WAIT)
        sock.sendall(b"ERROR\nmessage:watch out\n\n\0")
        say_nothing(sock)

    with ScriptedServer(refuse) as server:
        client = stomp.Client(
            f"stomp://127.0.0.1:1,127.0.0.1:{server.address[1]}",
            heartbeat=(0, 0),
            reconnect=False,
            timeout=TIMEOUT,
        )

        def send() -> None:
            if any(lock.mine for lock in locks):
                errors.append("a lock is held")
            with contextlib.suppress(StompError):
                client.send("/queue/log", b"line")

        with logging_by(send):
            client.connect()
            go_on.set()
            wait_until(lambda: client.stats().errors)
            client.close(timeout=0.1)
    assert errors == []
    assert client.stats().frames_sent > 1


# ------------------------------------------------------------------------------------- AsyncClient


async def take_async(client: Any) -> None:
    place = queue()
    async with await client.subscribe(place, ack="client-individual") as subscription:
        await client.send(place, b"x", confirm=True)
        message = await subscription.receive()
        await message.ack(confirm=True)


async def consume_async(client: Any) -> None:
    place, came = queue(), asyncio.Event()
    async with await client.consume(place, lambda message: came.set()):
        await client.send(place, b"x", confirm=True)
        await came.wait()


async def merge_async(client: Any) -> None:
    both = await client.subscribe(queue()), await client.subscribe(queue())
    await client.merge(*both).receive(timeout=0)


async def transact_async(client: Any) -> None:
    async with client.transaction() as transaction:
        await transaction.send(queue(), b"x")


async def confirm_several_async(client: Any) -> None:
    async with client.confirmations() as batch:
        await batch.send(queue(), b"x")


async def send_async(client: Any) -> None:
    await (await client.send_async(queue(), b"x"))


async def next_state(client: Any) -> None:
    await anext(client.states(timeout=0), None)


async def numbers_async(client: Any) -> None:
    numbers(client)


ASYNC_VERBS: dict[str, Callable[[Any], Awaitable[object]]] = {
    "send": lambda client: client.send(queue(), b"x"),
    "send confirmed": lambda client: client.send(queue(), b"x", confirm=True),
    "send_async": send_async,
    "send_many": lambda client: client.send_many([(queue(), b"x")] * 3),
    "confirmations": confirm_several_async,
    "transaction": transact_async,
    "request": lambda client: client.request("/queue/service", b"x"),
    "take": take_async,
    "consume": consume_async,
    "merge": merge_async,
    "states": next_state,
    "numbers": numbers_async,
    "connect": lambda client: client.connect(),
    "drain": lambda client: client.drain(),
    "close": lambda client: client.close(),
}


class AsyncOnce:
    """A coroutine function of the user that calls a verb when it is first called."""

    def __init__(self, verb: Callable[[Any], Awaitable[object]]) -> None:
        self.client: Any = None
        self.error: BaseException | None = None
        self.ended = asyncio.Event()
        self._verb = verb
        self._begun = False

    async def __call__(self, *args: object) -> None:
        if self._begun:
            return
        self._begun = True
        try:
            await self._verb(self.client)
        except BaseException as err:
            self.error = err
        finally:
            self.ended.set()


async def exercise_async(client: stomp.AsyncClient) -> None:
    orders = queue()
    await client.consume(orders, lambda message: None)
    await client.send(orders, b"x", confirm=True)


async def arrange(
    kind: str, once: AsyncOnce, url: str, settings: Any, tasks: set[asyncio.Task[None]]
) -> None:
    name, _, detail = kind.partition(" ")
    if name in ("login", "passcode", "headers"):
        calls: Any = iter([AsyncOnce(numbers_async), once] if detail else [once])
        settings = {**settings, name: lambda: next(calls, once)()}
    hooks: list[Any] = []
    if name == "hook":
        hooks.append(Hook(detail, once))
    elif name == "outcome":
        hooks.append(Hook("sending", lambda: once))
    once.client = client = stomp.AsyncClient(url, hooks=hooks, **settings)

    async def in_this_state(change: Any) -> None:
        if change.state.value == detail:
            await once()

    if name == "on_state":
        client.on_state(in_this_state)
    logged: Any = contextlib.nullcontext()
    if name == "log":

        def begin() -> None:
            with contextlib.suppress(RuntimeError):  # no loop: a thread of an earlier test logs
                tasks.add(asyncio.get_running_loop().create_task(once()))

        logged = logging_by(begin)
    with logged:
        await client.connect()
        if name == "done":
            (await client.send_async(queue(), b"x")).add_done_callback(once)
        elif name == "handler":
            orders = queue()
            await client.consume(orders, once)
            await client.send(orders, b"x", confirm=True)
        elif name in ("hook", "outcome"):
            await exercise_async(client)
            if detail == "error":
                await client.send(queue(), b"x", **WRONG)
        elif detail in ("reconnecting", "again"):
            client._engine.current.link.close(stomp.ConnectionLost("cut"))
        elif detail == "closed":
            await client.close()


ASYNC_KINDS = [kind for kind in KINDS if kind not in ("hook processing", "iterable of send_many")]


@pytest.mark.parametrize("verb", ASYNC_VERBS)
@pytest.mark.parametrize("kind", ASYNC_KINDS)
def test_every_method_of_async_client_works_or_raises_at_once_in_every_callback(
    served: Broker, kind: str, verb: str
) -> None:
    async def main() -> AsyncOnce:
        once = AsyncOnce(ASYNC_VERBS[verb])
        tasks: set[asyncio.Task[None]] = set()
        settings = {"timeout": TIMEOUT, "backoff": Backoff(0.001), "attempts": 1}
        with contextlib.suppress(StompError):
            await arrange(kind, once, served.url, settings, tasks)
        await once.ended.wait()
        await once.client.close(timeout=WAIT)
        await asyncio.gather(*tasks)
        return once

    once = run(main())
    errors = allowed(kind, verb)
    assert once.error is None or isinstance(once.error, errors), repr(once.error)
