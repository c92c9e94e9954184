"""Sends spans to a collector by OTLP over HTTP, configured by the variables of OpenTelemetry.

This module is only imported for a traced run, because the library is an optional dependency.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.records.tracing.settings import TIMEOUTS
from attractor.records.tracing.spans import Span, SpanKey, Spans, close, fold

PATIENCE_MS = 5_000
"""The maximum time in milliseconds that an ended run waits for unsent spans."""

Tell = Callable[[str], None]


class Tracing:
    """Makes and sends spans of the events of a run and its child runs.

    An error never stops the run, and is only reported once.
    """

    def __init__(self, exporter: SpanExporter, *, salt: bytes, version: str, tell: Tell) -> None:
        _quiet()
        self._ids = _Ids(salt)
        self._watched = _Watched(exporter, tell)
        self._provider = TracerProvider(
            id_generator=self._ids,
            resource=_resource(version),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._watched))
        self._tracer = self._provider.get_tracer("attractor", version)
        self._spans = Spans()
        self._turn = threading.Lock()

    def begin(self, root: Path | None) -> None:
        """Do nothing, because an earlier process has sent its own spans."""

    def __call__(self, event: Event) -> None:
        """Process an event, and send the spans that end with this event."""
        with self._turn:
            folded = fold(self._spans, event)
            self._spans = folded.spans
            self._ids.take_trace_of(self._spans.root)
            for span in folded.ended:
                self._hand_on(span)

    def end(self) -> None:
        """End all open spans, and wait a short time until all spans are sent."""
        with self._turn:
            for span in close(self._spans):
                self._hand_on(span)
            self._spans = Spans()
        if not self._provider.force_flush(PATIENCE_MS):
            self._watched.fail("they were not accepted in time")
        self._provider.shutdown()

    def _hand_on(self, span: Span) -> None:
        self._ids.next_span = self._ids.of(span.key)
        context = None
        if span.parent is not None:
            around = self._ids.context_of(span.parent, self._flags())
            context = set_span_in_context(NonRecordingSpan(around))
        made = self._tracer.start_span(
            span.name,
            context=context,
            attributes=span.attributes,
            start_time=_nanoseconds(span.start),
        )
        if span.error:
            made.set_status(Status(StatusCode.ERROR, span.error))
        made.end(_nanoseconds(max(span.end or span.start, span.start)))

    def _flags(self) -> TraceFlags:
        """Return the trace flags: either all spans of the trace are sent, or none."""
        trace = self._ids.generate_trace_id()
        decision = self._provider.sampler.should_sample(None, trace, "run").decision
        is_sampled = decision.is_sampled()
        return TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)


class _Ids(IdGenerator):
    """Makes span ids from span keys, so that the id of a parent is known before its span is made.

    Each process has its own salt, so that a repeated stage gets another span.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._trace = b""
        self.next_span = 0

    def take_trace_of(self, run_id: str) -> None:
        """Derive the trace id from the id of the first run, which is the same in every process."""
        self._trace = self._trace or sha256(run_id.encode()).digest()

    def of(self, key: SpanKey) -> int:
        """Return the id of a span."""
        words = "\0".join(key).encode()
        return int.from_bytes(sha256(self._salt + words).digest()[:8]) or 1

    def context_of(self, key: SpanKey, flags: TraceFlags) -> SpanContext:
        """Return the context by which other spans refer to a span."""
        return SpanContext(
            self.generate_trace_id(), self.of(key), is_remote=False, trace_flags=flags
        )

    def generate_span_id(self) -> int:
        return self.next_span

    def generate_trace_id(self) -> int:
        return int.from_bytes(self._trace[:16])


@dataclass
class _Watched(SpanExporter):
    """An exporter that reports its first error."""

    exporter: SpanExporter
    tell: Tell
    is_told: bool = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self.exporter.export(spans)
        # Exporters may be of any origin, and an error of theirs must not stop the run.
        except Exception as error:  # noqa: BLE001
            self.fail(f"{type(error).__name__}: {error}")
            return SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self.fail("the collector did not accept them")
        return result

    def shutdown(self) -> None:
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = PATIENCE_MS) -> bool:
        return self.exporter.force_flush(timeout_millis)

    def fail(self, why: str) -> None:
        """Report that spans are lost, but only once."""
        if not self.is_told:
            self.is_told = True
            self.tell(f"Spans of this run are lost: {why}. The run itself is not affected.")


def _resource(version: str) -> Resource:
    """Return the service name of Attractor, unless the variables set another one."""
    found = Resource.create({"service.version": version})
    is_named = not str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return found if is_named else found.merge(Resource({SERVICE_NAME: "attractor"}))


def _quiet() -> None:
    """Keep the log lines of the library off the terminal: this module reports errors itself."""
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000


def otlp_exporter(environ: Mapping[str, str]) -> SpanExporter:
    """Return the exporter for OTLP.

    The time-out is short unless an environment variable sets it.
    """
    is_said = any(map(environ.get, TIMEOUTS))
    return OTLPSpanExporter(timeout=None if is_said else PATIENCE_MS / 1000)
