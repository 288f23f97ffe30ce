"""Connections of the listener API for all addresses in settings, including Unix sockets and mixed lists."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stomp.cli.config.settings import mute
from stomp.cli.framework.exit_status import CommandError
from stomp.client.config import reading
from stomp.client.connect import TlsSettings
from stomp.connect import BaseConnection
from stomp.protocol import Protocol10, Protocol11, Protocol12
from stomp.transport import Transport

if TYPE_CHECKING:
    from stomp.cli.config.settings import ConnectionSettings
    from stomp.net.address import Address


class _ShellTransport(Transport):
    """A transport with full addresses. `Transport` takes pairs of host and port only."""

    def __init__(self, settings: ConnectionSettings) -> None:
        limits, lenient = reading(settings.reading)
        super().__init__(
            timeout=settings.timeout,
            vhost=settings.vhost,
            reconnect_attempts_max=1,
            auto_decode=False,
            limits=limits,
            lenient=lenient,
        )
        self._addresses = list(settings.addresses)
        self._pairs = [address.pair for address in self._addresses]
        self._settings = settings
        self._options = replace(self._options, proxy=settings.proxy, shuffle=settings.shuffle)

    def _ordered(self) -> list[Address]:
        return self._addresses

    def _tls_for(self, address: Address) -> TlsSettings | None:
        if address.transport not in ("tls", "wss"):
            return None
        return self._settings.tls or TlsSettings()


class _ShellConnection10(BaseConnection, Protocol10):
    def __init__(self, settings: ConnectionSettings) -> None:
        transport = _ShellTransport(settings)
        BaseConnection.__init__(self, transport)
        Protocol10.__init__(self, transport)


class _ShellConnection11(BaseConnection, Protocol11):
    def __init__(self, settings: ConnectionSettings) -> None:
        transport = _ShellTransport(settings)
        BaseConnection.__init__(self, transport)
        Protocol11.__init__(self, transport, settings.heartbeat or (0, 0))


class _ShellConnection12(BaseConnection, Protocol12):
    def __init__(self, settings: ConnectionSettings) -> None:
        transport = _ShellTransport(settings)
        BaseConnection.__init__(self, transport)
        Protocol12.__init__(self, transport, settings.heartbeat or (0, 0))


_KINDS: dict[str, Any] = {"1.0": _ShellConnection10, "1.1": _ShellConnection11, "1.2": _ShellConnection12}


def connection(settings: ConnectionSettings) -> Any:
    """Make a connection. Connect it with `connect`. Without a version in the settings it uses STOMP 1.1.

    Raises:
        CommandError: the URL has options that only `stomp.Client` supports.
    """
    mute()
    if settings.query:
        raise CommandError(
            f"the interactive client does not support these options of the URL: {', '.join(settings.query)}",
            hint="remove them, or use another command",
        )
    if settings.multicast:
        from stomp.adapter.multicast import MulticastConnection

        return MulticastConnection()
    return _KINDS[(settings.versions or ("1.1",))[0]](settings)


def connect(conn: Any, settings: ConnectionSettings) -> None:
    """Connect, and wait until the broker has sent CONNECTED.

    Raises:
        ConnectFailed: the broker was not reached, or refused the connection.
        CommandError: the password could not be read.
    """
    conn.connect(settings.login, settings.password(), wait=True, headers=dict(settings.headers))
