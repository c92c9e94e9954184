import os
import stat
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.scenarios.errors import InvalidSuite, SuiteChanged
from attractor.scenarios.sealing import hash_of_folder, open_sealed, seal_suite
from tests.scenarios.suites import SCENARIO, write_suite


def test_the_same_content_is_the_same_seal_wherever_it_lies(tmp_path: Path) -> None:
    first, second = (write_suite(tmp_path / name) for name in ("one", "two"))
    sealed = seal_suite(first, tmp_path / "store")
    again = seal_suite(second, tmp_path / "store")
    assert sealed.seal == again.seal == hash_of_folder(first)
    assert [one.name for one in (tmp_path / "store").iterdir()] == [sealed.seal]


def test_any_change_is_another_seal(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "suite")
    before = hash_of_folder(folder)
    (folder / "fixtures").mkdir()
    assert hash_of_folder(folder) == before
    (folder / "fixtures" / "a").write_text("")
    renamed = hash_of_folder(folder)
    assert renamed != before
    (folder / "fixtures" / "a").rename(folder / "fixtures" / "b")
    assert hash_of_folder(folder) not in (before, renamed)


def test_only_the_owner_can_look_into_the_store(tmp_path: Path) -> None:
    sealed = seal_suite(write_suite(tmp_path / "suite"), tmp_path / "store")
    for folder in (tmp_path / "store", sealed.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_sealed_suite_that_was_changed_or_lost_is_refused(tmp_path: Path) -> None:
    sealed = seal_suite(write_suite(tmp_path / "suite"), tmp_path / "store")
    assert open_sealed(tmp_path / "store", sealed.seal).suite == sealed.suite
    (sealed.folder / "suite.toml").write_text("name = 'weaker'\npipeline = 'todo'\n")
    with pytest.raises(SuiteChanged, match="was changed after it was sealed") as changed:
        open_sealed(tmp_path / "store", sealed.seal)
    assert changed.value.exit_code is ExitCode.BROKEN
    with pytest.raises(SuiteChanged, match="is not in"):
        open_sealed(tmp_path / "store", "0" * 64)


def test_a_check_that_is_written_wrong_is_found_before_sealing(tmp_path: Path) -> None:
    text = SCENARIO.format(id="adding", story="Ann adds.")
    for change, words in [
        (('kind = "exit"', 'kind = "exot"'), "unknown check 'exot'"),
        (('step = "add"', 'step = "ad"'), "there is no step 'ad'"),
        (('step = "add"', 'step = "add"\nequal = 1'), "equal"),
        (('kind = "exit"', 'kind = "stdout"'), "give one of equals"),
    ]:
        folder = write_suite(tmp_path / "suite", adding=text.replace(*change))
        with pytest.raises(InvalidSuite, match=words):
            seal_suite(folder, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_sealed_copy_that_holds_what_no_suite_may_was_changed(tmp_path: Path) -> None:
    sealed = seal_suite(write_suite(tmp_path / "suite"), tmp_path / "store")
    os.mkfifo(sealed.folder / "pipe")
    with pytest.raises(SuiteChanged, match="was changed after it was sealed"):
        open_sealed(tmp_path / "store", sealed.seal)


def test_a_link_in_a_suite_is_refused(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "suite")
    (folder / "holdout" / "away").symlink_to("/etc")
    with pytest.raises(InvalidSuite, match="is a link"):
        seal_suite(folder, tmp_path / "store")
