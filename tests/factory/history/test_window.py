from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attractor.base.json import Json
from attractor.factory.gate_records import WindowFigures
from attractor.factory.history.window import window_figures
from attractor.factory.ledger.ledger import Ledger
from tests.tables import table

BEGUN = datetime(2026, 1, 2, tzinfo=UTC)
# Project, pipeline and result of each run.
RUNS = [
    ("ours", "wish", "rejected"),
    ("ours", "wish", "approved"),
    ("theirs", "wish", "approved"),
    ("ours", "fix", "approved promoted"),
    ("ours", "wish", "failed"),
    ("ours", "fix", "approved promoted rolled_back"),
    ("ours", "wish", ""),
    ("ours", "wish", "approved"),
]
ALL = WindowFigures(
    runs=5,
    pipelines=2,
    approved=4,
    first_try=2,
    retries=10,
    promoted=2,
    rolled_back=1,
    incidents=2,
)


def write_runs(ledger: Ledger) -> None:
    now = BEGUN
    for number, (project, pipeline, fate) in enumerate(RUNS):
        now += timedelta(minutes=1)
        run_id = f"run-{number}"
        made: dict[str, Json] = {"project": project, "pipeline": f"{pipeline}@1#abc"}
        ledger.append("created", run_id, made, now=now)
        for word in fate.split():
            kind = {"approved": "decided", "rejected": "decided", "failed": "ended"}.get(word, word)
            data: dict[str, Json] = {"verdict": word, "status": word, "retries": 2}
            ledger.append("evaluated", run_id, {"suite_seal": pipeline}, now=now)
            ledger.append(kind, run_id, data, now=now)
    ledger.append("burned", "", {"content": "fix"}, now=now)


@table(
    ("runs", "wanted"),
    [
        (9, ALL),
        (5, ALL),
        (4, replace(ALL, runs=4, retries=8)),
        (
            1,
            WindowFigures(runs=1, pipelines=1, approved=1, retries=2),
        ),
    ],
)
def test_last_decided_runs_of_the_project_count(
    tmp_path: Path, runs: int, wanted: WindowFigures
) -> None:
    ledger = Ledger(tmp_path)
    write_runs(ledger)
    entries = list(ledger.entries())
    assert window_figures(entries, "ours", runs) == wanted
    assert window_figures(entries, "nobody", runs) == WindowFigures()
