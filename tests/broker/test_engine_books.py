"""Properties of the engine and of its store (Hypothesis): after any sequence of frames, no message is lost or counted
twice.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stomp.broker.engine import Engine
from stomp.broker.store import Backlog, Policy, StoredMessage
from stomp.core.frames.frame import Frame
from tests.broker.party import Party


@given(st.lists(st.one_of(st.just("add"), st.just("take"), st.integers(0, 20)), max_size=60))
def test_backlog_keeps_the_order_with_requeued_messages(steps: list[str | int]) -> None:
    backlog, taken, number = Backlog(), [], 0
    waiting: set[int] = set()
    for step in steps:
        if step == "add":
            number += 1
            backlog.add(StoredMessage(number, "/queue/a", {}, b"", 1))
            waiting.add(number)
        elif step == "take" and backlog:
            assert backlog.first().number == min(waiting)
            message = backlog.take()
            waiting.remove(message.number)
            taken.append(message)
        elif isinstance(step, int) and taken:
            message = taken.pop(step % len(taken))
            backlog.put_back(message)
            waiting.add(message.number)
        assert len(backlog) == len(waiting)


_STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # number of the client
        st.sampled_from(
            ["send", "send", "subscribe", "unsubscribe", "ack", "nack", "begin", "commit", "abort"]
        ),
        st.sampled_from(["auto", "client", "client-individual"]),
        st.integers(0, 5),  # number of the delivery
        st.booleans(),  # in the transaction?
    ),
    max_size=60,
)


class Books:
    """The expected state of each message, tracked independently of the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.parties = [Party(engine) for _ in range(3)]
        self.held: list[list[Frame]] = [[] for _ in self.parties]
        self.sent: set[bytes] = set()
        self.gone: set[bytes] = set()  # acknowledged, or delivered with ack "auto"
        self.pending: list[tuple[set[bytes], set[bytes]]] = [(set(), set()) for _ in self.parties]

    def step(self, who: int, verb: str, ack: str, which: int, inside: bool, body: bytes) -> None:
        one = self.parties[who]
        open_ = bool(one.client.transactions)
        tx = "t" if inside and open_ else None
        if verb == "send":
            one.send("/queue/a", body.decode(), tx=tx)
            (self.pending[who][0] if tx else self.sent).add(body)
        elif verb == "subscribe" and not one.client.consumers:
            one.subscribe("/queue/a", ack=ack)
        elif verb == "unsubscribe" and one.client.consumers:
            one.unsubscribe()
        elif verb in ("ack", "nack") and self.held[who]:
            self.settle(who, self.held[who][which % len(self.held[who])], verb == "nack", tx)
        elif verb == "begin" and not open_:
            one.do("BEGIN", "t")
        elif verb in ("commit", "abort") and open_:
            one.do(verb.upper(), "t")
            sent, gone = self.pending[who]
            self.pending[who] = (set(), set())
            if verb == "commit":
                self.sent |= sent
                self.gone |= gone
        self.collect()

    def settle(self, who: int, message: Frame, negative: bool, tx: str | None) -> None:
        one = self.parties[who]
        before = dict(one.client.awaiting)
        if message.headers["ack"] not in before:
            return
        # The list of the consumer is used to find what an ACK covers; the test of the ACK modes verifies that list.
        delivery = before[message.headers["ack"]]
        unacked = list(delivery.consumer.unacked)
        if delivery.consumer.ack == "client":
            covered = set(unacked[: unacked.index(delivery.key) + 1])
        else:
            covered = {delivery.key}
        one.ack(message, negative=negative, tx=tx)
        if not negative:
            (self.pending[who][1] if tx else self.gone).update(before[key].message.body for key in covered)

    def collect(self) -> None:
        for one, holding in zip(self.parties, self.held, strict=True):
            for message in one.messages():
                if "ack" in message.headers:
                    holding.append(message)
                else:
                    assert message.body not in self.gone
                    self.gone.add(message.body)

    def balance(self) -> None:
        engine = self.engine
        in_transactions = sum(len(sent) for sent, _ in self.pending)
        assert engine.capacity.messages == sum(engine.destinations().values()) + in_transactions
        assert (engine.capacity.bytes > 0) is (engine.capacity.messages > 0)
        assert sum(engine.destinations().values()) == len(self.sent - self.gone)
        for one in self.parties:
            for consumer in one.client.consumers.values():
                numbers = [delivery.number for delivery in consumer.unacked.values()]
                assert numbers == sorted(numbers)
                assert set(consumer.unacked) <= set(one.client.awaiting)


@pytest.mark.slow(reason="300 examples of many steps")
@settings(max_examples=300, deadline=None)
@given(_STEPS)
def test_no_message_is_lost_or_duplicated(steps: list[tuple[int, str, str, int, bool]]) -> None:
    engine = Engine(Policy(dead_letter_after=2, window=3))
    books = Books(engine)
    for count, (who, verb, ack, which, inside) in enumerate(steps):
        books.step(who, verb, ack, which, inside, str(count).encode())
        books.balance()
    for one in books.parties:
        one.leave()
        books.pending = [(set(), set()) for _ in books.parties]
        books.collect()
    last = Party(engine)
    last.subscribe("/queue/a", "a", ack="client", prefetch_count=0)
    last.subscribe("/queue/DLQ", "dlq", ack="client", prefetch_count=0)
    bodies = [message.body for message in last.messages()]
    assert len(bodies) == len(set(bodies)) == engine.capacity.messages
    assert set(bodies) == books.sent - books.gone
