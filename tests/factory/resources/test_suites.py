import stat
from pathlib import Path

import pytest

from attractor.base.errors import UnknownName
from attractor.base.files import make_tree_private
from attractor.factory.errors import Retired
from attractor.factory.resources.versions import BURNED, Ending
from attractor.scenarios.errors import InvalidSuite, SuiteChanged
from tests.factory.resources.stores import NOW, register, suite_store
from tests.scenarios.suites import SCENARIO, SUITE, write_suite


def test_a_suite_is_registered_once_for_each_content(tmp_path: Path) -> None:
    store = suite_store(tmp_path)
    folder = write_suite(tmp_path / "suite")
    first = register(store, folder)
    assert (first.version.number, first.is_new, first.trials) == (1, True, 1)
    again = register(store, folder)
    assert (again.version, again.is_new) == (first.version, False)
    write_suite(folder, suite=SUITE + "[trials]\nn = 3\n")
    second = register(store, folder)
    assert (second.version.number, second.is_new, second.trials) == (2, True, 3)
    assert [one.number for one in store.versions.versions("todo")] == [1, 2]


def test_a_version_is_found_by_name_and_number(tmp_path: Path) -> None:
    store = suite_store(tmp_path)
    folder = write_suite(tmp_path / "suite")
    first = register(store, folder).version
    write_suite(folder, suite=SUITE + "[trials]\nn = 3\n")
    second = register(store, folder).version
    assert (store.versions.find("todo"), store.versions.find("todo@1")) == (second, first)
    assert store.open(first).suite.settings.trials.n == 1
    with pytest.raises(UnknownName, match="unknown suite 'tudo'") as caught:
        store.versions.find("tudo")
    assert caught.value.hint == "did you mean todo?"
    with pytest.raises(UnknownName, match="version of suite todo '3'"):
        store.versions.find("todo@3")
    with pytest.raises(UnknownName):
        store.versions.find("../suites/todo")


def test_changed_sealed_copy_is_refused(tmp_path: Path) -> None:
    store = suite_store(tmp_path)
    version = register(store, write_suite(tmp_path / "suite")).version
    (store.open(version).folder / "holdout" / "easier.scenario.toml").write_text("")
    with pytest.raises(SuiteChanged):
        store.open(version)


def test_unreachable_bound_is_refused_with_a_hint(tmp_path: Path) -> None:
    suite = SUITE + "[trials]\nn = 5\n[gate]\nmin_lower_bound = 0.9\n"
    with pytest.raises(InvalidSuite, match="5 trials cannot reach") as caught:
        register(suite_store(tmp_path), write_suite(tmp_path / "s", suite=suite))
    assert "at least 29 trials" in caught.value.message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("[trials]\nn = 100000000\n", "trials.n = 100000000: more than 1000 trials"),
        ("[trials]\nn = 1000\n[gate]\nmin_lower_bound = 0.9999999999999999\n", "cannot reach"),
    ],
)
def test_too_many_trials_are_refused(tmp_path: Path, settings: str, words: str) -> None:
    folder = write_suite(tmp_path / "s", suite=SUITE + settings)
    with pytest.raises(InvalidSuite, match=words):
        register(suite_store(tmp_path), folder)


def test_more_trials_together_than_an_evaluation_plays_are_refused(tmp_path: Path) -> None:
    holdouts = {f"s{n}": SCENARIO.format(id=f"s{n}", story=f"Story {n}.") for n in range(11)}
    folder = write_suite(tmp_path / "s", suite=SUITE + "[trials]\nn = 1000\n", **holdouts)
    with pytest.raises(InvalidSuite, match="11000 trials exceed the limit"):
        register(suite_store(tmp_path), folder)


def test_registered_suite_is_private(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "suite")
    (folder / "checks").mkdir()
    (folder / "checks" / "run.sh").write_text("true\n")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)
    register(suite_store(tmp_path), folder)
    assert not make_tree_private(tmp_path / "state")
    [copy] = (tmp_path / "state" / "suites" / "sealed").iterdir()
    assert stat.S_IMODE((copy / "checks" / "run.sh").stat().st_mode) == 0o700


def test_registration_reports_tolerated_failures(tmp_path: Path) -> None:
    suite = SUITE + "[trials]\nn = 59\n[gate]\nmin_lower_bound = 0.9\n"
    registered = register(suite_store(tmp_path), write_suite(tmp_path / "s", suite=suite))
    # The bound allows one failure, but the scenario, with a pass rate of 1, allows none.
    assert (registered.trials, registered.failures_allowed) == (59, 0)


def test_older_version_replaces_an_ended_one_only_by_name(tmp_path: Path) -> None:
    store = suite_store(tmp_path)
    folder = write_suite(tmp_path / "suite")
    first = register(store, folder).version
    write_suite(folder, suite=SUITE + "[trials]\nn = 3\n")
    second = register(store, folder).version
    store.versions.end(second, Ending(BURNED, NOW, "ann", "it leaked"))
    with pytest.raises(Retired, match=r"todo@2 .* was burned on 2026-01-02: it leaked"):
        store.versions.find_usable("todo")
    assert store.versions.find_usable("todo@1") == first


@pytest.mark.parametrize("project", ["project", "other"])
def test_burned_content_is_not_registered_again(tmp_path: Path, project: str) -> None:
    store, folder = suite_store(tmp_path), write_suite(tmp_path / "suite")
    store.versions.end(register(store, folder).version, Ending(BURNED, NOW, "ann", "it leaked"))
    there = suite_store(tmp_path, project)
    with pytest.raises(Retired, match="its holdouts are known"):
        register(there, folder)
    assert len(there.versions.versions("todo")) == (project == "project")
