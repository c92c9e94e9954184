"""Hands spans to OpenTelemetry. Only loaded when a run is traced: the library is an extra.

Sends spans to a collector by OTLP over HTTP, where the variables of OpenTelemetry say.
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
from attractor.pipeline.tracing.settings import TIMEOUTS
from attractor.pipeline.tracing.spans import Span, SpanKey, Spans, close, fold

PATIENCE_MS = 5_000
"""How long the end of a run waits for what was not sent yet."""

Tell = Callable[[str], None]


class Tracing:
    """Makes a span of all that happens in a run and its children, and sends it off.

    Whatever becomes of the spans, the run goes on; what fails is told once.
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
        """Nothing is to be done: what an earlier process did it has told itself."""

    def __call__(self, event: Event) -> None:
        """Take note of an event, and hand on what ended with it."""
        with self._turn:
            folded = fold(self._spans, event)
            self._spans = folded.spans
            self._ids.take_trace_of(self._spans.root)
            for one in folded.ended:
                self._hand_on(one)

    def end(self) -> None:
        """End what is under way, and wait a little while until all is sent."""
        with self._turn:
            for one in close(self._spans):
                self._hand_on(one)
            self._spans = Spans()
        if not self._provider.force_flush(PATIENCE_MS):
            self._watched.fail("they were not taken in time")
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
        """Say whether the trace is one that is to be sent: all of its spans, or none."""
        trace = self._ids.generate_trace_id()
        decision = self._provider.sampler.should_sample(None, trace, "run").decision
        is_sampled = decision.is_sampled()
        return TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)


class _Ids(IdGenerator):
    """Ids that follow from what a span is about: its parent's is known before that one is made.

    The salt is another one in each process, so that a stage that is done again is a span again.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._trace = b""
        self.next_span = 0

    def take_trace_of(self, run_id: str) -> None:
        """Let the first run that is heard of give the trace its id, in every process the same."""
        self._trace = self._trace or sha256(run_id.encode()).digest()

    def of(self, key: SpanKey) -> int:
        """Return the id of a span."""
        words = "\0".join(key).encode()
        return int.from_bytes(sha256(self._salt + words).digest()[:8]) or 1

    def context_of(self, key: SpanKey, flags: TraceFlags) -> SpanContext:
        """Return what a span is referred to by."""
        return SpanContext(
            self.generate_trace_id(), self.of(key), is_remote=False, trace_flags=flags
        )

    def generate_span_id(self) -> int:
        return self.next_span

    def generate_trace_id(self) -> int:
        return int.from_bytes(self._trace[:16])


@dataclass
class _Watched(SpanExporter):
    """An exporter whose failures are told, once."""

    exporter: SpanExporter
    tell: Tell
    is_told: bool = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self.exporter.export(spans)
        # Exporters come from anywhere, and none of them may end a run.
        except Exception as error:  # noqa: BLE001
            self.fail(f"{type(error).__name__}: {error}")
            return SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self.fail("the collector did not take them")
        return result

    def shutdown(self) -> None:
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = PATIENCE_MS) -> bool:
        return self.exporter.force_flush(timeout_millis)

    def fail(self, why: str) -> None:
        """Tell that spans are lost, unless that was told."""
        if not self.is_told:
            self.is_told = True
            self.tell(f"Spans of this run are lost: {why}. The run is as it is without them.")


def _resource(version: str) -> Resource:
    """Return who we are, unless the variables name us otherwise."""
    found = Resource.create({"service.version": version})
    is_named = not str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return found if is_named else found.merge(Resource({SERVICE_NAME: "attractor"}))


def _quiet() -> None:
    """Keep the library's own words off the terminal: what matters of them we tell ourselves."""
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000


def otlp_exporter(environ: Mapping[str, str]) -> SpanExporter:
    """Return what sends; unless it is said how long that may take, it is not long."""
    is_said = any(map(environ.get, TIMEOUTS))
    return OTLPSpanExporter(timeout=None if is_said else PATIENCE_MS / 1000)
