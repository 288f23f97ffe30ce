"""A driver without threads, sockets or time, to play programs of the core on: see `Stage`."""

from __future__ import annotations

import contextlib
from typing import Any

from stomp.core.engine.config import ClientConfig
from stomp.core.engine.effects import Call, CloseConnection, Now, OpenConnection, SendFrame, Wait
from stomp.core.engine.engine import ClientEngine
from stomp.core.engine.message import BaseMessage
from stomp.core.frames.decoder import Decoder, HeartbeatMarker
from stomp.core.frames.encoder import encode
from stomp.core.frames.frame import Frame, headers_of
from stomp.core.frames.versions import STOMP12
from stomp.core.session.client import ClientSession
from stomp.testing.clock import FakeClock


class FakeLink:
    """A link whose broker is the test."""

    def __init__(self, stage: Stage, address: Any) -> None:
        self.stage = stage
        self.address = address
        self.session = ClientSession(
            ledger=stage.engine.ledger, message_class=BaseMessage, error_ends=stage.engine.config.error_ends
        )
        self.sent: list[Frame] = []
        self.hung_up = False
        self._decoder = Decoder()

    def transmit(self, frame: Frame, *, deadline: float | None = None, may_delay: bool = False):
        ticket = self.session.transmit(frame, deadline=deadline)
        self.pump()
        return ticket

    def close(self, error=None) -> None:
        self.hung_up = True
        self.session.abort(error)
        self.pump()

    def pump(self) -> None:
        """Move what the session has written to `sent`, and what happened to the conversation."""
        self._decoder.feed(b"".join(self.session.data_to_send(self.stage.clock())))
        while frames := self._decoder.frames():
            self.sent += [frame for frame in frames if not isinstance(frame, HeartbeatMarker)]
            self._decoder.version = self._decoder.version or STOMP12
        self.stage.engine.process_events(self, self.session.events(), self.stage.clock())
        self.stage.calls += self.stage.engine.pop_callbacks()

    def say(self, command: str, body: bytes = b"", **headers: object) -> None:
        """The broker sends a frame."""
        named = headers_of({name.replace("_", "-"): value for name, value in headers.items()})
        self.session.receive_data(encode(Frame(command, named, body), STOMP12), self.stage.clock())
        self.pump()
        self.stage.go_on()

    def hang_up(self, error: BaseException | None = None) -> None:
        """The broker, or the network, ends the connection."""
        self.session.receive_eof(error)
        self.pump()
        self.stage.go_on()

    def take(self, command: str) -> Frame:
        """The next frame that the client has sent, which must be this command."""
        frame = self.sent.pop(0)
        assert frame.command == command, frame
        return frame

    def confirm(self, frame: Frame) -> None:
        """The broker answers a frame."""
        self.say("RECEIPT", receipt_id=frame.headers["receipt"])


class Run:
    """A program under way."""

    def __init__(self, stage: Stage, program: Any) -> None:
        self.stage = stage
        self._program = program
        self.wait: Wait | None = None
        self.done = False
        self.error: BaseException | None = None
        self._result: Any = None
        self._notified = False
        self._running = False

    @property
    def result(self) -> Any:
        assert self.done, f"it waits: {self.wait}"
        if self.error is not None:
            raise self.error
        return self._result

    def go(self, failure: BaseException | None = None) -> bool:
        """Go on as far as it will; True if it went anywhere."""
        if self.done or self._running:
            return False
        answer: Any = None
        if self.wait is not None and failure is None:
            late = self.wait.deadline is not None and self.stage.clock() >= self.wait.deadline
            if not self._notified and not late:
                return False  # a driver looks again only when the signal is notified
            self._notified = False
            answer = self.wait.predicate()
            if not answer and not late:
                return False
        if self.wait is not None:
            self.wait.signal.remove_callback(self._on_notify)
            self.wait = None
        self._running = True
        try:
            self._advance(answer, failure)
        finally:
            self._running = False
        return True

    def _advance(self, answer: Any, failure: BaseException | None) -> None:
        """Run to the next wait, or to the end."""
        while True:
            try:
                effect = self._program.throw(failure) if failure else self._program.send(answer)
            except StopIteration as stop:
                self.done, self._result = True, stop.value
                return
            except BaseException as err:
                self.done, self.error = True, err
                return
            answer = failure = None
            if isinstance(effect, Wait):
                if effect.predicate():
                    answer = True
                    continue
                if effect.deadline is not None and self.stage.clock() >= effect.deadline:
                    answer = False
                    continue
                self.wait = effect
                self._notified = False
                effect.signal.add_callback(self._on_notify)
                return
            try:
                answer = self.stage.perform(effect)
            except Exception as err:
                failure = err

    def _on_notify(self) -> None:
        self._notified = True

    def throw(self, error: BaseException) -> None:
        """What a driver does when its caller is cancelled while it waits."""
        self.go(error)


class Stage:
    """A conversation, a clock, and the links that were dialed.

    A test plays the broker: it looks at what the client has `sent` and lets the broker `say` something.
    """

    def __init__(self, **config: Any) -> None:
        self.clock = FakeClock()
        self._said: list[str] = []
        self._warnings: list[str] = []
        self.has_counts = False
        self.flushed = 0
        self.calls: list[Any] = []
        config.setdefault("addresses", ("a:1",))
        self.engine = ClientEngine(ClientConfig(**config), self)
        self.links: list[FakeLink] = []
        self.failures: list[BaseException | None] = []  # what the next dials end in
        self.dialed: list[Any] = []
        self._runs: list[Run] = []

    @property
    def said(self) -> list[str]:
        """The lines for the log."""
        self.make_calls()
        return self._said

    @property
    def warnings(self) -> list[str]:
        """Those of `said` that are for WARNING."""
        self.make_calls()
        return self._warnings

    has_info = True

    def info(self, text: str, *args: object) -> None:
        """See `stomp.core.engine.effects.Log`."""
        self._said.append(text % args)

    def warning(self, text: str, *args: object) -> None:
        """See `stomp.core.engine.effects.Log`."""
        self.info(text, *args)
        self._warnings.append(self._said[-1])

    def flush(self) -> None:
        """See `stomp.core.engine.effects.Log`."""
        self.flushed += 1

    @property
    def link(self) -> FakeLink:
        """The newest link."""
        return self.links[-1]

    def run(self, program: Any) -> Run:
        """Begin a program."""
        run = Run(self, program)
        self._runs.append(run)
        run.go()
        self.go_on()
        return run

    def do(self, program: Any) -> Any:
        """Run a program that does not wait for anything; its result."""
        return self.run(program).result

    def go_on(self) -> None:
        """Let everybody look whether what they wait for is there."""
        while any([run.go() for run in self._runs]):  # noqa: C419 - all of them
            pass

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        for link in self.links:
            link.session.tick(self.clock())
            link.pump()
        self.go_on()

    def perform(self, effect: Any) -> Any:
        if isinstance(effect, SendFrame):
            self.engine.recorder.note(">", effect.frame)
            return effect.link.transmit(effect.frame, deadline=effect.deadline, may_delay=effect.may_delay)
        if isinstance(effect, Now):
            return self.clock()
        if isinstance(effect, Call):
            with contextlib.suppress(*[Exception] * effect.guarded):
                return effect.function()
            return None
        if isinstance(effect, OpenConnection):
            self.dialed.append(effect.address)
            failure = self.failures.pop(0) if self.failures else None
            if failure is not None:
                raise failure
            self.links.append(FakeLink(self, effect.address))
            return self.link
        assert isinstance(effect, CloseConnection)
        return effect.link.close(effect.error)

    def make_calls(self) -> None:
        """Call what the conversation wants to have called."""
        calls, self.calls = [*self.calls, *self.engine.pop_callbacks()], []
        for call in calls:
            call()

    # ------------------------------------------------------------------------------------- short cuts

    def connect(self, **connected: object) -> FakeLink:
        """Connect, as a broker of which nothing more is known, or with these headers of CONNECTED."""
        from stomp.core.engine import lifecycle

        run = self.run(lifecycle.connect_gen(self.engine, lambda: 0.0))
        self.greet(**connected)
        assert run.result is None
        return self.link

    def greet(self, **connected: object) -> None:
        """The broker answers CONNECT."""
        self.link.take("CONNECT")
        self.link.say("CONNECTED", b"", **{"version": "1.2", **connected})

    def reconnect(self, **connected: object) -> FakeLink:
        """The connection was lost; the driver makes the next one, and the broker lets it in."""
        from stomp.core.engine import lifecycle

        assert self.engine.needs_reconnect
        self.engine.needs_reconnect = False
        self.run(lifecycle.reconnect_gen(self.engine, lambda: 0.0))
        self.greet(**connected)
        return self.link

    def subscribe(self, destination: str = "/queue/a", ack: str = "client-individual", **config: Any):
        """Subscribe, and have it confirmed; the subscription."""
        from stomp.core.engine import subscriptions
        from stomp.core.engine.message_queue import ClientSubscription, SubscriptionConfig

        subscription = ClientSubscription(
            config.pop("id", f"sub-{self.engine.next_id()}"), SubscriptionConfig(destination, ack, **config)
        )
        run = self.run(subscriptions.subscribe_gen(self.engine, subscription, self.clock() + 30))
        if subscription.config.confirm:
            self.link.confirm(self.link.take("SUBSCRIBE"))
        assert run.result is None
        return subscription

    def deliver(self, subscription: Any, id: str, body: bytes = b"", **headers: object) -> None:
        """The broker delivers a message."""
        self.link.say(
            "MESSAGE", body, subscription=subscription.id, message_id=id, ack=f"ack-{id}", **headers
        )
