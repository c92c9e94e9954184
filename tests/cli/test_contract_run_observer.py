"""The contract of `RunObserver`, for each observer."""

import io
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.console import Console

from attractor.base.events import Event
from attractor.base.json import canonical_json
from attractor.cli.runs.live.display import LiveDisplay
from attractor.cli.runs.observers import EventPrinter, JsonLinePrinter, RunObserver
from attractor.records.tracing.export import Tracing
from tests.cli.runs.live.run_events import BEGAN, RunEvents, a_run
from tests.patience import PATIENCE_S

THREADS = 4


class TracedRun:
    """Traces a run, and lists its spans."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.complaints: list[str] = []
        self.onlooker = Tracing(
            self.exporter, salt=b"12345678", version="0", tell=self.complaints.append
        )

    def span_names(self) -> str:
        return "\n".join(one.name for one in self.exporter.get_finished_spans())


Observed = tuple[RunObserver, Callable[[], str]]


def displayed() -> Observed:
    paper = io.StringIO()

    def now() -> datetime:
        return BEGAN

    console = Console(file=paper, force_terminal=True, width=100, height=24, legacy_windows=False)
    return LiveDisplay(console, now), paper.getvalue


@pytest.fixture(params=["lines", "json", "display", "tracing"])
def observed(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Observed:
    """Return an observer, and a function that returns its output."""
    if request.param == "display":
        return displayed()
    if request.param == "tracing":
        traced = TracedRun()
        return traced.onlooker, traced.span_names
    if request.param == "lines":
        return EventPrinter(), lambda: capsys.readouterr().err
    return JsonLinePrinter(tmp_path), lambda: capsys.readouterr().out


def in_threads(onlooker: RunObserver, events: Sequence[Event]) -> list[BaseException]:
    """Pass events to the observer from several threads at the same time; return the errors."""
    troubles: list[BaseException] = []

    def hand_on(part: Sequence[Event]) -> None:
        try:
            for one in part:
                onlooker(one)
        except BaseException as trouble:  # noqa: BLE001 - returned to the caller
            troubles.append(trouble)

    threads = [
        threading.Thread(target=hand_on, args=[events[at::THREADS]]) for at in range(THREADS)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE_S)
    return troubles


def test_all_events_are_shown_at_the_end(observed: Observed, tmp_path: Path) -> None:
    onlooker, output = observed
    run = a_run()
    journal = tmp_path / run.run_id / "events.jsonl"
    journal.parent.mkdir()
    journal.write_text("".join(f"{canonical_json(one.to_record())}\n" for one in run.events))
    onlooker.begin(None)
    for one in run.events:
        onlooker(one)
    onlooker.end()
    assert "plan" in output()


def test_missing_directory_and_empty_run_are_accepted(observed: Observed, tmp_path: Path) -> None:
    onlooker, output = observed
    onlooker.begin(tmp_path / "nowhere")
    onlooker.end()
    assert output().strip() == ""


def test_events_of_any_kind_come_from_any_thread(observed: Observed) -> None:
    onlooker, _ = observed
    run = RunEvents()
    for number in range(40):
        run.tell("SomethingNew", "plan", visit=number + 1, anything={"deep": [number]})
        run.stage(f"n{number % 3}", visit=number + 1, branch="fork@1.1/x" if number % 2 else "")
    onlooker.begin(None)
    troubles = in_threads(onlooker, run.events)
    onlooker.end()
    assert troubles == []
