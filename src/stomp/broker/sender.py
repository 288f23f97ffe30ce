"""SEND: finds the queues of a message, and stores it there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stomp.broker.destinations import declares, is_temporary, is_topic, qualify, qualify_limited, topic_of
from stomp.broker.dialects.headers import ALL_SEND, QUEUE_ARGUMENTS
from stomp.broker.model import PendingSend
from stomp.broker.request_headers import message_headers
from stomp.broker.schedule import HEADERS as SCHEDULE_HEADERS
from stomp.broker.schedule import schedule_of
from stomp.broker.scheduler import Scheduler
from stomp.broker.store import QUEUE_OVERHEAD, RequestRefused, size_of
from stomp.broker.topics import check_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stomp.broker.dispatcher import Dispatcher
    from stomp.broker.model import Client, Queue
    from stomp.broker.state import BrokerState
    from stomp.broker.subscriptions import Subscriptions
    from stomp.core.frames.frame import Frame


class Sender:
    """Stores the messages that clients send.

    Args:
        state: the state of the broker.
        dispatcher: delivers the messages.
        subscriptions: adds the subscriptions of replies.

    Attributes:
        scheduler: delivers messages later.
    """

    def __init__(self, state: BrokerState, dispatcher: Dispatcher, subscriptions: Subscriptions) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self._subscriptions = subscriptions
        self.scheduler: Scheduler = Scheduler(state, self.publish)

    def read(self, client: Client, frame: Frame) -> PendingSend | None:
        """The message of a SEND; None if it is dropped: a duplicate, or for a queue that does not exist.

        Raises:
            RequestRefused: it is invalid or exceeds a limit.
        """
        state = self._state
        state.dialect.check_destination(frame.headers["destination"])
        named = state.dialect.without_options(frame.headers["destination"])
        destination = qualify_limited(named, client.number, state.policy)
        if client.permissions is not None:
            client.permissions.check_write(destination)
        if is_topic(destination):
            check_words(destination)
        elif (queue := state.queues.get(destination)) is None:
            if self._does_not_exist(frame, destination):
                return None
        else:
            if queue.arguments is not None and declares(frame.headers["destination"]):
                state.declare(client, destination, frame)
            most = state.policy.max_queue_bytes
            if queue.bytes + len(frame.body) > most:
                detail = f"it keeps {most} bytes at most; consume some, then send again"
                raise RequestRefused("the queue is full", detail)
        duplicate_id: bytes | None = None
        extended = not ALL_SEND.isdisjoint(frame.headers)
        if extended:
            state.extensions.check(frame)
            if frame.headers["destination"].startswith("/queue/") and not QUEUE_ARGUMENTS.isdisjoint(
                frame.headers
            ):
                state.declare(client, destination, frame)
            if state.dialect.detects_duplicates:
                duplicate_id = state.duplicate_ids.id_of(destination, frame.headers)
                if duplicate_id in state.duplicate_ids:
                    return None
        headers = message_headers(frame.headers)
        now = state.clock()
        state.dialect.add_headers(headers, destination, now)
        expires = state.dialect.expiry(headers, now) if extended else None
        if "reply-to" in headers:
            name = headers["reply-to"]
            headers["reply-to"] = self._subscriptions.reply_to(client, name, qualify(name, client.number))
        size, has_length = size_of(headers, frame.body), "content-length" in frame.headers
        schedule = None
        if extended and "AMQ_SCHEDULED_DELAY" in state.dialect.send_headers:
            schedule = schedule_of(
                {name: headers[name] for name in state.dialect.send_headers & headers.keys()}
            )
            for name in SCHEDULE_HEADERS:
                headers.pop(name, None)
        sending = PendingSend(destination, headers, frame.body, size, expires, has_length)
        sending.schedule, sending.client, sending.duplicate_id = schedule, client.number, duplicate_id
        return sending

    def _does_not_exist(self, frame: Frame, destination: str) -> bool:
        """True if a message is dropped because ``/amq/queue/NAME`` does not exist (RabbitMQ)."""
        state = self._state
        if not state.dialect.checks_existence or declares(frame.headers["destination"]):
            return False
        named = state.topics.durable(("queue", destination.removeprefix("/queue/")))
        return named is None and not state.queues.was_declared(destination)

    def put(self, destination: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Store a message, as a SEND of a client that has no temporary destinations.

        Raises:
            RequestRefused: it is invalid or exceeds a limit.
        """
        name = qualify(destination, 0)
        size = size_of(headers, body)
        self.publish(
            PendingSend(name, headers, body, size, self._state.dialect.expiry(headers, self._state.clock()))
        )

    def publish(self, sending: PendingSend) -> None:
        """Store a message in all queues that get it, or have it delivered later. A duplicate is dropped.

        Raises:
            RequestRefused: the broker is full.
        """
        state = self._state
        if sending.duplicate_id in state.duplicate_ids:
            return  # a message of the same transaction has this id, too
        if sending.schedule is not None:
            self.scheduler.add(sending, sending.schedule)
        else:
            self._store(sending)
        if sending.duplicate_id is not None:
            state.duplicate_ids.remember(sending.duplicate_id, sending.headers)

    def _store(self, sending: PendingSend) -> None:
        """Store a message in all queues that get it, at once.

        Raises:
            RequestRefused: the broker is full.
        """
        state = self._state
        # One that lives for no time at all (RabbitMQ: expiration:0) is delivered if a consumer has room.
        if sending.expires is not None and sending.expires < state.clock():
            state.expiry.dropped += 1
            return
        if state.retained.is_on and is_topic(sending.destination) and not is_temporary(sending.destination):
            state.retained.add(sending)
        queues = self._matching_queues(sending)
        state.capacity.claim(len(queues), sending.size * len(queues))
        try:
            for queue in queues:
                state.queues.add(queue)
        except RequestRefused:
            state.capacity.release(len(queues), sending.size * len(queues))
            raise
        for queue in queues:
            if queue.virtual and queue.name != sending.destination:
                self._dispatcher.store(queue, replace(sending, destination=queue.name))
            else:
                self._dispatcher.store(queue, sending)

    def replace_claims(self, sendings: Sequence[PendingSend]) -> None:
        """Release the sizes that the messages of a transaction have claimed, if all their copies fit.

        Raises:
            RequestRefused: they do not fit.
        """
        state = self._state
        size = sum(sending.size for sending in sendings)
        copies = [(len(self._matching_queues(sending)), sending.size) for sending in sendings]
        more = sum(count for count, _ in copies) - len(sendings)
        new = {each.destination for each in sendings if not is_topic(each.destination)} - set(state.queues)
        new_size = sum(count * each for count, each in copies) + len(new) * QUEUE_OVERHEAD
        state.capacity.check(more, new_size - size)
        state.capacity.release(len(sendings), size)

    def _matching_queues(self, sending: PendingSend) -> list[Queue]:
        """The queues that get a copy of the message."""
        state, destination = self._state, sending.destination
        if "::" in destination and state.dialect.named_queues:
            # Artemis: a message for one queue of an address.
            name = destination.partition("::")[2]
            of_address = state.topics.durable(("queue", name))
            return [state.queues.get_or_new(f"/queue/{name}") if of_address is None else of_address]
        if is_topic(destination):
            found = state.topics.matching_queues(topic_of(destination), sending.headers)
            if sending.client:
                found = [each for each in found if each.no_local != sending.client]
            if state.queues.virtual and (virtual := state.queues.virtual.get(destination)):
                found += virtual.values()
            return found
        if is_temporary(destination) and state.queues.owner(destination) is None:
            return []  # The connection that could consume it has closed.
        if (queue := state.queues.get(destination)) is None:
            named = state.topics.durable(("queue", destination.removeprefix("/queue/")))
            return [state.queues.get_or_new(destination) if named is None else named]
        return [queue]
