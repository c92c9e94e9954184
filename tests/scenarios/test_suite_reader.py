"""A folder that holds more than a suite may is refused before anything in it is read."""

import os
import socket
import stat
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, FileError
from attractor.scenarios import suite_reader as suite_files
from attractor.scenarios.suite import (
    CommandStep,
    InvalidSuite,
    RequestStep,
    ServiceStep,
    SuiteChanged,
)
from attractor.scenarios.suite_reader import (
    MOST_BYTES,
    hash_of_folder,
    list_suite_files,
    open_sealed,
    read_suite,
    read_suite_file,
    seal_suite,
)
from tests.scenarios.suites import SCENARIO, SUITE, write_suite

FULL = """
id = "served"
title = "Served"
story = "Ann opens the page."
weight = 0.9
min_pass_rate = 0.9
setup.run = ["true"]

[[steps]]
name = "serve"
service = "python3 -m http.server 8000"
port = 8000
ready = "5s"

[[steps]]
name = "open"
port = 8000
path = "/index.html"

[[steps]]
name = "list"
run = "ls"
timeout = "2s"

[[checks]]
kind = "http"
step = "open"
contains = "hello"
"""


def test_a_whole_suite_is_read(tmp_path: Path) -> None:
    suite = SUITE + '[trials]\nn = 3\ntimeout = "1m"\n[gate]\nmin_satisfaction = 0.9\n'
    folder = write_suite(tmp_path, suite=suite, served=FULL)
    read = read_suite(folder)
    assert read.settings.trials.n == 3
    assert read.settings.trials.timeout == timedelta(minutes=1)
    assert read.settings.gate.min_satisfaction == Fraction(9, 10)
    [scenario] = read.of_split("holdout")
    assert (scenario.weight, scenario.min_pass_rate) == (Fraction(9, 10), Fraction(9, 10))
    assert [type(step) for step in scenario.steps] == [ServiceStep, RequestStep, CommandStep]
    assert scenario.checks[0].options == {"step": "open", "contains": "hello"}


def test_the_folder_is_the_split(tmp_path: Path) -> None:
    folder = write_suite(tmp_path)
    (folder / "train").mkdir()
    (folder / "train" / "seen.scenario.toml").write_text(
        SCENARIO.format(id="seen", story="Bob adds.")
    )
    suite = read_suite(folder)
    assert [one.id for one in suite.of_split("train")] == ["seen"]
    assert [one.id for one in suite.of_split("holdout")] == ["adding"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("name = ", "nane = "), "suite.toml:2: unknown key nane$"),
        (("pipeline", "sorts = 1\npipeline"), "suite.toml:3: unknown key sorts$"),
        (('name = "todo"', ""), "suite.toml: name is missing$"),
        (('"linear"', "7"), "suite.toml:3: pipeline = 7 should be a valid string$"),
        (('"todo"', "todo"), "invalid TOML: Invalid value"),
    ],
)
def test_a_mistake_in_the_suite_names_file_and_key(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    folder = write_suite(tmp_path, suite=SUITE.replace(*change, 1))
    with pytest.raises(InvalidSuite, match=words):
        read_suite(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('kind = "exit"', ""), r"10: checks\[0\].kind is missing"),
        (
            ('run = "echo milk"', 'run = "a"\ntimeout = "2 minutes"'),
            r"9: steps\[0\].timeout = '2 m",
        ),
        (('run = "echo milk"', 'run = "a"\ntimeuot = "2s"'), r"9: unknown key steps\[0\].timeuot$"),
        (('[[steps]]\nname = "add"\nrun = "echo milk"', "steps = []"), "steps is empty$"),
        (('run = "echo milk"', 'rum = "a"'), r"6: steps\[0\]: a step needs run, service or"),
        (('step = "add"', 'step = "ad"'), r"12: checks\[0\].step: unknown step 'ad'"),
        (('step = "add"', 'step = "add"\nequal = 1'), r"13: unknown key checks\[0\].equal$"),
        (('kind = "exit"', 'kind = "exot"'), r"11: checks\[0\].kind: unknown check 'exot'$"),
        (("title", 'weight = "1e999999999"\ntitle'), "3: weight = '1e999999999': write a number"),
        (("title", 'weight = "1/0"\ntitle'), "division by 0"),
        (("title", f"deep = {'[' * 5000}{']' * 5000}\ntitle"), "nested too deeply"),
        (("title", f"long = 1{'0' * 5000}\ntitle"), "integer"),
        (("[[checks]]", '[[steps]]\nname = "add"\nrun = "b"\n[[checks]]'), "duplicate step name"),
        (('id = "adding"', 'id = "Adding!"'), "id"),
        (("title", 'split = "train"\ntitle'), "split = 'train' in a file of holdout/"),
    ],
)
def test_a_mistake_in_a_scenario_names_file_and_key(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    text = SCENARIO.format(id="adding", story="Ann adds.").replace(*change)
    folder = write_suite(tmp_path, adding=text)
    with pytest.raises(InvalidSuite, match=f"adding.scenario.toml.*{words}"):
        read_suite(folder)


def test_a_suite_without_holdouts_or_without_its_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSuite, match="missing file .*suite.toml"):
        read_suite(tmp_path)
    (tmp_path / "suite.toml").write_text(SUITE)
    with pytest.raises(InvalidSuite, match="no held-out scenario"):
        read_suite(tmp_path)


def test_misnamed_scenario_file_is_refused_with_the_expected_name(tmp_path: Path) -> None:
    text = SCENARIO.format(id="other", story="Bob adds.")
    for name, hint in (
        ("holdout/other.toml", "holdout/other.scenario.toml"),
        ("train/other.Scenario.toml", "train/other.scenario.toml"),
        ("holdout/other_scenario.toml", "holdout/other.scenario.toml"),
        ("holdout/other.scenario.tml", "holdout/other.scenario.toml"),
        ("holdout/other.scenario", "holdout/other.scenario.toml"),
        ("other.scenario.toml", "move it to holdout/other.scenario.toml"),
        ("holdouts/other.scenario.toml", "move it to holdout/other.scenario.toml"),
    ):
        folder = write_suite(tmp_path / name.replace("/", "-"))
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        with pytest.raises(InvalidSuite) as caught:
            seal_suite(folder, tmp_path / "store")
        assert caught.value.message.startswith(f"{folder / name}: ")
        assert caught.value.hint.endswith(hint)
    folder = write_suite(tmp_path / "fine")
    for name in ("holdout/data.json", "README.md", "holdout/notes.md", "holdout/files/a.toml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    assert read_suite(folder)


def test_a_story_must_not_stand_twice(tmp_path: Path) -> None:
    story = "The very same story."
    folder = write_suite(
        tmp_path, a=SCENARIO.format(id="a", story=story), b=SCENARIO.format(id="b", story=story)
    )
    with pytest.raises(InvalidSuite, match="the same story"):
        read_suite(folder)
    (folder / "holdout" / "b.scenario.toml").write_text(SCENARIO.format(id="a", story="Other."))
    with pytest.raises(InvalidSuite, match="the same id"):
        read_suite(folder)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (('run = "echo milk"', 'run = "a"\ntimeuot = "2s"'), "did you mean timeout?"),
        (('step = "add"', 'step = "add"\nequal = 1'), "did you mean equals?"),
        (('kind = "exit"', 'kind = "exot"'), "did you mean exit?"),
        (("title", "tilte"), "did you mean title?"),
        (("title", 'colour = "red"\ntitle'), "known: id, title, story, split, weight"),
    ],
)
def test_a_mistake_tells_what_was_meant(tmp_path: Path, change: tuple[str, str], hint: str) -> None:
    text = SCENARIO.format(id="adding", story="Ann adds.").replace(*change)
    with pytest.raises(InvalidSuite) as caught:
        read_suite(write_suite(tmp_path, adding=text))
    assert caught.value.hint.startswith(hint)
    assert "Extra inputs" not in caught.value.message


def test_all_mistakes_of_a_file_are_told_each_with_its_line(tmp_path: Path) -> None:
    suite = 'nane = "todo"\npipeline = 7\n[trials]\nn = 0\n[gate]\nconfidance = 0.9\n'
    folder = write_suite(tmp_path, suite=suite)
    with pytest.raises(InvalidSuite) as caught:
        read_suite(folder)
    file = folder / "suite.toml"
    assert caught.value.message.splitlines() == [
        f"{file}:1: unknown key nane (did you mean name?)",
        f'{file}:2: pipeline = 7 should be a valid string (text needs quotes: "7")',
        f"{file}:4: trials.n = 0 should be greater than or equal to 1",
        f"{file}:6: unknown key gate.confidance (did you mean confidence?)",
    ]
    many = "".join(f"key{n} = 1\n" for n in range(30))
    with pytest.raises(InvalidSuite, match="and 20 more$"):
        read_suite(write_suite(tmp_path, suite=many + SUITE))


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def outside(path: Path) -> None:
    path.symlink_to(path.parent.parent.parent / "elsewhere")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)


@pytest.mark.parametrize(
    "place", ["suite.toml", "holdout/a.scenario.toml", "holdout/fixture", "train/b.scenario.toml"]
)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (endless, "is a link"),
        (outside, "is a link"),
        (os.mkfifo, "is a pipe"),
        (listening, "is a socket"),
        (large, "is larger than 16 MiB"),
    ],
)
def test_what_is_no_file_of_a_suite_is_refused_wherever_it_lies(
    place: str, make: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    folder = write_suite(tmp_path / "s")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).unlink(missing_ok=True)
    make(folder / place)
    with pytest.raises(InvalidSuite, match=f"{place} {words}"):
        read_suite(folder)
    # Also when it takes the place of a file that was there a moment ago.
    with pytest.raises((InvalidSuite, FileError)):
        read_suite_file(folder / place)


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    write_suite(tmp_path / "other")
    folder = write_suite(tmp_path / "suite")
    (folder / "train").symlink_to(tmp_path / "other" / "holdout")
    with pytest.raises(InvalidSuite, match="train is a link"):
        read_suite(folder)


def test_every_file_is_found_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "run.sh").write_text("true")
    (tmp_path / "a" / "b" / "run.sh").chmod(0o755)
    (tmp_path / "top").write_text("x")
    found = {one.path: one.is_executable for one in list_suite_files(tmp_path)}
    assert found == {"a/b/run.sh": True, "top": False}


def test_too_many_and_too_large_files_together_are_refused(tmp_path: Path) -> None:
    for number in range(suite_files.MOST_BYTES_TOGETHER // MOST_BYTES + 1):
        with (tmp_path / f"{number}").open("wb") as file:
            file.truncate(MOST_BYTES)
    with pytest.raises(InvalidSuite, match="exceed 256 MiB"):
        list_suite_files(tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    for number in range(suite_files.MOST_FILES + 1):
        (tmp_path / f"{number}").touch()
    with pytest.raises(InvalidSuite, match="contains more than 10000 files"):
        list_suite_files(tmp_path)


def test_words_longer_than_people_write_are_refused(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, suite="#" * 1_000_001)
    with pytest.raises(InvalidSuite, match=r"suite\.toml exceeds 1000000 bytes"):
        read_suite(folder)


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
    with pytest.raises(SuiteChanged, match="was changed after sealing") as changed:
        open_sealed(tmp_path / "store", sealed.seal)
    assert changed.value.exit_code is ExitCode.BROKEN
    with pytest.raises(SuiteChanged, match="is missing in"):
        open_sealed(tmp_path / "store", "0" * 64)


def test_a_check_that_is_written_wrong_is_found_before_sealing(tmp_path: Path) -> None:
    text = SCENARIO.format(id="adding", story="Ann adds.")
    for change, words in [
        (('kind = "exit"', 'kind = "exot"'), "unknown check 'exot'"),
        (('step = "add"', 'step = "ad"'), "unknown step 'ad'"),
        (('step = "add"', 'step = "add"\nequal = 1'), "equal"),
        (('kind = "exit"', 'kind = "stdout"'), "set at least one of equals"),
    ]:
        folder = write_suite(tmp_path / "suite", adding=text.replace(*change))
        with pytest.raises(InvalidSuite, match=words):
            seal_suite(folder, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_sealed_copy_that_holds_what_no_suite_may_was_changed(tmp_path: Path) -> None:
    sealed = seal_suite(write_suite(tmp_path / "suite"), tmp_path / "store")
    os.mkfifo(sealed.folder / "pipe")
    with pytest.raises(SuiteChanged, match="was changed after sealing"):
        open_sealed(tmp_path / "store", sealed.seal)


def test_a_link_in_a_suite_is_refused(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "suite")
    (folder / "holdout" / "away").symlink_to("/etc")
    with pytest.raises(InvalidSuite, match="is a link"):
        seal_suite(folder, tmp_path / "store")
