"""Forged answers of a candidate end its tests; no test sees an error of the wall in their place."""

import io
import json
import random
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, cast

import pytest

from attractor.scenarios.wall import proxies
from attractor.scenarios.wall.values import Broken
from tests.counts import count

KINDS: list[Any] = [
    [1, "m", "A", [], {"__eq__": "function", "f": "function"}],
    [2, "m", "Fault", ["ValueError"], {"__exit__": "function"}],
]
FAULT = {"type": "ValueError", "kind": 0, "args": ["x"], "text": "x", "room": 5}
ITEMS = {"t": "list", "v": [1, {"t": "float", "v": "0x1p0"}], "n": 0, "more": None}
ANSWERS: list[dict[str, Any]] = [
    {"value": {"t": "room", "v": 3, "kind": 1}, "classes": KINDS},
    {"value": ITEMS, "changed": [[0, [1, 2]]]},
    {"raise": FAULT},
    {"raise": {**FAULT, "kind": 2}, "classes": KINDS},
    {"value": {"t": "named", "v": [1, 2], "name": "P", "fields": ["x", "y"]}},
    {
        "value": {"t": "datetime", "v": ["2020-01-01T00:00:00", 0, [0, 3600, 0]]},
        "printed": [[1, ""]],
        "warned": [["m", "UserWarning", 0]],
    },
    {"value": {"t": "test", "v": 1}, "lent": [1, 2]},
    {"value": {"t": "uuid", "v": "0" * 32}},
    {"call": 1, "given": [[1], [["a", 2]]]},
    {"next": 1, "cursor": 1, "given": [[], []]},
]
ODD: list[Any] = [
    *(None, True, -1, 2**70, 1.5, "", "__class__", "eval", "\0", [], [1, [2]], {}),
    *(
        {"t": tag, "v": value}
        for tag in ("given", "same", "type", "test")
        for value in (-1, "eval")
    ),
    *({"t": "set", "v": [[1]], "n": 0, "more": None}, {"t": "range", "v": [0, 1, 0]}),
    *({"t": "decimal", "v": "1e999999999"}, {"t": "fraction", "v": "1/0"}, {"t": "int", "v": "0x"}),
]


class Ended(BaseException):
    """The tests ended: a rule was broken."""


class Room:
    """Answers a question once; what a call of the tests returns, with the end of its pipe."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answers: Iterator[dict[str, Any]] = iter([answer])
        self._question = ""

    def send(self, frame: dict[str, Any]) -> None:
        self._question = frame.get("q", self._question)

    def receive(self) -> dict[str, Any]:
        for answer in self._answers:
            return {**answer, "q": self._question}
        raise Broken("the process of the candidate has ended")


def keys_of(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [*range(len(cast("list[Any]", value)))]
    return [*cast("dict[Any, Any]", value)] if isinstance(value, dict) else []


def forged(chance: random.Random) -> dict[str, Any]:
    """Return an answer in which up to three values were replaced or removed."""
    answer = json.loads(json.dumps(chance.choice(ANSWERS)))
    for _ in range(chance.randint(1, 3)):
        inner: Any = answer
        while inner:
            key = chance.choice(keys_of(inner))
            if inner[key] and keys_of(inner[key]) and chance.random() < 0.5:
                inner = inner[key]
                continue
            if chance.random() < 0.2:
                del inner[key]
            else:
                inner[key] = json.loads(json.dumps(chance.choice(ODD)))
            break
    return answer


def test_forged_answer_is_a_value_an_exception_of_the_candidate_or_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(why: str) -> None:
        raise Ended(why)

    ended, chance = 0, random.Random(1)
    warnings.simplefilter("ignore")
    for _ in range(count(ci=2000, full=50_000)):
        wall: Any = proxies.AskedWall(str(tmp_path), str(tmp_path))
        answer = forged(chance)
        wall.broken, wall._pipe = end, Room(answer)
        monkeypatch.setattr(proxies, "wall", wall)
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                wall.ask("call", len, [1], iter([1]))
        except Ended:
            ended += 1
        except Exception:  # noqa: BLE001 - the candidate chose it
            assert "raise" in answer, answer
    assert ended > 500
