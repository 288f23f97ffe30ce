"""What only programs written for an older stomp.py ask of a transport: arguments, methods and names of its inside.

None of it is needed by new code, and none of it is used by the rest of this package. It is here because published
programs and test suites touch it; each says what it stood for and what it does now.
"""

from __future__ import annotations

import functools
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stomp import log
from stomp.core.diagnostics import one_line
from stomp.core.frames.frame import text_of
from stomp.core.frames.versions import UNESCAPED
from stomp.core.session.state import State
from stomp.listener import WaitingListener
from stomp.utils import Frame

if TYPE_CHECKING:
    from stomp.classic.dispatch import Registry
    from stomp.client.options import Options
    from stomp.client.threads.link import Link

#: Constructor arguments of 4.x, and what to write instead. They were positional then; by keyword they still work.
_ARGUMENTS = {
    "use_ssl": "set_ssl()",
    "ssl_key_file": "set_ssl(key_file=...)",
    "ssl_cert_file": "set_ssl(cert_file=...)",
    "ssl_ca_certs": "set_ssl(ca_certs=...)",
    "ssl_cert_validator": "set_ssl(cert_validator=...)",
    "ssl_version": "set_ssl(); TLS 1.2 is the least",
    "wait_on_receipt": "WaitingListener",
    "recv_bytes": "nothing; the size of reads is not a setting any more",
    "recv_byte": "nothing; the size of reads is not a setting any more",
}


def apply_deprecated_arguments(transport: Any, given: dict[str, Any]) -> None:
    """Do what constructor arguments of 4.x meant.

    Raises:
        TypeError: there never was an argument of that name.
    """
    for name in given:
        if name not in _ARGUMENTS:
            raise TypeError(f"there is no argument {name!r}")
        warnings.warn(
            f"{name} is an argument of stomp.py 4; use {_ARGUMENTS[name]}",
            DeprecationWarning,
            stacklevel=_caller_stacklevel(),
        )
    if given.get("use_ssl"):
        transport.set_ssl(
            key_file=given.get("ssl_key_file"),
            cert_file=given.get("ssl_cert_file"),
            ca_certs=given.get("ssl_ca_certs"),
            cert_validator=given.get("ssl_cert_validator"),
            ssl_version=given.get("ssl_version"),
        )
    if given.get("wait_on_receipt"):
        # On the instance, so that sending costs nothing more for all others.
        transport.transmit = functools.partial(_transmit_and_wait, transport, transport.transmit)


def _caller_stacklevel() -> int:
    """How far up the stack the caller of the package is, as `warnings.warn` counts."""
    level = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("stomp."):
        level += 1
        frame = frame.f_back
    return level


def _transmit_and_wait(transport: Any, transmit: Callable[[Frame], None], frame: Frame) -> None:
    """With `wait_on_receipt=True`, a frame with a receipt is sent when the broker has confirmed it.

    It never waits in a callback, which is where the receipt would have to arrive.
    """
    receipt = frame.headers.get("receipt")
    link: Link | None = transport._link
    if (
        receipt is None
        or frame.cmd in UNESCAPED
        or frame.cmd == "DISCONNECT"  # which waits by itself
        or link is None
        or link.session.dialect is None
        or link.is_receiving_thread()
    ):
        transmit(frame)
        return
    waiting = WaitingListener(link.session.dialect.unescape(text_of(receipt)))
    name = f"wait_on_receipt {id(waiting)}"
    transport.set_listener(name, waiting)
    try:
        transmit(frame)
        waiting.wait_on_receipt()
    finally:
        transport.remove_listener(name)


class DeprecatedBaseTransport:
    """Methods of stomp.py's `BaseTransport`: the steps of its receiving loop, which is in the engine now."""

    registry: Registry
    current_host_and_port: tuple[str, int] | None
    #: What `set_connected` said; None if nobody did.
    _declared: bool | None = None

    #: What `set_receipt` noted; None if it was never called.
    _receipts: dict[str, Any] | None = None

    def set_receipt(self, receipt_id: object, value: Any) -> None:
        """Note a receipt to come, or forget it if there is no value. "DISCONNECT": its RECEIPT ends the connection."""
        if self._receipts is None:
            self._receipts = {}
        if value:
            self._receipts[text_of(receipt_id)] = value
        else:
            self._receipts.pop(text_of(receipt_id), None)

    def set_connected(self, connected: bool) -> None:
        """Say that there is a connection or not, whatever there is. The next `start` forgets it."""
        self._declared = connected

    def is_connected(self) -> bool:
        """True between CONNECTED and the end."""
        return bool(self._declared)

    @property
    def connected(self) -> bool:
        """See `is_connected`."""
        return self.is_connected()

    @connected.setter
    def connected(self, connected: bool) -> None:
        self.set_connected(connected)

    def notify(self, frame_type: str, frame: Any = None, body: Any = None) -> Any:
        """Tell the listeners: "connected", "before_message", "heartbeat_timeout" ...

        Args:
            frame_type: the callback, without its ``on_``.
            frame: the frame, or as in 4.x the headers, with
            body: the body. Then the answer is (headers, body), as the listeners changed them.
        """
        answer: Frame | None = None
        if isinstance(frame, Mapping):
            frame = answer = Frame(frame_type.upper(), frame, body)
        if frame_type in ("connected", "disconnected"):
            self.set_connected(frame_type == "connected")
        method = f"on_{frame_type}"
        if frame_type == "connecting":
            self.registry.notify(method, self.current_host_and_port)
        elif frame is not None or frame_type == "receiver_loop_completed":
            self.registry.notify_frame(method, frame)
        else:
            self.registry.notify(method)
        return (answer.headers, answer.body) if answer is not None else None

    def process_frame(self, f: Frame, frame_str: object) -> None:
        """Tell the listeners of a frame, as if the broker had sent it."""
        frame_type = text_of(f.cmd).lower()
        if frame_type == "heartbeat":
            self.notify("heartbeat")
        elif frame_type in ("connected", "message", "receipt", "error"):
            if frame_type == "message":
                self.notify("before_message", f)
            self.notify(frame_type, f)
        else:
            log.warning("unknown frame %s", one_line(f.cmd, 40))

    def start(self) -> Any:
        """Nothing; `Transport` connects."""

    def stop(self) -> None:
        """Nothing; `Transport` drops the connection."""

    def send(self, encoded_frame: bytes) -> None:
        """Nothing; `Transport` writes."""

    def receive(self) -> None:
        """Nothing, anywhere: the receiving thread of a connection reads."""

    def cleanup(self) -> None:
        """Nothing, anywhere: a connection that is over leaves nothing behind."""

    def attempt_connection(self) -> None:
        """Nothing; `Transport` connects."""

    def disconnect_socket(self) -> None:
        """Nothing; `Transport` drops the connection."""

    def wait_for_connection(self, timeout: float | None = None) -> None:
        """Nothing; `Transport` waits."""


class DeprecatedTransport:
    """Names of stomp.py's `Transport`, private ones too. They are for reading."""

    _link: Link | None
    _options: Options
    _pairs: list[tuple[str, int]]
    get_ssl: Callable[..., dict[str, Any] | None]

    @property
    def _Transport__host_and_ports(self) -> list[tuple[str, int]]:  # noqa: N802
        """Read by grid data management, to tell which broker is meant."""
        return self._pairs

    @property
    def _Transport__ssl_params(self) -> dict[tuple[str, int], dict[str, Any]]:  # noqa: N802
        """Read by tests of applications, to see that TLS was set up."""
        settings = {pair: self.get_ssl(pair) for pair in self._pairs}
        return {pair: params for pair, params in settings.items() if params is not None}

    @property
    def receiver_thread(self) -> Any:
        """The thread that reads, or what `override_threading` made of it. The name until 8.2."""
        return self._link.thread if self._link is not None else None

    #: The name in 9.0.
    io_thread = receiver_thread

    @property
    def running(self) -> bool:
        """True from the open socket to the end of the connection."""
        return self._link is not None and self._link.alive

    @property
    def disconnecting(self) -> bool:
        """True from DISCONNECT to the end of the connection."""
        return self._link is not None and self._link.session.state is State.DISCONNECTING

    @property
    def notified_on_disconnect(self) -> bool:
        """True when the last connection is over."""
        return self._link is not None and not self._link.alive

    @property
    def blocking(self) -> bool:
        """False where TLS is spoken, as in 9.0. Sockets here are never what makes anybody wait."""
        return self.get_ssl() is None

    @property
    def bind_host_port(self) -> tuple[str, int] | None:
        """The (host, port) to connect from."""
        return self._options.bind

    @property
    def heartbeat_thread(self) -> threading.Thread | None:
        """The thread that keeps the heart-beats of this connection (it keeps all); None where there are none."""
        link = self._link
        if link is None or not link.alive or link.session.heartbeat == (0, 0):
            return None
        return next((thread for thread in threading.enumerate() if thread.name == "stomp-keeper"), None)

    @property
    def received_heartbeat(self) -> float | None:
        """When the broker was last heard of, by `time.monotonic`; None where no heart-beats were agreed on."""
        return self._link.session.last_read if self._link is not None else None

    def shutdown_queue(self) -> None:
        """Nothing: 9.0 had a queue in front of TLS."""
