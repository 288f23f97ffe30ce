"""Heart-beats by a thread of their own, as stomp.py had them; `stomp.listener` has the class, too."""

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
    """Heart-beats for a transport that has none of its own, such as one in a test.

    Connections do not need it: their heart-beats are in the engine, see `stomp.core.session.heartbeat`.

    Args:
        transport: has `transmit`, `set_connected`, `disconnect_socket`, `stop` and `listeners`.
        heartbeats: (what we can send, what we want to get), in milliseconds.
        heart_beat_receive_scale: how many intervals of silence are borne.
    """

    def __init__(
        self, transport: Any, heartbeats: tuple[int, int], heart_beat_receive_scale: float = 1.5
    ) -> None:
        self.transport = transport
        self.heartbeats = heartbeats
        self.heart_beat_receive_scale = heart_beat_receive_scale
        #: When the broker was last heard of, by `time.monotonic`.
        self.received_heartbeat: float | None = None
        self.heartbeat_thread: threading.Thread | None = None
        self.next_outbound_heartbeat: float | None = None
        self.heartbeat_terminate_event = threading.Event()
        self._intervals = (0.0, 0.0)

    @in_either_shape(ConnectionListener.on_connected)
    def on_connected(self, frame: Any, body: Any = MISSING) -> None:
        """Agree with the broker, and begin."""
        headers, _ = unpack(frame, body)
        self._stop()
        try:
            agreed = calculate_heartbeats(tuple(headers["heart-beat"].split(",")), self.heartbeats)
        except KeyError:
            return  # it wants none
        except ValueError:
            log.warning("heart-beat %.40r of the broker is not two numbers", headers["heart-beat"])
            return
        # A transport of ours beats by itself, once `on_send` has asked the broker for it.
        if agreed == (0, 0) or getattr(self.transport, "beats_by_itself", False) is True:
            return
        self._intervals = agreed[0] / 1000, agreed[1] / 1000
        now = time.monotonic()
        self.received_heartbeat = now
        self.next_outbound_heartbeat = now + self._intervals[0]
        stop = self.heartbeat_terminate_event = threading.Event()
        self.heartbeat_thread = threading.Thread(
            target=self._beat, args=(stop,), name="StompHeartbeatThread", daemon=True
        )
        self.heartbeat_thread.start()

    def on_disconnected(self) -> None:
        """No more beats."""
        self._stop()

    def on_disconnecting(self) -> None:
        """No more beats."""
        self._stop()

    def on_send(self, frame: Frame) -> None:
        """Ask for heart-beats with CONNECT; any other frame will do for the next beat."""
        if frame.cmd in ("CONNECT", "STOMP") and tuple(self.heartbeats) != (0, 0):
            frame.headers["heart-beat"] = ",".join(map(text_of, self.heartbeats))
        self.next_outbound_heartbeat = time.monotonic() + self._intervals[0]

    def on_heartbeat(self, *_: Any) -> None:
        """The broker lives."""
        self.received_heartbeat = time.monotonic()

    @in_either_shape(ConnectionListener.on_message)
    def on_message(self, frame: Any, body: Any = MISSING) -> None:
        """The broker lives."""
        self.on_heartbeat()

    @in_either_shape(ConnectionListener.on_receipt)
    def on_receipt(self, frame: Any, body: Any = MISSING) -> None:
        """The broker lives."""
        self.on_heartbeat()

    @in_either_shape(ConnectionListener.on_error)
    def on_error(self, frame: Any, body: Any = MISSING) -> None:
        """The broker lives."""
        self.on_heartbeat()

    def _stop(self) -> None:
        self.heartbeat_terminate_event.set()
        self.heartbeat_thread = None

    def _beat(self, stop: threading.Event) -> None:
        send, receive = self._intervals
        while True:
            now = time.monotonic()
            silence = now - (self.received_heartbeat or now)
            if receive and silence > receive * self.heart_beat_receive_scale:
                log.warning("heartbeat timeout: nothing was heard for %.1f s", silence)
                self._give_up(stop)
                return
            due = self.next_outbound_heartbeat or now
            if send and now >= due:
                self.transport.transmit(HEARTBEAT_FRAME)
                self.next_outbound_heartbeat = due = now + send
            steps = [due - now] * bool(send) + [receive / 4] * bool(receive)
            if stop.wait(max(0.001, min(steps))):
                return

    def _give_up(self, stop: threading.Event) -> None:
        stop.set()
        self.transport.set_connected(False)
        self.transport.disconnect_socket()
        self.transport.stop()
        for listener in list(self.transport.listeners.values()):
            tell = getattr(listener, "on_heartbeat_timeout", None)
            if tell is not None:
                tell()
