"""Sends spans to a collector by OTLP over HTTP, where the variables of OpenTelemetry say."""

from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExporter

from attractor.pipeline.tracing.choosing import TIMEOUTS
from attractor.pipeline.tracing.exporting import PATIENCE_MS


def otlp_exporter(environ: Mapping[str, str]) -> SpanExporter:
    """Return what sends; unless it is said how long that may take, it is not long."""
    is_said = any(map(environ.get, TIMEOUTS))
    return OTLPSpanExporter(timeout=None if is_said else PATIENCE_MS / 1000)
