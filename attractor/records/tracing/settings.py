"""Decides whether a run is traced: by the setting and by the variables of OpenTelemetry."""

from collections.abc import Mapping
from enum import StrEnum

from attractor.base.errors import UsageError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTER = "OTEL_TRACES_EXPORTER"
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
PROTOCOL = "http/protobuf"


class Traced(StrEnum):
    """The values of the setting: as the variables of OpenTelemetry say, always, or never."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


def is_wanted(choice: Traced, environ: Mapping[str, str]) -> bool:
    """Return whether a run is traced; the variable that disables OpenTelemetry has priority."""
    exporter = environ.get(EXPORTER, "").strip().lower()
    is_disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if choice is Traced.OFF or is_disabled or exporter == "none":
        return False
    return choice is Traced.ON or bool(exporter) or any(map(environ.get, ENDPOINTS))


def require_supported(environ: Mapping[str, str]) -> None:
    """Refuse exporters and protocols that Attractor does not support."""
    exporter = environ.get(EXPORTER, "").strip().lower()
    if exporter not in ("", "otlp"):
        message = f"{EXPORTER}={exporter}: only the exporter otlp is supported"
        raise UsageError(message, hint=f"set {EXPORTER}=otlp, or none")
    name = next((protocol for protocol in PROTOCOLS if environ.get(protocol)), "")
    if name and environ[name].strip().lower() != PROTOCOL:
        message = f"{name}={environ[name]}: only the protocol {PROTOCOL} is supported"
        raise UsageError(
            message,
            hint=f"set {name}={PROTOCOL}, and change the endpoint to the port for this protocol",
        )
