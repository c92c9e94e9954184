"""The demo's first run and its evaluation, killed at random moments."""

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as count_up
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import ExitCode
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from examples.demo import PIPELINE, TODO, Stage, make_environ, make_project, prepare
from tests.counts import IS_FULL
from tests.patience import PATIENCE_S
from tests.prepared import begin_prepared, plain

KILLS = 20
MOST_RESUMES = 10


@dataclass(frozen=True)
class End:
    """The result of a run: everything that a kill must not change."""

    outcome: str
    status: str
    tree: str
    report: dict[str, Any]
    verdicts: Counter[str]


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Iterator[Stage]]:
    """Yield stages, each with a state folder of its own: evaluations of one tree are pooled."""
    with in_background(ProviderTwin(load_script(TODO / "twins" / "wish.toml"))) as twin:

        def stage_in(folder: Path) -> Stage:
            environ = make_environ(folder, twin.environ())
            return Stage(folder, plain(environ))

        first = stage_in(tmp_path / "0")
        first.folder.mkdir()
        policy = make_project(first)
        suite = first.project / "scenarios" / "todo" / "suite.toml"
        suite.write_text(suite.read_text().replace("n = 2", "n = 1"))
        prepare(first, policy)

        def copies() -> Iterator[Stage]:
            for number in count_up(1):
                shutil.copytree(first.folder, tmp_path / str(number))
                yield stage_in(tmp_path / str(number))

        yield copies()


def attractor(stage: Stage, *words: str, killed_after: float | None = None) -> int:
    """Run a command without output; kill it when its time is up, and return its exit code."""
    process = begin_prepared(words, folder=stage.project, variables=stage.environ)
    try:
        return process.wait(timeout=killed_after or 120)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(timeout=PATIENCE_S)


def first_run(stage: Stage, *, killed_after: float | None = None) -> Path:
    """Run to the end, killed or not, and return the run's directory.

    A kill cuts the trial in flight, which is then played again by order.
    """
    words = ["run", PIPELINE, "--suite", "todo", "--profile", "demo"]
    before = runs_of(stage)
    code = attractor(stage, *words, killed_after=killed_after)
    for _ in range(MOST_RESUMES):
        if code == 0:
            break
        made = runs_of(stage) - before
        # The process may have died before there was a run to resume.
        code = attractor(stage, "resume", str(made.pop())) if made else attractor(stage, *words)
    assert code == 0
    [root] = runs_of(stage) - before
    if b'"TrialCut"' in (root / "events.jsonl").read_bytes():
        order = ["evaluate", str(root), "--replay-cut", "--reason", "it was killed"]
        assert attractor(stage, *order) == ExitCode.NO_GO
    return root


def runs_of(stage: Stage) -> set[Path]:
    return {manifest.parent for manifest in stage.project.glob("runs/*/manifest.json")}


def end_of(root: Path) -> End:
    final = json.loads((root / "final.json").read_text())
    report = json.loads((root / "evaluation" / "1" / "report.json").read_text())
    report.pop("replays", None)
    status = json.loads((root / "run.json").read_text())["status"]
    lines = [json.loads(line) for line in (root / "events.jsonl").read_text().splitlines()]
    trials = [line["data"] for line in lines if line["type"] == "TrialCompleted"]
    assert len({(one["scenario"], one["trial"]) for one in trials}) == len(trials)
    # Only the key of the state folder gives the name of a scenario in the journal.
    verdicts = Counter(f"{one['trial']} {one['satisfied']}" for one in trials)
    return End(final["outcome"], status, final["tree"], report, verdicts)


@pytest.mark.crash
@pytest.mark.skipif(
    not IS_FULL,
    reason="at full counts only: the demo kills this run once, tests/crashes kills another, and"
    " tests/cli/test_killed_evaluation.py kills an evaluation",
)
def test_killed_run_has_the_result_of_an_undisturbed_run(stages: Iterator[Stage]) -> None:
    stage = next(stages)
    began = time.monotonic()
    undisturbed = end_of(first_run(stage))
    whole = time.monotonic() - began
    assert undisturbed.status == "awaiting_human"
    assert not undisturbed.report["go"]
    assert sum(undisturbed.verdicts.values()) == undisturbed.report["played"] == 7
    moments = random.Random(os.environ.get("SEED", "kills"))
    for number in range(KILLS):
        moment = moments.uniform(0.05, whole)
        ended = end_of(first_run(next(stages), killed_after=moment))
        assert ended == undisturbed, f"kill {number} after {moment:.2f} s"
