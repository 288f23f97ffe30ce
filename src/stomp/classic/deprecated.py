"""Arguments, methods and private names of transports that only programs for older releases of stomp.py use.

Rules of this file: new code and the rest of this package do not need them. They are here because published programs and
test suites use them. Each docstring says what the name means now.
"""

from __future__ import annotations

import functools
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from stomp import log
from stomp.classic.listeners import WaitingListener
from stomp.core.diagnostics import one_line
from stomp.core.frames.frame import text_of
from stomp.core.frames.versions import UNESCAPED
from stomp.core.session.state import State
from stomp.core.spellings import nearest
from stomp.utils import Frame

if TYPE_CHECKING:
    from stomp.classic.dispatch import Registry
    from stomp.client.options import Options
    from stomp.client.threads.link import Link

    class _Transport(Protocol):
        """`stomp.transport.Transport`, which imports this module."""

        _link: Link | None

        @property
        def set_ssl(self) -> Callable[..., None]: ...
        def set_listener(self, name: str, listener: object) -> None: ...
        def remove_listener(self, name: str) -> None: ...
        def transmit(self, frame: Frame) -> None: ...


#: Constructor arguments of 4.x, and their replacements. They were positional in 4.x; as keywords they still work.
_ARGUMENTS = {
    "use_ssl": "set_ssl()",
    "ssl_key_file": "set_ssl(key_file=...)",
    "ssl_cert_file": "set_ssl(cert_file=...)",
    "ssl_ca_certs": "set_ssl(ca_certs=...)",
    "ssl_cert_validator": "set_ssl(cert_validator=...)",
    "ssl_version": "set_ssl(); the minimum is TLS 1.2",
    "wait_on_receipt": "WaitingListener",
    "recv_bytes": "nothing; the read size is no longer a setting",
    "recv_byte": "nothing; the read size is no longer a setting",
}

#: Arguments of the connection classes that their transport does not have, for suggestions.
_CONNECTION_ARGUMENTS = (
    "heartbeat",
    "heartbeats",
    "vhost",
    "auto_content_length",
    "heart_beat_receive_scale",
)


def apply_deprecated_arguments(transport: _Transport, given: dict[str, Any]) -> None:
    """Apply constructor arguments of 4.x.

    Raises:
        TypeError: there was never an argument with that name.
    """
    for name in given:
        if name not in _ARGUMENTS:
            import inspect

            known = [*inspect.signature(type(transport)).parameters, *_CONNECTION_ARGUMENTS, *_ARGUMENTS]
            near = nearest(name, known)
            suggestion = f" (did you mean {near!r}?)" if near else ""
            raise TypeError(f"unexpected argument {name!r}{suggestion}")
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
        # Set on the instance, so that other transports are not slower.
        transmit = functools.partial(_transmit_and_wait, transport, transport.transmit)
        transport.transmit = transmit  # type: ignore[method-assign]


def _caller_stacklevel() -> int:
    """The `stacklevel` for `warnings.warn` of the first caller outside of this package."""
    level = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("stomp."):
        level += 1
        frame = frame.f_back
    return level


def _transmit_and_wait(transport: _Transport, transmit: Callable[[Frame], None], frame: Frame) -> None:
    """For `wait_on_receipt=True`: send a frame, and wait for its RECEIPT if it requests one.

    It never waits in a callback, as the receipt could not be dispatched then.
    """
    receipt = frame.headers.get("receipt")
    link = transport._link
    if (
        receipt is None
        or frame.cmd in UNESCAPED
        or frame.cmd == "DISCONNECT"  # `disconnect` waits itself
        or link is None
        or link.session.version is None
        or link.is_receiving_thread()
    ):
        transmit(frame)
        return
    listener = WaitingListener(link.session.version.unescape(text_of(receipt)))
    name = f"wait_on_receipt {id(listener)}"
    transport.set_listener(name, listener)
    try:
        transmit(frame)
        listener.wait_on_receipt()
    finally:
        transport.remove_listener(name)


class DeprecatedBaseTransport:
    """Methods of stomp.py's `BaseTransport`: the steps of its receiving loop, which `Link` and the session do now."""

    registry: Registry
    current_host_and_port: tuple[str, int] | None
    #: The value of `set_connected`; None if it was not called.
    _declared: bool | None = None

    #: The values of `set_receipt`; None if it was never called.
    _receipts: dict[str, Any] | None = None

    def set_receipt(self, receipt_id: object, value: Any) -> None:
        """Register an expected receipt, or remove it if `value` is false. With "DISCONNECT" it ends the connection."""
        if self._receipts is None:
            self._receipts = {}
        if value:
            self._receipts[text_of(receipt_id)] = value
        else:
            self._receipts.pop(text_of(receipt_id), None)

    def set_connected(self, connected: bool) -> None:
        """Override the value of `is_connected`, until the next `start`."""
        self._declared = connected

    def is_connected(self) -> bool:
        """The value that `set_connected` has set."""
        return bool(self._declared)

    @property
    def connected(self) -> bool:
        """See `is_connected`."""
        return self.is_connected()

    @connected.setter
    def connected(self, connected: bool) -> None:
        self.set_connected(connected)

    def notify(self, frame_type: str, frame: Any = None, body: Any = None) -> Any:
        """Call the listeners: "connected", "before_message", "heartbeat_timeout" ...

        Args:
            frame_type: the name of the callback, without ``on_``.
            frame: the frame, or the headers as in 4.x.
            body: the body, if `frame` is the headers.

        Returns:
            (headers, body) as changed by the listeners, if `frame` was the headers; otherwise None.
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
        """Call the listeners with a frame, as if the broker had sent it."""
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
        """Do nothing; `Transport` connects."""

    def stop(self) -> None:
        """Do nothing; `Transport` closes the connection."""

    def send(self, encoded_frame: bytes) -> None:
        """Do nothing; `Transport` writes."""

    def receive(self) -> None:
        """Do nothing, in every transport: the receiving thread of a connection reads."""

    def cleanup(self) -> None:
        """Do nothing, in every transport: there is nothing to clean up after a connection."""

    def attempt_connection(self) -> None:
        """Do nothing; `Transport` connects."""

    def disconnect_socket(self) -> None:
        """Do nothing; `Transport` closes the connection."""

    def wait_for_connection(self, timeout: float | None = None) -> None:
        """Do nothing; `Transport` waits."""


class DeprecatedTransport:
    """Attributes of stomp.py's `Transport`, including private ones. They are read-only."""

    _link: Link | None
    _options: Options
    _pairs: list[tuple[str, int]]
    get_ssl: Callable[..., dict[str, Any] | None]

    @property
    def _Transport__host_and_ports(self) -> list[tuple[str, int]]:  # noqa: N802
        """The (host, port) pairs. Read by grid data management software, to identify the broker."""
        return self._pairs

    @property
    def _Transport__ssl_params(self) -> dict[tuple[str, int], dict[str, Any]]:  # noqa: N802
        """The TLS settings by pair. Read by tests of applications, to check that TLS was configured."""
        settings = {pair: self.get_ssl(pair) for pair in self._pairs}
        return {pair: params for pair, params in settings.items() if params is not None}

    @property
    def receiver_thread(self) -> Any:
        """The receiving thread, or the return value of the function of `override_threading`. The name until 8.2."""
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
        """True when the last connection has ended."""
        return self._link is not None and not self._link.alive

    @property
    def blocking(self) -> bool:
        """False with TLS, as in stomp.py 9.0. It has no other meaning here."""
        return self.get_ssl() is None

    @property
    def bind_host_port(self) -> tuple[str, int] | None:
        """The local (host, port) to connect from."""
        return self._options.bind

    @property
    def heartbeat_thread(self) -> threading.Thread | None:
        """The timer thread, which is shared by all connections; None if this connection has no heart-beats."""
        link = self._link
        if link is None or not link.alive or link.session.heartbeat == (0, 0):
            return None
        return next((thread for thread in threading.enumerate() if thread.name == "stomp-timer"), None)

    @property
    def received_heartbeat(self) -> float | None:
        """When data was last received, by `time.monotonic`; None if no heart-beats were negotiated."""
        return self._link.session.last_read if self._link is not None else None

    def shutdown_queue(self) -> None:
        """Do nothing: stomp.py 9.0 had a queue of outgoing frames for TLS."""
