"""Two sessions in memory, joined by a wire that a test can delay, chop and cut."""

from __future__ import annotations

from stomp.core.session.base import Session
from stomp.core.session.client import ClientSession
from stomp.core.session.events import Event
from stomp.core.session.server import ServerSession
from stomp.core.session.state import State
from stomp.testing.clock import FakeClock


class Endpoint:
    """One end of a `SessionPair`.

    Attributes:
        session: who speaks here.
        events: everything that its session told, oldest first. Clear it as you like.
        written: the bytes that it wrote and that have not arrived at the other end.
        eof: no bytes will come from this end any more.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.events: list[Event] = []
        self.written: bytearray = bytearray()
        self.eof = False

    def take(self) -> list[Event]:
        """The events so far; forgets them."""
        events, self.events = self.events, []
        return events


class SessionPair:
    """A `ClientSession` and a `ServerSession` in memory, and the bytes that are between them.

    Speak through `client` and `server`, call `run`, and look at what `client_end` and `server_end` were told:

    >>> wire = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    >>> wire.client.subscribe("/queue/a", "1")
    >>> wire.run()
    >>> wire.server_end.take()
    [Request(frame=<Frame SUBSCRIBE ['destination', 'id', 'ack'] 0 bytes>)]

    Time moves by `advance`, and both sides get their ticks on the way:

    >>> wire.advance(0.8)
    >>> wire.client_end.take()
    [HeartbeatSent(), HeartbeatReceived()]

    Args:
        client: the client's end; a new one if not given.
        server: the server's end; a new one if not given.
        clock: the time of both; a new one if not given.
    """

    def __init__(
        self,
        client: ClientSession | None = None,
        server: ServerSession | None = None,
        *,
        clock: FakeClock | None = None,
    ) -> None:
        self.client: ClientSession = client or ClientSession()
        self.server: ServerSession = server or ServerSession()
        self.clock: FakeClock = clock or FakeClock()
        self.client_end: Endpoint = Endpoint(self.client)
        self.server_end: Endpoint = Endpoint(self.server)

    @classmethod
    def connected(cls, *versions: str, heartbeat: tuple[int, int] = (0, 0)) -> SessionPair:
        """A wire on which CONNECT was asked for and granted; the events of that are forgotten.

        Args:
            versions: what the client offers; everything if nothing is given.
            heartbeat: milliseconds, for both sides: (what they can send, what they want).
        """
        wire = cls(server=ServerSession(heartbeat=heartbeat))
        wire.client.connect(versions or ("1.0", "1.1", "1.2"), "/", heartbeat=heartbeat)
        wire.run()
        wire.server.accept(wire.clock())
        wire.run()
        wire.client_end.take()
        wire.server_end.take()
        return wire

    def other(self, end: Endpoint) -> Endpoint:
        """The end opposite to `end`."""
        return self.server_end if end is self.client_end else self.client_end

    def collect(self, end: Endpoint) -> None:
        """Do what the driver of `end` does after each call: fetch its events and its bytes.

        A session that is over closes its side of the wire behind its last bytes.
        """
        while events := end.session.events():
            end.events += events
        end.written += b"".join(end.session.data_to_send(self.clock()))
        if end.session.state is State.CLOSED:
            end.eof = True

    def carry(self, end: Endpoint, size: int | None = None) -> int:
        """Let up to `size` of the bytes that `end` wrote arrive, all of them if not given; returns how many did.

        The end of the stream arrives behind the last byte.
        """
        self.collect(end)
        data = bytes(end.written[:size])
        del end.written[: len(data)]
        other = self.other(end)
        if data:
            other.session.receive_data(data, self.clock())
        if end.eof and not end.written:
            other.session.receive_eof()
        self.collect(other)
        return len(data)

    def run(self) -> None:
        """Let everything arrive that was written, and what is written in answer to it."""
        while self.carry(self.client_end) + self.carry(self.server_end):
            pass

    def cut(self) -> None:
        """Cut the wire: what is on it is lost, and both ends see the end of the stream."""
        for end in (self.client_end, self.server_end):
            self.collect(end)
            end.written.clear()
            end.eof = True
            end.session.receive_eof()
            self.collect(end)

    def tick(self) -> None:
        """Tell both sides the time."""
        for end in (self.client_end, self.server_end):
            end.session.tick(self.clock())
            self.collect(end)

    def advance(self, seconds: float) -> None:
        """Let time pass, as for two prompt drivers: each deadline is kept, and all bytes arrive at once."""
        until = self.clock() + seconds
        while True:
            self.run()
            moments = [end.session.next_deadline() for end in (self.client_end, self.server_end)]
            moment = min((m for m in moments if m is not None), default=until)
            if moment > until:
                break
            self.clock.now = max(moment, self.clock.now)
            self.tick()
            if moment == until:
                break
        self.clock.now = until
        self.tick()
        self.run()
