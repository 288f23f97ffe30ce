"""The methods of the listener API that send frames, one class for each version of STOMP.

Rules of this file: keyword arguments override `headers`, and named parameters override both. Dictionaries of the caller
are not modified, except by `send_frame`, which escapes the values in place as in stomp.py.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from stomp.classic.callbacks import ConnectionListener
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
from stomp.core.frames.versions import STOMP10, STOMP11, STOMP12, UNESCAPED, Version
from stomp.core.spellings import common
from stomp.transport import Transport
from stomp.utils import Frame, encode, get_uuid, merge_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Header dictionaries: values are converted with `str()`; a header with the value None is not sent.
Headers = "Mapping[str, Any] | None"


class _Protocol(ConnectionListener):
    """The common base of the versions.

    It is a listener of its own transport, with the name "protocol-listener".
    """

    _version: Version

    def __init__(self, transport: Transport, auto_content_length: bool = True) -> None:
        self.transport = transport
        self.auto_content_length = auto_content_length
        self.version = self._version.number
        transport.set_listener("protocol-listener", self)

    def send_frame(self, cmd: str, headers: dict[str, Any] | None = None, body: Any = "") -> None:
        """Send a frame of any command. The values of `headers` are escaped in place.

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
        escapes = self._version.escapes.items()
        for name, value in headers.items():
            if type(value) is str:
                # Few values need escaping, and this check is much faster than the call.
                if ":" in value or "\\" in value or "\n" in value or "\r" in value:
                    for char, code in escapes:
                        value = value.replace(char, code)
                    headers[name] = value
            elif type(value) is not int and isinstance(value, (str, bytes)):
                headers[name] = self._version.escape(text_of(value))
            elif isinstance(value, tuple):  # a repeated header
                headers[name] = tuple(self._version.escape(text_of(item)) for item in value)

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
            destination: the destination, for example "/queue/orders".
            body: text (sent as UTF-8) or bytes.
            content_type: the MIME type of the body.
            headers: further headers.
            **keyword_headers: further headers.

        Raises:
            NotConnected: there is no connection.
        """
        if destination is None:
            raise AssertionError("'destination' is required")
        if body is None:
            raise AssertionError("'body' is required")
        if type(body) is not str and type(body) is not bytes:
            body = _body_of(body)
        merged = {**headers, **keyword_headers} if headers else keyword_headers
        merged[HDR_DESTINATION] = destination
        if content_type:
            merged[HDR_CONTENT_TYPE] = content_type
        if body and self.auto_content_length and HDR_CONTENT_LENGTH not in merged:
            # Listeners get the body as it was given; the session encodes it. Of most bodies the length is known before.
            known = type(body) is bytes or (type(body) is str and body.isascii())
            merged[HDR_CONTENT_LENGTH] = len(body if known else encode(body))
        self.send_frame(CMD_SEND, merged, body)

    def begin(
        self,
        transaction: Any = None,
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> Any:
        """Begin a transaction. Returns its id, a new one if none is given."""
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
        """Commit a transaction."""
        if transaction is None:
            raise AssertionError("'transaction' is required")
        self._transaction(CMD_COMMIT, transaction, headers, keyword_headers)

    def abort(
        self, transaction: Any, headers: Mapping[str, Any] | None = None, **keyword_headers: Any
    ) -> None:
        """Abort a transaction."""
        if transaction is None:
            raise AssertionError("'transaction' is required")
        self._transaction(CMD_ABORT, transaction, headers, keyword_headers)

    def _transaction(
        self, cmd: str, id: Any, headers: Mapping[str, Any] | None, keyword_headers: dict[str, Any]
    ) -> None:
        merged = merge_headers([headers, keyword_headers])
        merged[HDR_TRANSACTION] = id
        self.send_frame(cmd, merged)

    def _ack_or_nack(
        self, cmd: str, named: dict[str, Any], more: dict[str, Any], transaction: Any, receipt: Any
    ) -> None:
        """Send ACK or NACK. The headers of `named` are first, and override those of `more`."""
        merged = {**named, **more, **named} if more else named
        if transaction is not None:
            merged[HDR_TRANSACTION] = transaction
        if receipt is not None:
            merged[HDR_RECEIPT] = receipt
        self.send_frame(cmd, merged)

    def disconnect(
        self,
        receipt: Any = None,
        headers: Mapping[str, Any] | None = None,
        **keyword_headers: Any,
    ) -> None:
        """Send DISCONNECT, and wait for the broker's RECEIPT, at most 10 s.

        Without a connection, this only stops a `connect` that waits for its next attempt. In a callback it does not
        wait.
        """
        if not self.transport.is_open:
            self.transport.stop_waiting()
            return
        self.transport.registry.notify("on_disconnecting")
        merged = merge_headers([headers, keyword_headers])
        merged[HDR_RECEIPT] = text_of(receipt) if receipt else get_uuid()
        # If the connection is lost just now, it is disconnected as well.
        with contextlib.suppress(NotConnected):
            self.send_frame(CMD_DISCONNECT, merged)
        self.transport.join()

    def _connect(self, cmd: str, merged: dict[str, Any], wait: bool) -> None:
        def send_connect() -> None:
            self._add_host_header(merged)
            self.send_frame(cmd, merged)

        self.transport.connect(send_connect, wait=wait)

    def _add_host_header(self, merged: dict[str, Any]) -> None:
        """Add the ``host`` header, where the version has one."""


def _body_of(body: Any) -> Any:
    """The text or the bytes of a body of a subclass; any other body as it is."""
    if isinstance(body, str):
        return text_of(body)
    return encode(body) if isinstance(body, bytes) else body


#: Other spellings of the credentials. A broker ignores headers of these names.
_LOGIN = {"user": "login", "password": "passcode"}


def _login(username: str | None, passcode: str | None, merged: dict[str, Any]) -> None:
    given = {HDR_LOGIN: username, HDR_PASSCODE: passcode}
    merged.update({name: value for name, value in given.items() if value is not None})


class Protocol10(_Protocol):
    """STOMP 1.0."""

    _version = STOMP10

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
            username: the login; or pass ``login=``.
            passcode: the password.
            wait: return only after the broker has accepted the login.
            headers: further headers.
            **keyword_headers: further headers.

        Raises:
            ConnectFailed: no broker could be reached; with `wait`, also if the login failed.
        """
        merged = merge_headers([headers, common(keyword_headers, _LOGIN)])
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
        """Subscribe to a destination. `ack` is "auto", "client" or "client-individual"."""
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
        """Unsubscribe, by the id or the destination of the subscription."""
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
        self._ack_or_nack(CMD_ACK, {HDR_MESSAGE_ID: id}, keyword_headers, transaction, receipt)


class Protocol11(_Protocol):
    """STOMP 1.1: heart-beats, NACK, escaped headers, several subscriptions by id."""

    _version = STOMP11

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
        """(what the client sends, what it receives), in milliseconds: negotiated while connected, else as configured.

        Each connection negotiates from the configured values again, whatever an earlier broker has answered.
        """
        return self.transport.heartbeat if self.transport.is_connected() else self._heartbeats

    @heartbeats.setter
    def heartbeats(self, heartbeats: tuple[int, int]) -> None:
        self._heartbeats = heartbeats

    @property
    def heart_beat_receive_scale(self) -> float:
        """How many heart-beat intervals without data are allowed."""
        return self.transport.heart_beat_receive_scale

    @property
    def received_heartbeat(self) -> float | None:
        """When data was last received, by `time.monotonic`; None if no heart-beats were negotiated."""
        return self.transport.received_heartbeat

    @property
    def heartbeat_thread(self) -> Any:
        """The thread that sends and checks heart-beats; None if the connection has none."""
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
            username: the login; or pass ``login=``.
            passcode: the password.
            wait: return only after the broker has accepted the login.
            headers: further headers.
            with_connect_command: send CONNECT instead of STOMP.
            **keyword_headers: further headers.

        Raises:
            ConnectFailed: no broker could be reached; with `wait`, also if the login failed.
        """
        merged = merge_headers([headers, common(keyword_headers, _LOGIN)])
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
        """Subscribe to a destination.

        Args:
            destination: the destination.
            id: the id of this subscription; it is the ``subscription`` header of its messages.
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
        """Unsubscribe."""
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
        self._ack_or_nack_11(CMD_ACK, id, subscription, transaction, receipt, keyword_headers)

    def nack(
        self,
        id: Any,
        subscription: Any,
        transaction: Any = None,
        receipt: Any = None,
        **keyword_headers: Any,
    ) -> None:
        """Refuse a message. The effect depends on the broker: see its documentation."""
        self._ack_or_nack_11(CMD_NACK, id, subscription, transaction, receipt, keyword_headers)

    def _ack_or_nack_11(
        self, cmd: str, id: Any, subscription: Any, transaction: Any, receipt: Any, more: dict[str, Any]
    ) -> None:
        if id is None:
            raise AssertionError("'id' is required")
        if subscription is None:
            raise AssertionError("'subscription' is required")
        named = {HDR_MESSAGE_ID: id, HDR_SUBSCRIPTION: subscription}
        self._ack_or_nack(cmd, named, more, transaction, receipt)


class Protocol12(Protocol11):
    """STOMP 1.2: a message is acknowledged by a single id; the host header is required."""

    _version = STOMP12

    def _add_host_header(self, merged: dict[str, Any]) -> None:
        # With several hosts, the one that accepted is known only now. A ``host`` header of the caller is kept.
        if self.transport.vhost is None:
            current = self.transport.current_host_and_port or ("", 0)
            merged.setdefault(HDR_HOST, current[0])

    def ack(  # type: ignore[override]
        self, id: Any, transaction: Any = None, receipt: Any = None, **keyword_headers: Any
    ) -> None:
        """Acknowledge a message by its ``ack`` header."""
        if id is None:
            raise AssertionError("'id' is required")
        self._ack_or_nack(CMD_ACK, {HDR_ID: id}, keyword_headers, transaction, receipt)

    def nack(  # type: ignore[override]
        self, id: Any, transaction: Any = None, receipt: Any = None, **keyword_headers: Any
    ) -> None:
        """Refuse a message by its ``ack`` header."""
        if id is None:
            raise AssertionError("'id' is required")
        self._ack_or_nack(CMD_NACK, {HDR_ID: id}, keyword_headers, transaction, receipt)


def __getattr__(name: str) -> Any:
    return resolve_reexport(__name__, name)
