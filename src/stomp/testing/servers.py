"""`ScriptedServer`: a server that runs a script for each client, mostly to simulate faults of a broker.

A script is a callable that gets the socket of a client. When it returns, the server sends the end of the stream. This
module contains the scripts `say_nothing`, `greet`, `refuse`, `hang_up`, `reset` and `artemis_like`. Write others with
these and with `read_frame` and `greet_back`:

>>> def forget(sock: socket.socket) -> None:
...     read_frame(sock)
...     greet_back(sock)
...     read_frame(sock)  # and no receipt, ever
...     say_nothing(sock)
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from stomp.net.address import Address

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

#: Serves one client. The socket is blocking; when the server ends, the socket is shut down, so no call blocks longer.
Script = Callable[[socket.socket], None]

_READ = 64 * 1024


def read_frame(sock: socket.socket) -> bytes:
    """Return the next frame from the client, with its NUL, without the newlines before it.

    The frame ends at the first NUL, even within a body with a content-length. It is read byte by byte, so no byte
    after the frame is consumed.

    Raises:
        ConnectionResetError: the client has closed the connection.
    """
    frame = bytearray()
    while not frame.endswith(b"\0"):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionResetError("the client has disconnected")
        if frame or byte not in b"\r\n":
            frame += byte
    return bytes(frame)


def greet_back(
    sock: socket.socket, *, version: str = "1.2", heartbeat: str = "0,0", server: str | None = None
) -> None:
    """Send CONNECTED.

    Args:
        sock: the socket of the client.
        version: the ``version`` header.
        heartbeat: the ``heart-beat`` header, in milliseconds.
        server: the ``server`` header; None to leave it out.
    """
    server_header = f"server:{server}\n" if server is not None else ""
    sock.sendall(f"CONNECTED\nversion:{version}\nheart-beat:{heartbeat}\n{server_header}\n\0".encode())


def say_nothing(sock: socket.socket) -> None:
    """Script: read everything and send nothing, until the client closes."""
    while sock.recv(_READ):
        pass


def greet(sock: socket.socket) -> None:
    """Script: answer CONNECT with CONNECTED, and send nothing after that."""
    read_frame(sock)
    greet_back(sock)
    say_nothing(sock)


def refuse(sock: socket.socket, message: str = "not today", body: str = "") -> None:
    """Script: answer CONNECT with ERROR, and close."""
    read_frame(sock)
    sock.sendall(f"ERROR\nmessage:{message}\ncontent-type:text/plain\n\n{body}\0".encode())


def hang_up(sock: socket.socket) -> None:
    """Script: close immediately. With TLS this is after the handshake, and without a close_notify."""


def reset(sock: socket.socket) -> None:
    """Script, or last call of a script: close with a reset (RST) instead of the end of the stream."""
    # The option value is two shorts on Windows, and two ints everywhere else.
    linger_format = "hh" if hasattr(socket, "SIO_RCVALL") else "ii"
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(linger_format, 1, 0))
    sock.close()


class Imitation:
    """Script: send the ``server`` header of a broker, answer every requested receipt, and record all frames.

    It is for tests of code that depends on the type of the broker; `artemis_like` makes one for Artemis.

    Args:
        server: the ``server`` header of CONNECTED.

    Attributes:
        frames: the frames of all clients, including CONNECT, with their NUL.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.frames: list[bytes] = []

    def __call__(self, sock: socket.socket) -> None:
        """Serve one client."""
        self.frames.append(read_frame(sock))
        greet_back(sock, server=self.server)
        while True:
            frame = read_frame(sock)
            self.frames.append(frame)
            head = frame.partition(b"\n\n")[0].split(b"\n")
            for line in head:
                if line.startswith(b"receipt:"):
                    sock.sendall(b"RECEIPT\nreceipt-id:" + line.removeprefix(b"receipt:") + b"\n\n\0")
            if head[0] == b"DISCONNECT":
                return


def artemis_like(version: str = "2.31.0") -> Imitation:
    """An `Imitation` of ActiveMQ Artemis: it has the ``server`` header of Artemis, but not its features."""
    return Imitation(f"ActiveMQ-Artemis/{version} ActiveMQ Artemis Messaging Engine")


class ScriptedServer:
    """Listens on a free port, and runs a script for each client in a thread. Use it as a context manager.

    >>> with ScriptedServer(refuse) as server, socket.create_connection(server.address) as client:
    ...     client.sendall(b"CONNECT\\n\\n\\0")
    ...     client.recv(100)
    b'ERROR\\nmessage:not today\\ncontent-type:text/plain\\n\\n\\x00'

    On exit, it shuts down all connections and waits for the scripts. Then it raises the first exception of a script
    that is not an OSError: a client may disconnect, and a TLS handshake may fail, in a correct test.

    Args:
        scripts: the first one is for the first client, the second for the second client, and so on; the last one is
            also for all later clients.
        tls: a TLS context of the server; the script then gets the socket after the handshake.
        host: the address to listen on; "::1" for IPv6.
        timeout: seconds to wait for the scripts on exit.

    Raises:
        ValueError: no script was given.
        RuntimeError: on exit, if a script does not end within `timeout` seconds.

    Attributes:
        port: the port that the server listens on.
        errors: the exceptions of scripts and handshakes, in the order in which they ended.
        closing: set on exit, for scripts that wait for something other than the client.
    """

    def __init__(
        self,
        *scripts: Script,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        timeout: float = 10.0,
    ) -> None:
        if not scripts:
            raise ValueError("give at least one script")
        self.host = host
        self.port: int = 0
        self.errors: list[BaseException] = []
        self.closing: threading.Event = threading.Event()
        self._scripts = scripts
        self._tls = tls
        self._timeout = timeout
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> tuple[str, int]:
        """(host, port), for `stomp.Connection` and `socket.create_connection`."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The address as a URL: stomp://host:port, with TLS stomp+ssl://host:port."""
        return Address(*self.address, "tcp" if self._tls is None else "tls").url

    def __enter__(self) -> ScriptedServer:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self._wakeup_writer, self._wakeup_reader = socket.socketpair()
        self._start(self._accept_all, "scripted-server")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + self._timeout
        self.closing.set()
        self._wakeup_writer.close()
        # The accepting thread is the first one; after it has ended, no thread is added.
        for thread in self._threads:
            self._end_all()
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise RuntimeError(
                "a script does not end; it may wait for the client or for `closing`"
            ) from error
        if kind is None:
            for error_of_script in self.errors:
                if not isinstance(error_of_script, OSError):
                    raise error_of_script

    def _start(self, run: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept_all(self) -> None:
        with self._listener, self._wakeup_reader, selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wakeup_reader, selectors.EVENT_READ)
            served = 0
            while True:
                selector.select()
                if self.closing.is_set():
                    return
                sock, _ = self._listener.accept()
                with self._lock:
                    self._open.add(sock)
                script = self._scripts[min(served, len(self._scripts) - 1)]
                served += 1
                self._start(partial(self._serve, sock, script), f"script-{served}")

    def _serve(self, sock: socket.socket, script: Script) -> None:
        try:
            if self._tls is not None:
                plain = sock
                sock = self._tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._open.remove(plain)
                    self._open.add(sock)
                if self.closing.is_set():  # set while neither socket was in `_open`, so `_end_all` missed it
                    raise ConnectionAbortedError("the server is closing")
                sock.do_handshake()
            script(sock)
            _finish(sock)
        except BaseException as err:
            self.errors.append(err)
        finally:
            with self._lock:
                self._open.discard(sock)
                sock.close()

    def _end_all(self) -> None:
        with self._lock:
            for sock in self._open:
                # Not sock.shutdown: that of an SSLSocket drops the TLS state while its thread is using it.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _finish(sock: socket.socket) -> None:
    """Send the end of the stream, and read until the client has closed.

    Closing a socket with unread data sends a reset, which may overtake the data sent before.
    """
    if sock.fileno() == -1:
        return
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_WR)
        while socket.socket.recv(sock, _READ):
            pass
