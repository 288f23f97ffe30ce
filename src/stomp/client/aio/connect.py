"""Opens connections for `stomp.client.aio.link`, without blocking the event loop.

Rules of this file: plain TCP to an IPv4 address is connected on the event loop. Everything else is done by
`stomp.client.connect` on a thread: the resolver only blocks, and the handshakes of proxies, TLS and WebSockets are
written once, with blocking calls.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from stomp.client import connect
from stomp.client.connect import Stream
from stomp.net.dial import connect_error, is_ipv4, refuse_self_connection, set_nodelay

if TYPE_CHECKING:
    from stomp.client.connect import TlsSettings
    from stomp.client.options import Options
    from stomp.net.address import Address


async def open_stream(address: Address, options: Options, tls: TlsSettings | None) -> Stream:
    """Connect to one address: see `stomp.client.connect.open_stream`. The socket may be a non-blocking one."""
    host = address.via or address.host
    if address.transport != "tcp" or tls or options.proxy or options.bind or not is_ipv4(host):
        return await _open_on_thread(address, options, tls)
    return Stream(await _connect(address, host, options), None)


async def _connect(address: Address, host: str, options: Options) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(options.connect_timeout):
            await asyncio.get_running_loop().sock_connect(sock, (host, address.port))
        refuse_self_connection(sock)
        set_nodelay(sock)
        connect.apply_socket_options(sock, options)
    except OSError as err:
        sock.close()
        # Asyncio replaces the system's error message.
        why = OSError(err.errno, os.strerror(err.errno)) if err.errno else err
        raise connect_error(address, [(host, why)]) from err
    except BaseException:
        sock.close()
        raise
    return sock


async def _open_on_thread(address: Address, options: Options, tls: TlsSettings | None) -> Stream:
    """`stomp.client.connect.open_stream`, on a thread.

    Not on a thread of the loop's executor: a broker that does not answer would delay other work of the program there,
    and the exit of the program.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Stream] = loop.create_future()

    def arrive(stream: Stream | None, error: BaseException | None) -> None:
        if opened.done():  # it was cancelled
            if stream is not None:
                stream.sock.close()
        elif stream is not None:
            opened.set_result(stream)
        elif error is not None:
            opened.set_exception(error)

    def run() -> None:
        stream: Stream | None = None
        failure: BaseException | None = None
        try:
            stream = connect.open_stream(address, options, tls)
        except BaseException as err:
            failure = err
        try:
            loop.call_soon_threadsafe(arrive, stream, failure)
        except RuntimeError:  # the loop is closed
            if stream is not None:
                stream.sock.close()
        finally:
            failure = None  # its traceback refers to this frame: break the reference cycle

    options.start_thread(run)
    try:
        return await opened
    except asyncio.CancelledError:
        if opened.done() and not opened.cancelled() and opened.exception() is None:
            opened.result().sock.close()
        raise
