"""`Channel`: the operations of AMQP that Kombu needs, on the connection of a transport.

Rules of this file:

- Each queue of a direct exchange is known by the bindings that this process has declared. Without a binding, a message
  to a direct exchange goes to a topic, as do all messages to topic and fanout exchanges, for the transient queues of
  other processes.
- A message is acknowledged at the broker when Kombu acknowledges it. Rejected with requeue, it is never lost: NACK
  where that means to deliver it again, else the message is sent again, confirmed, and acknowledged then.
- Names and arguments of the methods are those of `kombu.transport.virtual.Channel`.
"""

# Kombu has few annotations, and pyright infers types from its defaults, such as None.
# pyright: reportOptionalMemberAccess=false, reportIncompatibleMethodOverride=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import contextlib
import re
from queue import Empty
from typing import TYPE_CHECKING, Any

from kombu.transport import virtual
from kombu.transport.base import to_rabbitmq_queue_arguments
from kombu.transport.virtual import exchange as virtual_exchange
from kombu.utils.uuid import uuid

from stomp.core.errors import NotConnected
from stomp.kombu.destinations import QueueSettings, topic, topic_pattern
from stomp.kombu.reader import TopicBinding, Unsettled

if TYPE_CHECKING:
    from stomp.kombu.connection import KombuConnection
    from stomp.kombu.payload import Payload
    from stomp.kombu.reader import QueueReader

#: Seconds to wait for a message of a queue before it counts as empty: STOMP has no command that asks.
GET_TIMEOUT = 1.0


class DirectExchange(virtual_exchange.DirectExchange):
    """Sends to the queues that are bound in this process, or else to the topic of the routing key."""

    def deliver(self, message: Payload, exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Send a message."""
        queues = self.channel._lookup(exchange, routing_key)
        for queue in queues:
            self.channel._put(queue, message, **kwargs)
        if not queues:
            self.channel.put_topic(topic(exchange, routing_key), message)


class TopicExchange(virtual_exchange.TopicExchange):
    """Sends to the topic of the routing key, and to the shared queues that are bound in this process."""

    def deliver(self, message: Payload, exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Send a message."""
        for queue in self.channel._lookup(exchange, routing_key):
            if not self.channel.is_transient(queue):
                self.channel._put(queue, message, **kwargs)
        self.channel.put_topic(topic(exchange, routing_key), message)


class FanoutExchange(virtual_exchange.FanoutExchange):
    """Sends to the topic of the exchange, and to the shared queues that are bound in this process."""

    def deliver(self, message: Payload, exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Send a message."""
        for queue in self.channel._lookup(exchange, routing_key):
            if not self.channel.is_transient(queue):
                self.channel._put(queue, message, **kwargs)
        self.channel.put_topic(topic(exchange, None), message)


class ChannelQoS(virtual.QoS):
    """The unsettled messages of a channel."""

    #: The broker delivers unsettled messages again, so Kombu has nothing to restore.
    restore_at_shutdown = False

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message at the broker."""
        self.channel.settle(delivery_tag)
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject a message."""
        message = self._delivered.get(delivery_tag)
        if message is not None:
            self.channel.reject(message, requeue=requeue)
        super().ack(delivery_tag)

    def restore_unacked(self) -> list[Any]:
        """Give all unsettled messages back to their queues."""
        self._flush()
        for tag in list(self._delivered):
            self.reject(tag, requeue=True)
        self._flush()
        return []

    def restore_unacked_once(self, stderr: object = None) -> None:
        """Called when the channel is closed, or at the end of the process: see `Channel.close`."""
        self._on_collect.cancel()


class Channel(virtual.Channel):
    """A channel of Kombu. It is created by `kombu.Connection.channel`."""

    QoS = ChannelQoS
    do_restore = False
    supports_fanout = True
    exchange_types = {  # noqa: RUF012 - each channel makes instances of them
        "direct": DirectExchange,
        "topic": TopicExchange,
        "fanout": FanoutExchange,
    }
    #: Seconds to wait for a message in `basic_get` and `queue_purge`.
    get_timeout = GET_TIMEOUT
    from_transport_options = ("deadletter_queue", "get_timeout")

    @property
    def broker(self) -> KombuConnection:
        """The connection to the broker.

        Raises:
            NotConnected: the channel is closed.
        """
        if self.connection is None:
            raise NotConnected("this channel is closed", hint="use a new channel of the connection")
        broker: KombuConnection = self.connection.broker
        return broker

    # ------------------------------------------------------------------------------------- publishing

    def basic_publish(self, message: Payload, exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Send a message. Returns when the broker has confirmed it, if it is for a queue."""
        self.broker.check()
        super().basic_publish(message, exchange, routing_key, **kwargs)

    def prepare_message(self, body: Any, *args: Any, **kwargs: Any) -> Any:
        """Make a message. A body that is text stays readable in the consoles of brokers; others become Base64."""
        message: Payload = super().prepare_message(body, *args, **kwargs)
        is_text = (message["content-encoding"] or "").lower() == "utf-8"
        if is_text and isinstance(body, bytes) and "compression" not in message["headers"]:
            with contextlib.suppress(UnicodeDecodeError):
                message["body"] = body.decode()
        return message

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str]:
        """Text is sent unchanged, bytes as Base64."""
        if isinstance(body, str):
            return body, "utf-8"
        return super().encode_body(body, "base64")  # type: ignore[no-any-return]

    def _put(self, queue: str, message: Payload, **kwargs: Any) -> None:
        self.broker.send_to_queue(queue, message, timeout=kwargs.get("timeout"))

    def put_topic(self, destination: str, message: Payload) -> None:
        """Send a message to a topic."""
        self.broker.send_to_topic(destination, message)

    # ------------------------------------------------------------------------------------- declaring

    def prepare_queue_arguments(self, arguments: dict[str, Any], **kwargs: Any) -> Any:
        """The arguments of RabbitMQ for the options of a queue."""
        return to_rabbitmq_queue_arguments(arguments, **kwargs)

    def queue_declare(self, queue: str | None = None, passive: bool = False, **kwargs: Any) -> Any:
        """Declare a queue. Without a name it gets one; RabbitMQ reserves the prefix ``amq.`` of Kombu's names."""
        return super().queue_declare(queue or f"kombu.gen-{uuid()}", passive, **kwargs)

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        self.broker.declare(
            QueueSettings(
                queue,
                durable=bool(kwargs.get("durable", True)),
                transient=bool(kwargs.get("auto_delete") or kwargs.get("exclusive")),
                arguments=dict(kwargs.get("arguments") or {}),
            )
        )

    def is_transient(self, queue: str) -> bool:
        """True if the queue has one owner, and gets its messages from topics."""
        return self.broker.settings_of(queue).transient

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        self._bind_topic(queue, exchange, routing_key)

    def queue_bind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", *args: Any, **kwargs: Any
    ) -> None:
        """Bind a queue to an exchange."""
        super().queue_bind(queue, exchange, routing_key, *args, **kwargs)
        # The binding may be known from another connection of this process, which has subscriptions of its own.
        self._bind_topic(queue, exchange or "amq.direct", routing_key)

    def _bind_topic(self, queue: str, exchange: str, key: str) -> None:
        if not self.is_transient(queue):
            return
        exchange_type: Any = self.typeof(exchange)
        kind = exchange_type.type
        if kind == "fanout":
            binding = TopicBinding(exchange, key, None, topic(exchange, None))
        elif kind == "topic":
            regex = re.compile(exchange_type.key_to_pattern(key))
            binding = TopicBinding(exchange, key, regex, topic_pattern(self.broker.profile, exchange, key))
        else:
            binding = TopicBinding(exchange, key, re.compile(re.escape(key) + r"\Z"), topic(exchange, key))
        self.broker.reader(queue).bind(binding)

    def queue_unbind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", *args: Any, **kwargs: Any
    ) -> None:
        """Remove a binding."""
        super().queue_unbind(queue, exchange, routing_key, *args, **kwargs)
        reader = self.broker.readers.get(queue)
        if reader is not None:
            reader.unbind(exchange or "amq.direct", routing_key)

    def _delete(self, queue: str, exchange: str, *meta: Any, **kwargs: Any) -> None:
        table = self.get_table(exchange)
        table[:] = [each for each in table if each != meta]

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any
    ) -> None:
        """Forget a queue. STOMP cannot delete it at the broker, so a shared queue is emptied."""
        shared = not self.is_transient(queue)
        super().queue_delete(queue, if_unused, if_empty, **kwargs)
        self.broker.forget(queue)
        if shared:
            self._purge(queue)

    def _purge(self, queue: str) -> int:
        return self.broker.purge(queue, self.get_timeout)

    # ------------------------------------------------------------------------------------- consuming

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **kwargs: Any
    ) -> None:
        """Begin to consume a queue."""
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        self.broker.reader(queue).consume(no_ack=no_ack, prefetch=self.qos.prefetch_count)

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop consuming. Messages that were delivered may still be settled."""
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        reader = self.broker.readers.get(queue) if self.connection is not None and queue else None
        if reader is not None and not self.broker.closing:
            reader.cancel()

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        """Get one message. Waits up to `get_timeout` seconds until the queue counts as empty."""
        reader = self.broker.reader(queue)
        reader.consume(no_ack=False, prefetch=1)
        try:
            payload = self._receive(reader, self.get_timeout)
            if payload is None:
                return None
            message = self.Message(payload, channel=self)
            self.qos.append(message, message.delivery_tag)
            if no_ack:
                self.basic_ack(message.delivery_tag)
            return message
        finally:
            reader.cancel()

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        """Set the maximum number of unsettled messages."""
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        for queue in set(self._active_queues):
            self.broker.reader(queue).grow(prefetch_count)
        self.broker.resume()

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> Any:
        """Deliver a message, or raise Empty."""
        if self._consumers and not self.qos.can_consume():
            self.broker.paused = True
            raise Empty
        return super().drain_events(timeout, callback)

    def _get(self, queue: str, timeout: float | None = None) -> Payload:
        reader = self.broker.readers.get(queue)
        payload = None if reader is None else self._receive(reader)
        if payload is None:
            raise Empty
        return payload

    def _receive(self, reader: QueueReader, timeout: float = 0.0) -> Payload | None:
        taken = reader.receive(timeout)
        if taken is None:
            return None
        payload, message = taken
        tag = payload["properties"]["delivery_tag"] = self.broker.next_tag()
        if message is not None:
            self.broker.unsettled[tag] = Unsettled(message, reader)
        # Kept for `reject`, as the routing key of an exchange does not name the queue.
        payload["properties"]["delivery_info"]["queue"] = reader.settings.name
        return payload

    # ------------------------------------------------------------------------------------- settling

    def settle(self, tag: str) -> None:
        """Acknowledge a message at the broker."""
        unsettled = self.broker.unsettled.pop(tag, None)
        if unsettled is not None:
            unsettled.message.ack()
            unsettled.reader.settled()
        self.broker.resume()

    def reject(self, message: Any, *, requeue: bool) -> None:
        """Reject a message: it is delivered again, or else is for the broker's dead-letter queue."""
        unsettled = self.broker.unsettled.pop(message.delivery_tag, None)
        profile = self.broker.profile
        if unsettled is None:
            if requeue:  # a message of a topic, or of a consumer without acknowledgements
                self._requeue_here(message)
        elif requeue and "true" in profile.requeue:
            unsettled.message.nack(requeue=True)
        elif requeue:
            self._restore(message)
            unsettled.message.ack()
        elif "false" in profile.requeue or profile.nack_discards:
            unsettled.message.nack(requeue=False)
        elif profile.name == "activemq":
            unsettled.message.nack()  # to the dead-letter queue
        else:
            unsettled.message.ack()  # NACK could mean to deliver it again
        if unsettled is not None:
            unsettled.reader.settled()
        self.broker.resume()

    def _restore(self, message: Any) -> None:
        self._put(message.delivery_info["queue"], {**message._raw, "redelivered": True})

    def _requeue_here(self, message: Any) -> None:
        queue = message.delivery_info.get("queue")
        if queue in self.broker.readers:
            message.delivery_info["redelivered"] = True
            self.broker.readers[queue].put_first(message._raw)
            self.broker.wake()

    def close(self) -> None:
        """Close the channel. The broker delivers its unsettled messages again."""
        if not self.closed and self.connection is not None and not self.broker.closing:
            for consumer in list(self._consumers):
                self.basic_cancel(consumer)
            if self._qos is not None:
                self._give_back()
        super().close()

    def _give_back(self) -> None:
        self.qos._flush()
        readers = set()
        for tag in list(self.qos._delivered):
            unsettled = self.broker.unsettled.pop(tag, None)
            if unsettled is not None:
                readers.add(unsettled.reader)
        for reader in readers:
            reader.give_back()
