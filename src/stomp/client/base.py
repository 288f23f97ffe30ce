"""The common base of `stomp.Client` and `stomp.AsyncClient`: everything except waiting.

Rules of this file: nothing here blocks or does I/O. Each operation is written once, in `stomp.core.engine.send` and
the modules next to it; the two drivers run it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stomp.client.arguments import (
    ACK,
    SEND,
    SETTINGS,
    SUBSCRIBE,
    Ack,
    Body,
    SendOptions,
    SubscribeOptions,
    pairs_of,
    with_hints,
)
from stomp.client.config import ResolvedConfig, check_functions, setup
from stomp.client.logging import RepeatLog, clients
from stomp.core import arguments
from stomp.core.arguments import check_options
from stomp.core.callables import check_function, check_result
from stomp.core.engine.engine import ClientEngine
from stomp.core.engine.message import BaseMessage
from stomp.core.engine.message_queue import ClientSubscription, MessageQueue, SubscriptionConfig
from stomp.core.engine.send import OutgoingMessage
from stomp.core.engine.status import ClientState
from stomp.core.errors import UsageError
from stomp.core.frames.frame import text_of
from stomp.core.session.client import ClientSession

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from stomp.client.connect import TlsSettings
    from stomp.client.options import Options
    from stomp.core.engine.broker_profiles import BrokerProfile
    from stomp.core.engine.config import ConnectHeaders, Credential
    from stomp.core.engine.failover import Backoff
    from stomp.core.engine.hooks import Hooks
    from stomp.core.engine.status import StateChange, Stats
    from stomp.core.errors import StompError
    from stomp.core.frames.frame import Frame
    from stomp.core.frames.limits import Lenient, Limits
    from stomp.net.address import Address

log = clients

_SEND_FEATURES = frozenset(("persistent", "priority", "ttl", "delay", "queue_type"))
_SUBSCRIBE_FEATURES = ("prefetch", "selector", "durable", "exclusive", "queue_type")


#: Timeout in seconds for closing a client or a subscription when its ``with`` statement ends by Ctrl-C or by a
#: cancellation.
INTERRUPT_TIMEOUT = 2.0


class BaseClient:
    """A client that connects again by itself: `stomp.Client` blocks, the methods of `stomp.AsyncClient` are awaited.

    Args:
        url: the address of the broker: ``stomp://login:passcode@host:61613/vhost?heartbeat=5000``,
            ``stomp+ssl://a,b``, ``ws://``, ``wss://``, ``unix:///run/broker.sock``,
            ``failover:(stomp://a,stomp://b)``. The query may contain any argument below whose value is a number or a
            word. None: the environment variable ``STOMP_URL``, or ``stomp://localhost:61613``.
        login: the user name, or a function that returns it and is called at each connect.
        passcode: the password, or such a function (for tokens that expire). None: the environment variable
            ``STOMP_PASSWORD`` if there is a login.
        vhost: the virtual host. Default "/": RabbitMQ's default vhost; other brokers ignore it.
        client_id: the ``client-id`` header, which ActiveMQ and Artemis require for durable subscriptions.
        headers: further headers of CONNECT, or a function that returns them.
        heartbeat: milliseconds between the heart-beats (that the client can send, that it wants); 0 for none.
        versions: the STOMP versions to offer: a list, or a single one as in "1.2".
        tls: TLS settings: `TlsSettings`, or an `ssl.SSLContext`. Whether TLS is used depends on the URL only.
        proxy: connect through ``http://host:3128`` (CONNECT) or ``socks5://host:1080``.
        reconnect: connect again when the connection is lost.
        attempts: rounds over all addresses for the first connect.
        reattempts: rounds over all addresses for a reconnect; -1 for no limit.
        max_losses: a SUBSCRIBE, or with ``on_unknown="resend"`` a SEND, raises `RetriesExhausted` after this many
            connections in a row that were lost after it; -1 for no limit.
        backoff: the delays between rounds.
        shuffle: try the addresses in random order.
        on_unknown: what happens to a confirmed send when the connection is lost before the RECEIPT: "raise"
            `OutcomeUnknown`, or "resend" it on the next connection, with the headers ``dedup-id`` (the same each
            time) and ``possible-duplicate:true``, until it is confirmed.
        window: how many confirmed sends may be in flight; further ones wait.
        window_bytes: how many bytes of bodies may be in flight.
        timeout: seconds; the timeout of every call that has none of its own.
        connect_timeout: seconds for each step of connecting.
        broker: the kind of broker ("rabbitmq", "activemq", "artemis", "apollo", "hornetq", "spring", "embedded",
            "generic"), if it cannot be detected from its CONNECTED frame.
        max_decompressed_size: largest size of a decompressed body, in bytes.
        high_water: how many bytes of received messages may be queued before reading pauses.
        limits: limits on what the broker can make the client store: `stomp.Limits`. In a URL: ``max_body=1MiB``,
            ``max_frame``, ``max_head``, ``max_header_line`` and ``max_headers``.
        lenient: how frames are read that break a rule of STOMP: True reads those whose end is certain, False ends the
            connection, "trim" also removes white space around header names and values.
        hooks: objects with callbacks, see `stomp.core.engine.hooks.Hooks`.
        options: further settings of the network.

    Raises:
        AddressError: the URL is not valid.
        UsageError: a setting cannot be used.
    """

    @with_hints
    def __init__(
        self,
        url: str | None = None,
        *,
        login: Credential = None,
        passcode: Credential = None,
        vhost: str | None = None,
        client_id: str | None = None,
        headers: ConnectHeaders = None,
        heartbeat: tuple[int, int] | None = None,
        versions: Iterable[str] | None = None,
        tls: TlsSettings | ssl.SSLContext | None = None,
        proxy: str | None = None,
        reconnect: bool | None = None,
        attempts: float | None = None,
        reattempts: float | None = None,
        max_losses: int | None = None,
        backoff: Backoff | None = None,
        shuffle: bool | None = None,
        on_unknown: Literal["raise", "resend"] | None = None,
        window: int | None = None,
        window_bytes: int | None = None,
        timeout: float | None = None,
        connect_timeout: float | None = None,
        broker: str | None = None,
        max_decompressed_size: int | None = None,
        high_water: int | None = None,
        limits: Limits | None = None,
        lenient: Lenient | None = None,
        hooks: Iterable[Hooks] | None = None,
        options: Options | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in SETTINGS}
        self._setup(setup(url, **given))

    _message_class: ClassVar[type[BaseMessage]] = BaseMessage
    #: The client awaits the user's functions, so they may be coroutine functions.
    _awaits: ClassVar[bool] = False

    def _confirmation(self, receipt: str, frame: Frame | None, size: int) -> Any:
        raise NotImplementedError

    def _setup(self, settings: ResolvedConfig) -> None:
        check_functions(settings, coroutines=self._awaits)
        self._settings = settings
        self._options = settings.options
        self._engine = ClientEngine(settings.config, RepeatLog(log, settings.options.clock), self)

    @classmethod
    def _from(cls, settings: ResolvedConfig) -> Any:
        """Create a client with these settings."""
        client = cls.__new__(cls)
        client._setup(settings)
        return client

    def __repr__(self) -> str:
        where = ", ".join(map(str, self._settings.config.addresses))
        return f"<{type(self).__name__} {where} {self.state.value}>"

    # ------------------------------------------------------------------------------------- questions

    @property
    def state(self) -> ClientState:
        """The state of the client."""
        return self._engine.state

    @property
    def error(self) -> StompError | None:
        """Why the client failed, or is not connected now; None if there is no error."""
        return self._engine.error

    @property
    def address(self) -> Address | None:
        """The address of the broker that the client is connected to; None while it is not connected."""
        connection = self._engine.connection
        return connection.address if connection is not None else None

    @property
    def broker(self) -> BrokerProfile:
        """The kind of broker and its features.

        Raises:
            NotConnected: the kind is not known yet.
        """
        return self._settings.config.profile or self._engine.current.profile

    @property
    def version(self) -> str:
        """The negotiated version of STOMP.

        Raises:
            NotConnected: there is no connection.
        """
        version = self._engine.current.link.session.version
        assert version is not None
        return version.number

    @property
    def heartbeat(self) -> tuple[int, int]:
        """The negotiated heart-beats: milliseconds between (the client's, the broker's); 0 for none.

        Raises:
            NotConnected: there is no connection.
        """
        return self._engine.current.link.session.heartbeat

    def stats(self) -> Stats:
        """Counters of the client since it was created."""
        return self._engine.stats()

    def recent_frames(self) -> tuple[str, ...]:
        """The last frames, one line each, without bodies and credentials; for bug reports."""
        return self._engine.recorder.lines()

    def on_state(self, callback: Callable[[StateChange], object]) -> None:
        """Call `callback` at every change of `state`, on the client's callback thread or on its event loop.

        Raises:
            UsageError: the callback is not callable; with `Client`: it is a coroutine function.
        """
        check_function("the callback of on_state", callback, coroutines=self._awaits)
        self._engine.observers.append(callback)

    # ------------------------------------------------------------------------------------- for the drivers

    def _new_session(self) -> ClientSession:
        options = self._options
        session = ClientSession(
            limits=options.limits,
            lenient=options.lenient,
            ledger=self._engine.ledger,
            tolerance=options.tolerance,
            message_class=self._message_class,
            error_ends=self._engine.config.error_ends,
        )
        session.frame_check_for = self._engine.config.web_message_check
        return session

    def _timeout(self, timeout: float | None) -> float:
        return self._engine.config.timeout if timeout is None else arguments.seconds("timeout", timeout)

    def _deadline(self, timeout: float | None) -> float:
        return self._options.clock() + self._timeout(timeout)

    def _short_deadline(self) -> float:
        return min(INTERRUPT_TIMEOUT, self._timeout(None))

    def _outgoing(self, destination: str, body: Body, options: SendOptions) -> OutgoingMessage:
        if not options:
            return OutgoingMessage(destination, body)
        return _outgoing(destination, body, check_options(options, SEND))

    def _subscription(self, destination: str, ack: Ack, options: SubscribeOptions) -> ClientSubscription:
        checked = check_options(options, SUBSCRIBE)
        config = SubscriptionConfig(
            arguments.destination(destination),
            arguments.one_of("ack", ack, ACK),
            confirm=checked.get("confirm", True),
            options={name: checked[name] for name in _SUBSCRIBE_FEATURES if checked.get(name)},
            headers=checked.get("headers", {}),
            max_silence=checked.get("max_silence"),
        )
        # RabbitMQ identifies a durable subscription by its id.
        id = checked.get("id") or checked.get("durable") or f"sub-{self._engine.next_id()}"
        return ClientSubscription(text_of(id), config)

    def _outgoing_messages(
        self, messages: Iterable[tuple[str, Body]], options: SendOptions
    ) -> Iterator[OutgoingMessage]:
        checked = check_options(options, SEND)
        return (_outgoing(destination, body, checked) for destination, body in pairs_of(messages))

    def _process(self, message: BaseMessage) -> contextlib.ExitStack | None:
        if not self._settings.config.hooks:
            return None
        stack = contextlib.ExitStack()
        for hook in self._settings.config.hooks:
            context = self._call(partial(hook.processing, message))
            if context is not None:
                self._call(partial(stack.enter_context, context))
        return stack

    def _end_processing(
        self,
        stack: contextlib.ExitStack,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Exit the contexts of the hooks. An exception there must not keep the message from being settled."""
        self._call(partial(stack.__exit__, kind, error, trace))

    def _call(self, function: Callable[[], object]) -> Any:
        """Call user code. An exception is logged, and None is returned."""
        try:
            result = function()
            return result if self._awaits else check_result("a callback", result)
        except Exception:
            log.exception("a callback failed")
            return None


def _outgoing(destination: str, body: Body, checked: Mapping[str, Any]) -> OutgoingMessage:
    """Build the outgoing message from checked options."""
    features = None
    if not _SEND_FEATURES.isdisjoint(checked):
        features = {name: value for name, value in checked.items() if name in _SEND_FEATURES}
    content_type = checked.get("content_type")
    if "json" in checked:
        if body:
            raise UsageError("there are a body and json=", hint="pass one of them")
        body, content_type = checked["json"], content_type or "application/json"
    headers = checked.get("headers")
    if "correlation_id" in checked or "reply_to" in checked:
        headers = dict(headers or ())
        for option, header in (("correlation_id", "correlation-id"), ("reply_to", "reply-to")):
            if option in checked:
                headers.setdefault(header, checked[option])
    return OutgoingMessage(
        destination,
        body,
        headers=headers,
        content_type=content_type,
        text=checked.get("text", False),
        compress=checked.get("compress"),
        epoch_ms=round(time.time() * 1000) if "ttl" in checked else 0,
        options=features,
    )


class BaseSubscription:
    """One subscription of a client. It stays the same when the client reconnects.

    Attributes:
        id: the id of the subscription.
        destination: the destination it subscribes to.
        ack: "auto", "client" or "client-individual".
    """

    _subscription: ClientSubscription

    @property
    def id(self) -> str:
        """The id of the subscription."""
        return self._subscription.id

    @property
    def destination(self) -> str:
        """The destination that the client subscribed to."""
        return self._subscription.config.destination

    @property
    def ack(self) -> str:
        """The ack mode: "auto", "client" or "client-individual"."""
        return self._subscription.config.ack

    @property
    def closed(self) -> bool:
        """True when no more messages will be received."""
        return self._subscription.ended

    @property
    def waiting(self) -> int:
        """How many messages were received and are queued."""
        return len(self._queue.messages)

    @property
    def _queue(self) -> MessageQueue:
        return self._subscription.queue

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.waiting} waiting"
        return f"<{type(self).__name__} {self.id} {self.destination} {state}>"
