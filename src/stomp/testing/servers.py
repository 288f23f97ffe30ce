"""A server that does what a script says, and mostly what a broker should not do.

A script is a callable that is given the socket of a client. When it returns, the end of the stream is sent.
Here are `say_nothing`, `greet`, `refuse`, `hang_up`, `reset`, and `artemis_like`. Write your own from these and from
`read_frame`:

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

#: What a server does with one client. The socket is blocking; leaving the server ends every wait for it.
Script = Callable[[socket.socket], None]

_READ = 64 * 1024


def read_frame(sock: socket.socket) -> bytes:
    """The next frame from the client, with its NUL, without the newlines before it.

    It reads no byte more than that, so one byte at a time; the end is the first NUL, in a body as well.

    Raises:
        ConnectionResetError: the client has gone.
    """
    frame = bytearray()
    while not frame.endswith(b"\0"):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionResetError("the client has gone")
        if frame or byte not in b"\r\n":
            frame += byte
    return bytes(frame)


def greet_back(
    sock: socket.socket, *, version: str = "1.2", heartbeat: str = "0,0", server: str | None = None
) -> None:
    """Send CONNECTED; `server` is what the broker calls itself."""
    named = f"server:{server}\n" if server is not None else ""
    sock.sendall(f"CONNECTED\nversion:{version}\nheart-beat:{heartbeat}\n{named}\n\0".encode())


def say_nothing(sock: socket.socket) -> None:
    """Script: read everything, answer nothing, until the client goes."""
    while sock.recv(_READ):
        pass


def greet(sock: socket.socket) -> None:
    """Script: answer CONNECT with CONNECTED, and nothing after that."""
    read_frame(sock)
    greet_back(sock)
    say_nothing(sock)


def refuse(sock: socket.socket, message: str = "not today", body: str = "") -> None:
    """Script: answer CONNECT with ERROR, and hang up."""
    read_frame(sock)
    sock.sendall(f"ERROR\nmessage:{message}\ncontent-type:text/plain\n\n{body}\0".encode())


def hang_up(sock: socket.socket) -> None:
    """Script: close at once. With TLS that is after the handshake, and without a close_notify."""


def reset(sock: socket.socket) -> None:
    """Script, or the end of one: close so that the client sees a reset (RST) and not the end of the stream."""
    # The structure is of two shorts on Windows, and of two ints everywhere else.
    layout = "hh" if hasattr(socket, "SIO_RCVALL") else "ii"
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))
    sock.close()


class Imitation:
    """Script: call oneself like some broker, give every receipt that is asked for, and note what was said.

    For what a client does differently with each kind of broker: `artemis_like` makes one that says it is Artemis.

    Args:
        server: the ``server`` header of CONNECTED.

    Attributes:
        frames: the frames of all clients, CONNECT too, with their NUL.
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
    """An `Imitation` of ActiveMQ Artemis: what it is called by, and not what it can do."""
    return Imitation(f"ActiveMQ-Artemis/{version} ActiveMQ Artemis Messaging Engine")


class ScriptedServer:
    """Listens on a free port, and runs a script for each client, in a thread.

    >>> with ScriptedServer(refuse) as server, socket.create_connection(server.address) as client:
    ...     client.sendall(b"CONNECT\\n\\n\\0")
    ...     client.recv(100)
    b'ERROR\\nmessage:not today\\ncontent-type:text/plain\\n\\n\\x00'

    Leaving it ends all connections and waits for the scripts. What a script raises is raised again then, unless
    it is an OSError: clients may go, and a TLS handshake may fail, without the test being wrong.

    Args:
        scripts: the first is for the first client, and so on; the last is for all that come later, too.
        tls: a context for the server side; the script then gets the socket after the handshake.
        host: the address to listen on; "::1" for IPv6.
        patience: how many seconds to wait for the scripts in the end.

    Attributes:
        port: where it listens.
        errors: what the scripts and the handshakes raised, in the order in which they ended.
        leaving: set when the test is over, for scripts that wait for something else than the client.
    """

    def __init__(
        self,
        *scripts: Script,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        patience: float = 10.0,
    ) -> None:
        if not scripts:
            raise ValueError("give at least one script")
        self.host = host
        self.port: int = 0
        self.errors: list[BaseException] = []
        self.leaving: threading.Event = threading.Event()
        self._scripts = scripts
        self._tls = tls
        self._patience = patience
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> tuple[str, int]:
        """(host, port), as `stomp.Connection` and `socket.create_connection` want it."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The same as a URL: stomp://host:port, with TLS stomp+ssl://host:port."""
        return Address(*self.address, "tcp" if self._tls is None else "tls").url

    def __enter__(self) -> ScriptedServer:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self._waker, self._wakened = socket.socketpair()
        self._start(self._accept_all, "scripted-server")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + self._patience
        self.leaving.set()
        self._waker.close()
        # The accepting thread is the first, and after it no thread is added.
        for thread in self._threads:
            self._end_all()
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise RuntimeError(
                "a script does not end; it may wait for the client or for `leaving`"
            ) from error
        if kind is None:
            for raised in self.errors:
                if not isinstance(raised, OSError):
                    raise raised

    def _start(self, run: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept_all(self) -> None:
        with self._listener, self._wakened, selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wakened, selectors.EVENT_READ)
            served = 0
            while True:
                selector.select()
                if self.leaving.is_set():
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
                if self.leaving.is_set():  # set while neither of the two was there to be ended
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
                # Not sock.shutdown: an SSLSocket forgets its TLS then, while its thread is using it.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _finish(sock: socket.socket) -> None:
    """Send the end of the stream, and read on until the client has seen it.

    Closing with something unread is a reset, which may overtake what was sent before.
    """
    if sock.fileno() == -1:
        return
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_WR)
        while socket.socket.recv(sock, _READ):
            pass
