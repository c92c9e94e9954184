"""A suite is read, or refused with the file, line and key of every mistake."""

import json
import re
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.suite import CommandStep, RequestStep, ServiceStep
from attractor.scenarios.suite_reader import read_suite
from tests.scenarios.suites import SCENARIO, SUITE, TWIN, WITH_TWIN, write_files, write_suite
from tests.tables import table

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


def test_complete_suite_is_read(tmp_path: Path) -> None:
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


@table("pipeline", ["linear", "*", ["linear", "other@2"]])
def test_pipelines_are_recorded_as_they_are_written(
    tmp_path: Path, pipeline: str | list[str]
) -> None:
    written = SUITE.replace('"linear"', json.dumps(pipeline))
    settings = read_suite(write_suite(tmp_path, suite=written)).settings
    assert settings.model_dump(mode="json")["pipeline"] == pipeline
    assert settings.judges_all == (pipeline == "*")


def test_the_folder_is_the_split(tmp_path: Path) -> None:
    folder = write_suite(tmp_path)
    (folder / "train").mkdir()
    (folder / "train" / "seen.scenario.toml").write_text(
        SCENARIO.format(id="seen", story="Bob adds.")
    )
    suite = read_suite(folder)
    assert [one.id for one in suite.of_split("train")] == ["seen"]
    assert [one.id for one in suite.of_split("holdout")] == ["adding"]


@table(
    ("change", "words"),
    [
        (("name = ", "nane = "), "suite.toml:2: unknown key nane$"),
        (("pipeline", "sorts = 1\npipeline"), "suite.toml:3: unknown key sorts$"),
        (('name = "todo"', ""), "suite.toml: name is missing$"),
        (("name", 'trials.n = "3"\nname'), r"suite.toml:2: trials.n = '3'"),
        (("name", "trials.n = true\nname"), r"suite.toml:2: trials.n = true"),
        (("name", 'gate.confidence = "0.9"\nname'), r"suite.toml:2: gate.confidence = '0.9'"),
        (
            ('"linear"', "7"),
            "suite.toml:3: pipeline = 7: write a name in quotes, or a list of names$",
        ),
        (('"linear"', '["a", 7]'), r"suite.toml:3: pipeline\[1\] = 7 should be a valid string$"),
        (('"linear"', "[]"), "suite.toml:3: pipeline is empty$"),
        (('"linear"', '["a", "a"]'), "suite.toml:3: pipeline: remove the duplicate$"),
        (
            ('"linear"', '["a", "*"]'),
            "suite.toml:3: pipeline: write .* alone, or the names without it$",
        ),
        (('"todo"', "todo"), "invalid TOML: Invalid value"),
    ],
)
def test_a_mistake_in_the_suite_names_file_and_key(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    folder = write_suite(tmp_path, suite=SUITE.replace(*change, 1))
    with pytest.raises(InvalidSuite, match=words):
        read_suite(folder)


@table(
    ("change", "words"),
    [
        (('kind = "exit"', ""), r"10: checks\[0\].kind is missing"),
        (
            ('run = "echo milk"', 'run = "a"\ntimeout = "2 minutes"'),
            r"9: steps\[0\].timeout = '2 m",
        ),
        (('run = "echo milk"', 'run = "a"\ntimeuot = "2s"'), r"9: unknown key steps\[0\].timeuot$"),
        (('[[steps]]\nname = "add"\nrun = "echo milk"', "steps = []"), "write at least one step$"),
        (('run = "echo milk"', 'rum = "a"'), r"6: steps\[0\]: a step needs run, service, port"),
        (('step = "add"', 'step = "ad"'), r"12: checks\[0\].step: unknown step 'ad'"),
        (('step = "add"', 'step = "add"\nequal = 1'), r"13: unknown key checks\[0\].equal$"),
        (('step = "add"', 'step = "add"\nhard = "no"'), r"13: checks\[0\].hard = 'no'"),
        (('step = "add"', 'step = "add"\nequals = "0"'), r"13: checks\[0\].equals = '0'"),
        (('kind = "exit"', 'kind = "exot"'), r"11: checks\[0\].kind: unknown check 'exot'$"),
        (("title", 'weight = "1e999999999"\ntitle'), "3: weight = '1e999999999': write a number"),
        (("title", 'weight = "1/0"\ntitle'), "division by 0"),
        (("title", f"deep = {'[' * 5000}{']' * 5000}\ntitle"), "nested too deeply"),
        (("title", f"long = 1{'0' * 5000}\ntitle"), "integer"),
        (("[[checks]]", '[[steps]]\nname = "add"\nrun = "b"\n[[checks]]'), "duplicate step name"),
        (
            ('run = "echo milk"', 'kill = "a"'),
            "starts a service 'a' of the candidate$",
        ),
        (
            ('run = "echo milk"', 'restart = "add"'),
            "starts a service 'add' of the",
        ),
        (('run = "echo milk"', 'probe = "look"'), "step add: no step before starts a service$"),
        (('kind = "exit"', 'kind = "probe"'), "a check of kind probe needs a step with a service"),
        (
            ("run", 'service = "a"\nport = 80\n[[steps]]\nname = "b"\nprobe = "look"\n#'),
            r"12: steps\[1\].probe: unknown file in checks/ 'look'",
        ),
        (
            (
                'run = "echo milk"',
                'service = "a"\nport = 80\n[[steps]]\nname = "a-b"\nservice = "a"\nport = 8\n'
                '[[steps]]\nname = "a_b"\nservice = "a"\nport = 7',
            ),
            "a-b and a_b are both BASE_URL_a_b in probes",
        ),
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


def test_duplicate_story_is_refused(tmp_path: Path) -> None:
    story = "The very same story."
    folder = write_suite(
        tmp_path, a=SCENARIO.format(id="a", story=story), b=SCENARIO.format(id="b", story=story)
    )
    with pytest.raises(InvalidSuite, match=r"b.scenario.toml:4: story: the same .* in holdout/a"):
        read_suite(folder)
    (folder / "holdout" / "b.scenario.toml").write_text(SCENARIO.format(id="a", story="Other."))
    with pytest.raises(InvalidSuite, match=r"b.scenario.toml:2: id: the same id"):
        read_suite(folder)


@table(
    ("change", "hint"),
    [
        (('run = "echo milk"', 'run = "a"\ntimeuot = "2s"'), "did you mean timeout?"),
        (('step = "add"', 'step = "add"\nequal = 1'), "did you mean equals?"),
        (('kind = "exit"', 'kind = "exot"'), "did you mean exit?"),
        (("title", "tilte"), "did you mean title?"),
        (("title", 'colour = "red"\ntitle'), "known: id, title, story, split, weight"),
    ],
)
def test_misspelled_key_suggests_the_right_one(
    tmp_path: Path, change: tuple[str, str], hint: str
) -> None:
    text = SCENARIO.format(id="adding", story="Ann adds.").replace(*change)
    with pytest.raises(InvalidSuite) as caught:
        read_suite(write_suite(tmp_path, adding=text))
    assert caught.value.hint.startswith(hint)
    assert "Extra inputs" not in caught.value.message


def test_all_mistakes_of_a_file_are_reported_with_their_lines(tmp_path: Path) -> None:
    suite = 'nane = "todo"\npipeline = 7\n[trials]\nn = 0\n[gate]\nconfidance = 0.9\n'
    folder = write_suite(tmp_path, suite=suite)
    with pytest.raises(InvalidSuite) as caught:
        read_suite(folder)
    file = folder / "suite.toml"
    assert caught.value.message.splitlines() == [
        f"{file}:1: unknown key nane (did you mean name?)",
        f"{file}:2: pipeline = 7: write a name in quotes, or a list of names",
        f"{file}:4: trials.n = 0 should be greater than or equal to 1",
        f"{file}:6: unknown key gate.confidance (did you mean confidence?)",
    ]
    many = "".join(f"key{n} = 1\n" for n in range(30))
    with pytest.raises(InvalidSuite, match="and 20 more$"):
        read_suite(write_suite(tmp_path, suite=many + SUITE))


def test_words_longer_than_people_write_are_refused(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, suite="#" * 1_000_001)
    with pytest.raises(InvalidSuite, match=r"suite\.toml exceeds 1000000 bytes"):
        read_suite(folder)


HEAD = 'id = "adding"'


@table(
    ("scenario", "suite", "message", "hint"),
    [
        ('fixtures = ["a.jsn"]', "", "adding.scenario.toml:3: fixtures[0]: missing", "a.json?"),
        ('fixtures = ["../a"]', "", "3: fixtures[0] = '../a': write a relative path", ""),
        ('fixtures = [{ from = "a.json", at = "b" }]', "", "3: unknown key fixtures[0].at", "to"),
        ('fixtures = ["data", "a.json"]', "", "", ""),
        ('fixtures = ["a.json"]', "", "fixtures/data/b: no scenario names this", "or remove it"),
        ("seed.todo = { tasks = [] }", "", "3: seed.todo: unknown twin", "known: todo-api"),
        ("seed.todo-api = { task = [] }", "", "seed.todo-api: ", "did you mean tasks?"),
        ("seed.todo-api = { tasks = [{}] }", "", "a record of tasks has no 'id'", ""),
        ("seed.todo-api = { tasks = 1979-05-27 }", "", "seed.todo-api: ", ""),
        ("", 'gate.must = ["add*", "adding2"]', "suite.toml:2: gate.must[1]: no held", "adding?"),
        (
            "",
            'twins = [{ name = "todo" }]',
            "suite.toml:2: twins[0].name: missing twin",
            "known: bad, copy, mute, todo-api",
        ),
        ("", 'twins = [{ name = "mute" }]', "the twin has no variable for its", "add [environ]"),
        ("", 'twins = [{ name = "bad" }]', "_twins/bad/twin.toml:1: unknown key nane", "name?"),
        (
            "",
            'twins = [{ name = "todo-api" }, { name = "todo-api" }]',
            "twins[1].name: duplicate twin 'todo-api'",
            "remove one",
        ),
        (
            "",
            'twins = [{ name = "todo-api" }, { name = "copy" }]',
            "twins[1].name: the twin 'todo-api' has the same variable TODO_API_URL",
            "rename",
        ),
    ],
)
def test_files_and_twins_are_named_and_there(
    tmp_path: Path, scenario: str, suite: str, message: str, hint: str
) -> None:
    write_files(
        tmp_path / "_twins",
        {
            "todo-api/twin.toml": TWIN,
            "copy/twin.toml": TWIN,
            "mute/twin.toml": 'name = "mute"\n[[routes]]\npath = "/"\nkind = "fixed"\n',
            "bad/twin.toml": 'nane = "bad"\n[[routes]]\npath = "/"\nkind = "fixed"\n',
        },
    )
    text = SCENARIO.format(id="adding", story="Ann adds.").replace(HEAD, f"{HEAD}\n{scenario}")
    top = f"\n{suite}" if suite else ""
    folder = write_suite(
        tmp_path / "suite",
        suite=f"{top}{SUITE}" if suite else WITH_TWIN,
        adding=text,
    )
    if scenario.startswith("fixtures"):
        write_files(folder / "fixtures", {"a.json": "{}", "data/b": ""})
    if not message:
        assert read_suite(folder)
        return
    with pytest.raises(UsageError) as caught:
        read_suite(folder)
    assert message in caught.value.message
    assert hint in caught.value.hint


@table(
    ("check", "message", "hint"),
    [
        ('kind = "http"\nstep = "add"', "checks[1].step: step 'add' is a command", "known: ask"),
        ('kind = "exit"\nstep = "ask"', "checks[1].step: step 'ask' is an HTTP request", "add"),
        (
            'kind = "latency"\nstep = "ask"\np99 = "1s"',
            "step 'ask' is an HTTP request without repeat",
            "add",
        ),
        (
            'kind = "stdout"\nstep = "serve"\nequals = ""',
            "step 'serve' is a background service",
            "add",
        ),
        ('kind = "twin"\ntwin = "todo"\ncount = 1', "checks[1].twin: unknown twin", "name it in"),
        (
            'kind = "exit"\nstep = "add"\n[[steps]]\nname = "letter"\nreceived = "todo"',
            "steps[3].received: unknown twin 'todo'",
            "name it in",
        ),
        (
            'kind = "http"\nstep = "letter"\n[[steps]]\nname = "letter"\nreceived = "todo"',
            "checks[1].step: step 'letter' is a request to a twin",
            "",
        ),
        ('kind = "command"\nprogram = "verfy"', "unknown file in checks/ 'verfy'", "verify?"),
        ('kind = "command"\nprogram = "data"', "checks/data is not executable", "chmod +x"),
        ('kind = "json"\nstep = "add"\nfile = "a"', "set exactly one of step and file", ""),
        ('kind = "json"\nfile = "a"\npath = "id"', "checks[1].path = 'id': invalid path", ""),
        ('kind = "json"\nfile = "a"\nequals = 1979-05-27', "checks[1].equals", ""),
        ('kind = "twin"\ntwin = "todo"', "set at least one of count, at_least", ""),
        ('kind = "budget"', "set at least one of seconds", ""),
    ],
)
def test_references_and_options_of_checks_are_verified(
    tmp_path: Path, check: str, message: str, hint: str
) -> None:
    steps = '[[steps]]\nname = "ask"\nport = 80\nheaders = { x-a = "b" }\njson = { a = 1 }\n'
    steps += '[[steps]]\nname = "serve"\nservice = "true"\nport = 80\nhealth.path = "/"\n'
    text = SCENARIO.format(id="adding", story="Ann adds.") + steps
    folder = write_suite(tmp_path, adding=f"{text}[[checks]]\n{check}\n")
    write_files(folder / "checks", {"verify": "#!/bin/sh\n", "data": ""})
    with pytest.raises(InvalidSuite) as caught:
        read_suite(folder)
    assert message in caught.value.message
    assert hint in caught.value.hint


@table(
    ("step", "message"),
    [
        ('port = 80\nheaders = { "x a" = "b" }', "x a"),
        ('port = 80\nheaders = { x = "b\\n" }', "headers.x"),
        ('port = 80\nheaders = { authorization = "Bearer " }', "headers.authorization"),
        ('port = 80\nbody = "a"\njson = 1', "set either body or json"),
        ("port = 80\njson = { due = 1979-05-27 }", "json: cannot write JSON: a value of type date"),
        ('port = 80\npath = "tasks"', "path = 'tasks': write a path such as"),
        ('service = "true"\nport = 80\nhealth = { pth = "/" }', "unknown key steps[1].health.pth"),
        ('run = "true"\nenv = { "A-B" = "1" }', "env"),
        ('run = "true"\ncwd = "/tmp"', "cwd = '/tmp': write a relative path"),
    ],
)
def test_invalid_keys_of_steps_are_refused(tmp_path: Path, step: str, message: str) -> None:
    text = SCENARIO.format(id="adding", story="Ann adds.")
    folder = write_suite(tmp_path, adding=f'{text}[[steps]]\nname = "s"\n{step}\n')
    with pytest.raises(InvalidSuite) as caught:
        read_suite(folder)
    assert message in caught.value.message


@table(
    ("path", "message"),
    [
        ("reference/add.patch", "no scenario has this id"),
        ("rubrics/tone.md", "no check names this rubric"),
        ("fixtures/a.json", "no scenario names this fixture"),
        ("_twins/todo-api/twin.toml", "the suite does not name this twin"),
    ],
)
def test_files_that_nothing_names_are_refused(tmp_path: Path, path: str, message: str) -> None:
    folder = write_files(write_suite(tmp_path), {path: ""})
    with pytest.raises(InvalidSuite, match=f"{path}: {message}") as caught:
        read_suite(folder)
    assert caught.value.hint.endswith("or remove it")
    (folder / path).rename(folder / "README.md")
    assert read_suite(write_files(folder, {"reference/adding.patch": ""}))


PATCH = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+{}\n"


@table(
    ("row", "message", "hint"),
    [
        ('id = "w"\nnoticed_by = ["adding"]', "", ""),
        ('id = "w"\non = ""\nnoticed_by = ["adding"]', "", ""),
        ('id = "w"\nnoticed_by = ["old"]', "6: wrong[0].noticed_by[0]: 'old' is a train", "adding"),
        ('id = "w"\nnoticed_by = ["addin"]', "noticed_by[0]: 'addin' is unknown", "adding?"),
        ('id = "w"\nnoticed_by = []', "suite.toml:6: wrong[0].noticed_by is empty", ""),
        ('id = "w"', "wrong[0]", ""),
        (
            'id = "w"\non = "add"\nnoticed_by = ["adding"]',
            "unknown reference 'add'",
            "known: adding",
        ),
        ('id = "v"\nnoticed_by = ["adding"]', "suite.toml:5: missing file ", "add it"),
        ('id = "r"\nnoticed_by = ["adding"]', "equals reference/adding.patch", "a mistake"),
        ('id = "crlf"\nnoticed_by = ["adding"]', "crlf.patch:1: the header ends in CRLF", "LF"),
    ],
)
def test_wrong_solutions_have_a_patch_and_holdouts(
    tmp_path: Path, row: str, message: str, hint: str
) -> None:
    files = {
        "train/old.scenario.toml": SCENARIO.format(id="old", story="Ann is old."),
        "reference/adding.patch": PATCH.format("b"),
        "wrong/w.patch": PATCH.format("c"),
        "wrong/r.patch": PATCH.format("b"),
        "wrong/crlf.patch": PATCH.format("d").replace("\n", "\r\n"),
    }
    named = re.findall('^id = "(.*)"', row)
    files = {
        path: text for path, text in files.items() if path[:6] != "wrong/" or path[6:-6] in named
    }
    folder = write_files(write_suite(tmp_path, suite=f"{SUITE}[[wrong]]\n{row}\n"), files)
    if not message:
        assert read_suite(folder).settings.wrong[0].id == "w"
        return
    with pytest.raises(InvalidSuite) as error:
        read_suite(folder)
    assert message in error.value.message
    assert hint in f"{error.value.message} {error.value.hint}"


def test_references_that_could_be_meant_and_unnamed_patches_are_refused(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, suite=SUITE)
    write_files(folder, {"wrong/w.patch": PATCH.format("c")})
    with pytest.raises(InvalidSuite, match=r"w\.patch: no wrong solution has this id"):
        read_suite(folder)
    row = '[[wrong]]\nid = "w"\nnoticed_by = ["adding"]\n'
    write_files(folder, {"suite.toml": SUITE + row})
    with pytest.raises(InvalidSuite, match=r"wrong\[0\]\.on: the suite has 0 references"):
        read_suite(folder)
    canary = "[isolation]\ncanary = 'canary-of-the-suite'\n"
    write_files(folder, {"suite.toml": SUITE + row + 'on = ""\n' + canary})
    file = folder / "holdout" / "adding.scenario.toml"
    file.write_text(file.read_text() + "# canary-of-the-suite\n")
    with pytest.raises(InvalidSuite, match=r"w\.patch:1: missing canary of suite\.toml"):
        read_suite(folder)
