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
        (("name = ", "nane = "), "suite.toml:2: unknown key nane$"),
        (("pipeline", "sorts = 1\npipeline"), "suite.toml:3: unknown key sorts$"),
        (('name = "todo"', ""), "suite.toml: name is missing$"),
        (('"linear"', "7"), "suite.toml:3: pipeline = 7 should be a valid string$"),
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
        (('kind = "exit"', ""), r"10: checks\[0\].kind is missing"),
        (
            ('run = "echo milk"', 'run = "a"\ntimeout = "2 minutes"'),
            r"9: steps\[0\].timeout = '2 m",
        ),
        (('run = "echo milk"', 'run = "a"\ntimeuot = "2s"'), r"9: unknown key steps\[0\].timeuot$"),
        (('[[steps]]\nname = "add"\nrun = "echo milk"', "steps = []"), "steps is empty$"),
        (('run = "echo milk"', 'rum = "a"'), r"6: steps\[0\]: a step has one of run, service and"),
        (('step = "add"', 'step = "ad"'), r"12: checks\[0\].step: there is no step 'ad'"),
        (('step = "add"', 'step = "add"\nequal = 1'), r"13: unknown key checks\[0\].equal$"),
        (('kind = "exit"', 'kind = "exot"'), r"11: checks\[0\].kind: unknown check 'exot'$"),
        (("title", 'weight = "1e999999999"\ntitle'), "3: weight = '1e999999999': write a number"),
        (("title", 'weight = "1/0"\ntitle'), "nothing can be divided by 0"),
        (("title", f"deep = {'[' * 5000}{']' * 5000}\ntitle"), "nested too deeply"),
        (("title", f"long = 1{'0' * 5000}\ntitle"), "integer"),
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


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (('run = "echo milk"', 'run = "a"\ntimeuot = "2s"'), "did you mean timeout?"),
        (('step = "add"', 'step = "add"\nequal = 1'), "did you mean equals?"),
        (('kind = "exit"', 'kind = "exot"'), "did you mean exit?"),
        (("title", "tilte"), "did you mean title?"),
        (("title", 'colour = "red"\ntitle'), "known here: id, title, story, split, weight"),
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
        f"{file}:6: unknown key gate.confidance (did you mean confidence?)",
        f"{file}:1: unknown key nane (did you mean name?)",
        f"{file}:2: pipeline = 7 should be a valid string",
        f"{file}:4: trials.n = 0 should be greater than or equal to 1",
    ]
    many = "".join(f"key{n} = 1\n" for n in range(30))
    with pytest.raises(InvalidSuite, match="and 20 more$"):
        read_suite(write_suite(tmp_path, suite=many + SUITE))
