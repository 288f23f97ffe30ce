"""`Transport`: the connection of Kombu, on a `stomp.Client`.

Rules of this file:

- The client does not reconnect. A lost connection raises one of `Transport.connection_errors`, and Kombu and Celery
  connect, declare and consume again.
- What the channels share is in `stomp.kombu.connection`.
"""

# Kombu has few annotations, and pyright infers types from its defaults, such as None.
# pyright: reportOptionalMemberAccess=false, reportIncompatibleMethodOverride=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import contextlib
import os
from queue import Empty
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.transport import virtual

from stomp._version import __version__
from stomp.client.sync.client import Client
from stomp.core.errors import (
    AuthenticationFailed,
    BrokerError,
    ConnectFailed,
    NotConnected,
    OutcomeUnknown,
    RemoteProtocolError,
    SendStalled,
    StaleDelivery,
)
from stomp.kombu.channel import Channel
from stomp.kombu.connection import KombuConnection, Wakeup
from stomp.kombu.settings import client_arguments, remove_credentials, shown_url

if TYPE_CHECKING:
    from kombu.connection import Connection


#: Longest single wait of `drain_events`, in seconds; longer waits are repeated.
_LONGEST = 60.0


class Transport(virtual.Transport):
    """A transport of Kombu: ``broker_transport = "stomp.kombu:Transport"``."""

    Channel = Channel
    can_parse_url = True
    default_port = 61613
    driver_type = "stomp"
    driver_name = "stompkit"
    #: Errors after which a new connection may succeed.
    recoverable_connection_errors = (
        *virtual.Transport.connection_errors,
        NotConnected,
        ConnectFailed,
        OutcomeUnknown,
        StaleDelivery,
        SendStalled,
        RemoteProtocolError,
    )
    #: Errors that end a connection.
    connection_errors = (*recoverable_connection_errors, AuthenticationFailed)
    recoverable_channel_errors = ()
    #: Errors that refuse a request; the connection stays open.
    channel_errors = (*virtual.Transport.channel_errors, BrokerError)
    implements = virtual.Transport.implements.extend(
        asynchronous=True,
        exchange_type=frozenset(["direct", "topic", "fanout"]),
        heartbeats=False,  # the client sends them itself
    )

    def __init__(self, client: Connection, **kwargs: Any) -> None:
        remove_credentials(client)
        super().__init__(client, **kwargs)
        self._broker: KombuConnection | None = None
        self._loop: Any = None
        self._loop_pid = 0
        self._delays = bool(client.transport_options.get("native_delay", True))

    # ------------------------------------------------------------------------------------- connecting

    @property
    def broker(self) -> KombuConnection:
        """The connection to the broker.

        Raises:
            NotConnected: it is closed.
        """
        if self._broker is None:
            raise NotConnected("the connection is closed", hint="connect again")
        return self._broker

    def establish_connection(self) -> Transport:
        """Connect to the broker."""
        if self._broker is not None:
            self.close_connection(self)
        self._broker = KombuConnection(
            lambda: Client(**client_arguments(self.client)).connect(), delays=self._delays
        )
        self.state = self._broker.state
        super().establish_connection()
        return self

    def close_connection(self, connection: Transport) -> None:
        """Disconnect. The broker delivers unsettled messages again."""
        if self._broker is not None:
            self._broker.closing = True
        if self._loop is not None:
            self.unregister_from_event_loop(self, self._loop)
        super().close_connection(connection)
        self._callbacks.clear()
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.close()

    def verify_connection(self, connection: Transport) -> bool:
        """True while the connection can be used."""
        return self._broker is not None and self._broker.is_usable

    @property
    def connected(self) -> bool:
        """True while the connection can be used."""
        return self.verify_connection(self)

    def driver_version(self) -> str:
        """The version of stompkit."""
        return __version__

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """The URL for logs."""
        return shown_url(self.client, password=include_password, mask=mask)

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """Defaults of the connection."""
        return {"port": self.default_port, "hostname": "localhost"}

    # ------------------------------------------------------------------------------------- receiving

    def drain_events(self, connection: Transport, timeout: float | None = None) -> None:
        """Deliver one message.

        Raises:
            TimeoutError: there was none in time.
            NotConnected: the connection was lost.
        """
        broker = self.broker
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            # Before the check, so that a message that arrives after the check ends the wait.
            broker.arrived.clear()
            broker.check()
            with contextlib.suppress(Empty):
                self.cycle.get(self._deliver, timeout=timeout)
                return
            left = _LONGEST if deadline is None else deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            broker.arrived.wait(min(left, _LONGEST))

    def register_with_event_loop(self, connection: Transport, loop: Any) -> None:
        """Deliver messages in an event loop of Kombu."""
        if self._loop is not None:
            self.unregister_from_event_loop(connection, self._loop)
        wakeup = Wakeup()
        self._loop, self._loop_pid = loop, os.getpid()
        loop.add_reader(wakeup.reader, self._on_readable, loop)
        self.broker.wakeup = wakeup
        wakeup.set()  # messages may have arrived before

    def unregister_from_event_loop(self, connection: Transport, loop: Any) -> None:
        """Stop that."""
        self._loop = None
        wakeup, self.broker.wakeup = self.broker.wakeup, None
        if wakeup is not None:
            # The poller of a forked process is that of its parent, which still needs the socket.
            if self._loop_pid == os.getpid():
                loop.remove(wakeup.reader)
            wakeup.close()

    def _on_readable(self, loop: Any) -> None:
        if self._broker is not None and self._broker.wakeup is not None:
            self._broker.wakeup.clear()
            self._deliver_next(loop)

    def _deliver_next(self, loop: Any) -> None:
        if self._loop is None:
            return  # unregistered meanwhile
        try:
            self.drain_events(self, timeout=0)
        except TimeoutError:
            return
        # One message for each iteration of the loop, so that its other events are processed as well.
        loop.call_soon(self._deliver_next, loop)
