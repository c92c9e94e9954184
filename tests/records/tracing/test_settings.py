"""A run is traced if the setting or the variables of OpenTelemetry request it."""

import pytest

from attractor.base.errors import UsageError
from attractor.records.tracing.settings import Traced, is_wanted, require_supported

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
AT = {ENDPOINT: "http://localhost:4318"}


@pytest.mark.parametrize(
    ("choice", "environ", "wanted"),
    [
        ("auto", {}, False),
        ("auto", {ENDPOINT: ""}, False),
        ("auto", AT, True),
        ("auto", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:1"}, True),
        ("auto", {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ("auto", {**AT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ("auto", {**AT, "OTEL_SDK_DISABLED": "TRUE"}, False),
        ("on", {}, True),
        ("on", {"OTEL_SDK_DISABLED": "true"}, False),
        ("off", AT, False),
    ],
)
def test_settings_that_enable_tracing(choice: str, environ: dict[str, str], wanted: bool) -> None:
    assert is_wanted(Traced(choice), environ) is wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
    ],
)
def test_unsupported_exporter_is_refused_with_a_fix(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{name}={value}") as caught:
        require_supported({name: value})
    assert f"set {name}=" in caught.value.hint


def test_supported_exporter_is_accepted() -> None:
    spoken = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    require_supported(spoken)
    with pytest.raises(UsageError):
        require_supported({**spoken, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"})
