"""STOMP frames over UDP multicast: messages between processes in a network, without a broker.

    conn = MulticastConnection()
    conn.set_listener("", MyListener())
    conn.connect()
    conn.subscribe("/queue/test", id="1")
    conn.send("/queue/test", "hello")

Every process in the group, including the sender, receives every SEND, and delivers the messages of its own
subscriptions. With UDP, messages can be lost or reordered, they are not stored, and every host in the network can read
and send them.

Rules of this file:

- One datagram is one frame. A datagram that is not a frame is ignored, because any host may send one.
- Subscriptions and transactions are kept in the process; SUBSCRIBE, BEGIN and the like send nothing.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from stomp.classic.frames import ReceiptFrame
from stomp.classic.reexports import resolve_reexport
from stomp.client.logging import FrameLog
from stomp.client.logging import connections as log
from stomp.connect import BaseConnection
from stomp.constants import (
    CMD_ABORT,
    CMD_ACK,
    CMD_BEGIN,
    CMD_COMMIT,
    CMD_NACK,
    CMD_SEND,
    HDR_DESTINATION,
    HDR_MESSAGE_ID,
    HDR_RECEIPT,
    HDR_SUBSCRIPTION,
    HDR_TRANSACTION,
)
from stomp.core.callables import check_result
from stomp.core.errors import ConnectFailed, NotConnected, RemoteProtocolError, UsageError
from stomp.core.frames import commands
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.encoder import encode_parts
from stomp.core.frames.frame import Frame as CoreFrame
from stomp.core.frames.frame import headers_of, text_of
from stomp.core.frames.versions import STOMP12
from stomp.core.session.events import Closed, Error, Event, Reason
from stomp.protocol import Protocol12
from stomp.transport import Transport
from stomp.utils import Frame, encode, get_uuid, merge_headers

#: The address of the group. To use another one, set these before `connect`.
MCAST_GRP = "224.1.1.1"
MCAST_PORT = 5000

#: The largest datagram of UDP over IPv4, and so the largest frame.
_MAX_DATAGRAM = 65_507
#: The TTL of datagrams.
_TTL = 2
#: Size of the receive buffer in bytes, for messages that arrive faster than they are handled; the system may grant
#: less.
_BUFFER = 4 * 1024 * 1024
#: Most receipts that are pending at once, as a receipt may never be answered. The oldest ones are dropped.
_MAX_AWAITED = 10_000


class _Membership:
    """The membership in the group from `connect` to `disconnect`: a socket and its receiving thread."""

    def __init__(self, receive: Callable[[bytes], None], handle: Callable[[list[Event]], None]) -> None:
        self.sock = _open_group_socket(MCAST_GRP, MCAST_PORT)
        self.thread: object = None
        self._group_address = (MCAST_GRP, MCAST_PORT)
        self._receive = receive
        self._handle = handle
        self._wakeup_writer, self._wakeup_reader = socket.socketpair()
        self._events: deque[Event] = deque()
        self._closing = False
        self._receiver = 0
        self._finished = threading.Event()

    @property
    def alive(self) -> bool:
        return not self._closing

    def send(self, datagram: bytes) -> None:
        self.sock.sendto(datagram, self._group_address)

    def add_event(self, event: Event) -> None:
        """Queue an event for the receiving thread, which calls the listeners."""
        self._events.append(event)
        self._wake()

    def close(self, seconds: float) -> bool:
        """Stop the thread, and wait for it; without waiting if called on the thread itself."""
        self._closing = True
        self._wake()
        return threading.get_ident() == self._receiver or self._finished.wait(seconds)

    def is_receiving_thread(self) -> bool:
        return threading.get_ident() == self._receiver

    def run(self) -> None:
        """The receiving thread."""
        self._receiver = threading.get_ident()
        closed = Closed(Reason.CLEAN, None, ())
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self.sock, selectors.EVENT_READ)
                selector.register(self._wakeup_reader, selectors.EVENT_READ)
                while not self._closing:
                    ready = [key.fileobj for key, _ in selector.select()]
                    if self._wakeup_reader in ready:
                        self._wakeup_reader.recv(1024)
                    if self.sock in ready and not self._closing:
                        self._receive(self.sock.recv(_MAX_DATAGRAM + 1))
                    self._dispatch_events()
        except OSError as err:
            closed = Closed(Reason.FAILED, NotConnected(f"the multicast socket failed: {err}"), ())
        finally:
            self._closing = True
            self._dispatch_events()
            for sock in (self.sock, self._wakeup_writer, self._wakeup_reader):
                sock.close()
            self._handle([closed])
            self._finished.set()

    def _dispatch_events(self) -> None:
        while self._events:
            self._handle([self._events.popleft()])

    def _wake(self) -> None:
        # The socket is closed if the thread has ended just now.
        with contextlib.suppress(OSError):
            self._wakeup_writer.send(b"\0")


def _open_group_socket(group: str, port: int) -> socket.socket:
    """Open a socket in the group, which shares the port with other processes of this machine.

    Raises:
        ConnectFailed: the system does not allow it.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        # A socket bound to the group's address receives no other datagrams for this port. Windows cannot do that.
        sock.bind((group if hasattr(socket, "SO_REUSEPORT") else "", port))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _TTL)
        membership = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton("0.0.0.0"))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except OSError as err:
        sock.close()
        raise ConnectFailed(
            f"cannot join the multicast group {group}:{port}: {err.strerror or err}",
            address=f"{group}:{port}",
            failures=[err],
            hint="check that this machine has a network with multicast",
        ) from err
    return sock


class MulticastTransport(Transport):
    """The multicast group as a transport. There is no broker, so `is_connected` is False.

    Attributes:
        subscriptions: id -> destination.
    """

    def __init__(self, encoding: str | None = "utf-8") -> None:
        super().__init__([(MCAST_GRP, MCAST_PORT)], auto_decode=False, encoding=encoding)
        self.subscriptions: dict[str, str] = {}
        self._membership: _Membership | None = None
        self._awaited: dict[str, None] = {}
        self._frames = FrameLog(clock=self._options.clock)

    def start(self) -> None:
        """Join the group, unless that was done.

        Raises:
            ConnectFailed: the system does not allow it.
        """
        with self._connecting:
            if self._membership is not None and self._membership.alive:
                return
            self._membership = _Membership(self._receive, self.handle)
            self.current_host_and_port = (MCAST_GRP, MCAST_PORT)
            self._membership.thread = self.create_thread_fc(self._membership.run)
        self.registry.notify("on_connecting", self.current_host_and_port)

    def stop(self) -> None:
        """Leave the group. Waits until the listeners were called and the thread has ended."""
        membership, self._membership = self._membership, None
        if membership is not None and not membership.close(self._options.disconnect_timeout):
            log.warning("a listener callback is still running; the multicast connection cannot close")

    def is_callback_thread(self) -> bool:
        """See `BaseTransport.is_callback_thread`."""
        return self._membership is not None and self._membership.is_receiving_thread()

    def disconnect_socket(self) -> None:
        """Leave the group."""
        self.stop()

    def is_connected(self) -> bool:
        """False, unless overridden with `set_connected`: see the class."""
        return bool(self._declared)

    @property
    def running(self) -> bool:
        """True while in the group."""
        return self._membership is not None and self._membership.alive

    @property
    def receiver_thread(self) -> Any:
        """The receiving thread, or the return value of the function of `override_threading`."""
        return self._membership.thread if self._membership is not None else None

    io_thread = receiver_thread

    @property
    def socket(self) -> socket.socket | None:
        """The socket, or None when not in the group."""
        return self._membership.sock if self._membership is not None else None

    def transmit(self, frame: Frame) -> None:
        """Send a frame whose headers are already escaped, after calling on_send of the listeners.

        Raises:
            NotConnected: not in the group.
            UsageError: the frame is too large.
        """
        for _, listener in self.registry.ordered:
            on_send = getattr(listener, "on_send", None)
            if on_send is not None:
                check_result("on_send", on_send(frame))
        datagram = self.datagram(frame)
        receipt = frame.headers.get(HDR_RECEIPT)
        if receipt is not None:
            self._awaited[STOMP12.unescape(text_of(receipt))] = None
            if len(self._awaited) > _MAX_AWAITED:
                self._awaited.pop(next(iter(self._awaited)), None)
        body = encode(frame.body) if frame.body else b""
        self._frames.sent(text_of(frame.cmd), headers_of(frame.headers), body)
        self.send(datagram)

    def send(self, encoded_frame: bytes) -> None:
        """Send a datagram.

        Raises:
            NotConnected: not in the group, or sending failed.
        """
        membership = self._membership
        if membership is None or not membership.alive:
            raise NotConnected("not in the multicast group", hint="call connect first")
        try:
            membership.send(encoded_frame)
        except OSError as err:
            raise NotConnected(f"the datagram could not be sent: {err.strerror or err}") from err

    def datagram(self, frame: Frame) -> bytes:
        """Encode a frame whose headers are escaped.

        Raises:
            UsageError: the frame is larger than a datagram.
        """
        body = encode(frame.body) if frame.body else b""
        headers = headers_of(frame.headers)
        if body:
            headers["content-length"] = str(len(body))
        data = b"".join(encode_parts(CoreFrame(text_of(frame.cmd), headers, body), STOMP12, escaped=True))
        if len(data) > _MAX_DATAGRAM:
            raise UsageError(
                f"a frame of {len(data)} bytes does not fit into a datagram of at most {_MAX_DATAGRAM}",
                hint="send it in pieces, or over a broker",
            )
        return data

    def answer(self, receipt: object) -> None:
        """Call on_receipt of the local listeners, for a request that was carried out in this process."""
        if self._membership is not None:
            self._membership.add_event(_received(commands.receipt(text_of(receipt))))

    def _receive(self, datagram: bytes) -> None:
        """Decode a received datagram."""
        decoder = Decoder(self._options.limits, version=STOMP12, lenient=self._options.lenient)
        decoder.feed(datagram)
        try:
            while frames := decoder.frames():
                self._frames.received(frames)
                for frame in frames:
                    if isinstance(frame, CoreFrame):
                        self._process_frame(frame)
        except RemoteProtocolError as err:
            self._lines.warning("a datagram that is not STOMP was ignored: %s", err.message)
            return
        if not decoder.idle:
            self._lines.warning("a datagram of %d bytes that ends within a frame was ignored", len(datagram))

    def _process_frame(self, frame: CoreFrame) -> None:
        command, headers = frame.command, frame.headers
        if command == CMD_SEND:
            destination = headers.get(HDR_DESTINATION)
            subscription_ids = [
                id for id, wanted in list(self.subscriptions.items()) if wanted == destination
            ]
            if not subscription_ids:
                return
            headers.setdefault(HDR_SUBSCRIPTION, subscription_ids[0])
            headers.setdefault(HDR_MESSAGE_ID, get_uuid())
            self.handle([self._message_class("MESSAGE", headers, frame.body)])
            if (receipt := headers.get(HDR_RECEIPT)) is not None:
                with contextlib.suppress(NotConnected):
                    self.send(b"".join(encode_parts(commands.receipt(receipt), STOMP12)))
        elif command == "RECEIPT":
            # The whole group receives it, and each subscriber sends one. Only the sender of the message dispatches it,
            # once.
            id = headers.get("receipt-id")
            if id in self._awaited:
                del self._awaited[id]
                self.handle([_received(frame)])
        elif command == "ERROR":
            self.handle([Error(frame, None)])


def _received(receipt: CoreFrame) -> ReceiptFrame:
    return ReceiptFrame(receipt.command, receipt.headers, receipt.body)


class MulticastConnection(BaseConnection, Protocol12):
    """A connection to the multicast group: see the module.

    Args:
        encoding: not used; headers are UTF-8, and bodies are bytes.
        wait_on_receipt: not used.
    """

    def __init__(self, encoding: str | None = "utf-8", *, wait_on_receipt: bool = False) -> None:
        transport = MulticastTransport(encoding)
        BaseConnection.__init__(self, transport)
        Protocol12.__init__(self, transport, (0, 0))
        self._group = transport
        #: transaction id -> its frames, which are sent at COMMIT
        self.transactions: dict[str, list[Frame]] = {}
        transport.set_listener("mcast-listener", self)

    def connect(  # type: ignore[override]
        self,
        username: str | None = None,
        passcode: str | None = None,
        wait: bool = False,
        headers: Any = None,
        **keyword_headers: Any,
    ) -> None:
        """Join the group. The arguments are not used, as there is no broker.

        Raises:
            ConnectFailed: the system does not allow it.
        """
        self._group.start()

    def disconnect(self, receipt: Any = None, headers: Any = None, **keyword_headers: Any) -> None:
        """Leave the group, and abort all transactions. Nothing is sent. Subscriptions stay for the next `connect`."""
        self.transactions.clear()
        if receipt is not None:
            self._group.answer(receipt)
        self._group.stop()

    def subscribe(
        self, destination: str, id: Any, ack: str = "auto", headers: Any = None, **keyword_headers: Any
    ) -> None:
        """Receive the messages of a destination. ACK and NACK have no effect."""
        if destination is None:
            raise AssertionError("'destination' is required")
        if id is None:
            raise AssertionError("'id' is required")
        self._group.subscriptions[text_of(id)] = destination
        self._answer_receipt(merge_headers([headers, keyword_headers]))

    def unsubscribe(self, id: Any, headers: Any = None, **keyword_headers: Any) -> None:
        """Unsubscribe.

        Raises:
            UsageError: there is no subscription with that id.
        """
        if id is None:
            raise AssertionError("'id' is required")
        if self._group.subscriptions.pop(text_of(id), None) is None:
            raise UsageError(f"there is no subscription {id!r}")
        self._answer_receipt(merge_headers([headers, keyword_headers]))

    def send_frame(self, cmd: str, headers: dict[str, Any] | None = None, body: Any = "") -> None:
        """Send a frame, or do in this process what a broker would do.

        Raises:
            NotConnected: not in the group.
            UsageError: the frame is too large, or the transaction does not exist or has already begun.
        """
        headers = {} if headers is None else headers
        transaction = headers.get(HDR_TRANSACTION)
        if cmd == CMD_BEGIN:
            self._begin(text_of(transaction))
        elif cmd == CMD_COMMIT:
            for frame in self._remove_transaction(transaction):
                self._group.transmit(frame)
        elif cmd == CMD_ABORT:
            self._remove_transaction(transaction)
        elif cmd in (CMD_ACK, CMD_NACK):
            pass
        else:
            self._escape_headers(headers)
            frame = Frame(cmd, headers, body)
            if transaction is None:
                self._group.transmit(frame)
            else:
                self._group.datagram(frame)  # fails now, not at COMMIT, if the frame is too large
                self._frames_of(transaction).append(frame)
            return
        self._answer_receipt(headers)

    def _begin(self, id: str) -> None:
        if id in self.transactions:
            raise UsageError(f"the transaction {id!r} has already begun", hint="commit or abort it first")
        self.transactions[id] = []

    def _frames_of(self, id: object) -> list[Frame]:
        frames = self.transactions.get(text_of(id))
        if frames is None:
            raise UsageError(f"there is no transaction {id!r}", hint="begin it first")
        return frames

    def _remove_transaction(self, id: object) -> list[Frame]:
        frames = self._frames_of(id)
        del self.transactions[text_of(id)]
        return frames

    def _answer_receipt(self, headers: dict[str, Any]) -> None:
        if (receipt := headers.get(HDR_RECEIPT)) is not None:
            self._group.answer(receipt)


def __getattr__(name: str) -> Any:
    return resolve_reexport(__name__, name)
