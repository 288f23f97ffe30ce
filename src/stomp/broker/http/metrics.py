"""The numbers of a broker in the text format of Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from stomp.broker.http import views
from stomp.broker.http.access import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from stomp.broker.http.access import Access
    from stomp.broker.http.monitor import Monitor
    from stomp.broker.server import Server

CONTENT_TYPE: str = CONTENT_TYPE_PLAIN_0_0_4
#: Destinations that have numbers of their own. All of them are in the totals.
MAX_DESTINATIONS = 1000

_GAUGES = {
    "waiting": "messages that no consumer has",
    "unacknowledged": "messages that are delivered and not acknowledged",
    "consumers": "subscriptions",
    "bytes": "bytes that the messages count for",
}
_COUNTERS = {
    "received": "messages stored (for a topic: SEND frames)",
    "delivered": "MESSAGE frames sent to consumers",
    "redelivered": "MESSAGE frames with a message that was delivered before",
    "acknowledged": "messages acknowledged, or delivered with ack auto",
    "refused": "messages refused by NACK",
    "dead_lettered": "messages that went to the dead-letter queue",
    "expired": "messages dropped because they expired",
    "dropped": "messages dropped for another reason",
}


class BrokerCollector:
    """Makes the metrics of one broker.

    Args:
        server: the broker.
        monitor: its counters.
        access: of which destinations there are metrics.
    """

    def __init__(self, server: Server, monitor: Monitor, access: Access = UNLIMITED) -> None:
        self._server = server
        self._monitor = monitor
        self._access = access

    def collect(self) -> Iterator[Metric]:
        """The metrics; called by prometheus_client."""
        whole = views.overview(self._server, self._monitor, self._access)
        for name, text in (
            ("connections", "open connections"),
            ("destinations", "destinations with messages, subscriptions or counters"),
            ("messages", "messages in all queues"),
            ("bytes", "bytes that these messages and the queues count for"),
            ("max_messages", "limit of messages"),
            ("max_bytes", "limit of bytes"),
        ):
            yield GaugeMetricFamily(f"stomp_broker_{name}", text, value=whole[name])
        yield GaugeMetricFamily(
            "stomp_broker_start_time_seconds", "start of the counting, since 1970", value=whole["started_at"]
        )
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"stomp_broker_{name}", text, value=whole["total"][name])
        yield from self._of_destinations()

    def _of_destinations(self) -> Iterator[Metric]:
        rows = views.destinations(self._server, self._monitor, self._access, limit=MAX_DESTINATIONS)["items"]
        for name, text in _GAUGES.items():
            gauge = GaugeMetricFamily(f"stomp_destination_{name}", text, labels=["destination"])
            for row in rows:
                gauge.add_metric([row["name"]], row[name])
            yield gauge
        for name, text in _COUNTERS.items():
            counter = CounterMetricFamily(f"stomp_destination_{name}", text, labels=["destination"])
            for row in rows:
                counter.add_metric([row["name"]], row[name])
            yield counter


def metrics(server: Server, monitor: Monitor, access: Access) -> bytes:
    """All metrics; called on the event loop of the broker."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BrokerCollector(server, monitor, access))
    return generate_latest(registry)
