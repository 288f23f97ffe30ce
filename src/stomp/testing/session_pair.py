"""`SessionPair`: a client and a server session connected in memory; a test can delay, split and cut the bytes."""

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
        session: the session of this end.
        events: the events of the session, oldest first. A test may clear it.
        written: bytes that the session has sent and the other end has not received.
        eof: this end sends no more bytes.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.events: list[Event] = []
        self.written: bytearray = bytearray()
        self.eof = False

    def pop_events(self) -> list[Event]:
        """Remove and return the events so far."""
        events, self.events = self.events, []
        return events


class SessionPair:
    """A `ClientSession` and a `ServerSession` in memory, and the bytes in transit between them.

    Call methods of `client` and `server`, then `run`, and check the events of `client_end` and `server_end`:

    >>> pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    >>> pair.client.subscribe("/queue/a", "1")
    >>> pair.run()
    >>> pair.server_end.pop_events()
    [Request(frame=<Frame SUBSCRIBE ['destination', 'id', 'ack'] 0 bytes>)]

    `advance` advances the time, and calls `tick` of both sessions when it is due:

    >>> pair.advance(0.8)
    >>> pair.client_end.pop_events()
    [HeartbeatSent(), HeartbeatReceived()]

    Args:
        client: the client's session; None for a new one.
        server: the server's session; None for a new one.
        clock: the clock of both; None for a new one.

    Attributes:
        client: the client's session.
        server: the server's session.
        clock: the clock of both.
        client_end: the events and the sent bytes of the client's session.
        server_end: the events and the sent bytes of the server's session.
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
        """Return a pair that has exchanged CONNECT and CONNECTED; the events of these are removed.

        Args:
            versions: the STOMP versions that the client offers; all if none is given.
            heartbeat: milliseconds, for both sides: (what they can send, what they want to receive).
        """
        pair = cls(server=ServerSession(heartbeat=heartbeat))
        pair.client.connect(versions or ("1.0", "1.1", "1.2"), "/", heartbeat=heartbeat)
        pair.run()
        pair.server.accept(pair.clock())
        pair.run()
        pair.client_end.pop_events()
        pair.server_end.pop_events()
        return pair

    def other(self, end: Endpoint) -> Endpoint:
        """The end opposite to `end`."""
        return self.server_end if end is self.client_end else self.client_end

    def collect(self, end: Endpoint) -> None:
        """Take the events and the bytes of the session, as a driver does after each call.

        When the session is closed, the end of the stream follows its last bytes.
        """
        while events := end.session.events():
            end.events += events
        end.written += b"".join(end.session.data_to_send(self.clock()))
        if end.session.state is State.CLOSED:
            end.eof = True

    def carry(self, end: Endpoint, size: int | None = None) -> int:
        """Deliver bytes that `end` has sent to the other end; returns their number.

        The end of the stream is delivered after the last byte.

        Args:
            end: the sending end.
            size: maximum number of bytes; None for all.
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
        """Deliver all bytes in both directions, including those sent in response, until none are left."""
        while self.carry(self.client_end) + self.carry(self.server_end):
            pass

    def cut(self) -> None:
        """Cut the connection: bytes in transit are lost, and both ends see the end of the stream."""
        for end in (self.client_end, self.server_end):
            self.collect(end)
            end.written.clear()
            end.eof = True
            end.session.receive_eof()
            self.collect(end)

    def tick(self) -> None:
        """Call `tick` of both sessions with the current time."""
        for end in (self.client_end, self.server_end):
            end.session.tick(self.clock())
            self.collect(end)

    def advance(self, seconds: float) -> None:
        """Advance the time in steps: `tick` is called at each deadline, and all bytes are delivered at once.

        Args:
            seconds: how far to advance.
        """
        end_time = self.clock() + seconds
        while True:
            self.run()
            deadlines = [end.session.next_deadline() for end in (self.client_end, self.server_end)]
            next_time = min((m for m in deadlines if m is not None), default=end_time)
            if next_time > end_time:
                break
            self.clock.now = max(next_time, self.clock.now)
            self.tick()
            if next_time == end_time:
                break
        self.clock.now = end_time
        self.tick()
        self.run()
