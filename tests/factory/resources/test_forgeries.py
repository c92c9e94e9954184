"""Resources that were forged or edited judge no run."""

import json
from pathlib import Path

import pytest

from attractor.base.errors import AttractorError, UnknownName, VerificationError
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.open_project import OpenProject
from attractor.records.summary import summarize
from attractor.scenarios.errors import InvalidSuite, SuiteChanged
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import adjusted, make_project, open_project
from tests.scenarios.suites import SUITE, write_suite


def attempts(flow: Flow, result: RunResult) -> list[type[AttractorError]]:
    """Return the errors raised when the run is judged, approved and promoted."""
    found: list[type[AttractorError]] = []
    for attempt in (
        lambda: flow.report(result),
        lambda: flow.decide(result, DecisionKind.APPROVED),
        lambda: flow.promote(result),
    ):
        with pytest.raises(AttractorError) as caught:
            attempt()
        found.append(caught.type)
    return found


def test_a_suite_of_the_same_name_in_another_project_judges_nothing_here(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    project = make_project(tmp_path / "other" / "project")
    other = Flow(
        project, OpenProject(adjusted(open_project(project), state_dir=flow.machine.state_dir))
    )
    with pytest.raises(UnknownName, match="unknown suite 'todo'"):
        other.launch(profile="")
    easy = write_suite(tmp_path / "easy", suite=SUITE, made=HOLDOUT.format(wanted="made"))
    (easy / "suite.toml").write_text(SUITE + "[gate]\nmin_satisfaction = 0.0\n")
    suites, now = other.evaluator.opened.suites, other.machine.clock.now()
    easier = register(suites, easy, now=now).version
    result = flow.launch()
    pinned = json.loads((result.directory / "manifest.json").read_text())["suite"]
    assert pinned == flow.opened.suites.versions.find("todo").pinned != easier.pinned
    assert other.evaluator.opened.suites.versions.find("todo") == easier
    # Replace the file of this project by the file of the other project.
    files = {
        one.parents[2].name: one
        for one in flow.machine.state_dir.glob("projects/*/suites/todo/1.json")
    }
    own = flow.opened.identity.project_id()
    [foreign] = [one for name, one in files.items() if name != own]
    files[own].write_bytes(foreign.read_bytes())
    assert attempts(flow, result) == [VerificationError] * 3


def test_a_profile_that_was_edited_after_the_run_approves_nothing(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(profile="strict")
    assert flow.rules(result) == ["isolation_unverified"]
    [file] = flow.machine.state_dir.glob("projects/*/profiles/strict/1.json")
    text = file.read_text()
    assert '"allow": []' in text
    file.write_text(text.replace('"allow": []', '"allow": ["isolation_unverified"]'))
    assert attempts(flow, result) == [VerificationError] * 3


def test_a_suite_or_threshold_that_was_edited_after_sealing_approves_nothing(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path, wanted="never")
    result = flow.launch()
    [copy] = (flow.machine.state_dir / "suites" / "sealed").iterdir()
    for file, text in (
        ("holdout/made.scenario.toml", HOLDOUT.format(wanted="made")),
        ("suite.toml", SUITE + "[gate]\nmin_satisfaction = 0.0\n"),
    ):
        before = (copy / file).read_text()
        (copy / file).write_text(text)
        assert attempts(flow, result) == [SuiteChanged] * 3
        (copy / file).write_text(before)
    assert "unresolved_failure" in flow.rules(result)


def test_a_misnamed_scenario_is_not_left_out_in_silence(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    file = tmp_path / "suite" / "holdout" / "hard.scenarios.toml"
    file.write_text(HOLDOUT.format(wanted="never").replace('"made"', '"hard"'))
    with pytest.raises(InvalidSuite, match="must end in"):
        register(flow.opened.suites, tmp_path / "suite")


def test_a_run_without_a_suite_succeeds_and_does_not_wait_for_a_person(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(suite="", profile="")
    assert result.exit_code == 0
    summary = summarize(result.directory)
    assert (summary.status, summary.phase, summary.suite) == ("awaiting_human", "decision", "")
