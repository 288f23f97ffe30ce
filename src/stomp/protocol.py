"""The verbs of the listener API, one class for each version of STOMP.

Rules of this file: headers come from `headers`, then from keyword arguments, and the named parameters win;
the dictionaries given are never changed, but for that of `send_frame`, which stomp.py escapes in place.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from stomp.classic.overrides import straight
from stomp.classic.reexports import resolve_reexport
from stomp.constants import (
    CMD_ABORT,
    CMD_ACK,
    CMD_BEGIN,
    CMD_COMMIT,
    CMD_CONNECT,
    CMD_DISCONNECT,
    CMD_NACK,
    CMD_SEND,
    CMD_STOMP,
    CMD_SUBSCRIBE,
    CMD_UNSUBSCRIBE,
    HDR_ACCEPT_VERSION,
    HDR_ACK,
    HDR_CONTENT_LENGTH,
    HDR_CONTENT_TYPE,
    HDR_DESTINATION,
    HDR_HEARTBEAT,
    HDR_HOST,
    HDR_ID,
    HDR_LOGIN,
    HDR_MESSAGE_ID,
    HDR_PASSCODE,
    HDR_RECEIPT,
    HDR_SUBSCRIPTION,
    HDR_TRANSACTION,
)
from stomp.core.errors import NotConnected
from stomp.core.frames.frame import text_of
from stomp.core.frames.versions import STOMP10, STOMP11, STOMP12, UNESCAPED, Dialect
from stomp.listener import ConnectionListener
from stomp.transport import Transport
from stomp.utils import Frame, encode, get_uuid, merge_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Header dictionaries: anything with a plain text form as value; None drops the header.
Headers = "Mapping[str, Any] | None"


class _Protocol(ConnectionListener):
    """What the versions have in common.

    It is a listener of its own transport, under the name "protocol-listener".
    """

    _dialect: Dialect
    #: The transport, if what is sent may go straight to its link: see `stomp.classic.overrides`.
    _direct: Transport | None = None

    def __init__(self, transport: Transport, auto_content_length: bool = True) -> None:
        self.transport = transport
        self.auto_content_length = auto_content_length
        self.version = self._dialect.version
        if issubclass(type(transport), Transport):
            self._direct = transport
        transport.set_listener("protocol-listener", self)

    def send_frame(self, cmd: str, headers: dict[str, Any] | None = None, body: Any = "") -> None:
        """Send any frame. The values of `headers` are escaped in place.

        Raises:
            NotConnected: there is no connection.
            FrameError: the frame cannot be encoded safely.
        """
        if headers is None:
            headers = {}
        if cmd not in UNESCAPED:
            self._escape_headers(headers)
        self.transport.transmit(Frame(cmd, headers, body))

    def _escape_headers(self, headers: dict[str, Any]) -> None:
        for name, value in headers.items():
            if isinstance(value, str | bytes):
                headers[name] = self._dialect.escape(text_of(value))
            elif isinstance(value, tuple):  # a header that is repeated
                headers[name] = tuple(self._dialect.escape(text_of(item)) for item in value)

    def send(
        self,
        destination: str,
        body: Any,
        content_type: str | None = None,
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> None:
        """Send a message.

        Args:
            destination: where to, "/queue/orders" for one.
            body: text (sent as UTF-8) or bytes.
            content_type: its MIME type.
            headers: further headers.
            **keyword_headers: further headers.

        Raises:
            NotConnected: there is no connection.
        """
        if destination is None:
            raise AssertionError("'destination' is required")
        if body is None:
            raise AssertionError("'body' is required")
        if isinstance(body, str):
            body = text_of(body)
        elif isinstance(body, bytes):
            body = encode(body)
        measured = self.auto_content_length
        as_bytes = body
        if not body:
            measured, as_bytes = False, b""
        link = straight(self, _OURS)
        if link is not None:
            if type(as_bytes) is not bytes:
                as_bytes = encode(body)
            if not headers:
                receipt = keyword_headers.get(HDR_RECEIPT) if keyword_headers else None
                if not keyword_headers or (type(receipt) is str and len(keyword_headers) == 1):
                    link.send(destination, as_bytes, content_type or None, receipt, None, False, measured)
                    return
        merged = {**headers, **keyword_headers} if headers else keyword_headers
        merged[HDR_DESTINATION] = destination
        if content_type:
            merged[HDR_CONTENT_TYPE] = content_type
        if link is not None and (measured or not body) and link.transmit_plain(CMD_SEND, merged, as_bytes):
            return
        if measured and HDR_CONTENT_LENGTH not in merged:
            # Listeners see the body as it was given; the transport encodes it, and mostly its length is known before.
            as_is = type(body) is bytes or (type(body) is str and body.isascii())
            merged[HDR_CONTENT_LENGTH] = len(body if as_is else encode(body))
        self.send_frame(CMD_SEND, merged, body)

    def begin(
        self,
        transaction: Any = None,
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> Any:
        """Begin a transaction; returns its id, a new one if none is given."""
        if transaction is None:
            transaction = get_uuid()
        self._transaction(CMD_BEGIN, transaction, headers, keyword_headers)
        return transaction

    def commit(
        self,
        transaction: Any = None,
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> None:
        """Carry a transaction out."""
        if transaction is None:
            raise AssertionError("'transaction' is required")
        self._transaction(CMD_COMMIT, transaction, headers, keyword_headers)

    def abort(
        self, transaction: Any, headers: Mapping[str, Any] | None = None, **keyword_headers: Any
    ) -> None:
        """Drop a transaction."""
        if transaction is None:
            raise AssertionError("'transaction' is required")
        self._transaction(CMD_ABORT, transaction, headers, keyword_headers)

    def _transaction(
        self, cmd: str, id: Any, headers: Mapping[str, Any] | None, keyword_headers: dict[str, Any]
    ) -> None:
        merged = merge_headers([headers, keyword_headers])
        merged[HDR_TRANSACTION] = id
        self.send_frame(cmd, merged)

    def _answer(
        self, cmd: str, named: dict[str, Any], more: dict[str, Any], transaction: Any, receipt: Any
    ) -> None:
        """ACK or NACK. What is named comes first, and wins."""
        merged = {**named, **more, **named} if more else named
        if transaction is not None:
            merged[HDR_TRANSACTION] = transaction
        if receipt is not None:
            merged[HDR_RECEIPT] = receipt
        link = straight(self, _OURS)
        if link is None or not link.transmit_plain(cmd, merged):
            self.send_frame(cmd, merged)

    def disconnect(
        self,
        receipt: Any = None,
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> None:
        """Say good-bye, and wait until the broker has answered, but not longer than 10 s.

        When there is no connection, a `connect` that waits for its next attempt ends, and nothing else happens. From a
        callback this does not wait.
        """
        if not self.transport.is_open:
            self.transport.stop_waiting()
            return
        self.transport.registry.notify("on_disconnecting")
        merged = merge_headers([headers, keyword_headers])
        merged[HDR_RECEIPT] = text_of(receipt) if receipt else get_uuid()
        # If it ends by itself just now, then that is what was wanted.
        with contextlib.suppress(NotConnected):
            self.send_frame(CMD_DISCONNECT, merged)
        self.transport.join()

    def _connect(self, cmd: str, merged: dict[str, Any], wait: bool) -> None:
        self.transport.prepare_connect()
        attempt, asked = None, False
        try:
            # Another thread, on_disconnected perhaps, may make the next connection before this one is waited for.
            attempt = self.transport.start()
            if self.transport.claim_connect(attempt):
                self._add_host_header(merged)
                self.send_frame(cmd, merged)
                asked = wait
        except BaseException as err:
            self.transport.release_connect()
            if isinstance(err, NotConnected):
                # The broker has gone before it was asked, as it does when it does not like our certificate.
                raise self.transport.login_failed(err) from err
            raise
        finally:
            self.transport.begin(attempt, wait=asked)
        if wait:
            self.transport.wait_for_login(attempt)

    def _add_host_header(self, merged: dict[str, Any]) -> None:
        """Add the ``host`` header, where the version has one."""


#: What a frame goes through on its way, unless somebody has put something in the place of it.
_OURS = _Protocol.send_frame, _Protocol._escape_headers, Transport.transmit


def _login(username: str | None, passcode: str | None, merged: dict[str, Any]) -> None:
    given = {HDR_LOGIN: username, HDR_PASSCODE: passcode}
    merged.update({name: value for name, value in given.items() if value is not None})


class Protocol10(_Protocol):
    """STOMP 1.0."""

    _dialect = STOMP10

    def connect(
        self,
        username: str | None = None,
        passcode: str | None = None,
        wait: bool = False,
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> None:
        """Connect to the broker and log in.

        Args:
            username: the login.
            passcode: the password.
            wait: return when the broker has let us in, not before.
            headers: further headers.
            **keyword_headers: further headers.

        Raises:
            ConnectFailed: no broker could be reached; with `wait`, also if it did not let us in.
        """
        merged = merge_headers([headers, keyword_headers])
        merged[HDR_ACCEPT_VERSION] = self.version
        _login(username, passcode, merged)
        self._connect(CMD_CONNECT, merged, wait)

    def subscribe(
        self,
        destination: str,
        id: Any = None,
        ack: str = "auto",
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> None:
        """Ask for the messages of a destination. `ack` is auto, client or client-individual."""
        if destination is None:
            raise AssertionError("'destination' is required")
        merged = merge_headers([headers, keyword_headers])
        merged[HDR_DESTINATION] = destination
        if id is not None:
            merged[HDR_ID] = id
        merged[HDR_ACK] = ack
        self.send_frame(CMD_SUBSCRIBE, merged)

    def unsubscribe(
        self,
        destination: str | None = None,
        id: Any = None,
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> None:
        """End a subscription, named by its id or its destination."""
        if id is None and destination is None:
            raise AssertionError("'id' or 'destination' is required")
        merged = merge_headers([headers, keyword_headers])
        if id is not None:
            merged[HDR_ID] = id
        if destination is not None:
            merged[HDR_DESTINATION] = destination
        self.send_frame(CMD_UNSUBSCRIBE, merged)

    def ack(self, id: Any, transaction: Any = None, receipt: Any = None, **keyword_headers: Any) -> None:
        """Acknowledge a message by its message-id."""
        if id is None:
            raise AssertionError("'id' is required")
        self._answer(CMD_ACK, {HDR_MESSAGE_ID: id}, keyword_headers, transaction, receipt)


class Protocol11(_Protocol):
    """STOMP 1.1: heart-beats, NACK, escaped headers, several subscriptions by id."""

    _dialect = STOMP11

    def __init__(
        self,
        transport: Transport,
        heartbeats: tuple[int, int] = (0, 0),
        auto_content_length: bool = True,
        heart_beat_receive_scale: float = 1.5,
    ) -> None:
        super().__init__(transport, auto_content_length)
        self._heartbeats = heartbeats
        transport.heart_beat_receive_scale = heart_beat_receive_scale

    @property
    def heartbeats(self) -> tuple[int, int]:
        """(what we send, what we get), in milliseconds: as agreed while connected, else as configured.

        Each connection is negotiated from what is configured: one broker that wants none changes nothing for the next.
        """
        return self.transport.heartbeat if self.transport.is_connected() else self._heartbeats

    @heartbeats.setter
    def heartbeats(self, heartbeats: tuple[int, int]) -> None:
        self._heartbeats = heartbeats

    @property
    def heart_beat_receive_scale(self) -> float:
        """How many intervals of silence are borne."""
        return self.transport.heart_beat_receive_scale

    @property
    def received_heartbeat(self) -> float | None:
        """When the broker was last heard of, by `time.monotonic`; None where no heart-beats were agreed on."""
        return self.transport.received_heartbeat

    @property
    def heartbeat_thread(self) -> Any:
        """The thread that keeps the heart-beats; None where there are none."""
        return self.transport.heartbeat_thread

    def connect(
        self,
        username: str | None = None,
        passcode: str | None = None,
        wait: bool = False,
        headers: Mapping[str, Any] | None = None,
        with_connect_command: bool = False,
        **keyword_headers: Any,
    ) -> None:
        """Connect to the broker and log in.

        Args:
            username: the login.
            passcode: the password.
            wait: return when the broker has let us in, not before.
            headers: further headers.
            with_connect_command: send CONNECT instead of STOMP.
            **keyword_headers: further headers.

        Raises:
            ConnectFailed: no broker could be reached; with `wait`, also if it did not let us in.
        """
        merged = merge_headers([headers, keyword_headers])
        merged[HDR_ACCEPT_VERSION] = self.version
        if tuple(self._heartbeats) != (0, 0):
            merged[HDR_HEARTBEAT] = ",".join(map(text_of, self._heartbeats))
        if self.transport.vhost is not None:
            merged[HDR_HOST] = self.transport.vhost
        _login(username, passcode, merged)
        self._connect(CMD_CONNECT if with_connect_command else CMD_STOMP, merged, wait)

    def subscribe(
        self,
        destination: str,
        id: Any,
        ack: str = "auto",
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> None:
        """Ask for the messages of a destination.

        Args:
            destination: what to get messages from.
            id: your name for this subscription; messages carry it.
            ack: "auto", "client" (an ACK covers all earlier messages) or "client-individual".
            headers: further headers.
            **keyword_headers: further headers.
        """
        if destination is None:
            raise AssertionError("'destination' is required")
        if id is None:
            raise AssertionError("'id' is required")
        merged = merge_headers([headers, keyword_headers])
        merged[HDR_DESTINATION] = destination
        merged[HDR_ID] = id
        merged[HDR_ACK] = ack
        self.send_frame(CMD_SUBSCRIBE, merged)

    def unsubscribe(self, id: Any, headers: Mapping[str, Any] | None = None, **keyword_headers: Any) -> None:
        """End a subscription."""
        if id is None:
            raise AssertionError("'id' is required")
        merged = merge_headers([headers, keyword_headers])
        merged[HDR_ID] = id
        self.send_frame(CMD_UNSUBSCRIBE, merged)

    def ack(
        self,
        id: Any,
        subscription: Any,
        transaction: Any = None,
        receipt: Any = None,
        **keyword_headers: Any,
    ) -> None:
        """Acknowledge a message by its message-id and subscription."""
        self._answer11(CMD_ACK, id, subscription, transaction, receipt, keyword_headers)

    def nack(
        self,
        id: Any,
        subscription: Any,
        transaction: Any = None,
        receipt: Any = None,
        **keyword_headers: Any,
    ) -> None:
        """Refuse a message. What the broker does then differs: see the documentation of yours."""
        self._answer11(CMD_NACK, id, subscription, transaction, receipt, keyword_headers)

    def _answer11(
        self, cmd: str, id: Any, subscription: Any, transaction: Any, receipt: Any, more: dict[str, Any]
    ) -> None:
        if id is None:
            raise AssertionError("'id' is required")
        if subscription is None:
            raise AssertionError("'subscription' is required")
        named = {HDR_MESSAGE_ID: id, HDR_SUBSCRIPTION: subscription}
        self._answer(cmd, named, more, transaction, receipt)


class Protocol12(Protocol11):
    """STOMP 1.2: one id acknowledges a message; the host header is a must."""

    _dialect = STOMP12

    def _add_host_header(self, merged: dict[str, Any]) -> None:
        # Which host of a failover list it is, is known now that there is a connection; a header given wins.
        if self.transport.vhost is None:
            current = self.transport.current_host_and_port or ("", 0)
            merged.setdefault(HDR_HOST, current[0])

    def ack(  # type: ignore[override]
        self, id: Any, transaction: Any = None, receipt: Any = None, **keyword_headers: Any
    ) -> None:
        """Acknowledge a message by its ``ack`` header."""
        # In less steps than a NACK: there may be an ACK for each message.
        if type(id) is str and transaction is None and receipt is None and not keyword_headers:
            link = straight(self, _OURS)
            if link is not None and link.answer_plain(CMD_ACK, id):
                return
        self._answer12(CMD_ACK, id, transaction, receipt, keyword_headers)

    def nack(  # type: ignore[override]
        self, id: Any, transaction: Any = None, receipt: Any = None, **keyword_headers: Any
    ) -> None:
        """Refuse a message by its ``ack`` header."""
        self._answer12(CMD_NACK, id, transaction, receipt, keyword_headers)

    def _answer12(self, cmd: str, id: Any, transaction: Any, receipt: Any, more: dict[str, Any]) -> None:
        if id is None:
            raise AssertionError("'id' is required")
        self._answer(cmd, {HDR_ID: id}, more, transaction, receipt)


def __getattr__(name: str) -> Any:
    return resolve_reexport(__name__, name)
