"""Candidates that attack the tests behind a wall: none passes, and none reaches the operator."""

from pathlib import Path

import pytest

from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.wall.unit_tests import read_unit_tests
from tests.scenarios.test_wall import UNITTEST, play, verdict

HALF = "def half(n): return n / 2\n"
TEST = """
import unittest
{imports}

class CalcTest(unittest.TestCase):
    def test_it(self):
        {body}
"""
ANY = """
class Any:
    def __init__(self, *_): pass
    def __sub__(self, other): return 0
    def __lt__(self, other): return True
    def half(self): return self
    def startswith(self, other): return True
    def difference(self, other): self.seen = other; return set()
    def __iter__(self): return iter(self.seen)
def half(n): return Any()
"""
NAMED = f"{ANY}Any.__module__, Any.__qualname__ = 'builtins', "
ALMOST, EQUAL = "self.assertAlmostEqual(half(1), .5)", "self.assertEqual(half(1), .5)"
SUM = """
class Sum:
    def __init__(self, n): self.n = n
    def half(self): return self.n / 2
def half(n): return Sum(n)
"""
ANY_SUM = ANY.replace("Any", "Sum")
STOPS = "def half(n): raise StopIteration"
STARTS, TEXT = "self.assertTrue(half(1).startswith('0.5'))", "def half(n): return str(n / 2)"
EACH = "def each(all, act): [act(one) for one in all]\ndef half(n): raise ValueError"
DERIVED = f"""{ANY}
class F(Any): __module__, __qualname__ = 'builtins', 'function'
def half(n): return F()
"""
ATTACKS = {
    "ends the tests at their import": (EQUAL, HALF, "raise SystemExit(0)"),
    "skips": (EQUAL, HALF, "import unittest\ndef half(n): raise unittest.SkipTest(n)"),
    "ends a map": ("self.assertTrue(all(map(half, [2])))", HALF, STOPS),
    "is named as a function": ("self.assertLess(half(1), 1)", HALF, f"{NAMED} 'function'"),
    "derives from another class": (ALMOST, HALF, DERIVED),
    "is a class that crosses here": (ALMOST.replace("(1)", "(1).half()"), SUM, ANY_SUM),
    "is a class of the test": (
        "type('Mine', (type(half(1)),), {}); " + ALMOST.replace("(1)", "(1).half()"),
        SUM,
        f"{ANY_SUM}def half(n): return (Sum.__subclasses__() or [Sum])[0](n)",
    ),
    "agrees with a set": (
        "self.assertSetEqual(half(1), {.5})",
        "def half(n): return {n / 2}",
        f"{NAMED} 'generator'",
    ),
    "is a class with a method": (
        "self.assertTrue(half(1).startswith('0.5'))",
        "def half(n): return str(n / 2)",
        f"{ANY.replace('self, ', '')}def half(n): return Any",
    ),
    "is an exception with a method": (
        "with self.assertRaises(E): half(0)\n        self.assertTrue(half(1).startswith('0.5'))",
        "class E(Exception): pass\ndef half(n):\n    if not n: raise E\n    return str(n / 2)",
        "class E(Exception):\n    def startswith(self, _): return True\n"
        "def half(n):\n    if not n: raise E\n    return E()",
    ),
    "puts names into the tests": (EQUAL, HALF, "def load_tests(*_): return lambda _: 0"),
    "is a namespace with a method": (
        *(STARTS, TEXT),
        "import types\ndef half(n): return types.SimpleNamespace(startswith=lambda _: True)",
    ),
    "is a tuple with a method": (
        *(STARTS, TEXT, "import collections\n"),
        "def half(n): return collections.namedtuple('A', 'startswith')(lambda _: True)",
    ),
    "is a mock of the test": (
        "from unittest.mock import Mock; self.assertTrue(half(1, Mock()).startswith('0.5'))",
        *("def half(n, _): return str(n / 2)", "def half(n, mock): return mock"),
    ),
    "has each number": (
        *("self.assertIn(.5, half(1))", "def half(n): return [n / 2]", "import itertools\n"),
        "def half(n): return (one / 2 for one in itertools.count())",
    ),
    "catches a failure where something else is expected": (
        "import calc; calc.each([1], lambda one: self.assertEqual(one, 1))\n"
        "        with self.assertRaises(Exception): half(1)",
        *(EACH, "def each(all, act): half.act = act\n"),
        "def half(n):\n    try: half.act(7)\n    except BaseException: raise ValueError",
    ),
    "is any exception": (
        "import calc\n        with self.assertRaises(calc.Low): half(1)",
        "class Low(Exception): pass\ndef half(n): raise Low",
        *("Low = Exception\n", STOPS),
    ),
    "is any object": (
        "import calc; self.assertIsInstance(half(1), calc.Low)",
        *("class Low: pass\ndef half(n): return Low()", "Low = object\ndef half(n): return 7"),
    ),
    "reads the tests by a function": (
        "self.assertEqual(half(1, open), .5)",
        "def half(n, opener): return n / 2",
        "def half(n, opener): return float([*opener('calc_test.py')][-1].split()[-1][:-1])",
    ),
}


def attack(place: Path, reference: str, calc: str, test: str, run: str) -> PlayedScenario:
    """Play a test with the reference, then with the attack and what crossed before."""
    honest = play(place / "honest", reference, test, run)
    assert verdict(honest), honest.observation.steps
    return play(place / "attack", calc, test, run, crossing={"s": honest.observation.crossed})


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_passes_no_test(tmp_path: Path, name: str) -> None:
    body, reference, *parts = ATTACKS[name]
    names = "*" if "names" in name else "half, E" if "E)" in body else "half"
    test = TEST.format(imports=f"from calc import {names}", body=body).rstrip()
    assert not verdict(attack(tmp_path, reference, "".join(parts), test, UNITTEST))


@pytest.mark.parametrize(
    "test",
    [
        "from calc import half\nassert half(1) == .5",
        "import calc, unittest\nclass T(unittest.TestCase):\n    def test_it(self): pass\n"
        "    setUpClass = lambda: calc.half(1)\nunittest.main()",
    ],
)
def test_exit_that_no_runner_catches_passes_no_test(tmp_path: Path, test: str) -> None:
    exits = "def half(n): raise SystemExit(0)"
    played = attack(tmp_path, HALF, exits, test, "python3 calc_test.py")
    assert "the candidate ended the tests" in played.observation.failure


def test_skip_of_a_test_skips_no_other_one(tmp_path: Path) -> None:
    keeps = """
class Guard:
    def __enter__(self): return self
    def __exit__(self, kind, fault, _): Guard.fault = fault or Guard.fault
    fault = None
def half(n): raise Guard.fault
"""
    test = """
import unittest
from calc import Guard, half
class CalcTest(unittest.TestCase):
    def test_first(self):
        with Guard(): self.skipTest("not now")
    def test_second(self):
        self.assertEqual(half(1), .5)
"""
    assert "an exception of calc_test.py" in play(tmp_path, keeps, test).observation.failure


def test_link_in_the_folder_of_the_candidate_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    calc = f"""
import os, re
[name] = re.findall("[.]wall-[0-9a-f]{{16}}", open("/proc/self/cmdline").read())
if not os.path.lexists(name):
    os.symlink({str(tmp_path / "own")!r}, name)
{HALF}"""
    again = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import calc'])\n"
    before = (tmp_path / "own").stat().st_mtime_ns
    played = play(tmp_path, calc, f"import calc\n{again}", "python3 calc_test.py")
    assert verdict(played)
    assert (tmp_path / "own").stat().st_mtime_ns == before


SPOILS = """
import glob, os
def half(n):
    [folder] = set(glob.glob("../*/.wall-*"))
    os.mkdir(f"{folder}/broken")
    open(f"{folder}/crossed-0.json", "w").write("[")
    os._exit(0)
"""


def test_notes_that_cannot_be_written_or_read_pass_no_test(tmp_path: Path) -> None:
    body = "with self.assertRaises(Exception): half(1)"
    test = TEST.format(imports="from calc import half", body=body).rstrip()
    played = attack(tmp_path, "def half(n): raise ValueError", SPOILS, test, UNITTEST)
    assert played.observation.steps["test"].exit_code == 70


def test_note_that_was_cut_off_is_none(tmp_path: Path) -> None:
    (tmp_path / "tests-1.jsonl").write_text('["began", "a.T.test_b", ""]\n["ended", "a.T.te')
    assert read_unit_tests(tmp_path, "").failed == {"a.T.test_b": "the tests ended"}
