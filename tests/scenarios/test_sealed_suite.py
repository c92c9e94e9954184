"""Sealed copies of suites."""

import json
import os
import stat
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.scenarios.check import build_checks, check_registry
from attractor.scenarios.errors import InvalidSuite, SuiteChanged
from attractor.scenarios.sealed_suite import (
    SuiteLock,
    changes_since_seal,
    hash_files,
    lock_of,
    open_sealed,
    read_lock,
    seal_of,
    seal_suite,
    write_lock,
)
from attractor.scenarios.suite_files import list_suite_files
from attractor.scenarios.suite_reader import read_suite
from tests.scenarios.suites import SCENARIO, SUITE, TWIN, WITH_TWIN, write_files, write_suite
from tests.tables import table

FIXED = SCENARIO.format(id="fixed", story="Ann adds.").replace("[[steps]]", "{}\n[[steps]]", 1)


def with_everything(folder: Path) -> Path:
    """Write a suite with one file of each sort, and a twin beside it."""
    write_suite(
        folder, suite=WITH_TWIN, fixed=FIXED.format('fixtures = [{ from = "a", to = "b/a" }]')
    )
    write_files(folder.parent / "_twins", {"todo-api/twin.toml": TWIN, "other/twin.toml": "?"})
    files = {"fixtures/a": "", "checks/run": "#!/bin/sh\n", "reference/fixed.patch": ""}
    return write_files(folder, files)


def test_seal_depends_on_the_content_alone(tmp_path: Path) -> None:
    first, second = (with_everything(tmp_path / name / "suite") for name in ("one", "two"))
    sealed = seal_suite(first, tmp_path / "store")
    write_files(second, {"checks/__pycache__/a.pyc": "", "train/.gitkeep": ""})
    assert seal_suite(second, tmp_path / "store").seal == sealed.seal
    assert [one.name for one in (tmp_path / "store").iterdir()] == [sealed.seal]
    assert open_sealed(tmp_path / "store", sealed.seal).suite == sealed.suite


def test_sealed_copy_of_an_earlier_version_may_have_texts_as_numbers(tmp_path: Path) -> None:
    text = FIXED.format("").replace('step = "add"', 'step = "add"\nhard = "no"')
    folder = write_suite(tmp_path / "suite", suite=SUITE + '[trials]\nn = "3"\n', fixed=text)
    with pytest.raises(InvalidSuite, match=r"trials.n = '3'"):
        seal_suite(folder, tmp_path / "store")
    suite = read_suite(folder, is_sealed=True)
    [check] = build_checks(suite.scenarios[0], check_registry())
    assert (suite.settings.trials.n, check.hard) == (3, False)


@table(
    "path",
    [
        "suite.toml",
        "holdout/fixed.scenario.toml",
        "fixtures/a",
        "checks/run",
        "reference/fixed.patch",
        "../_twins/todo-api/twin.toml",
    ],
)
def test_every_file_is_covered_by_the_seal(tmp_path: Path, path: str) -> None:
    folder = with_everything(tmp_path / "suite")
    sealed = seal_suite(folder, tmp_path / "store")
    assert not changes_since_seal(folder, sealed)
    with (folder / path).open("a") as file:
        file.write("# changed")
    copied = path.removeprefix("../")
    changes = changes_since_seal(folder, sealed)
    assert (changes.added, changes.removed, changes.changed) == ([], [], [copied])
    assert seal_suite(folder, tmp_path / "store").seal != sealed.seal
    with (sealed.folder / copied).open("a") as file:
        file.write("# changed")
    with pytest.raises(SuiteChanged, match="was changed after sealing"):
        open_sealed(tmp_path / "store", sealed.seal)


def test_handler_of_a_twin_is_not_executed_when_a_sealed_suite_is_read(tmp_path: Path) -> None:
    folder = with_everything(tmp_path / "suite")
    route = '[[routes]]\npath = "/x"\nkind = "handler"\nfunction = "answer"\n'
    ran = tmp_path / "ran"
    touch = f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n"
    handler = f"{touch}def answer(request, state, draw):\n    return 1\n"
    files = {"todo-api/twin.toml": TWIN + route, "todo-api/handler.py": handler}
    write_files(tmp_path / "_twins", files)
    sealed = seal_suite(folder, tmp_path / "store")
    ran.unlink()
    assert open_sealed(tmp_path / "store", sealed.seal) == sealed
    assert not ran.exists()


def test_changes_since_the_seal_are_found_in_an_invalid_suite(tmp_path: Path) -> None:
    folder = with_everything(tmp_path / "suite")
    sealed = seal_suite(folder, tmp_path / "store")
    write_files(folder, {"suite.toml": "?", "checks/more": ""})
    (folder / "fixtures" / "a").unlink()
    (folder / "checks" / "run").chmod(0o600)
    changes = changes_since_seal(folder, sealed)
    assert changes.added == ["checks/more"]
    assert changes.removed == ["fixtures/a"]
    assert changes.changed == ["checks/run", "suite.toml"]
    assert len(changes_since_seal(tmp_path / "gone", sealed).removed) == 6


def test_lock_names_version_seal_and_hashes_and_is_no_part_of_the_seal(tmp_path: Path) -> None:
    folder = with_everything(tmp_path / "suite")
    sealed = seal_suite(folder, tmp_path / "store")
    lock = json.loads(write_lock(folder, lock_of(sealed, 3)).read_text())
    assert (lock["suite"], lock["version"], lock["seal"]) == ("todo", 3, sealed.seal)
    assert lock["files"] == sealed.hashes
    assert lock["files"]["checks/run"].endswith("+x")
    assert seal_suite(folder, tmp_path / "store").seal == sealed.seal


def test_only_the_owner_can_look_into_the_store(tmp_path: Path) -> None:
    sealed = seal_suite(write_suite(tmp_path / "suite"), tmp_path / "store")
    for folder in (tmp_path / "store", sealed.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_sealed_suite_that_was_changed_or_lost_is_refused(tmp_path: Path) -> None:
    sealed = seal_suite(write_suite(tmp_path / "suite"), tmp_path / "store")
    assert open_sealed(tmp_path / "store", sealed.seal).suite == sealed.suite
    (sealed.folder / "suite.toml").write_text("name = 'weaker'\npipeline = 'todo'\n")
    with pytest.raises(SuiteChanged, match="was changed after sealing") as changed:
        open_sealed(tmp_path / "store", sealed.seal)
    assert changed.value.exit_code is ExitCode.BROKEN
    with pytest.raises(SuiteChanged, match="is missing in"):
        open_sealed(tmp_path / "store", "0" * 64)


def test_sealed_copy_with_a_forbidden_file_was_changed(tmp_path: Path) -> None:
    sealed = seal_suite(write_suite(tmp_path / "suite"), tmp_path / "store")
    os.mkfifo(sealed.folder / "pipe")
    with pytest.raises(SuiteChanged, match="was changed after sealing"):
        open_sealed(tmp_path / "store", sealed.seal)


HOLDOUT = "holdout/adding.scenario.toml"
OWN = "a-canary-of-our-own"


def test_every_sealed_holdout_gets_one_canary_that_the_folder_lacks(tmp_path: Path) -> None:
    texts = {name: SCENARIO.format(id=name, story=f"{name} adds.") for name in ("ann", "bob")}
    folder = write_suite(tmp_path / "suite", **texts)
    write_files(folder, {"train/eve.scenario.toml": SCENARIO.format(id="eve", story="Eve adds.")})
    sealed = seal_suite(folder, tmp_path / "store")
    carriers = {one.name for one in sealed.folder.rglob("*") if contains(one, sealed.canary)}
    assert carriers == {"ann.scenario.toml", "bob.scenario.toml"}
    assert not any(contains(one, sealed.canary) for one in folder.rglob("*"))
    assert seal_suite(folder, tmp_path / "store") == sealed
    assert seal_suite(folder, tmp_path / "other").canary != sealed.canary


def contains(file: Path, text: str) -> bool:
    return file.is_file() and text in file.read_text()


def test_declared_canary_is_kept(tmp_path: Path) -> None:
    settings = f'{SUITE}[isolation]\ncanary = "{OWN}"\n'
    text = f"# {OWN}\n{SCENARIO.format(id='adding', story='Ann adds.')}"
    folder = write_suite(tmp_path / "suite", suite=settings, adding=text)
    sealed = seal_suite(folder, tmp_path / "store")
    assert sealed.canary == OWN
    assert (sealed.folder / HOLDOUT).read_text() == text
    write_files(folder, {"train/eve.scenario.toml": text.replace("dding", "iding")})
    with pytest.raises(InvalidSuite, match="canary of the holdouts in a train scenario"):
        seal_suite(folder, tmp_path / "store")
    with pytest.raises(InvalidSuite, match="missing canary of suite.toml"):
        seal_suite(write_suite(tmp_path / "lacking", suite=settings), tmp_path / "store")


def test_sealed_copy_without_its_canary_was_changed(tmp_path: Path) -> None:
    sealed = seal_suite(write_suite(tmp_path / "suite"), tmp_path / "store")
    file = sealed.folder / HOLDOUT
    file.write_text(file.read_text().partition("\n# canary")[0])
    with pytest.raises(SuiteChanged, match="was changed after sealing"):
        open_sealed(tmp_path / "store", sealed.seal)


PATTERN = '\n[[checks]]\nkind = "stdout"\nstep = "add"\nmatches = "{}"\n'


def test_suite_that_was_sealed_earlier_keeps_its_edition_until_it_changes(tmp_path: Path) -> None:
    holdout = SCENARIO.format(id="adding", story="Ann adds.") + PATTERN.format("^(?!b)\\\\w")
    folder = write_suite(tmp_path / "suite", adding=holdout)
    with pytest.raises(InvalidSuite, match=r"checks\[1\]\.matches .*\(\?!; write it as .*lacks_m"):
        seal_suite(folder, tmp_path / "store")
    hashes = hash_files(list_suite_files(folder))
    lock = write_lock(folder, SuiteLock("todo", 1, seal_of(hashes, 1), hashes))
    assert "edition" not in json.loads(lock.read_text())
    sealed = seal_suite(folder, tmp_path / "store")
    assert (sealed.seal, sealed.suite.edition) == (seal_of(hashes, 1), 1)
    assert lock_of(sealed, 1) == read_lock(lock.read_text())
    assert open_sealed(tmp_path / "store", sealed.seal) == sealed
    lock.unlink()
    with pytest.raises(InvalidSuite):
        seal_suite(folder, tmp_path / "other")
    file = folder / "holdout" / "adding.scenario.toml"
    file.write_text(holdout.replace("(?!b)", ""))
    assert seal_suite(folder, tmp_path / "store").suite.edition == 2


def test_store_with_a_copy_of_the_same_files_keeps_their_edition(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "suite")
    new = seal_suite(folder, tmp_path / "store")
    assert (new.suite.edition, lock_of(new, 1).edition) == (2, 2)
    new.folder.rename(tmp_path / "store" / seal_of(new.hashes, 1))
    assert seal_suite(folder, tmp_path / "store").suite.edition == 1
