"""Methods whose result is awaited, or used in an ``async with`` statement directly."""

import asyncio
import inspect
import sys
from unittest import mock

import pytest

import stomp
from stomp.client.aio.awaitable import awaitable_context
from stomp.core.errors import NotConnected, UsageError
from stomp.testing.relay import Relay
from tests.awaiting import run, until

SOON = 20.0


def test_async_with_needs_no_await(broker):
    async def test():
        async with stomp.AsyncClient(broker.url, timeout=SOON) as client:
            async with client.subscribe("/queue/a") as subscription:
                await client.send("/queue/a", "1")
                message = await subscription.receive(SOON)
                assert message is not None
            async with client.begin() as transaction:
                await transaction.send("/queue/b", "kept")
            done = asyncio.Event()
            async with client.consume("/queue/b", lambda message: done.set()):
                await asyncio.wait_for(done.wait(), SOON)
            return message.text, subscription.closed, transaction.state

    assert run(test()) == ("1", True, "committed")


def test_await_returns_the_object_itself(broker):
    async def test():
        async with stomp.AsyncClient(broker.url, timeout=SOON) as client:
            subscription = await client.subscribe("/queue/a")
            transaction = await client.transaction()
            await transaction.send("/queue/a", "1")
            await transaction.commit()
            async with subscription:
                message = await subscription.receive(SOON)
                assert message is not None
            async with await client.begin() as failed:
                await failed.abort()
            return type(subscription).__name__, message.text, transaction.state, failed.state

    assert run(test()) == ("Subscription", "1", "committed", "aborted")


def test_a_call_may_become_a_task(broker):
    async def test():
        async with stomp.AsyncClient(broker.url, timeout=SOON) as client:
            task = asyncio.create_task(client.subscribe("/queue/a"))
            gathered = await asyncio.gather(task, client.subscribe("/queue/b"))
            return [subscription.destination for subscription in gathered]

    assert run(test()) == ["/queue/a", "/queue/b"]


def test_a_callback_may_return_a_call(broker):
    """The client runs it as a task, as it does the coroutine of any other method."""

    async def test():
        client = stomp.AsyncClient(broker.url, timeout=SOON)
        client.on_state(
            lambda change: (
                client.subscribe("/queue/a") if change.state is stomp.ClientState.CONNECTED else None
            )
        )
        async with client:
            await until(lambda: any(each.made for each in client._engine.subscriptions.values()))

    run(test())


def test_an_exception_in_the_block_aborts(broker):
    async def test():
        async with stomp.AsyncClient(broker.url, timeout=SOON) as client:
            with pytest.raises(ZeroDivisionError):
                async with client.begin() as transaction:
                    await transaction.send("/queue/a", "dropped")
                    raise ZeroDivisionError
            return transaction.state

    assert run(test()) == "aborted"


def test_a_failed_call_does_not_enter_the_block():
    async def test():
        client = stomp.AsyncClient("stomp://localhost:1")
        async with client.subscribe("/queue/a"):
            pytest.fail("the block was entered")

    with pytest.raises(NotConnected):
        run(test())


def test_a_call_can_be_closed_and_thrown_into_as_a_coroutine():
    class Context:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *why):
            return None

    @awaitable_context
    async def method() -> Context:
        await asyncio.sleep(0)
        return Context()

    method().close()
    call = method()
    call.send(None)
    with pytest.raises(ZeroDivisionError):
        call.throw(ZeroDivisionError())


def test_drain_within_an_own_transaction_is_refused(broker):
    async def test():
        async with stomp.AsyncClient(broker.url, timeout=SOON) as client:
            async with client.begin():
                with pytest.raises(UsageError, match="commit or abort it first"):
                    await client.drain()
            report = await client.drain()
            return report.clean

    assert run(test())


def test_drain_waits_for_the_transaction_of_another_task(broker):
    async def test():
        async with stomp.AsyncClient(broker.url, timeout=SOON) as client:
            begun, sent = asyncio.Event(), asyncio.Event()

            async def work():
                async with client.begin() as transaction:
                    begun.set()
                    await sent.wait()
                    await transaction.send("/queue/a", "1")

            task = asyncio.create_task(work())
            await begun.wait()
            drain = asyncio.create_task(client.drain())
            await until(lambda: client._engine.draining)
            sent.set()
            report = await drain
            await task
            return report

    assert run(test()).clean
    assert broker.depth("/queue/a") == 1


def test_a_lost_connection_makes_the_transaction_void(broker):
    async def test():
        with Relay(broker.host, broker.port) as relay:
            async with stomp.AsyncClient(relay.url, timeout=SOON) as client:
                transaction = await client.begin()
                relay.cut()
                await until(lambda: transaction.state == "void")
                with pytest.raises(stomp.TransactionVoid, match="repeat it in a new transaction"):
                    await transaction.commit()

    run(test())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="functions can be marked since Python 3.12")
@pytest.mark.parametrize("name", ["connect", "subscribe", "consume", "begin", "transaction", "send"])
def test_a_mock_of_the_client_has_methods_to_await(name):
    client = mock.MagicMock(spec=stomp.AsyncClient)
    assert isinstance(getattr(client, name), mock.AsyncMock)
    assert inspect.iscoroutinefunction(getattr(stomp.AsyncClient, name))
