"""Spans of OpenTelemetry, made of the events of a run."""
