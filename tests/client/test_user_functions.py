"""A function that a call does not run is refused where it is given; a handler that hides one has failed."""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
from typing import Any
from unittest import mock

import pytest

import stomp
from stomp.broker import Broker
from stomp.client.connect import TlsSettings
from stomp.core.errors import UsageError
from tests.awaiting import run, until
from tests.listening import wait_until

WAIT = 20.0


async def coroutine(*args: object) -> None: ...


def generator(*args: object):
    yield 1


class CallableObject:
    async def __call__(self, *args: object) -> None: ...


def hidden(*args: object) -> Any:
    """A plain function, as far as anyone can see."""
    return coroutine()


COROUTINES = [coroutine, functools.partial(coroutine), CallableObject(), mock.AsyncMock()]
DEFERRED = [*COROUTINES, generator]
each_coroutine = pytest.mark.parametrize("function", COROUTINES, ids=["def", "partial", "object", "mock"])
each_deferred = pytest.mark.parametrize(
    "function", DEFERRED, ids=["def", "partial", "object", "mock", "generator"]
)


@each_deferred
def test_client_refuses_a_handler_that_a_call_does_not_run(broker: Broker, function: Any) -> None:
    with stomp.Client(broker.url) as client:
        client.send("/queue/a", b"x", confirm=True)
        with pytest.raises(UsageError, match=r"handler is a .*function.*AsyncClient"):
            client.consume("/queue/a", function)
        with pytest.raises(UsageError, match="cannot be called"):
            client.consume("/queue/a", None)  # type: ignore[arg-type]
        assert client.stats().messages == 0
    assert broker.depth("/queue/a") == 1


@each_deferred
def test_client_refuses_callbacks_that_a_call_does_not_run(broker: Broker, function: Any) -> None:
    with stomp.Client(broker.url) as client:
        with pytest.raises(UsageError, match=r"on_state is a .*function.*AsyncClient"):
            client.on_state(function)
        confirmation = client.send_async("/queue/a", b"x")
        with pytest.raises(UsageError, match=r"callback is a .*function.*AsyncClient"):
            confirmation.add_done_callback(function)
        confirmation.result(WAIT)
        with pytest.raises(UsageError, match=r"callback is a .*function.*AsyncClient"):
            confirmation.add_done_callback(function)


@each_deferred
@pytest.mark.parametrize("setting", ["login", "passcode", "headers"])
def test_client_refuses_credentials_that_a_call_does_not_make(setting: str, function: Any) -> None:
    with pytest.raises(UsageError, match=rf"{setting} is a .*function"):
        stomp.Client("stomp://localhost", **{setting: function})


class Sync(stomp.Hooks):
    pass


def with_method(name: str, function: Any) -> stomp.Hooks:
    hook = Sync()
    setattr(hook, name, function)
    return hook


@pytest.mark.parametrize("method", ["sending", "received", "processing", "settled", "error", "state_changed"])
def test_client_refuses_hooks_that_are_coroutine_functions(method: str) -> None:
    with pytest.raises(UsageError, match=rf"{method} of the hook Sync is a coroutine function.*AsyncClient"):
        stomp.Client(hooks=[with_method(method, coroutine)])
    if method == "processing":
        with pytest.raises(UsageError, match=r"processing of the hook Sync is a coroutine function"):
            stomp.AsyncClient(hooks=[with_method(method, coroutine)])
    else:
        stomp.AsyncClient(hooks=[with_method(method, coroutine)])


@pytest.mark.parametrize("hook", [stomp.Hooks, object(), None])
@pytest.mark.parametrize("client", [stomp.Client, stomp.AsyncClient])
def test_invalid_hook_is_refused(client: Any, hook: Any) -> None:
    with pytest.raises(UsageError, match="is no hook"):
        client(hooks=[hook])


@each_deferred
@pytest.mark.parametrize("client", [stomp.Client, stomp.AsyncClient])
def test_generator_functions_are_refused_by_both_clients(client: Any, function: Any) -> None:
    with pytest.raises(UsageError, match="validator of TlsSettings is a"):
        client("stomp+ssl://localhost", tls=TlsSettings(validator=function))
    for option in ("clock", "random", "start_thread"):
        with pytest.raises(UsageError, match=f"option {option} is a"):
            client("stomp://localhost", options=stomp.Options(**{option: function}))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ack", ["client-individual", "auto"])
def test_a_handler_that_returns_a_coroutine_has_failed(
    broker: Broker, caplog: pytest.LogCaptureFixture, ack: Any
) -> None:
    handled = threading.Semaphore(0)

    def handler(message: stomp.Message) -> Any:
        handled.release()
        return hidden()

    with stomp.Client(broker.url) as client:
        client.consume("/queue/a", handler, ack=ack)
        client.send("/queue/a", b"x", confirm=True)
        assert handled.acquire(timeout=WAIT)
    gc.collect()
    assert "the handler returned a coroutine" in caplog.text
    assert broker.depth("/queue/a") == (1 if ack == "client-individual" else 0)


@pytest.mark.filterwarnings("error")
def test_a_callback_that_returns_a_coroutine_is_logged(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    client = stomp.Client(broker.url, hooks=[with_method("error", hidden)])
    client.on_state(hidden)
    with client:
        client.send_async("/queue/a", b"x").add_done_callback(hidden)
    gc.collect()
    assert caplog.text.count("a callback returned a coroutine") > 1


@pytest.mark.filterwarnings("error")
def test_coroutine_as_credentials_is_refused(broker: Broker) -> None:
    with pytest.raises(UsageError, match="the function returned a coroutine"):
        stomp.Client(broker.url, login="me", passcode=lambda: hidden(), attempts=1).connect()
    gc.collect()


def test_a_validator_that_returns_a_coroutine_has_not_accepted(tls_broker: Broker, ca_file: str) -> None:
    tls = TlsSettings(ca_certs=ca_file, validator=hidden)
    url = f"stomp+ssl://localhost:{tls_broker.port}"
    with pytest.raises(UsageError, match="validator of TLS certificates returned a coroutine"):
        stomp.Client(url, tls=tls, attempts=1).connect()


def test_async_client_refuses_generators(broker: Broker) -> None:
    async def main() -> None:
        async with stomp.AsyncClient(broker.url) as client:
            for function in (generator, None):
                untyped: Any = function
                with pytest.raises(UsageError, match="the handler is"):
                    await client.consume("/queue/a", untyped)
                with pytest.raises(UsageError, match="on_state is"):
                    client.on_state(untyped)
                confirmation = await client.send_async("/queue/a", b"x")
                with pytest.raises(UsageError, match="the callback is"):
                    confirmation.add_done_callback(untyped)

    run(main())


@each_coroutine
def test_async_client_runs_coroutine_functions(broker: Broker, function: Any) -> None:
    async def main() -> None:
        async with stomp.AsyncClient(broker.url, login=function) as client:
            client.on_state(function)
            await client.consume("/queue/a", function)
            confirmation = await client.send_async("/queue/a", b"x")
            confirmation.add_done_callback(function)
            await confirmation
            await until(lambda: broker.depth("/queue/a") == 0)

    run(main())


class Failing(stomp.Hooks):
    """Each of its methods fails."""

    def sending(self, frame: Any) -> Any:
        raise ZeroDivisionError("sending")

    @contextlib.contextmanager
    def processing(self, message: Any) -> Any:
        if message.body == b"enter":
            raise ZeroDivisionError("enter")
        yield
        raise ZeroDivisionError("exit")


def test_a_hook_that_fails_changes_nothing(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with stomp.Client(broker.url, hooks=[Failing()]) as client:
        client.consume("/queue/a", lambda message: None)
        client.send("/queue/a", b"enter")
        client.send("/queue/a", b"exit", confirm=True)
        wait_until(lambda: broker.depth("/queue/a") == 0)
    for words in ("sending", "enter", "exit"):
        assert f"ZeroDivisionError: {words}" in caplog.text


def test_a_hook_of_async_client_that_fails_changes_nothing(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with stomp.AsyncClient(broker.url, hooks=[Failing()]) as client:
            await client.consume("/queue/a", lambda message: None)
            await client.send("/queue/a", b"enter")
            await client.send("/queue/a", b"exit", confirm=True)
            await until(lambda: broker.depth("/queue/a") == 0)

    run(main())
    for words in ("sending", "enter", "exit"):
        assert f"ZeroDivisionError: {words}" in caplog.text


def failure_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "handler" in record.getMessage()]


@pytest.mark.parametrize("ack", ["client-individual", "auto"])
@pytest.mark.parametrize("kind", [stomp.Client, stomp.AsyncClient])
def test_log_line_of_a_failed_handler_has_the_message_and_its_state(
    broker: Broker, caplog: pytest.LogCaptureFixture, ack: Any, kind: Any
) -> None:
    ids: list[str] = []

    def handler(message: Any) -> None:
        ids.append(message.id)
        raise ZeroDivisionError

    if kind is stomp.Client:
        with stomp.Client(broker.url) as client:
            client.consume("/queue/a", handler, ack=ack)
            client.send("/queue/a", b"x", confirm=True)
            wait_until(lambda: failure_lines(caplog))
    else:

        async def main() -> None:
            async with stomp.AsyncClient(broker.url) as client:
                await client.consume("/queue/a", handler, ack=ack)
                await client.send("/queue/a", b"x", confirm=True)
                await until(lambda: failure_lines(caplog))

        run(main())
    line = failure_lines(caplog)[0]
    assert f"a handler failed for message {ids[0]!r} of /queue/a" in line
    assert ("does not deliver it again" if ack == "auto" else "refused (NACK)") in line


def test_sys_exit_in_a_handler_is_logged_and_ends_its_consumer(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(message: Any) -> None:
        raise SystemExit(3)

    with stomp.Client(broker.url) as client:
        consumer = client.consume("/queue/a", handler, ack="auto", concurrency=2)
        client.send("/queue/a", b"x", confirm=True)
        for thread in consumer._workers._threads:
            thread.join(WAIT)
            assert not thread.is_alive()
        assert consumer.subscription.closed
    [line] = failure_lines(caplog)
    assert "sys.exit()" in line
    assert "ERROR" in [record.levelname for record in caplog.records]
