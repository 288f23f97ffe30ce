"""SEND: finds the queues of a message, and stores it there."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from stomp.broker.destinations import is_temporary, is_topic, qualify, qualify_limited, topic_of
from stomp.broker.dialect import ALL_SEND, QUEUE_ARGUMENTS
from stomp.broker.model import PendingSend
from stomp.broker.request_headers import message_headers
from stomp.broker.schedule import HEADERS as SCHEDULE_HEADERS
from stomp.broker.schedule import schedule_of
from stomp.broker.store import QUEUE_OVERHEAD, RequestRefused, size_of
from stomp.broker.topics import check_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stomp.broker.dispatcher import Dispatcher
    from stomp.broker.model import Client, Queue
    from stomp.broker.state import BrokerState
    from stomp.broker.subscriptions import Subscriptions
    from stomp.core.frames.frame import Frame

logger: logging.Logger = logging.getLogger("stomp.broker")

#: Ids of messages that are remembered, to find duplicates. (Artemis: 20,000 for each address.)
_REMEMBERED_IDS = 20_000


class Sender:
    """Stores the messages that clients send.

    Args:
        state: the state of the broker.
        dispatcher: delivers the messages.
        subscriptions: adds the subscriptions of replies.
    """

    def __init__(self, state: BrokerState, dispatcher: Dispatcher, subscriptions: Subscriptions) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self._subscriptions = subscriptions
        self._duplicate_ids: dict[bytes, None] = {}

    def read(self, client: Client, frame: Frame) -> PendingSend | None:
        """The message of a SEND; None if it is dropped: a duplicate, or for a queue that does not exist.

        Raises:
            RequestRefused: it is invalid or exceeds a limit.
        """
        state = self._state
        state.dialect.check_destination(frame.headers["destination"])
        destination = qualify_limited(frame.headers["destination"], client.number, state.policy)
        if client.permissions is not None:
            client.permissions.check_write(destination)
        if is_topic(destination):
            check_words(destination)
        elif (queue := state.queues.get(destination)) is None:
            if self._does_not_exist(frame, destination):
                return None
        else:
            if queue.arguments is not None:
                state.declare(client, destination, frame)
            most = state.policy.max_queue_bytes
            if queue.bytes + len(frame.body) > most:
                detail = f"it keeps {most} bytes at most; consume some, then send again"
                raise RequestRefused("the queue is full", detail)
        if not ALL_SEND.isdisjoint(frame.headers):
            state.extensions.check(frame)
            if destination.startswith("/queue/") and not QUEUE_ARGUMENTS.isdisjoint(frame.headers):
                state.declare(client, destination, frame)
            if state.dialect.detects_duplicates and self._is_duplicate(destination, frame):
                return None
        headers = message_headers(frame.headers)
        now = state.clock()
        state.dialect.add_headers(headers, destination, now)
        expires = state.dialect.expiry(headers, now)
        if "reply-to" in headers:
            name = headers["reply-to"]
            headers["reply-to"] = self._subscriptions.reply_to(client, name, qualify(name, client.number))
        size, has_length = size_of(headers, frame.body), "content-length" in frame.headers
        schedule = None
        if "AMQ_SCHEDULED_DELAY" in state.dialect.send_headers and not ALL_SEND.isdisjoint(headers):
            schedule = schedule_of(headers)
            for name in SCHEDULE_HEADERS:
                headers.pop(name, None)
        sending = PendingSend(destination, headers, frame.body, size, expires, has_length)
        sending.schedule, sending.client = schedule, client.number
        return sending

    def _does_not_exist(self, frame: Frame, destination: str) -> bool:
        """True if a message is dropped because ``/amq/queue/NAME`` does not exist (RabbitMQ)."""
        state = self._state
        if not state.dialect.checks_existence or not frame.headers["destination"].startswith("/amq/queue/"):
            return False
        named = state.topics.durable(("queue", destination.removeprefix("/queue/")))
        return named is None and not state.queues.was_declared(destination)

    def _is_duplicate(self, destination: str, frame: Frame) -> bool:
        """True if this ``_AMQ_DUPL_ID`` was used for the destination before (Artemis); remembers it."""
        id = frame.headers.get("_AMQ_DUPL_ID")
        if id is None:
            return False
        # An id may be long, so that 20,000 of them must not be kept.
        key = hashlib.blake2b(f"{destination}\0{id}".encode(), digest_size=16).digest()
        if key in self._duplicate_ids:
            return True
        self._duplicate_ids[key] = None
        if len(self._duplicate_ids) > _REMEMBERED_IDS:
            del self._duplicate_ids[next(iter(self._duplicate_ids))]
        return False

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
        """Store a message in all queues that get it.

        Raises:
            RequestRefused: the broker is full.
        """
        state = self._state
        if sending.schedule is not None:
            when = sending.schedule.first(state.clock())
            state.capacity.claim(1, sending.size)
            self._plan(sending, when, 0)
            return
        # One that lives for no time at all (RabbitMQ: expiration:0) is delivered if a consumer has room.
        if sending.expires is not None and sending.expires < state.clock():
            state.expiry.dropped += 1
            return
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

    def _plan(self, sending: PendingSend, when: float, done: int) -> None:
        """Publish a scheduled message at this time, after it was published `done` times. Its size is claimed."""
        state, schedule = self._state, sending.schedule

        def publish() -> None:
            state.capacity.release(1, sending.size)
            headers = {**sending.headers, "scheduledJobId": f"{state.name}-{state.next_number()}"}
            try:
                self.publish(replace(sending, headers=headers, schedule=None))
                following = None if schedule is None else schedule.next(state.clock(), done + 1)
                if following is not None:
                    state.capacity.claim(1, sending.size)
                    self._plan(sending, following, done + 1)
            except RequestRefused as refusal:
                logger.warning(
                    "a scheduled message for %.200r was dropped: %s", sending.destination, refusal.message
                )

        state.timers.add(when, publish)

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
