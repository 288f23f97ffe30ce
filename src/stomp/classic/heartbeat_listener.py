"""`HeartbeatListener`: heart-beats with a separate thread, as in stomp.py. Also exported by `stomp.listener`."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from stomp import log
from stomp.classic.callbacks import MISSING, ConnectionListener, in_either_shape, unpack
from stomp.core.frames.frame import text_of
from stomp.utils import HEARTBEAT_FRAME, calculate_heartbeats

if TYPE_CHECKING:
    from stomp.utils import Frame


class HeartbeatListener(ConnectionListener):
    """Heart-beats for a transport that has none, for example in a test.

    Connections do not need it: the session has their heart-beats, see `stomp.core.session.heartbeat`.

    Args:
        transport: has `transmit`, `set_connected`, `disconnect_socket`, `stop` and `listeners`.
        heartbeats: (what the client can send, what it wants to receive), in milliseconds.
        heart_beat_receive_scale: how many heart-beat intervals without data are allowed.
    """

    def __init__(
        self, transport: Any, heartbeats: tuple[int, int], heart_beat_receive_scale: float = 1.5
    ) -> None:
        self.transport = transport
        self.heartbeats = heartbeats
        self.heart_beat_receive_scale = heart_beat_receive_scale
        #: When the last frame or heart-beat was received, by `time.monotonic`.
        self.received_heartbeat: float | None = None
        self.heartbeat_thread: threading.Thread | None = None
        self.next_outbound_heartbeat: float | None = None
        self.heartbeat_terminate_event = threading.Event()
        self._intervals = (0.0, 0.0)

    @in_either_shape(ConnectionListener.on_connected)
    def on_connected(self, frame: Any, body: Any = MISSING) -> None:
        """Negotiate the heart-beats, and start the thread."""
        headers, _ = unpack(frame, body)
        self._stop()
        try:
            agreed = calculate_heartbeats(tuple(headers["heart-beat"].split(",")), self.heartbeats)
        except KeyError:
            return  # the broker has no heart-beats
        except ValueError:
            log.warning("heart-beat %.40r of the broker is not two numbers", headers["heart-beat"])
            return
        # `Transport` sends heart-beats itself; `on_send` has only added the header to CONNECT.
        if agreed == (0, 0) or getattr(self.transport, "beats_by_itself", False) is True:
            return
        self._intervals = agreed[0] / 1000, agreed[1] / 1000
        now = time.monotonic()
        self.received_heartbeat = now
        self.next_outbound_heartbeat = now + self._intervals[0]
        stop = self.heartbeat_terminate_event = threading.Event()
        self.heartbeat_thread = threading.Thread(
            target=self._run, args=(stop,), name="StompHeartbeatThread", daemon=True
        )
        self.heartbeat_thread.start()

    def on_disconnected(self) -> None:
        """Stop the heart-beats."""
        self._stop()

    def on_disconnecting(self) -> None:
        """Stop the heart-beats."""
        self._stop()

    def on_send(self, frame: Frame) -> None:
        """Add the ``heart-beat`` header to CONNECT; every frame that is sent delays the next heart-beat."""
        if frame.cmd in ("CONNECT", "STOMP") and tuple(self.heartbeats) != (0, 0):
            frame.headers["heart-beat"] = ",".join(map(text_of, self.heartbeats))
        self.next_outbound_heartbeat = time.monotonic() + self._intervals[0]

    def on_heartbeat(self, *_: Any) -> None:
        """Set the time of the last received data."""
        self.received_heartbeat = time.monotonic()

    @in_either_shape(ConnectionListener.on_message)
    def on_message(self, frame: Any, body: Any = MISSING) -> None:
        """Set the time of the last received data."""
        self.on_heartbeat()

    @in_either_shape(ConnectionListener.on_receipt)
    def on_receipt(self, frame: Any, body: Any = MISSING) -> None:
        """Set the time of the last received data."""
        self.on_heartbeat()

    @in_either_shape(ConnectionListener.on_error)
    def on_error(self, frame: Any, body: Any = MISSING) -> None:
        """Set the time of the last received data."""
        self.on_heartbeat()

    def _stop(self) -> None:
        self.heartbeat_terminate_event.set()
        self.heartbeat_thread = None

    def _run(self, stop: threading.Event) -> None:
        send, receive = self._intervals
        while True:
            now = time.monotonic()
            silence = now - (self.received_heartbeat or now)
            if receive and silence > receive * self.heart_beat_receive_scale:
                log.warning("heartbeat timeout: nothing was received for %.1f s", silence)
                self._disconnect(stop)
                return
            due = self.next_outbound_heartbeat or now
            if send and now >= due:
                self.transport.transmit(HEARTBEAT_FRAME)
                self.next_outbound_heartbeat = due = now + send
            waits = [due - now] * bool(send) + [receive / 4] * bool(receive)
            if stop.wait(max(0.001, min(waits))):
                return

    def _disconnect(self, stop: threading.Event) -> None:
        stop.set()
        self.transport.set_connected(False)
        self.transport.disconnect_socket()
        self.transport.stop()
        for listener in list(self.transport.listeners.values()):
            callback = getattr(listener, "on_heartbeat_timeout", None)
            if callback is not None:
                callback()
