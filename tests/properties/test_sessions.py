"""Two sessions on a wire that delays, chops and breaks: what holds whatever the two sides do, and in which order."""

from collections import Counter, deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stomp.core.frames import commands
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.limits import Limits
from stomp.core.session.base import Session
from stomp.core.session.client import ClientSession
from stomp.core.session.events import (
    Closed,
    Connected,
    ConnectRequested,
    Error,
    MessageFrame,
    Reason,
    Receipt,
    ReceiptOverdue,
    Request,
)
from stomp.core.session.ledger import Ledger, PendingReceipt
from stomp.core.session.server import ServerSession
from stomp.core.session.state import TRANSITIONS, State
from stomp.testing import Endpoint, FakeClock, SessionPair

_STEPS = {(role, before, after) for (role, before, _), after in TRANSITIONS.items()}


class _Watched(Session):
    """Every change of state is one of the table."""

    @property
    def state(self) -> State:
        return self._state

    @state.setter
    def state(self, after: State) -> None:
        before = getattr(self, "_state", None)
        assert before in (None, after) or (self.role, before, after) in _STEPS
        self._state = after


class WatchedClient(_Watched, ClientSession):
    """A client whose moves are watched."""


class WatchedServer(_Watched, ServerSession):
    """A server whose moves are watched."""


receipts = st.one_of(st.none(), st.sampled_from(["r1", "r2", "a:b"]))
patience = st.one_of(st.none(), st.floats(0.1, 30))
intervals = st.sampled_from([0, 500, 1000, 3000])
bodies = st.binary(max_size=30)
seldom = st.integers(0, 15).map(lambda number: number == 7)
sizes = st.one_of(st.none(), st.integers(1, 200))


class Sessions(RuleBasedStateMachine):
    """A client and a server, and what should be true of them."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.clock = FakeClock(1000.0)
        self.number = 0  # each frame carries one of its own

    # --------------------------------------------------------------------------------- one connection

    @initialize(
        versions=st.lists(st.sampled_from(["1.0", "1.1", "1.2"]), min_size=1, unique=True),
        ours=st.tuples(intervals, intervals),
        theirs=st.tuples(intervals, intervals),
        prompt=st.sampled_from([True, True, False]),
    )
    def connect(
        self, versions: list[str], ours: tuple[int, int], theirs: tuple[int, int], prompt: bool
    ) -> None:
        limits = Limits(early_frames=1000)
        client = WatchedClient(ledger=self.ledger)
        server = WatchedServer(heartbeat=theirs, limits=limits)
        self.wire = SessionPair(client, server, clock=self.clock)
        self.to_server: list[str] = []  # numbers of the frames that the client sent, in order
        self.at_server: list[str] = []
        self.to_client: list[str] = []
        self.at_client: list[str] = []
        self.requests: deque[Frame] = deque()  # dispatched to the server and not answered
        self.asked = False  # ConnectRequested was dispatched and not answered
        self.tickets: list[PendingReceipt] = []
        self.resolved: Counter[int] = Counter()
        self.closings: Counter[str] = Counter()
        self.unacked: dict[str, list[str]] = {id: [] for id in self.ledger.subscriptions}
        self.written = {"client": 0, "server": 0}
        self.last_written = {"client": self.clock(), "server": self.clock()}
        self.last_read = {"client": self.clock(), "server": self.clock()}
        self.agreed = {"client": (0, 0), "server": (0, 0)}  # remembered beyond the end
        client.connect(versions, "/", heartbeat=ours)
        self.after()
        if prompt:
            self.carry("client", None)
            self.answer_connect(refuse=False)
            self.carry("server", None)

    @precondition(lambda self: self.over)
    @rule(
        version=st.sampled_from(["1.0", "1.1", "1.2"]),
        heartbeat=st.tuples(intervals, intervals),
        prompt=st.sampled_from([True, True, False]),
    )
    def connect_again(self, version: str, heartbeat: tuple[int, int], prompt: bool) -> None:
        generation = self.client.generation
        kept = {id: dict(found.headers) for id, found in self.ledger.subscriptions.items()}
        self.connect([version], heartbeat, heartbeat, prompt)
        assert self.client.generation == generation + 1
        assert {id: dict(found.headers) for id, found in self.ledger.subscriptions.items()} == kept
        for subscription in list(self.ledger.subscriptions.values()):
            # One offer makes the version certain, so these may be given before CONNECTED came.
            self.transmit(Frame("SUBSCRIBE", Headers({**subscription.headers, "id": subscription.id})))

    @property
    def client(self) -> ClientSession:
        return self.wire.client

    @property
    def server(self) -> ServerSession:
        return self.wire.server

    @property
    def over(self) -> bool:
        return self.client.state is State.CLOSED and self.server.state is State.CLOSED

    @property
    def may_send(self) -> bool:
        """The client can give a frame: the version is certain, and it has not said good-bye."""
        flowing = self.client.state in (State.CONNECTING, State.CONNECTED)
        return flowing and self.client.version is not None and not self.client._disconnecting

    @property
    def may_deliver(self) -> bool:
        return self.server.state in (State.CONNECTED, State.DISCONNECTING)

    # --------------------------------------------------------------------------------- the client's verbs

    def transmit(self, frame: Frame, deadline: float | None = None) -> None:
        self.number += 1
        frame.headers["n"] = str(self.number)
        ticket = self.client.transmit(frame, deadline=None if deadline is None else self.clock() + deadline)
        assert (ticket is None) is ("receipt" not in frame.headers)
        if ticket is not None:
            self.tickets.append(ticket)
        self.to_server.append(frame.headers["n"])
        self.after()

    @precondition(lambda self: self.may_send)
    @rule(body=bodies, receipt=receipts, deadline=patience, data=st.data())
    def send(self, body: bytes, receipt: str | None, deadline: float | None, data: st.DataObject) -> None:
        transaction = data.draw(st.sampled_from([None, *sorted(self.ledger.transactions)]))
        frame = commands.send("/queue/a:b", body, transaction=transaction, receipt=receipt)
        self.transmit(frame, deadline)

    @precondition(lambda self: self.may_send)
    @rule(
        id=st.sampled_from(["1", "2"]),
        ack=st.sampled_from(["auto", "client", "client-individual"]),
        receipt=receipts,
    )
    def subscribe(self, id: str, ack: str, receipt: str | None) -> None:
        version = self.client.version
        assert version is not None
        if id not in self.ledger.subscriptions:
            self.unacked[id] = []
            self.transmit(commands.subscribe(version, f"/queue/{id}", id, ack=ack, receipt=receipt), 10.0)

    @precondition(lambda self: self.may_send and self.ledger.subscriptions)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.ledger.subscriptions)))
        assert self.client.version is not None
        del self.unacked[id]
        self.transmit(commands.unsubscribe(self.client.version, id))

    @precondition(lambda self: self.may_send and any(self.unacked.values()))
    @rule(data=st.data(), negative=st.booleans(), receipt=receipts)
    def acknowledge(self, data: st.DataObject, negative: bool, receipt: str | None) -> None:
        id = data.draw(st.sampled_from([id for id, waiting in self.unacked.items() if waiting]))
        waiting = self.unacked[id]
        message = data.draw(st.sampled_from(waiting))
        if self.ledger.subscriptions[id].ack == "client":
            del waiting[: waiting.index(message) + 1]
        else:
            waiting.remove(message)
        assert self.client.version is not None
        negative = negative and self.client.version.nack
        self.transmit(
            commands.ack(self.client.version, message, id, negative=negative, receipt=receipt), 10.0
        )

    @precondition(lambda self: self.may_send)
    @rule(id=st.sampled_from(["t", "u"]), end=st.sampled_from(["COMMIT", "ABORT"]), receipt=receipts)
    def transact(self, id: str, end: str, receipt: str | None) -> None:
        command = end if id in self.ledger.transactions else "BEGIN"
        self.transmit(commands.transaction(command, id, receipt=receipt))

    @precondition(lambda self: self.may_send)
    @rule(receipt=receipts, deadline=patience, really=seldom)
    def disconnect(self, receipt: str | None, deadline: float | None, really: bool) -> None:
        if really:
            self.transmit(commands.disconnect(receipt), deadline)

    @precondition(lambda self: not self.over)
    @rule(client=st.booleans(), really=seldom)
    def abort(self, client: bool, really: bool) -> None:
        if really:
            (self.client if client else self.server).abort()
            self.after()

    # --------------------------------------------------------------------------------- the server's verbs

    @precondition(lambda self: self.asked and self.server.state is State.CONNECTING)
    @rule(refuse=seldom)
    def answer_connect(self, refuse: bool) -> None:
        self.asked = False
        if refuse:
            self.server.refuse("not today")
        else:
            self.server.accept(self.clock())
        self.after()

    @precondition(lambda self: self.requests and self.may_deliver)
    @rule(refuse=seldom)
    def answer_request(self, refuse: bool) -> None:
        frame = self.requests.popleft()
        receipt = frame.headers.get("receipt")
        if refuse:
            self.server.refuse("no", receipt_id=receipt)
        else:
            if receipt is not None:
                self.server.receipt(receipt)
            if frame.command == "DISCONNECT":
                self.server.finish_disconnect()
        self.after()

    @precondition(lambda self: self.may_deliver and self.server.ledger.subscriptions)
    @rule(data=st.data(), body=bodies)
    def deliver(self, data: st.DataObject, body: bytes) -> None:
        subscription = self.server.ledger.subscriptions[
            data.draw(st.sampled_from(sorted(self.server.ledger.subscriptions)))
        ]
        self.number += 1
        headers = Headers(
            {"subscription": subscription.id, "message-id": f"m:{self.number}", "n": str(self.number)}
        )
        # Only 1.2 gives this header a meaning.
        headers["ack"] = f"a:{self.number}"
        headers["content-length"] = str(len(body))
        self.server.deliver(Frame("MESSAGE", headers, body))
        self.to_client.append(str(self.number))
        self.after()

    # --------------------------------------------------------------------------------- the wire and the clock

    def end(self, name: str) -> Endpoint:
        return self.wire.client_end if name == "client" else self.wire.server_end

    @precondition(lambda self: not self.over)
    @rule(sender=st.sampled_from(["client", "server"]), size=sizes)
    def carry(self, sender: str, size: int | None) -> None:
        if self.wire.carry(self.end(sender), size):
            self.last_read["server" if sender == "client" else "client"] = self.clock()
        self.after()

    @precondition(lambda self: not self.over)
    @rule()
    def carry_everything(self) -> None:
        for _ in range(3):
            for sender in ("client", "server"):
                self.carry(sender, None)

    @precondition(lambda self: not self.over)
    @rule(really=seldom)
    def break_wire(self, really: bool) -> None:
        if really:
            self.wire.cut()
            self.after()

    @precondition(lambda self: not self.over)
    @rule(seconds=st.floats(0.0, 1.5))
    def wait(self, seconds: float) -> None:
        """Time passes; both drivers tick in time, and what they write is on the wire at once."""
        until = self.clock() + seconds
        while True:
            due = [
                moment
                for end in ("client", "server")
                if (moment := self.end(end).session.next_deadline()) is not None
            ]
            moment = min([until, *due])
            self.clock.now = max(self.clock.now, moment)
            self.wire.tick()
            self.after()
            if moment >= until:
                return

    # --------------------------------------------------------------------------------- what happened

    def after(self) -> None:
        """Collect the events of both sides, and compare them with the model."""
        for name in ("client", "server"):
            end = self.end(name)
            self.wire.collect(end)
            if end.session.counters.bytes_sent > self.written[name]:
                self.written[name] = end.session.counters.bytes_sent
                self.last_written[name] = self.clock()
            for event in end.pop_events():
                self.happened(name, event)

    def happened(self, name: str, event: object) -> None:
        assert not self.closings[name], "nothing comes after Closed"
        if isinstance(event, Closed):
            self.closed(name, event)
        elif isinstance(event, Connected):
            self.last_written[name] = self.last_read[name] = self.clock()
            self.agreed[name] = event.heartbeat
        elif isinstance(event, ConnectRequested):
            self.asked = True
        elif isinstance(event, Request):
            self.requests.append(event.frame)
            self.at_server.append(event.frame.headers["n"])
        elif isinstance(event, MessageFrame):
            self.at_client.append(event.headers["n"])
            self.delivered(event)
        elif isinstance(event, Receipt | Error | ReceiptOverdue) and event.ticket is not None:
            self.resolved[id(event.ticket)] += 1

    def delivered(self, message: MessageFrame) -> None:
        id = message.headers["subscription"]
        assert message.subscription is self.ledger.subscriptions.get(id)
        if message.subscription is not None and message.subscription.ack != "auto":
            assert self.client.version is not None
            self.unacked[id].append(
                message.headers["ack" if self.client.version.number == "1.2" else "message-id"]
            )

    def closed(self, name: str, event: Closed) -> None:
        self.closings[name] += 1
        wanted = event.reason in (Reason.CLEAN, Reason.ABORTED) or (name, event.reason) == (
            "server",
            Reason.REFUSED,
        )
        assert (event.error is None) is wanted
        assert event.reason is not Reason.PROTOCOL, event.error
        if event.reason is Reason.HEARTBEAT:
            assert self.agreed[name][1] > 0
            assert self.clock() - self.last_read[name] >= 2 * self.agreed[name][1] / 1000
        if name == "client":
            self.resolved.update(id(ticket) for ticket in event.unanswered)
            self.unacked = {id: [] for id in self.ledger.subscriptions}
            for ticket in self.tickets:
                assert self.resolved[id(ticket)] == 1, ticket

    # --------------------------------------------------------------------------------- what always holds

    @invariant()
    def nothing_is_lost_or_reordered(self) -> None:
        assert self.at_server == self.to_server[: len(self.at_server)]
        assert self.at_client == self.to_client[: len(self.at_client)]

    @invariant()
    def each_ticket_is_resolved_at_most_once(self) -> None:
        assert all(count == 1 for count in self.resolved.values())

    @invariant()
    def closed_is_dispatched_once_and_only_then(self) -> None:
        for name in ("client", "server"):
            assert self.closings[name] == (self.end(name).session.state is State.CLOSED)

    @invariant()
    def both_sides_agree_on_the_heartbeats(self) -> None:
        if self.client.state is self.server.state is State.CONNECTED:
            assert self.client.heartbeat == self.server.heartbeat[::-1] == self.agreed["client"]

    @invariant()
    def no_beat_is_late(self) -> None:
        for name in ("client", "server"):
            session = self.end(name).session
            if session.heartbeat[0]:
                assert self.clock() - self.last_written[name] < session.heartbeat[0] / 1000

    @invariant()
    def the_unacknowledged_are_those_delivered(self) -> None:
        assert {id: list(found.unacked) for id, found in self.ledger.subscriptions.items()} == self.unacked

    @invariant()
    def no_deadline_is_missed(self) -> None:
        for name in ("client", "server"):
            due = self.end(name).session.next_deadline()
            assert due is None or due >= self.clock()

    def teardown(self) -> None:
        """If nothing was cut, all that was sent arrives in the end."""
        if not hasattr(self, "wire"):
            return
        whole = self.client.state is self.server.state is State.CONNECTED
        for _ in range(4):
            for sender in ("client", "server"):
                self.wire.carry(self.end(sender))
            self.after()
        if whole:
            assert self.at_client == self.to_client
            assert self.at_server == self.to_server
        self.wire.cut()
        self.after()
        assert self.over


TestSessions = pytest.mark.slow(reason="100 sequences of up to 60 steps")(Sessions.TestCase)
TestSessions.settings = settings(
    settings(), max_examples=settings().max_examples // 2, stateful_step_count=60
)
