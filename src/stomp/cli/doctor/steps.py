"""The steps of `stomp doctor`. Each performs one part of connecting and records the result.

Rules of this file: a step raises the exceptions of the library. `Diagnosis` turns them into a text and a remedy, and
skips the steps that follow.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stomp import _installation
from stomp.cli.framework.exit_status import CommandError, Status, password_error, verdict, with_options
from stomp.core.errors import ConnectFailed, StompError
from stomp.core.frames import foreign_protocols
from stomp.net import dial

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from stomp.cli.config.settings import ConnectionSettings
    from stomp.net.address import Address
    from stomp.net.tls import TlsLayer

#: The `verify_code` of OpenSSL for a certificate that has expired (X509_V_ERR_CERT_HAS_EXPIRED).
_EXPIRED = 10
#: A certificate that expires in fewer days than this causes a warning.
_EXPIRY_WARNING_DAYS = 30


@dataclass
class Step:
    """A step and its result.

    Attributes:
        name: "packages", "resolve", "tcp", "socket", "proxy", "tls", "websocket", "login", "heart-beat" or
            "round-trip".
        state: "ok", "warning" or "failed".
        text: the result, in one line.
        notes: details, one line each.
        remedy: what to do, or an empty string.
        seconds: the duration of the step.
        facts: the result as values, for --json.
        status: the exit status of the step.
    """

    name: str
    state: str = "ok"
    text: str = ""
    notes: list[str] = field(default_factory=list[str])
    remedy: str = ""
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    status: Status = Status.OK


def _name_of(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """Format a name as `ssl.SSLSocket.getpeercert` returns it: "commonName=broker.example.com, ..."."""
    return ", ".join(f"{kind}={value}" for group in parts for kind, value in group)


def check_packages() -> Step | None:
    """A step about the installed packages; None if the distribution stomp.py is not installed.

    stomp.py and stompkit both install files into the package `stomp`. The step is a warning in this case.
    """
    from importlib import metadata

    found = {name: next(iter(metadata.distributions(name=name)), None) for name in ("stompkit", "stomp.py")}
    ours, other = found.values()
    if other is None:
        return None
    version = ours.version if ours is not None else "(without metadata)"
    step = Step("packages", facts={"stompkit": version, "stomp.py": other.version})
    files = other.files or []
    if not any(str(file) == "stomp/__init__.py" for file in files):
        step.text = f"stompkit {version}, and stomp.py {other.version} as a shim without files"
        return step
    step.state, step.remedy = "warning", _installation.MEND
    step.text = (
        f"stompkit {version} and stomp.py {other.version} are both installed in {other.locate_file('stomp')}: "
        "removing or upgrading stomp.py damages stompkit"
    )
    return step


class Diagnosis:
    """All steps for one address.

    Args:
        settings: the settings of the connection.
        address: the address to diagnose.
        destination: the destination for the round trip; None for a new one with a unique name.
    """

    def __init__(
        self, settings: ConnectionSettings, address: Address, destination: str | None = None
    ) -> None:
        self._settings = replace(settings, addresses=(address,))
        self._address = address
        self._destination = destination
        self._sock: socket.socket | None = None
        self._secure: TlsLayer | None = None
        self._client: Any = None

    def steps(self) -> Iterator[Step]:
        """Perform the steps one by one, until one fails. Iterate to the end: the connection is closed then."""
        address, proxy = self._address, self._settings.proxy
        unix = address.transport == "unix"
        actions: list[tuple[str, Callable[[Step], None]]] = []
        if not unix and not proxy:
            actions.append(("resolve", self._resolve))
        actions.append(("socket" if unix else "proxy" if proxy else "tcp", self._open))
        if address.transport in ("tls", "wss"):
            actions.append(("tls", self._tls))
        if address.transport in ("ws", "wss"):
            actions.append(("websocket", self._websocket))
        actions += [("login", self._login), ("heart-beat", self._heartbeat), ("round-trip", self._round_trip)]
        try:
            for name, action in actions:
                step = Step(name)
                self._run_step(step, action)
                yield step
                if step.state == "failed":
                    return
        finally:
            self._close_socket()
            if self._client is not None:
                self._client.close(_CLOSE_TIMEOUT)

    def _run_step(self, step: Step, action: Callable[[Step], None]) -> None:
        started_at = time.perf_counter()
        try:
            action(step)
        except (StompError, CommandError, OSError) as failure:
            error = password_error(failure) or failure
            hint = getattr(error, "hint", "")
            step.state = "failed"
            step.status, text = verdict(error)
            message = getattr(error, "message", "")
            step.text = message or text
            step.remedy = with_options(hint)
            if not hint and step.status is not Status.USAGE:
                step.remedy = _REMEDIES.get(step.name, "")
            if text.startswith(f"{message} (") and not hint:
                step.remedy = text[len(message) + 2 : -1]
            if step.facts.get("expired"):
                step.remedy = "renew the broker's certificate, which has expired"
        step.seconds = time.perf_counter() - started_at

    def _close_socket(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = self._secure = None

    def _deadline(self) -> dial.Deadline:
        return dial.Deadline(self._settings.timeout)

    # ------------------------------------------------------------------------------------- the steps

    def _resolve(self, step: Step) -> None:
        found = [str(sockaddr[0]) for _, sockaddr in dial.resolve(self._address, self._deadline())]
        step.facts["addresses"] = found
        step.text = f"{self._address.host} is {', '.join(found)}"

    def _open(self, step: Step) -> None:
        address, proxy = self._address, self._settings.proxy
        if proxy and address.transport != "unix":
            from stomp.net.proxy import parse_proxy

            parsed = parse_proxy(proxy)
            self._sock = dial.open_via_proxy(parsed, address, self._deadline())
            step.text = f"connected to {address} through the proxy {parsed.address}"
            return
        self._sock = dial.open_socket(address, self._deadline())
        if address.transport == "unix":
            step.text = f"connected to {address}"
            return
        peer = self._sock.getpeername()
        step.facts["peer"] = [peer[0], peer[1]]
        step.text = f"connected to {peer[0]} port {peer[1]}"

    def _tls(self, step: Step) -> None:
        from stomp.client.connect import TlsSettings

        settings: TlsSettings = self._settings.tls or TlsSettings()
        secure = settings.layer(self._address.host)
        assert self._sock is not None
        step.facts["verified"] = False
        try:
            dial.tls_handshake(self._sock, secure, self._address, self._deadline())
        except ConnectFailed as error:
            step.facts["expired"] = getattr(error.failures[0], "verify_code", 0) == _EXPIRED
            if not isinstance(error.failures[0], TimeoutError):
                self._read_unverified_certificate(step, settings)
            if "certificate" not in step.facts:
                first, web = self._answer_without_tls(), self._address.transport == "wss"
                found = foreign_protocols.identify(first, tls=True, websocket=web, handshake=True)
                if found is not None and found.words not in error.message:
                    error.hint = f"{found.words}; {found.hint}"
            raise
        self._secure = secure
        step.facts["verified"] = settings.verify and settings.context is None
        step.text = (
            "the certificate was verified" if step.facts["verified"] else "the certificate was NOT verified"
        )
        if not step.facts["verified"]:
            step.state, step.remedy = (
                "warning",
                "remove --ssl-insecure; give the certificate authority with --ssl-ca-file",
            )
        self._record_certificate(step, secure)

    def _read_unverified_certificate(self, step: Step, settings: Any) -> None:
        """Read the certificate that was not accepted, over a second connection without verification.

        Only the TLS handshake is done on this connection; no data is sent over it.
        """
        self._close_socket()
        with contextlib.suppress(StompError, OSError):
            self._open(Step(""))
            assert self._sock is not None
            unverified = replace(settings, verify=False, ca_certs=None, context=None).layer(
                self._address.host
            )
            dial.tls_handshake(self._sock, unverified, self._address, self._deadline())
            self._record_certificate(step, unverified)

    def _speaks_tls(self) -> bool:
        """True if the port completes a TLS handshake. Nothing but the handshake is sent."""
        from stomp.client.connect import TlsSettings

        with contextlib.suppress(StompError, OSError):
            self._open(Step(""))
            assert self._sock is not None
            layer = TlsSettings(verify=False).layer(self._address.host)
            dial.tls_handshake(self._sock, layer, self._address, dial.Deadline(_CLOSE_TIMEOUT))
            return True
        return False

    def _answer_without_tls(self) -> bytes:
        """The first bytes of the answer to a CONNECT without TLS and credentials; empty if there is no answer."""
        self._close_socket()
        with contextlib.suppress(StompError, OSError):
            self._open(Step(""))
            assert self._sock is not None
            self._sock.settimeout(_CLOSE_TIMEOUT)
            self._sock.sendall(_CONNECT)
            return self._sock.recv(foreign_protocols.EXAMINED_BYTES)
        return b""

    def _record_certificate(self, step: Step, layer: TlsLayer) -> None:
        """Note the certificate of the broker: its fields if it was verified, and its fingerprint.

        The module `ssl` decodes verified certificates only.
        """
        import hashlib
        import ssl

        digest = hashlib.sha256(layer.peer_certificate_der()).digest()
        fingerprint = digest.hex(":").upper()
        step.facts["certificate"] = {"sha256": fingerprint}
        step.notes = [f"SHA-256 fingerprint: {fingerprint}"]
        fields: dict[str, Any] = layer.peer_certificate()
        if not fields:
            host_and_port = f"{self._address.host}:{self._address.port}"
            step.notes.append(
                f"to read it: openssl s_client -connect {host_and_port} -servername {self._address.host} </dev/null"
                " | openssl x509 -noout -subject -issuer -dates -ext subjectAltName"
            )
            return
        not_before, not_after = (
            datetime.fromtimestamp(ssl.cert_time_to_seconds(fields[name]), UTC)
            for name in ("notBefore", "notAfter")
        )
        found = {
            "subject": _name_of(fields["subject"]),
            "issuer": _name_of(fields["issuer"]),
            "names": [name for _, name in fields.get("subjectAltName", ())],
        }
        days_left = (not_after - datetime.now(UTC)).days
        dates = {"not_before": not_before.isoformat(), "not_after": not_after.isoformat()}
        step.facts["certificate"] |= {**found, **dates}
        if days_left < _EXPIRY_WARNING_DAYS and step.state == "ok":
            step.state, step.remedy = "warning", "renew the broker's certificate soon"
        step.notes += [
            f"subject: {found['subject'] or 'none'}",
            f"issuer: {found['issuer'] or 'none'}",
            f"names: {', '.join(found['names']) or 'none'}",
            f"valid until {not_after:%Y-%m-%d}, {days_left} days from now",
        ]

    def _websocket(self, step: Step) -> None:
        from stomp.core.frames.limits import Limits
        from stomp.net.websocket import WebSocketLayer, WebSocketSettings, open_websocket

        web = WebSocketLayer(self._address, WebSocketSettings(), Limits())
        assert self._sock is not None
        open_websocket(self._sock, web, self._secure, self._address, self._deadline())
        step.text = f"{self._address.path} is a WebSocket endpoint that supports STOMP"

    def _login(self, step: Step) -> None:
        self._close_socket()
        client = self._settings.client(reconnect=False)
        try:
            client.connect()
        except ConnectFailed as error:
            # Some brokers close the connection without an answer if the client does not start TLS.
            silent = error.phase == "stomp" and error.frame is None and not _received(error)
            if self._address.transport == "tcp" and silent and self._speaks_tls():
                error.hint = f"the port uses TLS; {foreign_protocols.USE_TLS}"
            raise
        self._client = client
        user = f"as {self._settings.login!r}" if self._settings.login is not None else "without a user"
        step.facts |= {"broker": client.broker.name, "version": client.version}
        step.text = f"{client.broker.title} accepted the login {user}; STOMP {client.version}"

    def _heartbeat(self, step: Step) -> None:
        ours, theirs = self._client.heartbeat
        step.facts |= {"ours": ours, "brokers": theirs}
        if ours and theirs:
            step.text = f"the client every {ours / 1000:g} s, the broker every {theirs / 1000:g} s"
            return
        step.state = "warning"
        senders = (
            "neither side sends heart-beats"
            if not ours and not theirs
            else "only the client sends heart-beats"
            if ours
            else "only the broker sends heart-beats"
        )
        step.text = f"{senders}: a lost connection may go unnoticed"
        step.remedy = (
            "STOMP 1.0 has no heart-beats: enable a later version in the broker"
            if self._client.version == "1.0"
            else "request them with --heartbeats 10000,10000, and enable them in the broker"
        )

    def _round_trip(self, step: Step) -> None:
        profile = self._client.broker
        temporary = profile.temporary == "subscribe" and profile.name not in ("generic", "apollo")
        # RabbitMQ's temporary queues are for replies only. There a topic with a unique name serves the same purpose.
        # HornetQ makes only topics, and only for this prefix.
        topic = "jms.topic." if profile.name == "hornetq" else "/topic/"
        unique_name = f"{'/temp-queue/' if temporary else topic}stompkit-doctor-{uuid.uuid4().hex}"
        destination = self._destination or unique_name
        step.facts["destination"] = destination
        timeout = self._settings.timeout
        with self._client.subscribe(destination, timeout=timeout) as subscription:
            deadline = time.monotonic() + timeout
            while (duration := self._arrives_after(subscription)) is None:
                if not profile.receipts and time.monotonic() < deadline:
                    continue
                # Raised before the subscription ends: an error of UNSUBSCRIBE would be less specific.
                raise CommandError(
                    f"the broker accepted a message for {destination} but did not deliver it",
                    status=Status.UNREACHED,
                )
        step.facts["round_trip"] = round(duration, 6)
        step.text = f"a message arrived after {duration * 1000:.1f} ms"
        if profile.name == "artemis":
            self._check_that_a_queue_keeps(step)

    def _arrives_after(self, subscription: Any) -> float | None:
        """Send a message to the destination of a subscription. Returns the seconds until it arrives, or None."""
        confirm = self._client.broker.receipts
        timeout = self._settings.timeout
        # A text: over a WebSocket, some brokers take nothing else.
        body = uuid.uuid4().hex.encode()
        started_at = time.perf_counter()
        self._client.send(subscription.destination, body, confirm=confirm, timeout=timeout)
        # Without receipts, a message may be sent before the subscription exists, and is gone then.
        for message in subscription.messages(timeout if confirm else _KEPT_TIMEOUT):
            if message.body == body:
                return time.perf_counter() - started_at
        return None

    def _check_that_a_queue_keeps(self, step: Step) -> None:
        """Send before subscribing: without prefixes, each name is a multicast address of Artemis."""
        queue = f"/queue/stompkit-doctor-{uuid.uuid4().hex}"
        timeout = self._settings.timeout
        self._client.send(queue, "kept?", confirm=True, timeout=timeout)
        with self._client.subscribe(queue, timeout=timeout) as subscription:
            step.facts["queue_keeps"] = kept = subscription.receive(timeout=_KEPT_TIMEOUT) is not None
        if not kept:
            step.state = "warning"
            step.notes.append(
                f"a confirmed message for {queue} was gone before there was a subscription: here each name is a topic"
            )
            step.remedy = (
                "add anycastPrefix=/queue/;multicastPrefix=/topic/ to the acceptor in broker.xml, or send with the "
                "header destination-type:ANYCAST and subscribe with subscription-type:ANYCAST"
            )


#: Seconds for a message that was in a queue before the subscription.
_KEPT_TIMEOUT = 1.0
#: Seconds for closing the client, and for each attempt that only improves the diagnosis.
_CLOSE_TIMEOUT = 2.0
#: A CONNECT of STOMP 1.0, without headers: Redis closes the connection at a line that begins with "host:".
_CONNECT = b"CONNECT\n\n\0"
#: The remedy of a step, if the error has no hint.
_REMEDIES = {
    "login": "check the user, the password, the virtual host (--vhost) and the broker's log",
    "round-trip": "check that this user may read and write the destination, or use another one: --destination DEST",
    "websocket": "check the path of the URL, and that WebSockets are enabled in the broker",
}


def _received(error: BaseException) -> bytes:
    """The bytes that the peer sent and that were not STOMP; empty if there are none."""
    failures: tuple[BaseException, ...] = getattr(error, "failures", ())
    return getattr(error, "received", b"") or next(filter(None, map(_received, failures)), b"")
