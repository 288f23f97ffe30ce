from __future__ import annotations

import threading

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import stomp
from stomp.core.errors import BrokerError
from stomp.otel import OpenTelemetry


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def hooks(spans, reader) -> OpenTelemetry:
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(spans))
    return OpenTelemetry(tracer_provider=traces, meter_provider=MeterProvider([reader]))


def counts(reader: InMemoryMetricReader) -> dict[str, int]:
    data = reader.get_metrics_data()
    found = {}
    for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else []:
        points = metric.data.data_points
        found[metric.name] = sum(getattr(point, "value", getattr(point, "count", 0)) for point in points)
    return found


def test_trace_context_reaches_the_handler(broker, hooks, spans, reader) -> None:
    handled = threading.Event()
    with stomp.Client(broker.url, hooks=[hooks]) as client:
        client.consume("/queue/a", lambda message: handled.set(), ack="auto")
        client.send("/queue/a", b"abc", confirm=True, correlation_id="7")
        assert handled.wait(10)
    by_name = {span.name: span for span in spans.get_finished_spans()}
    sent, processed = by_name["send /queue/a"], by_name["process /queue/a"]
    assert (sent.kind, processed.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert processed.parent is not None
    assert processed.parent.span_id == sent.context.span_id
    assert sent.attributes is not None
    assert dict(sent.attributes) == {
        "messaging.system": "embedded",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "/queue/a",
        "messaging.message.body.size": 3,
        "messaging.message.conversation_id": "7",
        "server.address": "127.0.0.1",
        "server.port": broker.port,
    }
    assert counts(reader) == {
        "messaging.client.sent.messages": 1,
        "messaging.client.consumed.messages": 1,
        "messaging.client.operation.duration": 1,
        "messaging.process.duration": 1,
    }


def test_failing_handler_sets_the_span_status(broker, hooks, spans) -> None:
    with stomp.Client(broker.url, hooks=[hooks]) as client:
        client.send("/queue/a", b"abc", confirm=True)
        with client.subscribe("/queue/a") as subscription:
            message = subscription.receive(timeout=10)
            assert message is not None
            with pytest.raises(ZeroDivisionError), message:
                raise ZeroDivisionError
    [span] = [span for span in spans.get_finished_spans() if span.kind is SpanKind.CONSUMER]
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ZeroDivisionError"


def test_refused_send_sets_the_span_status(broker, hooks, spans) -> None:
    with stomp.Client(broker.url, hooks=[hooks]) as client, pytest.raises(BrokerError):
        client.send("/queue/a", b"abc", confirm=True, headers={"transaction": "none"})
    [span] = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "BrokerError"
