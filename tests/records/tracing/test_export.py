"""Export of spans; an error never stops the run."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from attractor.records.tracing.export import Tracing
from tests.cli.runs.live.run_events import RunEvents, a_run
from tests.pipeline.projects import make_project, open_project, simulated, start
from tests.tables import table

FAMILY = """digraph family {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    fan   [shape=component]
    a     [shape=parallelogram, tool_command="echo $SOME_TOKEN"]
    b     [type=pipeline, file="inner.dot"]
    meet  [shape=tripleoctagon]
    start -> fan
    fan -> a -> meet
    fan -> b -> meet
    meet -> exit
}
"""
INNER = """digraph inner {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    work  [shape=parallelogram, tool_command="printf 'sk-very-%s' secret-value; exit 3"]
    start -> work -> exit
}
"""


def traced(exporter: SpanExporter, messages: list[str]) -> Tracing:
    return Tracing(exporter, salt=b"1", version="0", tell=messages.append)


def names(spans: Sequence[ReadableSpan]) -> dict[str, str]:
    """Return the name of each span's parent, by the span's name."""
    ids = {one.context.span_id: one.name for one in spans if one.context}
    assert len(ids) == len(spans)
    return {one.name: ids[one.parent.span_id] if one.parent else "" for one in spans}


def test_a_run_with_branches_and_a_child_is_one_tree(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", FAMILY, **{"inner.dot": INNER})
    exporter, messages = InMemorySpanExporter(), list[str]()
    tracing = traced(exporter, messages)
    opened = open_project(project, observer=tracing, SOME_TOKEN="sk-very-secret-value")
    options = simulated(project, workspace="none")
    tracing.begin(None)
    asyncio.run(start(options, opened))
    tracing.end()
    spans = exporter.get_finished_spans()
    assert names([one for one in spans if one.name not in ("stage start", "stage exit")]) == {
        "run family": "",
        "stage fan": "run family",
        "branch a": "stage fan",
        "stage a": "branch a",
        "branch b": "stage fan",
        "stage b": "branch b",
        "run inner.dot": "stage b",
        "stage work": "run inner.dot",
        "stage meet": "run family",
    }
    assert len({one.context.trace_id for one in spans if one.context}) == 1
    assert messages == []
    assert "sk-very-secret-value" not in "".join(one.to_json() for one in spans)


def test_resumed_run_has_the_same_trace_without_duplicates() -> None:
    run = a_run()
    spans: list[ReadableSpan] = []
    for salt in (b"one", b"two"):
        exporter = InMemorySpanExporter()
        tracing = Tracing(exporter, salt=salt, version="0", tell=print)
        for one in run.events:
            tracing(one)
        tracing.end()
        spans += exporter.get_finished_spans()
    contexts = [one.context for one in spans if one.context]
    assert len({one.trace_id for one in contexts}) == 1
    assert len({one.span_id for one in contexts}) == len(contexts)


@pytest.mark.parametrize("name", ["attractor", "factory"])
def test_service_name_of_spans(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name != "attractor":
        monkeypatch.setenv("OTEL_SERVICE_NAME", name)
    run, exporter = RunEvents(), InMemorySpanExporter()
    tracing = traced(exporter, [])
    tracing(run.tell("StageStarted", "plan"))
    tracing.end()
    for one in exporter.get_finished_spans():
        assert one.resource.attributes["service.name"] == name


@pytest.mark.parametrize("rate", ["0.0", "1.0"])
def test_sampling_applies_to_a_whole_trace(rate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", rate)
    run, exporter = a_run(), InMemorySpanExporter()
    tracing = traced(exporter, [])
    for one in run.events:
        tracing(one)
    tracing.end()
    assert len(exporter.get_finished_spans()) == (9 if rate == "1.0" else 0)


class Broken(SpanExporter):
    """Refuses every span, in one of several ways."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._error:
            raise self._error
        return SpanExportResult.FAILURE


@table("error", [None, RuntimeError("no route"), OSError(111, "refused")])
def test_failing_exporter_is_reported_once(error: Exception | None) -> None:
    run, messages = RunEvents(), list[str]()
    tracing = traced(Broken(error), messages)
    for number in range(2000):
        tracing(run.tell("StageStarted", "loop", visit=number + 1))
        tracing(run.tell("StageCompleted", "loop", visit=number + 1, outcome="success"))
    tracing.end()
    [sentence] = messages
    assert sentence.startswith("Spans of this run are lost: ")
