"""The headers of SUBSCRIBE and SEND that extend STOMP, by the broker that has them."""

from __future__ import annotations

#: Headers of SUBSCRIBE (and of the first SEND to a queue) with the arguments of a queue of RabbitMQ.
QUEUE_ARGUMENTS = frozenset(
    [
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
        "x-expires",
        "x-max-length",
        "x-max-priority",
        "x-message-ttl",
    ]
)
RABBITMQ_SUBSCRIBE = QUEUE_ARGUMENTS | {"auto-delete", "durable", "prefetch-count", "x-queue-name"}
ACTIVEMQ_SUBSCRIBE = frozenset(
    [
        "activemq.exclusive",
        "activemq.noLocal",
        "activemq.prefetchSize",
        "activemq.priority",
        "activemq.retroactive",
        "activemq.subscriptionName",
        "browser",
        "durable-subscription-name",
        "no-local",
        "selector",
    ]
)
ARTEMIS_SUBSCRIBE = frozenset(
    ["activemq.noLocal", "durable-subscription-name", "durable-subscriber-name", "no-local", "selector"]
)
#: All headers of SUBSCRIBE that change what a broker does. Those that begin with "x-" or "activemq." are reported, too.
ALL_SUBSCRIBE = (
    RABBITMQ_SUBSCRIBE
    | ACTIVEMQ_SUBSCRIBE
    | ARTEMIS_SUBSCRIBE
    | {"consumer-window-size", "destination-type", "exclusive", "subscription-type"}
)
RABBITMQ_SEND = QUEUE_ARGUMENTS | {"expiration"}
ACTIVEMQ_SEND = frozenset(
    [
        "AMQ_SCHEDULED_CRON",
        "AMQ_SCHEDULED_DELAY",
        "AMQ_SCHEDULED_PERIOD",
        "AMQ_SCHEDULED_REPEAT",
        "JMSXGroupID",
        "expires",
    ]
)
ARTEMIS_SEND = frozenset(["AMQ_SCHEDULED_DELAY", "JMSXGroupID", "expires", "_AMQ_DUPL_ID"])
#: Headers with arguments of RabbitMQ's queues that no dialect has. A SEND may have other headers that begin with "x-".
FURTHER_ARGUMENTS = frozenset(
    [
        "x-dead-letter-strategy",
        "x-delivery-limit",
        "x-max-length-bytes",
        "x-overflow",
        "x-queue-leader-locator",
        "x-queue-master-locator",
        "x-queue-mode",
        "x-queue-type",
        "x-queue-version",
        "x-quorum-initial-group-size",
        "x-single-active-consumer",
    ]
)
#: All headers of SEND that change what a broker does.
ALL_SEND = (
    RABBITMQ_SEND
    | ACTIVEMQ_SEND
    | ARTEMIS_SEND
    | FURTHER_ARGUMENTS
    | {
        "_AMQ_LVQ_NAME",
        "_AMQ_SCHED_DELIVERY",
        "destination-type",
    }
)
