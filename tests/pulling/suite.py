"""Tests of both clients, for every broker and transport.

The fixture `client` makes clients of either kind for the `place`, and closes them after the test.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest

from stomp.core.engine.status import ClientState, StateChange
from stomp.core.errors import (
    AlreadySettled,
    AuthenticationFailed,
    BrokerError,
    ContentError,
    ReplyMissing,
    StaleDelivery,
    TransactionVoid,
    Unsupported,
    UsageError,
)
from stomp.testing.relay import Relay
from tests.pulling.places import Place

EVERY_BYTE = bytes(range(256)) * 3
WAIT = 10.0


def drained(subscription: Any, count: int) -> list[Any]:
    """Receive this number of messages; check that no more arrive shortly after."""
    found = []
    for message in subscription.messages(timeout=WAIT):
        found.append(message)
        if len(found) == count:
            break
    assert subscription.receive(timeout=0.05) is None
    return found


class Living:
    def test_client_has_broker_version_and_address(self, client, place: Place) -> None:
        one = client()
        assert one.state.value == "connected"
        assert one.broker.name == place.vendor
        assert one.version == "1.2"
        assert one.heartbeat == (10_000, 10_000)
        assert one.close() is True
        assert one.state.value == "closed"

    def test_wrong_password_is_raised_at_once(self, client, place: Place) -> None:
        with pytest.raises(AuthenticationFailed) as caught:
            client(url=place.wrong)
        assert "wrong-passcode" not in str(caught.value)

    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    def test_older_versions_work(self, client, place: Place, version: str) -> None:
        one, queue = client(versions=[version]), place.queue()
        assert one.version == version
        with one.subscribe(queue, ack="client", headers=place.queue_headers) as subscription:
            one.send(queue, b"x", confirm=True, headers=place.queue_headers)
            message = subscription.receive(timeout=WAIT)
            message.ack(confirm=True)
            assert message.body == b"x"

    def test_state_changes_are_reported(self, client, place: Place) -> None:
        seen: list[ClientState] = []
        one = client(connected=False)
        one.on_state(lambda change: seen.append(change.state))
        one.connect()
        one.close()
        assert seen == [
            ClientState.CONNECTING,
            ClientState.CONNECTED,
            ClientState.CLOSING,
            ClientState.CLOSED,
        ]


class Sending:
    @pytest.mark.parametrize(
        "body",
        [b"", b"abc", EVERY_BYTE, b"\0" * 100, b"x" * 1_000_000],
        ids=["none", "text", "bytes", "nul", "large"],
    )
    def test_bodies_arrive_as_they_are(self, client, place: Place, body: bytes) -> None:
        one, queue = client(), place.queue()
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            if not place.takes_all and body in (EVERY_BYTE, b"x" * 1_000_000):
                with pytest.raises(Unsupported, match="connect by TCP"):
                    one.send(queue, body, confirm=True, headers=place.queue_headers)
                return
            one.send(queue, body, confirm=True, headers=place.queue_headers)
            assert subscription.receive(timeout=WAIT).body == body

    def test_text_and_json_are_decoded(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            one.send(
                queue,
                '{"ä": [1]}',
                confirm=True,
                content_type="application/json",
                headers=place.queue_headers,
            )
            message = subscription.receive(timeout=WAIT)
            assert message.text == '{"ä": [1]}'
            assert message.json() == {"ä": [1]}
            assert message.destination == queue

    def test_headers_arrive_as_they_are(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        called = {"colon": "a:b", "backslash": r"C:\new", "lines": "a\nb", "umlaut": "häh"}
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            one.send(queue, b"", confirm=True, headers={**place.queue_headers, **called})
            headers = subscription.receive(timeout=WAIT).headers
            assert {name: headers[name] for name in called} == called

    def test_unconfirmed_sends_arrive(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            for number in range(100):
                one.send(queue, str(number), headers=place.queue_headers)
            assert [int(message.text) for message in drained(subscription, 100)] == list(range(100))

    def test_many_are_confirmed_in_order(self, client, place: Place) -> None:
        one, queue = client(window=50), place.queue()
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            confirmations = one.send_many(
                [(queue, str(number)) for number in range(300)], headers=place.queue_headers
            )
            assert {confirmation.outcome for confirmation in confirmations} == {"confirmed"}
            assert [int(message.text) for message in drained(subscription, 300)] == list(range(300))
        assert one.stats().confirmed == 300

    def test_confirmation_calls_its_callback(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        confirmation = one.send_async(queue, b"x", headers=place.queue_headers)
        called = threading.Event()
        confirmation.add_done_callback(lambda _: called.set())
        assert confirmation.result(timeout=WAIT) is None
        assert called.wait(WAIT)
        assert confirmation.outcome == "confirmed"

    def test_batch_is_confirmed_on_exit(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        with one.confirmations() as batch:
            sent = [batch.send(queue, str(number), headers=place.queue_headers) for number in range(20)]
        assert {confirmation.outcome for confirmation in sent} == {"confirmed"}

    def test_compressed_bodies_are_decompressed(self, client, place: Place) -> None:
        if not place.takes_all:
            pytest.skip("what is compressed is not UTF-8")
        one, queue = client(max_decompressed_size=10_000), place.queue()
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            for size in (10_000, 10_001):
                one.send(queue, b"x" * size, confirm=True, compress="gzip", headers=place.queue_headers)
            message = subscription.receive(timeout=WAIT)
            assert len(message.body) < 1000
            assert message.content == b"x" * 10_000
            with pytest.raises(ContentError, match="larger than 10000"):
                _ = subscription.receive(timeout=WAIT).content
            one.send(queue, b"still there", confirm=True, headers=place.queue_headers)
            assert subscription.receive(timeout=WAIT).text == "still there"

    def test_unsupported_option_is_refused(self, client, place: Place) -> None:
        one = client()
        if one.broker.delay is None:
            with pytest.raises(Unsupported, match="delay"):
                one.send(place.queue(), b"", delay=5)
        if not one.broker.selectors:
            with pytest.raises(Unsupported, match="selector"):
                one.subscribe(place.queue(), selector="a = 1")

    def test_delayed_message_comes_after_a_later_one(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        if one.broker.delay is None:
            return  # see the test above
        one.send(queue, b"delayed", confirm=True, delay=0.5, headers=place.queue_headers)
        one.send(queue, b"at once", confirm=True, headers=place.queue_headers)
        subscription = one.subscribe(queue, headers=place.queue_headers)
        assert [subscription.receive(timeout=WAIT).text for _ in range(2)] == ["at once", "delayed"]

    def test_message_expires_after_its_ttl(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        one.send(queue, b"short", confirm=True, ttl=0.001, headers=place.queue_headers)
        # These round trips take longer than the TTL.
        other, end = place.queue(), time.monotonic() + place.clock_lag
        for number in itertools.count():
            if number >= 50 and time.monotonic() > end:
                break
            one.send(other, b"", confirm=True, headers=place.queue_headers)
        one.send(queue, b"long", confirm=True, ttl=60, headers=place.queue_headers)
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            assert subscription.receive(timeout=WAIT).text == "long"


class Taking:
    def test_unacknowledged_messages_are_redelivered(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        one.send_many([(queue, str(number)) for number in range(3)], headers=place.queue_headers)
        subscription = one.subscribe(queue, ack="client-individual", headers=place.queue_headers)
        first, second, third = drained(subscription, 3)
        second.ack(confirm=True)
        with pytest.raises(AlreadySettled):
            second.ack()
        one.close()
        with pytest.raises(StaleDelivery):
            first.ack()
        again = client()
        with again.subscribe(queue, ack="client-individual", headers=place.queue_headers) as rest:
            assert {message.text for message in drained(rest, 2)} == {first.text, third.text}

    def test_an_acknowledgement_may_cover_earlier_messages(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        one.send_many([(queue, str(number)) for number in range(3)], headers=place.queue_headers)
        subscription = one.subscribe(queue, ack="client", headers=place.queue_headers)
        _, second, _ = drained(subscription, 3)
        second.ack(confirm=True)
        one.close()
        with client().subscribe(queue, headers=place.queue_headers) as rest:
            assert [message.text for message in drained(rest, 1)] == ["2"]

    def test_with_statement_acknowledges_or_rejects(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        one.send_many([(queue, "good"), (queue, "bad")], headers=place.queue_headers)
        subscription = one.subscribe(queue, ack="client-individual", headers=place.queue_headers)
        good, bad = drained(subscription, 2)
        with good:
            pass
        with pytest.raises(ZeroDivisionError), bad:
            raise ZeroDivisionError
        if place.redelivers:
            again = subscription.receive(timeout=WAIT)
            assert again.text == "bad"
            again.ack(confirm=True)
        assert subscription.receive(timeout=0.05) is None

    def test_no_more_than_the_prefetch_is_delivered(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        if not place.prefetch:
            with pytest.raises(Unsupported, match="has no prefetch"):
                one.subscribe(queue, ack="client-individual", prefetch=2)
            return
        one.send_many([(queue, str(number)) for number in range(5)], headers=place.queue_headers)
        with one.subscribe(
            queue, ack="client-individual", prefetch=2, headers=place.queue_headers
        ) as subscription:
            first, _ = drained(subscription, 2)
            first.ack()
            third = subscription.receive(timeout=WAIT)
            assert third.text == "2"
            for _ in range(2):
                pass

    def test_iteration_ends_when_the_subscription_does(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        subscription = one.subscribe(queue, headers=place.queue_headers)
        one.send(queue, b"x", confirm=True, headers=place.queue_headers)
        for message in subscription:
            assert message.body == b"x"
            subscription.close()
        assert subscription.closed
        with pytest.raises(UsageError, match="is closed"):
            list(subscription)

    def test_merged_subscriptions_deliver_all_messages(self, client, place: Place) -> None:
        one, queues = client(), [place.queue() for _ in range(3)]
        merged = one.merge(*[one.subscribe(queue, headers=place.queue_headers) for queue in queues])
        for queue in queues:
            one.send(queue, queue, confirm=True, headers=place.queue_headers)
        assert {message.text for message in drained(merged, 3)} == set(queues)

    def test_handlers_run_concurrently(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        at_work, done = threading.Barrier(3), threading.Semaphore(0)

        def handle(message: Any) -> None:
            at_work.wait(WAIT)
            done.release()

        one.consume(queue, handle, concurrency=3, headers=place.queue_headers)
        one.send_many([(queue, str(number)) for number in range(3)], headers=place.queue_headers)
        for _ in range(3):
            assert done.acquire(timeout=WAIT)
        report = one.drain(timeout=WAIT)
        assert report.clean
        with client().subscribe(queue, headers=place.queue_headers) as rest:
            assert rest.receive(timeout=0.1) is None

    def test_one_handler_keeps_the_order(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        seen: list[int] = []
        done = threading.Event()

        def handle(message: Any) -> None:
            seen.append(int(message.text))
            if len(seen) == 50:
                done.set()

        one.consume(queue, handle, headers=place.queue_headers)
        one.send_many([(queue, str(number)) for number in range(50)], headers=place.queue_headers)
        assert done.wait(WAIT)
        assert seen == list(range(50))

    def test_failing_handler_rejects_the_message(
        self, client, place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        one, queue = client(), place.queue()
        seen = threading.Semaphore(0)
        failed: list[str] = []

        def handle(message: Any) -> None:
            seen.release()
            if not failed:
                failed.append(message.text)
                raise ZeroDivisionError

        one.consume(queue, handle, headers=place.queue_headers)
        one.send(queue, b"x", confirm=True, headers=place.queue_headers)
        for _ in range(2 if place.redelivers else 1):
            assert seen.acquire(timeout=WAIT)
        assert one.drain(timeout=WAIT).clean
        assert "a handler failed" in caplog.text

    def test_a_durable_subscription_gets_what_was_sent_meanwhile(self, client, place: Place) -> None:
        topic, name = place.topic(), place.queue().rpartition("/")[2]
        one = client(client_id=name)
        if not place.durable:
            with pytest.raises(Unsupported, match="has no durable subscription"):
                one.subscribe(topic, durable=name)
            return
        one.subscribe(topic, durable=name)
        one.close()
        client().send(topic, b"meanwhile", confirm=True, persistent=True)
        again = client(client_id=name)
        subscription = again.subscribe(topic, durable=name)
        assert subscription.receive(timeout=WAIT).text == "meanwhile"
        if place.deletes_durable:
            subscription.close(delete=True)
        else:
            with pytest.raises(BrokerError):
                subscription.close(delete=True)


class Together:
    def test_a_transaction_is_carried_out_as_one(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            with one.transaction() as transaction:
                transaction.send(queue, b"1", headers=place.queue_headers)
                transaction.send(queue, b"2", headers=place.queue_headers)
                assert subscription.receive(timeout=0.1) is None
            assert transaction.state == "committed"
            bodies = [message.text for message in drained(subscription, 2)]
            assert (bodies if place.orders_transactions else sorted(bodies)) == ["1", "2"]

    def test_a_transaction_needs_no_with_statement(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            dropped, kept = one.begin(), one.transaction()
            dropped.send(queue, b"dropped", headers=place.queue_headers)
            kept.send(queue, b"kept", headers=place.queue_headers)
            dropped.abort()
            kept.commit()
            assert (dropped.state, kept.state) == ("aborted", "committed")
            assert [message.text for message in drained(subscription, 1)] == ["kept"]

    def test_a_transaction_that_fails_leaves_nothing(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        one.send(queue, b"in", confirm=True, headers=place.queue_headers)
        with one.subscribe(queue, ack="client-individual", headers=place.queue_headers) as subscription:
            message = subscription.receive(timeout=WAIT)
            with pytest.raises(ZeroDivisionError), one.transaction() as transaction:
                transaction.send(queue, b"out", headers=place.queue_headers)
                if place.acks_in_transactions:
                    transaction.ack(message)
                else:
                    with pytest.raises(Unsupported, match="broker ignores the header"):
                        transaction.ack(message)
                raise ZeroDivisionError
            assert transaction.state == "aborted"
            assert subscription.receive(timeout=0.1) is None
            message.ack(confirm=True)
        with pytest.raises(UsageError):
            transaction.send(queue, b"late")

    def test_a_request_gets_its_reply(self, client, place: Place) -> None:
        server, one, queue = client(), client(), place.queue()
        server.consume(
            queue,
            lambda message: message.reply(message.text.upper()),
            ack="auto",
            headers=place.queue_headers,
        )
        if not place.replies:
            with pytest.raises(Unsupported, match="has no temporary queues"):
                one.request(queue, "one", timeout=WAIT, headers=place.queue_headers)
            return
        for word in ("one", "two"):
            assert one.request(queue, word, timeout=WAIT, headers=place.queue_headers).text == word.upper()

    def test_a_request_gets_the_replies_of_several_services(self, client, place: Place) -> None:
        one, topic = client(), place.topic()
        for name in ("a", "b"):
            client().consume(topic, lambda message, name=name: message.reply(name), ack="auto")
        if not place.replies:
            with pytest.raises(Unsupported, match="has no temporary queues"):
                one.request_many(topic, "?", replies=2, timeout=WAIT)
            return
        replies = one.request_many(topic, "?", replies=2, timeout=WAIT)
        assert sorted(reply.text for reply in replies) == ["a", "b"]

    def test_request_without_reply_times_out(self, client, place: Place) -> None:
        one, queue = client(), place.queue()
        error, text = (
            (ReplyMissing, "no reply to the request")
            if place.replies
            else (Unsupported, "has no temporary queues")
        )
        with pytest.raises(error, match=text):
            one.request(queue, b"?", timeout=0.2, headers=place.queue_headers)


class Losing:
    def test_lost_connection_is_reconnected(self, client, place: Place, relayed) -> None:
        relay, url = relayed
        one, queue = client(url=url), place.queue()
        back = threading.Event()
        one.on_state(lambda change: back.set() if came_back(change) else None)
        subscription = one.subscribe(queue, ack="client-individual", headers=place.queue_headers)
        one.send(queue, b"x", confirm=True, headers=place.queue_headers)
        message = subscription.receive(timeout=WAIT)
        relay.cut()
        assert back.wait(WAIT)
        with pytest.raises(StaleDelivery):
            message.ack()
        again = subscription.receive(timeout=place.return_time)
        assert again.text == "x"
        again.ack(confirm=True)
        assert one.stats().connections == 2

    def test_a_transaction_does_not_outlive_its_connection(self, client, place: Place, relayed) -> None:
        relay, url = relayed
        one, queue = client(url=url), place.queue()
        back = threading.Event()
        one.on_state(lambda change: back.set() if came_back(change) else None)
        with pytest.raises(TransactionVoid), one.transaction() as transaction:
            transaction.send(queue, b"x", headers=place.queue_headers)
            relay.cut()
            assert back.wait(WAIT)
        assert transaction.state == "void"
        with one.subscribe(queue, headers=place.queue_headers) as subscription:
            assert subscription.receive(timeout=0.1) is None

    def test_sends_continue_after_the_reconnect(self, client, place: Place, relayed) -> None:
        relay, url = relayed
        one, queue = client(url=url, on_unknown="resend"), place.queue()
        receiver = client()
        subscription = receiver.subscribe(queue, headers=place.queue_headers)
        sent = [one.send_async(queue, str(number), headers=place.queue_headers) for number in range(50)]
        relay.cut()
        sent += [one.send_async(queue, str(number), headers=place.queue_headers) for number in range(50, 100)]
        for confirmation in sent:
            confirmation.result(timeout=WAIT)
        seen: set[str] = set()
        repeated: set[str] = set()
        for message in subscription.messages(timeout=WAIT):
            if message.possible_duplicate:
                repeated.add(message.text)
            # The broker may process the resent message before the first one, which is from the old connection.
            assert message.text not in seen or message.text in repeated
            seen.add(message.text)
            if len(seen) == 100:
                break
        assert len(seen) == 100


def came_back(change: StateChange) -> bool:
    """True if a client has connected for the second time."""
    return change.state is ClientState.CONNECTED and change.generation > 1


def through(relay: Relay, place: Place) -> str:
    """The URL of a place, through a relay."""
    head, _, rest = place.url.rpartition("@")
    host, slash, path = rest.partition("/")
    del host
    return f"{head}@{relay.address[0]}:{relay.address[1]}{slash}{path}"
