"""What `stomp.Client` and `stomp.AsyncClient` have in common: all but the waiting.

Rules of this file: nothing here waits or touches the network; what a verb does is written once, in
`stomp.core.engine.verbs` and its neighbours, and carried out by the two drivers.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from stomp.client.arguments import (
    ACK,
    SEND,
    SETTINGS,
    SUBSCRIBE,
    Ack,
    Body,
    SendOptions,
    SubscribeOptions,
    only_url_by_place,
    pairs_of,
)
from stomp.client.config import ResolvedConfig, check_functions, setup
from stomp.client.logging import RepeatLog, clients
from stomp.core import arguments
from stomp.core.arguments import check_options
from stomp.core.callables import check_function, check_result
from stomp.core.engine import acknowledge, verbs
from stomp.core.engine.engine import ClientEngine
from stomp.core.engine.message import BaseMessage
from stomp.core.engine.message_queue import ClientSubscription, MessageQueue, SubscriptionConfig
from stomp.core.engine.status import ClientState
from stomp.core.engine.verbs import OutgoingMessage
from stomp.core.errors import ConnectionLost, NotConnected, SendStalled, UsageError
from stomp.core.frames.frame import text_of
from stomp.core.session.client import ClientSession

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Sequence
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

_SEND_FEATURES = ("persistent", "priority", "ttl", "delay", "queue_type")
_SUBSCRIBE_FEATURES = ("prefetch", "selector", "durable", "exclusive", "queue_type")


#: Seconds that a statement waits for answers when it is left by Ctrl-C or cancelled.
INTERRUPT_TIMEOUT = 2.0


class BaseClient:
    """The settings and the state of a client. Use `stomp.Client` or `stomp.AsyncClient`.

    Args:
        url: where the broker is: ``stomp://login:passcode@host:61613/vhost?heartbeat=5000``, ``stomp+ssl://a,b``,
            ``ws://``, ``wss://``, ``unix:///run/broker.sock``, ``failover:(stomp://a,stomp://b)``. The query may have
            any of the arguments below that are numbers or words. None: the environment's ``STOMP_URL``, or
            ``stomp://localhost:61613``.
        login: the user, or a function that returns it and is asked at each connect.
        passcode: the password, or such a function (for tokens that expire). None: the environment's
            ``STOMP_PASSWORD`` if there is a login.
        vhost: the virtual host. "/" if not given: RabbitMQ's default one, and all the same to the others.
        client_id: the ``client-id`` header, which both ActiveMQs want for durable subscriptions.
        headers: further headers of CONNECT, or a function that returns them.
        heartbeat: milliseconds between the beats that we can send, and that we want; 0 for none.
        versions: the STOMP versions to offer: a list, or one as in "1.2".
        tls: how to do TLS: `TlsSettings`, or an `ssl.SSLContext`. The URL says whether.
        proxy: connect through ``http://host:3128`` (CONNECT) or ``socks5://host:1080``.
        reconnect: connect again when the connection is lost.
        attempts: rounds over all addresses of the first connect.
        reattempts: rounds over all addresses of a reconnect; -1 for no limit.
        max_losses: a SUBSCRIBE, or with ``on_unknown="resend"`` a SEND, ends in `RetriesExhausted` after this many
            connections in a row that were lost after it; -1 for no limit.
        backoff: the waits between rounds.
        shuffle: try the addresses in random order.
        on_unknown: what becomes of a confirmed send whose connection is lost before the answer: "raise"
            `OutcomeUnknown`, or "resend" it on the next connection, with the headers ``dedup-id`` (the same each
            time) and ``possible-duplicate:true``, until it is confirmed.
        window: how many confirmed sends may wait for their answers; more have to wait to be sent.
        window_bytes: how many bytes of bodies.
        timeout: seconds for everything that is waited for and has no timeout of its own.
        connect_timeout: seconds for each step of connecting.
        broker: the kind of broker ("rabbitmq", "activemq", "artemis", "apollo", "hornetq", "embedded", "generic"),
            where its CONNECTED does not tell.
        inflated: how many bytes a compressed body may become.
        high_water: how many bytes of messages may wait to be taken before reading stops.
        limits: limits on what the broker can make the client store: `stomp.Limits`. A URL says ``max_body=1MiB``,
            ``max_frame``, ``max_head``, ``max_header_line`` and ``max_headers``.
        lenient: how frames are read that break a rule of STOMP: True reads those whose end is certain, False ends the
            connection, "trim" also removes white space around header names and values.
        hooks: who is told what happens, see `stomp.core.engine.hooks.Hooks`.
        options: further settings of the network.

    Raises:
        AddressError: the URL cannot be understood.
        UsageError: a setting cannot be used.
    """

    @only_url_by_place
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
    #: Functions of the user are awaited, so that they may be coroutine functions.
    _awaits: ClassVar[bool] = False
    #: What a driver holds for each step, see `stomp.core.engine.effects`.
    _lock: Any

    def _confirmation(self, receipt: str, frame: Frame | None, size: int) -> Any:
        raise NotImplementedError

    def _setup(self, settings: ResolvedConfig) -> None:
        check_functions(settings, coroutines=self._awaits)
        self._settings = settings
        self._options = settings.options
        self._conv = ClientEngine(settings.terms, RepeatLog(log, settings.options.clock), self)

    @classmethod
    def _from(cls, settings: ResolvedConfig) -> Any:
        """A client with these settings."""
        client = cls.__new__(cls)
        client._setup(settings)
        return client

    def __repr__(self) -> str:
        where = ", ".join(map(str, self._settings.terms.addresses))
        return f"<{type(self).__name__} {where} {self.state.value}>"

    # ------------------------------------------------------------------------------------- questions

    @property
    def state(self) -> ClientState:
        """How far the client has come."""
        return self._conv.state

    @property
    def error(self) -> StompError | None:
        """Why the client failed, or is not connected now; None while all is well."""
        return self._conv.error

    @property
    def address(self) -> Address | None:
        """The broker that the client is connected to; None while it is not."""
        era = self._conv.era
        return era.address if era is not None else None

    @property
    def broker(self) -> BrokerProfile:
        """The kind of broker, with what it can do.

        Raises:
            NotConnected: it is not known yet.
        """
        return self._settings.terms.vendor or self._conv.current.vendor

    @property
    def version(self) -> str:
        """The agreed version of STOMP.

        Raises:
            NotConnected: there is none.
        """
        dialect = self._conv.current.link.session.dialect
        assert dialect is not None
        return dialect.version

    @property
    def heartbeat(self) -> tuple[int, int]:
        """Milliseconds between our heart-beats and between the broker's, as agreed; 0 for none.

        Raises:
            NotConnected: nothing is agreed on.
        """
        return self._conv.current.link.session.heartbeat

    def stats(self) -> Stats:
        """What the client has done so far."""
        return self._conv.stats()

    def recent_frames(self) -> tuple[str, ...]:
        """The last frames, a line each, without bodies and credentials: for a report when something went wrong."""
        return self._conv.recorder.lines()

    def on_state(self, callback: Callable[[StateChange], object]) -> None:
        """Have `callback` called at every change of `state`, on the client's callback thread or on its event loop.

        Raises:
            UsageError: it cannot be called; with `Client`: it is a coroutine function.
        """
        check_function("the callback of on_state", callback, coroutines=self._awaits)
        self._conv.observers.append(callback)

    # ------------------------------------------------------------------------------------- for the drivers

    def _new_session(self) -> ClientSession:
        options = self._options
        return ClientSession(
            limits=options.limits,
            lenient=options.lenient,
            ledger=self._conv.ledger,
            tolerance=options.tolerance,
            message_class=self._message_class,
            error_ends=self._conv.terms.error_ends,
        )

    def _timeout(self, timeout: float | None) -> float:
        return self._settings.terms.timeout if timeout is None else arguments.seconds("timeout", timeout)

    def _deadline(self, timeout: float | None) -> float:
        return self._options.clock() + self._timeout(timeout)

    def _short_deadline(self) -> float:
        return min(INTERRUPT_TIMEOUT, self._timeout(None))

    def _parcel(self, destination: str, body: Body, options: SendOptions) -> OutgoingMessage:
        if not options:
            return OutgoingMessage(destination, body)
        return make_parcel(destination, body, **options)

    def _send_plain(self, destination: str, body: bytes) -> bool:
        """What `verbs.send` does, where nothing has to be waited for or told: this is for those who send a lot."""
        conv = self._conv
        era = conv.era
        if era is None or conv.state is not ClientState.CONNECTED or conv.terms.hooks:
            return False
        if type(destination) is not str or not destination:
            return False
        link: Any = era.link
        try:
            link.send(destination, body)
        except ConnectionLost:
            raise
        except NotConnected:
            return False
        conv.recorder.note_send(destination, len(body))
        return True

    def _start_plain(self, destination: str, body: Body, deadline: float, *, patient: bool) -> Any:
        """What `verbs.start` does, where nothing has to be waited for or told: the confirmation, or None."""
        if type(body) is not bytes or type(destination) is not str:
            return None
        conv, lock = self._conv, self._lock
        with lock:
            confirmation = verbs.start_plain(conv, destination, body, self._confirmation)
            if confirmation is None:
                return None
            link: Any = conv.current.link
        receipt = confirmation.receipt
        conv.recorder.note_send(destination, len(body), receipt)
        try:
            link.send(destination, body, None, receipt, deadline, patient)
        except (SendStalled, ConnectionLost):
            pass  # see `verbs.start`
        except NotConnected:
            with lock:
                if conv.cancel_request(receipt):
                    return None
        except BaseException:
            with lock:
                conv.cancel_request(receipt)
            raise
        return confirmation

    def _ack_plain(self, message: BaseMessage) -> bool:
        """What `settling.settle` does, where nothing has to be waited for or told: for those who acknowledge each."""
        conv = self._conv
        if message.settled or conv.terms.hooks:
            return False
        link: Any = message.era.link
        try:
            name = link.acknowledge(message)
        except NotConnected as err:
            message.settled = True
            raise acknowledge.lost() from err
        if name is None:
            return False
        message.settled = True
        conv.recorder.note_ack(name)
        return True

    def _feed(self, destination: str, ack: Ack, options: SubscribeOptions) -> ClientSubscription:
        told = check_options(options, SUBSCRIBE)
        wish = SubscriptionConfig(
            arguments.destination(destination),
            arguments.one_of("ack", ack, ACK),
            confirm=told.get("confirm", True),
            options={name: told[name] for name in _SUBSCRIBE_FEATURES if told.get(name)},
            headers=told.get("headers", {}),
            max_silence=told.get("max_silence"),
        )
        # RabbitMQ knows a durable subscription by its id.
        id = told.get("id") or told.get("durable") or f"sub-{self._conv.next_id()}"
        return ClientSubscription(text_of(id), wish)

    def _parcels(
        self, messages: Iterable[tuple[str, Body]], options: SendOptions
    ) -> Iterator[OutgoingMessage]:
        checked = check_options(options, SEND)
        return (_parcel(destination, body, checked) for destination, body in pairs_of(messages))

    def _check_merged(self, subscriptions: Sequence[Any]) -> None:
        """Check the arguments of `merge`.

        Raises:
            UsageError: one of them is not a subscription of this client.
        """
        if not subscriptions:
            raise UsageError("there is no subscription to merge", hint="pass at least one")
        for number, each in enumerate(subscriptions, 1):
            if not isinstance(each, BaseSubscription) or each._client is not self:
                raise UsageError(
                    f"argument {number} of merge is not a subscription of this client",
                    hint="pass what its subscribe() has returned",
                )

    def _process(self, message: BaseMessage) -> contextlib.ExitStack | None:
        if not self._settings.terms.hooks:
            return None
        stack = contextlib.ExitStack()
        for hook in self._settings.terms.hooks:
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
        """Leave the contexts of the hooks. Their failures must not keep the message from being settled."""
        self._call(partial(stack.__exit__, kind, error, trace))

    def _call(self, function: Callable[[], object]) -> Any:
        """Call code of the user, whose failure is no failure of ours."""
        try:
            result = function()
            return result if self._awaits else check_result("a callback", result)
        except Exception:
            log.exception("a callback failed")
            return None


def make_parcel(destination: str, body: Body, **options: Unpack[SendOptions]) -> OutgoingMessage:
    """What is to be sent, from the arguments of the verbs."""
    return _parcel(destination, body, check_options(options, SEND))


def _parcel(destination: str, body: Body, told: Mapping[str, Any]) -> OutgoingMessage:
    """What is to be sent, from options that were checked."""
    headers = dict(told.get("headers", {}))
    for option, header in (("correlation_id", "correlation-id"), ("reply_to", "reply-to")):
        if option in told:
            headers.setdefault(header, told[option])
    traits = {name: told[name] for name in _SEND_FEATURES if name in told}
    return OutgoingMessage(
        destination,
        body,
        headers=headers,
        content_type=told.get("content_type"),
        text=told.get("text", False),
        compress=told.get("compress"),
        epoch_ms=round(time.time() * 1000) if "ttl" in traits else 0,
        options=traits,
    )


class BaseSubscription:
    """One subscription of a client, over all its connections.

    Attributes:
        id: its id.
        destination: where its messages come from.
        ack: "auto", "client" or "client-individual".
    """

    _feed: ClientSubscription
    _client: Any

    @property
    def id(self) -> str:
        """The id of the subscription."""
        return self._feed.id

    @property
    def destination(self) -> str:
        """Where its messages come from."""
        return self._feed.wish.destination

    @property
    def ack(self) -> str:
        """How its messages are acknowledged: "auto", "client" or "client-individual"."""
        return self._feed.wish.ack

    @property
    def closed(self) -> bool:
        """True when no more messages will come."""
        return self._feed.ended

    @property
    def waiting(self) -> int:
        """How many messages have come and were not taken yet."""
        return len(self._inbox.messages)

    @property
    def _inbox(self) -> MessageQueue:
        return self._feed.inbox

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.waiting} waiting"
        return f"<{type(self).__name__} {self.id} {self.destination} {state}>"
