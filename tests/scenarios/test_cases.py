"""Calls of the candidate, whose results are compared outside of its sandbox."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from attractor.base.json import Json
from attractor.scenarios.cases.cases import CallCase, mismatch
from attractor.scenarios.check import CheckResult
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.suite_reader import read_suite
from tests.scenarios.suites import write_files, write_suite
from tests.scenarios.test_play import play, scenario

CALC = """
import datetime, decimal

class Empty(ValueError):
    pass

class Account:
    def __init__(self, balance=0):
        self.balance = balance
    def take(self, amount):
        if amount > self.balance:
            raise Empty(f"only {self.balance}")
        self.balance -= amount
        return self
    @classmethod
    def of(cls, *parts):
        return cls(sum(parts))

count = 0
def tick():
    global count
    count += 1
    return count
def add(a, b=0): return a + b
def true(): return True
def third(): return 1 / 3
def pairs(): return {1: (2, b"x"), "s": {3, 4}}
def day(day): return day + datetime.timedelta(days=1)
def money(): return decimal.Decimal("1.50")
def account(): return Account()
def say(): print('{"value": 1}'); return 2
"""
CALC_JS = """
export class Account {
  constructor(balance) { this.balance = balance; }
  take(amount) {
    if (amount > this.balance) throw new RangeError(`only ${this.balance}`);
    this.balance -= amount;
    return this;
  }
}
export const add = (a, b = 0) => a + b;
export const later = async () => [1, undefined, new Set([2])];
export const say = () => { console.log("1"); process.stdout.write("2"); return 2; };
"""
TAKES = [{"call": "Account", "as": "a"}, {"call": "take", "on": "a", "args": [1]}]
SCENARIO = """
id = "s"
title = "S"
story = "S."

[[checks]]
kind = "cases"
cases = "calc.jsonl"
module = "calc"
"""
RIGHT: list[dict[str, Any]] = [
    {"call": "add", "args": [2, 3], "equals": 5},
    {"call": "add", "args": [2**70], "kwargs": {"b": 1}, "equals": 2**70 + 1},
    {"call": "true", "equals": True},
    {"call": "third", "close": 0.333333, "within": 0.001},
    {
        "call": "pairs",
        "equals": {
            "$": "dict",
            "of": [
                ["s", {"$": "set", "of": [4, 3]}],
                [1, {"$": "tuple", "of": [2, {"$": "bytes", "of": "78"}]}],
            ],
        },
    },
    {
        "call": "day",
        "args": [{"$": "date", "of": "2024-02-28"}],
        "equals": {"$": "date", "of": "2024-02-29"},
    },
    {"call": "money", "equals": {"$": "decimal", "of": "1.50"}},
    {
        "do": [{"call": "Account.of", "args": [1, 2], "as": "a"}, {"get": "balance", "on": "a"}],
        "equals": 3,
    },
    {
        "do": [
            {"call": "Account", "args": [5], "as": "a"},
            {"call": "take", "on": "a", "args": [3]},
            {"get": "balance", "on": "a"},
        ],
        "equals": 2,
    },
    {
        "do": [{"call": "Account", "as": "a"}, {"call": "take", "on": "a", "args": [1]}],
        "raises": "Empty",
    },
    {
        "do": [{"call": "Account", "as": "a"}, {"call": "take", "on": "a", "args": [1]}],
        "raises": "ValueError",
        "matches": "^only 0$",
    },
    {"call": "tick", "equals": 1},
    {"call": "tick", "equals": 2},
    {"call": "tick", "equals": 1, "fresh": True},
    {"call": "say", "equals": 2},
]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"call": "add", "args": [2, 3], "equals": 5.0}, "is int, not float"),
    ({"call": "true", "equals": 1}, "is bool, not int"),
    ({"call": "true", "close": 1}, "is bool, no number"),
    ({"call": "add", "args": [2, 3], "equals": 6}, "is another value"),
    ({"call": "add", "args": [2, 3], "raises": "ValueError"}, "raised nothing, not ValueError"),
    ({"call": "missing", "equals": 1}, "raised AttributeError"),
    ({"call": "account", "equals": 1}, "is object calc.Account, not int"),
    ({"call": "add", "args": ["a", "b"], "matches": "^b"}, "does not match"),
]


def judge(
    place: Path, calc: str, lines: list[dict[str, Any]], file: str = "calc.py"
) -> CheckResult:
    write_files(place / "tree", {file: calc})
    text = "".join(f"{json.dumps(one)}\n" for one in lines)
    write_files(place / "suite/checks", {"calc.jsonl": text})
    module = file if file.endswith("js") else file.removesuffix(".py")
    check = {"kind": "cases", "cases": "calc.jsonl", "module": module}
    played = play(place / "tree", scenario([], [check]), suite=place / "suite")
    return played.checks[0]


def test_cases_of_python_are_right(tmp_path: Path) -> None:
    result = judge(tmp_path, CALC, RIGHT)
    assert result.reason == f"{len(RIGHT)} of {len(RIGHT)} cases of calc.jsonl passed"


def test_wrong_results_are_named_without_what_was_expected(tmp_path: Path) -> None:
    result = judge(tmp_path, CALC, [one for one, _ in WRONG])
    assert result.reason.startswith(f"0 of {len(WRONG)} cases of calc.jsonl passed: line 1 is int")
    for case, why in WRONG[:-1]:
        one = judge(tmp_path, CALC, [case])
        assert one.reason == f"0 of 1 cases of calc.jsonl passed: line 1 {why}"


@pytest.mark.skipif(not shutil.which("node"), reason="needs node (apt-get install nodejs)")
def test_cases_of_javascript_are_right(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"call": "add", "args": [2, 3], "equals": 5},
        {"call": "later", "equals": [1, {"$": "undefined", "of": None}, {"$": "set", "of": [2]}]},
        {
            "do": [
                {"call": "Account", "new": True, "args": [5], "as": "a"},
                {"call": "take", "on": "a", "args": [7]},
            ],
            "raises": "RangeError",
            "matches": "only 5",
        },
        {"call": "say", "equals": 2},
    ]
    assert judge(tmp_path, CALC_JS, lines, "calc.mjs").passed
    wrong = judge(tmp_path, CALC_JS, [{"call": "add", "args": [1], "equals": 2}], "calc.mjs")
    assert wrong.reason == "0 of 1 cases of calc.jsonl passed: line 1 is another value"


@pytest.mark.parametrize(
    "cheat",
    [
        "import os; os._exit(0)",
        "class Any:\n    def __eq__(self, other): return True\ndef add(a, b): return Any()",
        "import os\ndef add(a, b): os.write(1, b'5'); os._exit(0)",
        "def add(a, b):\n    a = []\n    for _ in range(10_000): a = [a]\n    return a",
        "def add(a, b): raise SystemExit(0)",
        "def add(a, b): return True",
    ],
)
def test_cheat_passes_no_case(tmp_path: Path, cheat: str) -> None:
    assert not judge(tmp_path, cheat, [{"call": "add", "args": [2, 3], "equals": 5}]).passed


FORGES = """
import os, sys

def add(a, b=0):
    frame = sys._getframe()
    while "asked" not in frame.f_locals:
        frame = frame.f_back
    answers, asked = frame.f_locals["answers"], frame.f_locals["asked"]
    answers.write('{"id": "' + asked["id"] + '", ' + REST + '}')
    answers.flush()
    os._exit(0)
"""


def test_forged_answer_fails_the_case_and_not_the_trial(tmp_path: Path) -> None:
    forged = ['"value": {"$": "object"}', f'"value": 1{"0" * 400}', '"raises": [{}]', '"raises": 5']
    forged += ['"value": {"$": "object", "of": "' + "x" * 9999 + '"}', '"value": {"$": "set"}']
    cases: list[dict[str, Any]] = [{"equals": {"$": "set", "of": [1]}}, {"close": 5}]
    cases += [{"raises": "ValueError"}, {"matches": "^5"}]
    for number, rest in enumerate(forged):
        calc = FORGES.replace("REST", repr(rest))
        for case in cases:
            place = tmp_path / f"{number}-{next(iter(case))}"
            result = judge(place, calc, [{"call": "add", "args": [1], **case}])
            assert not result.passed
            assert len(result.reason) < 200


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{}", "write one of call, get and do"),
        ('{"call": "f", "get": "g", "equals": 1}', "write one of call, get and do"),
        ('{"call": "f"}', "write one of equals, close, raises and matches"),
        ("[" * 10_000, "line 1: "),
        ("", "has 0 cases"),
    ],
)
def test_wrong_line_is_refused_with_its_number(tmp_path: Path, line: str, words: str) -> None:
    folder = write_suite(tmp_path / "suite", s=SCENARIO)
    write_files(folder / "checks", {"calc.jsonl": f"{line}\n"})
    with pytest.raises(InvalidSuite, match="calc.jsonl") as caught:
        read_suite(folder)
    assert words in caught.value.message


def test_answer_is_compared_by_type_at_any_depth() -> None:
    case = CallCase.model_validate({"call": "f", "equals": [1, {"a": [True]}]})
    assert mismatch(case, {"value": [1, {"a": [True]}]}) == ""
    assert mismatch(case, {"value": [1, {"a": [1]}]}) == "is another value"


def test_exception_of_every_class_is_no_right_one() -> None:
    case = CallCase.model_validate({"call": "f", "raises": "ValueError"})
    every: Json = ["ValueError", "KeyError", "OSError", "LookupError", "Exception"]
    assert mismatch(case, {"raises": every}) == "raised an exception of 3 unrelated classes"
    assert mismatch(case, {"raises": ["Empty", "KeyError", "ValueError", "Exception"]}) == ""
    assert mismatch(case, {"raises": ["RangeError", "URIError", "ValueError"]})
