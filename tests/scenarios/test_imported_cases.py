"""Cases that are drafted from unit tests, played on the module of these tests."""

import tomllib
from pathlib import Path

from attractor.scenarios.cases.imported import import_cases
from tests.cli.plain_desk import Desk

UNITTEST = '''
import unittest
import math
import shop.prices
from calc import Account, half, names as all_names

BIG = 10

class CalcTest(unittest.TestCase):
    """Tests."""
    def test_plain(self):
        number = 4
        self.assertEqual(half(number), 2.0)
        self.assertEqual({"a": (1, BIG)}, all_names(a=[number]))
        self.assertAlmostEqual(half(1), 0.5, places=3)
        self.assertTrue(half(2) == 1)
        self.assertFalse(half(0))
        self.assertIsNone(shop.prices.total())
        self.assertIn(half(2), [1])
        self.assertEqual(half(math.pi), 1)
        with self.assertRaisesRegex(ValueError, "too"):
            half("x")
        self.assertRaises(TypeError, half, 1, 2)
        for given, expected in [(2, 1), (6, 3)]:
            with self.subTest(given=given):
                self.assertEqual(half(given), expected)

    def test_objects(self):
        account = Account(5)
        self.assertEqual(account.take(2), 3)
        self.assertEqual(account.left, 3)
        if account:
            pass
        self.assertEqual(account.left, 4)

class PreparedTest(unittest.TestCase):
    def setUp(self):
        self.account = Account(5)
    def test_it(self):
        self.assertEqual(self.account.left, 5)
'''
PYTEST = """
import pytest
from calc import half

@pytest.mark.parametrize("one", [1])
def test_decorated(one):
    assert half(one) == 1

def test_plain():
    assert half(4) == 2
    assert half(1) == pytest.approx(0.5, abs=0.1)
    assert not half(0)
    assert half(2) is True
    assert half(8) > 3
    with pytest.raises(ValueError, match="too"):
        half("x")
    found = half(6)
    assert found == 3

async def test_later():
    assert half(4) == 2
"""


def test_assertions_of_unittest_become_cases() -> None:
    found = import_cases(UNITTEST, has_functions=False)
    account = {"call": "Account", "args": [5], "as": "account"}
    take = {"call": "take", "on": "account", "args": [2]}
    assert found.cases == {
        "calc": [
            {"call": "half", "args": [4], "equals": 2.0},
            {
                "call": "names",
                "kwargs": {"a": [4]},
                "equals": {"a": {"$": "tuple", "of": [1, 10]}},
            },
            {"call": "half", "args": [1], "close": 0.5, "within": 0.0005},
            {"call": "half", "args": [2], "equals": 1},
            {"call": "half", "args": [0], "equals": False},
            {"call": "half", "args": ["x"], "raises": "ValueError", "matches": "too"},
            {"call": "half", "args": [1, 2], "raises": "TypeError"},
            {"call": "half", "args": [2], "equals": 1},
            {"call": "half", "args": [6], "equals": 3},
            {"do": [account, take], "equals": 3},
            {"do": [account, take, {"get": "left", "on": "account"}], "equals": 3},
        ],
        "shop.prices": [{"call": "total", "equals": None}],
    }
    assert found.left == [
        (19, "assertIn has no case"),
        (20, "math.pi is no literal"),
        (32, "if is no plain assertion; the rest of the test too"),
        (39, "its class has setUp"),
    ]


def test_assertions_of_pytest_become_cases() -> None:
    found = import_cases(PYTEST, has_functions=True)
    assert found.cases == {
        "calc": [
            {"call": "half", "args": [4], "equals": 2},
            {"call": "half", "args": [1], "close": 0.5, "within": 0.1},
            {"call": "half", "args": [0], "equals": False},
            {"call": "half", "args": [2], "equals": True},
            {"call": "half", "args": ["x"], "raises": "ValueError", "matches": "too"},
            {"call": "half", "args": [6], "equals": 3},
        ]
    }
    assert [line for line, _ in found.left] == [6, 14, 20]


TEST = """
from calc import half

def test_half():
    assert half(3) == 1.5
    assert half(5) > 2
"""


def test_command_writes_cases_that_judge(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.do("suite", "init", "scenarios/cases").returncode == 0
    desk.write("def half(n):\n    return n / 2\n", "calc.py")
    desk.write(TEST, "test_calc.py")
    done = desk.do("suite", "import", "pytest", "test_calc.py")
    assert done.returncode == 0, done.stderr
    assert "scenarios/cases/checks/test_calc-calc.jsonl: 1 case\n" in done.stdout
    assert "test_calc.py:6: not taken: half(5) > 2 compares in another way\n" in done.stdout
    checks = done.stdout[done.stdout.index("[[checks]]") :]
    words = 'id = "halves"\ntitle = "Halves"\nstory = "Ann halves."\n'
    suite = tomllib.loads((desk.folder / "scenarios/cases/suite.toml").read_text())
    words = f"# {suite['isolation']['canary']}\n{words}"
    desk.write(words + checks, "scenarios/cases/holdout/halves.scenario.toml")
    tried = desk.do("suite", "try", "scenarios/cases", "halves", "--operator", "--sandbox", "none")
    assert "1 of 1 cases of test_calc-calc.jsonl passed" in tried.stdout, tried.stderr
    again = desk.do("suite", "import", "pytest", "test_calc.py")
    assert (again.returncode, "test_calc-calc.jsonl exists" in again.stderr) == (4, True)
