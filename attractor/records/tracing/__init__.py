"""OpenTelemetry spans, made from the events of a run."""
