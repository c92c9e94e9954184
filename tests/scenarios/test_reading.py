from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.reading import read_suite
from attractor.scenarios.suite import CommandStep, RequestStep, ServiceStep
from tests.scenarios.suites import SCENARIO, SUITE, write_suite

FULL = """
id = "served"
title = "Served"
story = "Ann opens the page."
weight = 0.9
min_pass_rate = 0.9
setup = ["true"]

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
        (("name = ", "nane = "), "suite.toml: name"),
        (("pipeline", "sorts = 1\npipeline"), "suite.toml: sorts"),
        (('"todo"', "todo"), "suite.toml: Invalid value"),
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
        (('kind = "exit"', ""), "checks.0.kind"),
        (('run = "echo milk"', 'run = "a"\ntimeout = "2 minutes"'), "timeout"),
        (("[[checks]]", '[[steps]]\nname = "add"\nrun = "b"\n[[checks]]'), "same name"),
        (('id = "adding"', 'id = "Adding!"'), "id"),
        (("title", 'split = "train"\ntitle'), "it says it is train and lies in holdout"),
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
    with pytest.raises(InvalidSuite, match="suite.toml is missing"):
        read_suite(tmp_path)
    (tmp_path / "suite.toml").write_text(SUITE)
    with pytest.raises(InvalidSuite, match="no scenario is held out"):
        read_suite(tmp_path)


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
