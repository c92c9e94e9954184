"""Tests of a suite behind the wall, played for real."""

import asyncio
import json
import os
import random
import re
import subprocess
from pathlib import Path, PurePath
from textwrap import indent
from typing import Any

import pytest

from attractor.base.clock import SystemClock
from attractor.environments.local import LocalExecutionEnvironment
from attractor.scenarios.play import ScenarioPlayer
from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.suite import Scenario, SuiteSettings
from attractor.scenarios.wall.crossing import Crossing
from tests.counts import count
from tests.scenarios.suites import write_files

MODULES = Path(__file__).parent / "python" / "modules.jsonl"
UNITTEST = "python3 -m unittest -q calc_test"
SUM_TEST = """
import unittest
from calc import add

class SumTest(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(add(2, 3), 5)
"""
HONEST = "def add(a, b):\n    return a + b\n"


def local(folder: Path) -> LocalExecutionEnvironment:
    return LocalExecutionEnvironment(folder, environ={"PATH": os.environ["PATH"]})


def play(
    place: Path,
    calc: str,
    test: str,
    run: str = UNITTEST,
    crossing: Crossing | None = None,
    cwd: str = ".",
) -> PlayedScenario:
    """Play a hidden test of the module `calc`, which lies in a folder."""
    write_files(place / "tree" / cwd, {"calc.py": calc})
    write_files(place / "suite/fixtures", {"calc_test.py": test})
    fields: dict[str, Any] = {
        "id": "s",
        "title": "S",
        "story": "S.",
        "fixtures": [{"from": "calc_test.py", "to": str(PurePath(cwd, "calc_test.py"))}],
        "wall": ["calc"],
        "steps": [{"name": "test", "run": run, "cwd": cwd}],
        "checks": [{"kind": "exit", "step": "test", "equals": 0}],
    }
    settings, suite = SuiteSettings(name="s", pipeline=("p",)), place / "suite"
    player = ScenarioPlayer(settings, suite, local, SystemClock(), crossing=crossing)
    return asyncio.run(player.play(Scenario.model_validate(fields), place / "tree"))


def verdict(played: PlayedScenario) -> bool:
    return all(one.passed for one in played.checks)


CHEATS = {
    "exits": "import os; os._exit(0)",
    "exits in the function": "import os\ndef add(a, b): os._exit(0)",
    "prints OK and exits": "import os\nos.write(2, b'OK\\n'); os.write(1, b'OK\\n'); os._exit(0)",
    "replaces the runner": "import unittest\nunittest.TestCase.run = lambda *_: None\n"
    "unittest.main = lambda *_: None",
    "agrees with everything": "class Any:\n"
    "    def __eq__(self, other): return True\n"
    "    def __sub__(self, other): return 0\n"
    "    def __bool__(self): return True\n"
    "def add(a, b): return Any()",
    "is a number": "class Five(int):\n"
    "    def __eq__(self, other): return True\n"
    "    __hash__ = int.__hash__\n"
    "def add(a, b): return Five(5)",
    "raises SystemExit": "def add(a, b): raise SystemExit(0)",
    "ends by a signal": "import os, signal\ndef add(a, b): os.kill(os.getpid(), signal.SIGKILL)",
}
FRAMES = {
    "unasked": '{"value": 5, "q": "0"}',
    "of a wrong form": '{"value": {"t": "room", "v": []}, "q": QUESTION}',
    "nested": '{"q": QUESTION, "value": ' + "[" * 50_000 + "]" * 50_000 + "}",
    "no object": "5",
    "a callable that no test passed": '{"call": 1, "given": [[], []], "q": QUESTION}',
    "a name of a function": '{"value": {"t": "type", "v": "eval"}, "q": QUESTION}',
    "a class with odd members": '{"value": 5, "q": QUESTION, "classes": '
    '[[1, "m", "C", [], {"__getattribute__": "function", "mro": "x", "__slots__": "x"}]]}',
    "a base of the tests": '{"value": 5, "q": QUESTION, "classes": [[1, "m", "C", ["eval"], {}]]}',
    "no text of a class": '{"value": 5, "q": QUESTION, "classes": [[1, 2, 3, 4, 5]]}',
    "a lent list that is none": '{"value": {"t": "list", "v": [], "n": 0, "more": null}, '
    '"lent": [[]], "q": QUESTION}',
    "an argument that is none": '{"value": 5, "q": QUESTION, "changed": [[7, []]]}',
}
FORGED = """
import gc, json, os, struct

def add(a, b):
    [room] = [one for one in gc.get_objects() if type(one).__name__ == "CandidateRoom"]
    text = {frame!r}.replace("QUESTION", json.dumps(room._question)).encode()
    room._pipe._writer.write(struct.pack(">I", len(text)) + text)
    room._pipe._writer.flush()
    return a + b
"""


def test_tests_of_a_suite_pass_unchanged_behind_the_wall(tmp_path: Path) -> None:
    played = play(tmp_path, HONEST, SUM_TEST)
    assert verdict(played)
    assert "Ran 1 test" in played.observation.steps["test"].stderr
    assert sorted(one.name for one in (tmp_path / "tree").iterdir()) == ["__pycache__", "calc.py"]


def test_room_works_in_the_folder_of_the_step(tmp_path: Path) -> None:
    assert verdict(play(tmp_path, HONEST, SUM_TEST, cwd="packages/calc"))


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheat_passes_no_test_behind_the_wall(tmp_path: Path, cheat: str) -> None:
    assert not verdict(play(tmp_path, CHEATS[cheat], SUM_TEST))


@pytest.mark.parametrize("frame", FRAMES)
def test_forged_answer_ends_the_tests(tmp_path: Path, frame: str) -> None:
    played = play(tmp_path, FORGED.format(frame=FRAMES[frame]), SUM_TEST)
    assert not verdict(played)
    assert played.observation.failure.startswith("step test: the wall was broken: ")
    assert played.observation.failure.endswith("calc_test.py: SumTest.test_sum")


SWALLOWED = """
import contextlib, unittest
from calc import Guard, quiet, globals_of

class SwallowedTest(unittest.TestCase):
    def test_it(self):
        {body}
"""
SWALLOWS = """
class Guard:
    def __enter__(self): return self
    def __exit__(self, *_): return True

def quiet(act):
    try:
        act()
    except BaseException:
        return "fine"

def globals_of(act):
    return act.__globals__["__builtins__"]
"""


@pytest.mark.parametrize(
    "body",
    [
        "with Guard(): self.fail('not seen')",
        "quiet(lambda: self.fail('not seen'))",
        "globals_of(lambda: 5)",
    ],
)
def test_candidate_swallows_no_failure_and_reads_no_function(tmp_path: Path, body: str) -> None:
    played = play(tmp_path, SWALLOWS, SWALLOWED.format(body=body))
    assert not verdict(played)
    assert "FAILED" in played.observation.steps["test"].stderr


LIBRARY = """
import argparse, collections, enum, functools, inspect, sys

WORDS = {"rice"}
COLOURS = {enum.Enum("Colour", "RED").RED: 1}

class Parsed:
    "A parsed text."
    __name__ = property(lambda self: "parsed")
    def __eq__(self, other): return isinstance(other, Parsed)

class Derived(Parsed):
    def __eq__(self, other): return NotImplemented

def is_known(word): return word in WORDS
def read_input(): return sys.argv[1:], input(), [*sys.stdin], sys.stdin.read()
def parse(): return argparse.Namespace(bump="major", deep=[1])
def bumped(args): args.bump = "minor"; return args.bump, args.deep
def wrapped(act): return functools.wraps(act)(lambda *args: act(*args))
def parameters(act): return str(inspect.signature(act))
def is_iterator(items): return iter(items) is items
def gathered(act): found = []; act(found); return found
def first(items): return next(items)
def same(value): return value
def shown(value): return repr(value)
def missing(table): return table["missing"]
def filled(make): made = make(); made["a"] = 1; return made
def fill(table): table["b"] = 2
"""
PASSING = r"""
import argparse, builtins, io, operator, sys, unittest
from collections import OrderedDict, defaultdict
from unittest import mock
import calc

class Table(dict): pass

class Mapping:
    def __init__(self): self.held = {}
    def keys(self): return self.held.keys()
    def __getitem__(self, key): return self.held[key]
    def __setitem__(self, key, value): self.held[key] = value
    def __delitem__(self, key): del self.held[key]

class Next:
    def __next__(self): return 5

def named(a, *, b=2):
    "Of a test."

class PassingTest(unittest.TestCase):
    def test_changes_a_set_of_a_module(self):
        calc.WORDS.add("fish")
        self.assertTrue(calc.is_known("fish"))
        words, colours = calc.WORDS, calc.COLOURS
        calc.WORDS.remove("fish")
        self.assertEqual((calc.is_known("fish"), words), (False, {"rice"}))
        self.assertEqual([*colours.values()], [1])

    def test_replaces_arguments_and_input(self):
        with mock.patch("sys.argv", ["x", "y"]), mock.patch("sys.stdin", io.StringIO("a\nb\nc")):
            self.assertEqual(calc.read_input(), (["y"], "a", ["b\n", "c"], ""))
            with mock.patch("builtins.input", lambda: "typed"):
                self.assertEqual(calc.read_input()[1], "typed")

    def test_shares_namespaces(self):
        args = calc.parse()
        self.assertEqual(args, argparse.Namespace(bump="major", deep=[1]))
        self.assertEqual(calc.bumped(args), ("minor", [1]))
        self.assertEqual(args.bump, "minor")

    def test_gives_a_function_with_names_and_parameters(self):
        found = calc.wrapped(named)
        self.assertEqual((found.__doc__, found.__qualname__), ("Of a test.", "named"))
        self.assertEqual(calc.parameters(named), "(a, *, b=2)")

    def test_reads_what_describes_a_class(self):
        self.assertEqual(calc.Parsed.__doc__, "A parsed text.")
        self.assertEqual(calc.Parsed().__doc__, "A parsed text.")
        self.assertEqual(calc.Parsed().__name__, "parsed")

    def test_asks_for_a_comparison_that_is_not_implemented(self):
        self.assertIs(calc.Derived().__eq__(calc.Derived()), NotImplemented)

    def test_gives_an_iterator_as_one(self):
        self.assertTrue(calc.is_iterator(one for one in "ab"))
        self.assertFalse(calc.is_iterator([1]))
        self.assertEqual(calc.first(Next()), 5)

    def test_gives_what_python_has_as_itself(self):
        self.assertEqual(calc.shown(operator.mul), repr(operator.mul))
        for one in (operator.mul, str.upper, OrderedDict):
            self.assertIs(calc.same(one), one)

    def test_changes_the_argument_of_a_callback(self):
        self.assertEqual(calc.gathered(lambda found: found.append(1)), [1])

    def test_gives_a_table_with_a_factory(self):
        self.assertEqual(calc.missing(defaultdict(lambda: "new")), "new")

    def test_gives_derived_tables_and_gets_them_back(self):
        one = Table(a=1)
        calc.fill(one)
        self.assertEqual(one, {"a": 1, "b": 2})
        self.assertEqual(calc.same([one, Table(), []]), [one, {}, []])
        made = calc.filled(Mapping)
        self.assertEqual((type(made), made.held), (Mapping, {"a": 1}))
"""


def test_tests_behind_the_wall_do_as_without(tmp_path: Path) -> None:
    played = play(tmp_path, LIBRARY, PASSING)
    assert verdict(played), played.observation.steps["test"].stderr


def test_test_that_imports_nothing_of_the_candidate_fails(tmp_path: Path) -> None:
    played = play(tmp_path, HONEST, "import unittest")
    assert played.observation.failure == "no test imported calc"


@pytest.mark.parametrize("seed", range(count(ci=1, full=17)))
def test_honest_modules_get_the_same_verdict_as_without_the_wall(tmp_path: Path, seed: int) -> None:
    chance, tests = random.Random(seed), "import unittest\n\nclass Tests(unittest.TestCase):\n"
    files = {"calc/__init__.py": ""}
    rows = [json.loads(line) for line in MODULES.read_text().splitlines()]
    for number, row in enumerate(rows):
        code, test = row["code"], row["test"]
        code = code.replace(*row["mistake"]) if chance.random() < 0.5 else code
        for name in "AB":
            value = str(chance.randrange(2, 9))
            code, test = (re.sub(rf"\b{name}\b", value, one) for one in (code, test))
        files[f"calc/m{number}.py"] = code
        lines = indent(f"from calc import m{number} as m\n{test}", " " * 8)
        tests += f"    def test_{number}(self):\n{lines}\n"
    for folder in ("tree", "plain"):
        write_files(tmp_path / folder, files)
    write_files(tmp_path / "plain", {"calc_test.py": tests})
    words = ["python3", "-m", "unittest", "-v", "calc_test"]
    plain = subprocess.run(
        words, cwd=tmp_path / "plain", capture_output=True, text=True, check=False
    )
    played = play(tmp_path, "", tests, run=" ".join(words))
    found = [
        re.findall(r"(?m)^(test_\d+) .*(ok|FAIL|ERROR)$", one)
        for one in (played.observation.steps["test"].stderr, plain.stderr)
    ]
    assert len(found[0]) == len(rows)
    assert {how for _, how in found[0]} >= {"ok", "FAIL"}
    assert found[0] == found[1]
