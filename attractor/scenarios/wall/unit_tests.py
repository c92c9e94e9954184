"""How unit tests ended behind a wall: which ones were left out, and why others failed."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass

_DOT, _MARK = re.compile(r"\."), re.compile(r": | > ")


@dataclass(frozen=True)
class UnitTests:
    """The unit tests of a trial.

    Names are `calc_test.SumTest.test_sum`, or in JavaScript `test/calc.test.js: sums > of two`.
    `left` are those that each name in `wall_without` stands for. `failed` are the reasons of
    failures, with file and line.
    """

    left: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    played: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict[str, str])

    def short_name(self, test: str) -> str:
        """Return the end of the name of a test that no other test has."""
        plain, bracket, parameters = test.partition("[")
        others = {one.partition("[")[0] for one in self.played} - {plain}
        marks = (_MARK if ": " in plain else _DOT).finditer(plain)
        for start in reversed([mark.end() for mark in marks]):
            name = plain[start:]
            if not any(re.search(rf"(^|\.|: |> ){re.escape(name)}$", one) for one in others):
                return name + bracket + parameters
        return test

    def fault(self, without: Sequence[str]) -> str:
        """Return why these names cannot be left out, or ""."""
        for name in without:
            found = self.left.get(name, ())
            if not found:
                return f"wall_without names {name}, and no unit test has this name: remove it"
            if len(found) > 1:
                return f"wall_without names {name}, which several have: write {' or '.join(found)}"
        if without and not self.played:
            return "wall_without leaves out all unit tests: leave one, or remove the scenario"
        return ""


def left_out_words(count: int) -> str:
    """Return how many unit tests do not judge."""
    return f"{number_of(count, 'unit test')} {'is' if count == 1 else 'are'} left out of the wall"


def read_unit_tests(folder: Path, trouble: str) -> UnitTests:
    """Read the notes of the tests' sandbox.

    A test that did not end failed because of `trouble`, and so did the one that `trouble` names.
    """
    lines = [
        line for file in folder.glob("tests-*.jsonl") for line in file.read_bytes().splitlines()
    ]
    noted: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        # The process may have ended in the middle of a line.
        with suppress(ValueError):
            kind, test, words = json.loads(line)
            noted.setdefault(str(kind), []).append((str(test), str(words)))
    left: dict[str, list[str]] = {}
    for test, name in dict.fromkeys(noted.get("left", ())):
        left.setdefault(name, []).append(test)
    played, ended = dict(noted.get("began", ())), dict(noted.get("ended", ()))
    at = trouble.rpartition(": ")[2]
    cut = {
        test: trouble or "the tests ended"
        for test in played
        if test not in ended
        or (at and (test.partition("[")[0].endswith(f".{at}") or test.endswith(f": {at}")))
    }
    return UnitTests(left, [*played], {**cut, **dict(noted.get("failed", ()))})
