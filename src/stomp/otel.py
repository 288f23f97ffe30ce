"""OpenTelemetry for `stomp.Client` and `stomp.AsyncClient` (extra ``otel``, which is the API only).

```python
client = stomp.Client("stomp://broker", hooks=[stomp.otel.OpenTelemetry()])
```

Every send has a span. The context of the span is sent in the headers of the message (W3C ``traceparent``). Processing a
message in ``with message:`` or in a handler of `consume` has a span that is a child of the span of the send. The names
of spans, attributes and metrics follow the OpenTelemetry semantic conventions for messaging. If no SDK is configured,
nothing is recorded.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from stomp._version import __version__
from stomp.core.engine.hooks import Hooks

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.status import StateChange
    from stomp.core.errors import StompError
    from stomp.core.frames.frame import Frame

_NAME = "stompkit"


class OpenTelemetry(Hooks):
    """Records spans and metrics of one client. Each client needs an instance; pass it in ``hooks=[...]``.

    Args:
        tracer_provider: the provider of the tracer; None for the global one.
        meter_provider: the provider of the meter; None for the global one.

    Spans: ``send DESTINATION`` (producer), which ends when the frame was passed to the connection, or when the send is
    confirmed if a confirmation was requested; ``process DESTINATION`` (consumer). Metrics:
    ``messaging.client.sent.messages``, ``messaging.client.consumed.messages``, and in seconds
    ``messaging.client.operation.duration`` and ``messaging.process.duration``.
    """

    def __init__(self, *, tracer_provider: Any = None, meter_provider: Any = None) -> None:
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_NAME, __version__, meter_provider=meter_provider)
        self._sent = meter.create_counter("messaging.client.sent.messages", unit="{message}")
        self._consumed = meter.create_counter("messaging.client.consumed.messages", unit="{message}")
        self._send_time = meter.create_histogram("messaging.client.operation.duration", unit="s")
        self._process_time = meter.create_histogram("messaging.process.duration", unit="s")
        self._broker_attributes: dict[str, Any] = {"messaging.system": "stomp"}

    def state_changed(self, change: StateChange) -> None:
        """See `Hooks.state_changed`; sets the attributes for the broker and its address."""
        if change.broker:
            host, _, port = change.address.rpartition(":")
            self._broker_attributes = {
                "messaging.system": change.broker if change.broker != "generic" else "stomp"
            }
            if port.isdigit():
                self._broker_attributes.update({"server.address": host.strip("[]"), "server.port": int(port)})

    def sending(self, frame: Frame) -> Callable[[StompError | None], object]:
        """See `Hooks.sending`."""
        destination = frame.headers.get("destination", "")
        attributes = self._attributes("send", destination)
        span = self._tracer.start_span(
            f"send {destination}",
            kind=SpanKind.PRODUCER,
            attributes={
                **attributes,
                "messaging.message.body.size": len(frame.body),
                **_conversation_id(frame),
            },
        )
        carrier: dict[str, str] = {}
        propagate.inject(carrier, context=trace.set_span_in_context(span))
        frame.headers.update(carrier)
        started_at = time.perf_counter()

        def sent(error: StompError | None) -> None:
            end_attributes = attributes
            if error is not None:
                end_attributes = {**attributes, "error.type": type(error).__qualname__}
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR, error.message))
            span.end()
            self._sent.add(1, end_attributes)
            self._send_time.record(time.perf_counter() - started_at, end_attributes)

        return sent

    def processing(self, message: BaseMessage) -> AbstractContextManager[object]:
        """See `Hooks.processing`."""
        return self._process(message)

    @contextlib.contextmanager
    def _process(self, message: BaseMessage) -> Generator[object, None, None]:
        attributes = self._attributes("process", message.destination)
        parent = propagate.extract(message.headers)
        started_at = time.perf_counter()
        failed: dict[str, Any] = {}
        try:
            with self._tracer.start_as_current_span(
                f"process {message.destination}",
                context=parent,
                kind=SpanKind.CONSUMER,
                attributes={
                    **attributes,
                    "messaging.message.id": message.id,
                    "messaging.message.body.size": len(message.body),
                    **_conversation_id(message),
                },
            ) as span:
                try:
                    yield span
                except BaseException as err:
                    failed = {"error.type": type(err).__qualname__}
                    span.set_attribute("error.type", type(err).__qualname__)
                    raise
        finally:
            self._consumed.add(1, {**attributes, **failed})
            self._process_time.record(time.perf_counter() - started_at, {**attributes, **failed})

    def _attributes(self, operation: str, destination: str) -> dict[str, Any]:
        return {
            **self._broker_attributes,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": destination,
        }


def _conversation_id(frame: Frame) -> dict[str, str]:
    correlation = frame.headers.get("correlation-id")
    return {"messaging.message.conversation_id": correlation} if correlation else {}
