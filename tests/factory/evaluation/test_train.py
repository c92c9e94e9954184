"""Stages that play train scenarios."""

import json
from pathlib import Path

import pytest

from attractor.base.errors import UnknownName
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import TrainChoice
from attractor.engine.state.run_state import AWAITING_DECISION, FAILED
from attractor.factory.evaluation.train import choose_train
from attractor.scenarios.suite_reader import read_suite
from tests.engine.runs import read_events
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import git
from tests.scenarios.suites import SUITE, write_files, write_suite

TRAIN = """
id = "{id}"
title = "Train {id}"
story = "Bob looks for {wanted} by {id}."
tags = ["{tag}"]

[[steps]]
name = "look"
run = "cat made.txt; pwd"

[[checks]]
kind = "stdout"
step = "look"
contains = "{wanted}"
"""
PIPELINE = """
digraph linear {{
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    make  [shape=parallelogram, tool_command="echo made > made.txt"]
    train [type="scenarios" {attributes}]
    start -> make -> train -> exit
}}
"""
SCENARIOS = {
    "good": TRAIN.format(id="good", wanted="made", tag="files"),
    "bad": TRAIN.format(id="bad", wanted="marsupial", tag="words"),
}


def make_train_flow(tmp_path: Path, attributes: str = "") -> Flow:
    """Make a project whose pipeline makes a file and then plays train scenarios."""
    flow = make_flow(tmp_path)
    folder = write_suite(tmp_path / "suite", suite=SUITE, made=HOLDOUT.format(wanted="quokka"))
    write_files(folder, {f"train/{one}.scenario.toml": text for one, text in SCENARIOS.items()})
    register(flow.opened.suites, folder, now=flow.machine.clock.now())
    write_files(flow.project, {"pipeline.dot": PIPELINE.format(attributes=attributes)})
    git(flow.project, "commit", "--quiet", "--all", "--message", "Train")
    return flow


def output(result: RunResult) -> str:
    return (result.directory / "train" / "scenarios.txt").read_text()


@pytest.mark.parametrize(
    ("attributes", "status", "played"),
    [
        ("", "partial_success", {"bad": False, "good": True}),
        (', ids="good"', "success", {"good": True}),
        (', tags="words", suite="todo@2"', "fail", {"bad": False}),
        (', ids="bad, good"', "partial_success", {"bad": False, "good": True}),
    ],
)
def test_verdicts_of_train_scenarios_are_the_outcome(
    tmp_path: Path, attributes: str, status: str, played: dict[str, bool]
) -> None:
    flow = make_train_flow(tmp_path, attributes)
    result = flow.launch(evaluate=False)
    events = read_events(result.directory)
    found = [one.data for one in events if one.type == "TrainScenarioPlayed"]
    assert {one["scenario"]: one["satisfied"] for one in found} == played
    record = json.loads((result.directory / "train" / "status.json").read_text())
    assert record["outcome"] == status
    updates = record["context_updates"]
    assert updates["scenarios.passed"] == sum(played.values())
    assert updates["scenarios.failed"] == len(played) - sum(played.values())
    assert "quokka" not in output(result)


def test_output_of_train_scenarios_is_recorded_in_full(tmp_path: Path) -> None:
    result = make_train_flow(tmp_path).launch()
    lines = output(result).splitlines()
    assert lines[0] == "bad (train): NOT satisfied"
    assert "    | made" in lines
    assert "  FAIL stdout: standard output of step look does not contain 'marsupial'" in lines
    assert result.status == AWAITING_DECISION


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (', ids="made"', "unknown train scenario 'made'"),
        (', tags="nope"', "unknown train tag 'nope'"),
        (', suite="other"', "unknown suite 'other'"),
    ],
)
def test_invalid_choice_fails_the_pipeline(tmp_path: Path, attributes: str, words: str) -> None:
    result = make_train_flow(tmp_path, attributes).launch()
    assert result.status == FAILED
    assert words in result.reason


def test_run_without_a_suite_cannot_play_scenarios(tmp_path: Path) -> None:
    result = make_train_flow(tmp_path).launch(suite="")
    assert "the run has no suite" in result.reason


def test_error_about_a_holdout_is_that_of_an_unknown_name(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path / "suite", made=HOLDOUT.format(wanted="made")))
    for name in ("made", "nothing"):
        with pytest.raises(UnknownName) as unknown:
            choose_train(suite, TrainChoice(ids=(name,)))
        assert str(unknown.value).replace(name, "?") == "unknown train scenario '?'"
