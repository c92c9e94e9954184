"""The examples and tables of the page about suites."""

from pathlib import Path
from typing import cast

import pytest

from attractor.scenarios import suite
from attractor.scenarios.check import CheckOptions, check_registry
from attractor.scenarios.sealed_suite import seal_suite
from attractor.scenarios.suite import GateSettings, Scenario, Suite, SuiteTable
from tests.examples import fences
from tests.scenarios.suites import write_files
from tests.scenarios.test_play import play, scenario

SUITE, _SETUP, _CARRY, TWIN, _WRONG, REQUIREMENTS, _ACCEPT, SCENARIO, *_ = (
    one.text for one in fences("toml") if one.page.name == "suites.md"
)
[_PROBE, VERIFIER] = [one.text for one in fences("python") if one.page.name == "suites.md"]


def test_examples_of_the_page_make_a_suite(tmp_path: Path) -> None:
    write_files(tmp_path, {"_twins/calendar/twin.toml": TWIN})
    files = {"suite.toml": SUITE, "holdout/done-is-hidden.scenario.toml": SCENARIO}
    fixtures = {"fixtures/tasks.json": "[]", "fixtures/big.json": "[]"}
    listed = {"requirements.toml": REQUIREMENTS}
    folder = write_files(tmp_path / "suite", files | fixtures | listed)
    sealed = seal_suite(folder, tmp_path / "store").suite
    assert (sealed.twin_names, [*sealed.requirements.by_id]) == (["calendar"], ["beds"])


@pytest.mark.parametrize(("title", "reason"), [("", "a task has no title"), ("a", "1 tasks have")])
def test_verifier_of_the_page_examines_a_candidate(tmp_path: Path, title: str, reason: str) -> None:
    sealed = write_files(tmp_path / "suite", {"checks/titles": VERIFIER})
    tree = write_files(tmp_path / "tree", {"todo.json": f'[{{"title": "{title}"}}]'})
    one = scenario([{"name": "go", "run": "true"}], [{"kind": "command", "program": "titles"}])
    [result] = play(tree, one, suite=sealed).checks
    assert (result.passed, reason in result.reason) == (bool(title), True)


def test_suite_of_the_guide_judges_its_program(tmp_path: Path) -> None:
    (_unit_tests, *toml), python = (
        [one.text for one in fences(language) if one.page.name == "write-a-suite.md"]
        for language in ("toml", "python")
    )
    write_files(tmp_path, {"_twins/calendar/twin.toml": toml[1]})
    held_out = {"holdout/planned-task.scenario.toml": toml[0], "checks/events-are-kept": python[1]}
    folder = write_files(tmp_path / "suite", {"suite.toml": toml[2], **held_out})
    sealed = seal_suite(folder, tmp_path / "store")
    [one] = sealed.suite.scenarios
    for program, passed in ((python[0], [True] * 4), ("", [False, True, False, False])):
        tree = write_files(tmp_path / "tree", {"todo.py": program})
        played = play(tree, one, suite=sealed.folder, settings=sealed.suite.settings)
        assert [check.passed for check in played.checks] == passed, played.checks
        (tree / "tasks.jsonl").unlink(missing_ok=True)


def test_every_key_has_a_meaning() -> None:
    kinds = [cast(type[CheckOptions], one) for one in check_registry().values()]
    tables = [one for one in SuiteTable.__subclasses__() if one.__module__ == suite.__name__]
    assert {Scenario, GateSettings} <= {*tables}
    for table in (*tables, *kinds):
        lacking = [name for name, one in table.model_fields.items() if not one.description]
        assert lacking == [] or table is Suite
