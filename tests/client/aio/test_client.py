"""`AsyncClient` against the embedded broker: every verb once, and what is asyncio's own."""

import asyncio
import os
import signal

import pytest

import stomp
from stomp.broker import Broker
from stomp.core.engine.status import ClientState
from stomp.core.errors import (
    ConnectFailed,
    NotConnected,
    StompError,
    TransactionVoid,
)
from stomp.testing.relay import Relay
from stomp.testing.servers import ScriptedServer, greet, greet_back, hang_up, read_frame, say_nothing
from tests.awaiting import LOOPS, loop_of, run, until

SOON = 20.0


def at(place, **settings):
    """A client of a broker, a relay or a scripted server."""
    host, port = getattr(place, "address", None) or (place.host, place.port)
    settings.setdefault("timeout", SOON)
    return stomp.AsyncClient(f"stomp://{host}:{port}", **settings)


def test_message_is_sent_and_received(broker):
    async def test():
        async with at(broker) as client:
            subscription = await client.subscribe("/queue/a")
            await client.send("/queue/a", "hello", headers={"x": "1"})
            message = await subscription.receive(SOON)
            return client.state, message.text, message.headers["x"]

    assert run(test()) == (ClientState.CONNECTED, "hello", "1")


def test_a_with_statement_takes_a_connected_client_and_closes_it(broker):
    async def test():
        async with await at(broker).connect() as client:
            await client.send("/queue/a", b"x", confirm=True)
        first = client.state
        async with at(broker).connect() as client:
            await client.send("/queue/a", b"x", confirm=True)
        return first, client.state

    assert run(test()) == (ClientState.CLOSED, ClientState.CLOSED)


def test_messages_are_iterated_and_acknowledged(broker):
    async def test():
        async with at(broker) as client:
            subscription = await client.subscribe("/queue/a", ack="client-individual")
            for number in range(3):
                await client.send("/queue/a", str(number), confirm=True)
            seen = []
            async for message in subscription:
                async with message:
                    seen.append(message.text)
                if len(seen) == 3:
                    break
            assert client._engine.unsettled == 0
            return seen

    assert run(test()) == ["0", "1", "2"]
    assert broker.depth("/queue/a") == 0


def test_message_is_rejected_when_its_block_fails(broker):
    async def test():
        async with at(broker) as client:
            subscription = await client.subscribe("/queue/a", ack="client-individual")
            await client.send("/queue/a", "bad")
            message = await subscription.receive(SOON)
            with pytest.raises(ZeroDivisionError):
                async with message:
                    raise ZeroDivisionError
            assert message.settled
            with pytest.raises(StompError):
                await message.ack()

    run(test())


def test_confirmations_can_be_awaited(broker):
    async def test():
        called: list[object] = []
        async with at(broker) as client:
            confirmation = await client.send_async("/queue/a", "x")
            confirmation.add_done_callback(called.append)
            await confirmation
            assert confirmation.done()
            assert await confirmation.exception() is None
            confirmation.add_done_callback(called.append)
            assert called == [confirmation, confirmation]
            several = await client.send_many([("/queue/a", "1"), ("/queue/a", "2")])
            async with client.confirmations() as batch:
                await batch.send("/queue/a", "3")
            return [each.outcome for each in [*several, *batch.confirmations]]

    assert run(test()) == ["confirmed"] * 3
    assert broker.depth("/queue/a") == 4


def test_a_transaction_is_committed_or_aborted(broker):
    async def test():
        async with at(broker) as client:
            async with client.transaction() as transaction:
                await transaction.send("/queue/a", "kept")
            assert transaction.state == "committed"
            with pytest.raises(ZeroDivisionError):
                async with client.transaction() as transaction:
                    await transaction.send("/queue/a", "dropped")
                    raise ZeroDivisionError
            assert transaction.state == "aborted"

    run(test())
    assert broker.depth("/queue/a") == 1


def test_request_gets_its_reply(broker):
    async def test():
        async def answer(message):
            await asyncio.sleep(0)
            await message.reply(message.text.upper())

        async with at(broker) as client:
            async with await client.consume("/queue/echo", answer, concurrency=2):
                replies = await asyncio.gather(*(client.request("/queue/echo", word) for word in "abc"))
            return [reply.text for reply in replies]

    assert run(test()) == ["A", "B", "C"]


def test_a_handler_may_be_a_plain_function(broker):
    async def test():
        seen = []
        async with at(broker) as client:
            await client.consume("/queue/a", lambda message: seen.append(message.text))
            await client.send("/queue/a", "x", confirm=True)
            await until(lambda: seen)
            await until(lambda: client._engine.unsettled == 0)
        return seen

    assert run(test()) == ["x"]


def test_merged_subscriptions_form_one_stream(broker):
    async def test():
        async with at(broker) as client:
            one, two = await client.subscribe("/queue/a"), await client.subscribe("/queue/b")
            both = client.merge(one, two)
            await client.send("/queue/a", "1")
            await client.send("/queue/b", "2")
            return [(await both.receive(SOON)).text, (await both.receive(SOON)).text]

    assert run(test()) == ["1", "2"]


def test_messages_end_after_silence(broker):
    async def test():
        async with at(broker) as client:
            subscription = await client.subscribe("/queue/a")
            await client.send("/queue/a", "x")
            return [message.text async for message in subscription.messages(0.5)]

    assert run(test()) == ["x"]


def test_state_callbacks_may_be_coroutine_functions(broker):
    async def test():
        outcomes = []

        async def record(change):
            await asyncio.sleep(0)
            outcomes.append(change.state)

        client = at(broker)
        client.on_state(record)
        states = client.states()
        async with client:
            pass
        seen = [change.state async for change in states]
        await until(lambda: len(outcomes) == len(seen))
        return seen

    assert run(test()) == [
        ClientState.CONNECTING,
        ClientState.CONNECTED,
        ClientState.CLOSING,
        ClientState.CLOSED,
    ]


def test_credentials_may_be_coroutine_functions(broker):
    async def login():
        await asyncio.sleep(0)
        return "somebody"

    async def test():
        async with at(broker, login=login, passcode=lambda: "secret") as client:
            return client.state

    assert run(test()) is ClientState.CONNECTED


def test_per_address_makes_a_client_for_each_address(broker):
    async def test():
        clients = stomp.AsyncClient.per_address(f"stomp://127.0.0.1:{broker.port},127.0.0.1:{broker.port}")
        for client in clients:
            await client.connect()
        for client in clients:
            await client.close()
        return len(clients)

    assert run(test()) == 2


def test_lost_connection_is_reconnected(broker):
    async def test():
        async with at(relay) as client:
            subscription = await client.subscribe("/queue/a")
            states = client.states(SOON)
            await asyncio.to_thread(relay.cut)
            async for change in states:
                if change.state is ClientState.CONNECTED:
                    break
            await client.send("/queue/a", "after")
            return (await subscription.receive(SOON)).text, client.stats().connections

    with Relay(broker.host, broker.port) as relay:
        assert run(test()) == ("after", 2)


def test_close_ends_reconnecting():
    def greet_and_hang_up(sock):
        read_frame(sock)
        greet_back(sock)

    async def test():
        client = at(server)
        await client.connect()
        await until(lambda: client.state is ClientState.RECONNECTING)
        await client.close()
        await asyncio.sleep(0)
        return client.state

    # The second CONNECT has no answer: a state that passes could be missed.
    with ScriptedServer(greet_and_hang_up, say_nothing) as server:
        assert run(test()) is ClientState.CLOSED


def test_broker_that_closes_at_once_does_not_block():
    async def test():
        client = at(server, attempts=1, connect_timeout=60)
        with pytest.raises(ConnectFailed):
            await client.connect()
        return client.state

    with ScriptedServer(hang_up) as server:
        assert run(test()) is ClientState.FAILED


def test_nothing_can_be_sent_before_connect(broker):
    async def test():
        with pytest.raises(NotConnected, match="not connected"):
            await at(broker).send("/queue/a", "x")

    run(test())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("endpoint", ["stomp", "stomp+ssl", "ws", "wss", "unix"])
def test_every_transport_works_on_every_loop(endpoint, loop, server_tls, ca_file, tmp_path):
    body = bytes(range(256)) * 3000

    async def test():
        where = f"unix://{tmp_path}/broker.sock" if endpoint == "unix" else f"{endpoint}://127.0.0.1:0"
        async with Broker(listen=[where], ssl_context=server_tls if secure else None) as broker:
            tls = stomp.TlsSettings(ca_certs=ca_file) if secure else None
            async with stomp.AsyncClient(broker.urls[0], tls=tls, timeout=SOON) as client:
                subscription = await client.subscribe("/queue/a")
                for _ in range(3):
                    await client.send("/queue/a", body, confirm=True)
                return [message.body == body async for message in subscription.messages(0.5)]

    secure = endpoint in ("stomp+ssl", "wss")
    assert run(test(), **loop_of(loop)) == [True, True, True]


# ------------------------------------------------------------------------------------- cancelling


def test_receive_that_is_cancelled_loses_no_message(broker):
    async def test():
        async with at(broker) as client:
            subscription = await client.subscribe("/queue/a")
            waiting = asyncio.create_task(subscription.receive())
            await until(lambda: subscription._queue._callbacks)
            # The message and the cancellation come in the same turn of the loop.
            await client.send("/queue/a", "x", confirm=True)
            waiting.cancel()
            results = await asyncio.gather(waiting, return_exceptions=True)
            taken = [result.text for result in results if not isinstance(result, BaseException)]
            rest = [message.text async for message in subscription.messages(0.5)]
            return taken + rest

    assert run(test()) == ["x"]


def test_connect_that_is_cancelled_leaves_no_connection(broker):
    async def test():
        client = at(server)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.connect()
        assert client.state is ClientState.FAILED
        await client.close()
        await asyncio.gather(*(link.wait_closed() for link in client._links))

    with ScriptedServer(say_nothing) as server:
        run(test())


def test_cancelled_subscribe_is_unsubscribed(broker):
    asked: list[bytes] = []

    def script(sock):
        greet_then_note(sock, asked)

    async def test():
        async with at(server) as client:
            making = asyncio.create_task(client.subscribe("/queue/a", id="7"))
            await until(lambda: b"SUBSCRIBE" in b"".join(asked))
            making.cancel()
            with pytest.raises(asyncio.CancelledError):
                await making
            await until(lambda: b"UNSUBSCRIBE" in b"".join(asked))
            assert client._engine.subscriptions == {}
            assert client._engine.ledger.subscriptions == {}
            await client.close(timeout=0.1)

    with ScriptedServer(script) as server:
        run(test())


def greet_then_note(sock, asked):
    asked.append(sock.recv(65536))
    sock.sendall(b"CONNECTED\nversion:1.2\n\n\0")
    while data := sock.recv(65536):
        asked.append(data)


def test_cancelled_close_still_closes():
    async def test():
        client = at(server)
        await client.connect()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.close()
        assert client.state is ClientState.CLOSED
        await client.close()
        await until(lambda: not any(link.is_open for link in client._links))

    with ScriptedServer(greet) as server:
        run(test())


def test_cancelled_block_does_not_wait_or_reject(broker, monkeypatch):
    waits = []
    close = stomp.AsyncClient.close

    async def noted(self, timeout=None):
        waits.append(timeout)
        return await close(self, timeout)

    monkeypatch.setattr(stomp.AsyncClient, "close", noted)

    async def test():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), at(broker) as client:
                await client.send("/queue/a", b"x", confirm=True)
                async with await client.subscribe("/queue/a", ack="client-individual") as orders:
                    message = await orders.receive(timeout=SOON)
                    async with message:
                        await asyncio.Event().wait()
        assert waits == [2.0]
        assert not message.settled
        async with at(broker) as client, await client.subscribe("/queue/a") as orders:
            again = await orders.receive(timeout=SOON)
            assert again.body == b"x"

    run(test())


def test_a_consumer_waits_for_its_handlers_and_cancels_the_late_ones(broker):
    ended = []

    async def handle(message):
        try:
            await asyncio.sleep(60 if message.text == "late" else 0.05)
            ended.append(message.text)
        except asyncio.CancelledError:
            ended.append(f"{message.text} cancelled")
            raise

    async def test():
        async with at(broker) as client:
            consumer = await client.consume("/queue/a", handle, concurrency=2, ack="auto")
            await client.send("/queue/a", "soon")
            await client.send("/queue/a", "late")
            await until(lambda: client.stats().messages == 2 and not consumer.subscription.waiting)
            await consumer.close(timeout=0.5)

    run(test())
    assert ended == ["soon", "late cancelled"]


# ------------------------------------------------------------------------------------- fairness


def test_receiving_queued_messages_yields_to_other_tasks(broker):
    async def test():
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with at(broker) as client:
            subscription = await client.subscribe("/queue/a", ack="client-individual", prefetch=1500)
            for _ in range(1500):
                await client.send("/queue/a", b"x")
            await until(lambda: subscription.waiting == 1500)
            task = asyncio.create_task(other())
            taken = 0
            async for message in subscription:
                await message.ack()
                taken += 1
                if taken == 1500:
                    break
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return turns

    # It is not said how many: that is a matter of time.
    assert run(test()) > 1


# ------------------------------------------------------------------------------------- signals


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_run_forever_drains_at_a_signal(broker):
    async def test():
        before = signal.getsignal(signal.SIGTERM)
        seen = []
        client = await at(broker).connect()
        await client.consume("/queue/a", lambda message: seen.append(message.text))
        await client.send("/queue/a", "x", confirm=True)
        await until(lambda: seen)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        report = await client.run_forever(signals=[signal.SIGTERM])
        assert signal.getsignal(signal.SIGTERM) is before
        return report.clean, client.state

    assert run(test()) == (True, ClientState.CLOSED)


def test_run_forever_raises_the_reason_of_the_failure(broker):
    async def test():
        client = at(relay, reconnect=False)
        await client.connect()
        await asyncio.to_thread(relay.close)
        with pytest.raises(NotConnected):
            await client.run_forever()

    with Relay(broker.host, broker.port) as relay:
        run(test())


def test_transaction_is_lost_with_its_connection(broker):
    async def test():
        async with at(relay) as client:
            with pytest.raises(TransactionVoid):
                async with client.transaction() as transaction:
                    await asyncio.to_thread(relay.cut)
                    await until(lambda: client.stats().connections == 2)
                    await transaction.send("/queue/a", "x")

    with Relay(broker.host, broker.port) as relay:
        run(test())
