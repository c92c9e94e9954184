"""Feedback on a verdict for the next run."""

import asyncio
import json
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.engine.run_folder.result import RunResult
from attractor.factory.errors import OtherProject
from attractor.factory.operations.start import check_run
from tests.factory.flows import Flow, make_flow
from tests.factory.test_hidden_words import HOLDOUT, IDS
from tests.factory.test_run_index import make_other_project
from tests.pipeline.projects import LINEAR, git, simulated
from tests.scenarios.suites import write_files

TAGGED = {
    name: f'tags = ["gifts", "{tag}"]\n{HOLDOUT.format(id=name, wanted="made")}'
    for name, tag in zip(IDS, ("sea", "land", "land"), strict=True)
}


def make_tagged_flow(tmp_path: Path) -> Flow:
    """Make a project whose three holdouts fail, because their gifts are missing."""
    return make_flow(tmp_path, **TAGGED)


def prompt(result: RunResult) -> str:
    return (result.directory / "plan" / "prompt.md").read_text()


def test_feedback_has_rules_tags_and_counts(tmp_path: Path) -> None:
    result = make_tagged_flow(tmp_path).launch()
    record = json.loads((result.directory / "feedback.json").read_text())
    assert record == {
        "run_id": result.run_id,
        "go": False,
        "rules": ["unresolved_failure", "satisfaction"],
        "scenarios": 3,
        "failed": 3,
        "flaky": 0,
        # Each of the three was to be achieved.
        "failures": {},
        "requirements": "",
        "tags": {
            "gifts": {"failed": 3, "scenarios": 3},
            "land": {"failed": 2, "scenarios": 2},
            "sea": {"failed": 1, "scenarios": 1},
        },
    }


def test_next_run_gets_the_feedback_and_passes(tmp_path: Path) -> None:
    flow = make_tagged_flow(tmp_path)
    first = flow.launch()
    assert "feedback" not in prompt(first)
    loop = LINEAR.replace(
        "echo made >", "touch gift-quokka.txt gift-wombat.txt gift-numbat.txt; echo made >"
    )
    write_files(flow.project, {"pipeline.dot": loop})
    git(flow.project, "commit", "--quiet", "--all", "--message", "Gifts")
    # The same suite, now set by the project, judges the next run.
    bound = flow.adjusted(suite="todo")
    second = bound.launch(suite="", feedback=first)
    found = prompt(second)
    assert "- feedback.rules: unresolved_failure, satisfaction" in found
    assert "- feedback.tags: gifts: 3 of 3 failed; land: 2 of 2 failed; sea: 1 of 1 failed" in found
    assert f"- feedback.run: {first.run_id}" in found
    assert flow.rules(second) == []
    assert not any(name in found for name in IDS)


def test_feedback_of_another_suite_or_project_is_refused(tmp_path: Path) -> None:
    flow = make_tagged_flow(tmp_path)
    judged = flow.launch()
    with pytest.raises(UsageError, match="was judged by suite todo"):
        flow.launch(suite="", feedback=judged)
    with pytest.raises(UsageError, match="was judged by no suite"):
        flow.launch(feedback=flow.launch(suite=""))
    with pytest.raises(UsageError, match="it was not evaluated"):
        flow.launch(feedback=flow.launch(evaluate=False))
    request = simulated(flow.project)
    with pytest.raises(UsageError, match="was judged by suite todo"):
        asyncio.run(check_run(request, flow.opened, feedback=judged.directory))
    with pytest.raises(OtherProject):
        make_other_project(flow, tmp_path).launch(feedback=judged, profile="")
