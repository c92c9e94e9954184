"""Forged answers of a candidate end its tests; no test sees an error of the wall in their place."""

import asyncio
import io
import json
import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, cast

import pytest

from attractor.base.clock import SystemClock
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.scenarios.play import ScenarioPlayer
from attractor.scenarios.suite import SuiteSettings
from attractor.scenarios.wall import proxies
from attractor.scenarios.wall.values import Broken
from attractor.workspaces.folders import borrowed_folder
from tests.counts import count
from tests.environments.places import make_walls, skipping_without_sandbox
from tests.needs import needs_kind, require
from tests.scenarios.suites import write_files
from tests.scenarios.test_play import scenario
from tests.scenarios.test_wall import verdict

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


def forged(chance: random.Random, answers: Sequence[dict[str, Any]] = ANSWERS) -> dict[str, Any]:
    """Return an answer in which up to three values were replaced or removed."""
    answer = json.loads(json.dumps(chance.choice(answers)))
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


ROOM: dict[str, Any] = {"t": "room", "v": 101, "shape": "object", "kind": "A", "proto": None}
IN_JAVASCRIPT: list[dict[str, Any]] = [
    {"value": ROOM},
    {"value": {**ROOM, "shape": "function", "proto": {"t": "builtin", "v": "Function"}}},
    {"value": {"t": "array", "n": 101, "v": [1, {"t": "number", "v": "NaN"}]}},
    {"raise": {"t": "error", "n": 101, "type": "RangeError", "v": ["message", "x"]}},
    {"value": {"t": "promise", "v": 101}, "settled": [[101, "value", 5]], "busy": True},
    {"value": {"t": "regexp", "v": ["a", "g"]}, "printed": [["log", "x"]]},
    {"value": {"t": "bigint", "v": "5"}, "exports": [[1, "add", 5]], "changed": [ROOM]},
    {"call": 2, "given": [None, 1]},
    {"next": 2, "cursor": 1, "given": [None]},
]
PYTHON_CALC = """
import gc, json, pathlib, struct
[room] = [one for one in gc.get_objects() if type(one).__name__ == "CandidateRoom"]
kinds = json.loads(pathlib.Path("kinds.json").read_text())
asked = []

def add(a, b):
    asked.append(room._question)
    for when, question, text, fill, more in kinds[a] if a >= 0 else ():
        if when == len(asked):
            text = text.replace("QUESTION", json.dumps(asked[question]))
            frame = text.replace("RIGHT", str(a + b)).encode() + b" " * fill
            room._pipe._writer.write(struct.pack(">I", len(frame) + more) + frame)
            room._pipe._writer.flush()
    return a + b
"""
PYTHON_TEST = """
import os, unittest
from calc import add

class SumTest(unittest.TestCase):
    def test_sum(self):
        kind = int(os.environ["KIND"])
        for number in (1, 2, 3):
            self.assertEqual(add(kind, number), kind + number)
"""
NODE_CALC = """
import { openSync, readFileSync, readdirSync, readlinkSync, writeSync } from "node:fs";
const kinds = JSON.parse(readFileSync("kinds.json", "utf8"));
const link = (one) => { try { return readlinkSync(`/proc/self/fd/${one}`); } catch { return ""; } };
const pipe = Number(readdirSync("/proc/self/fd").find((one) => link(one).includes(".answer")));
const parse = JSON.parse; let last = ""; const asked = [];
JSON.parse = (text) => { const found = parse(text); last = found.q; return found; };
export function add(a, b) {
  asked.push(last);
  for (const [when, question, text, fill, more] of kinds[a] ?? []) {
    if (when !== asked.length) continue;
    const q = JSON.stringify(asked.at(question));
    const whole = text.replace("QUESTION", q).replace("RIGHT", a + b) + " ".repeat(fill);
    const size = Buffer.alloc(4); size.writeUInt32BE(whole.length + more);
    const frame = Buffer.concat([size, Buffer.from(whole)]);
    for (let at = 0; at < frame.length; ) at += writeSync(pipe, frame, at);
  }
  return a + b;
}
"""
NODE_TEST = """
import test from "node:test";
import assert from "node:assert/strict";
import { add } from "./calc.mjs";
test("sums", () => {
  const kind = Number(process.env.KIND);
  for (const number of [1, 2, 3]) assert.equal(add(kind, number), kind + number);
});
"""
PROJECTS = {
    "python": ("calc", "calc.py", PYTHON_CALC, "calc_test.py", PYTHON_TEST, ANSWERS),
    "javascript": (
        "./calc.mjs",
        "calc.mjs",
        NODE_CALC,
        "calc_test.mjs",
        NODE_TEST,
        IN_JAVASCRIPT,
    ),
}
RUNS = {"python": "python3 -m unittest -q calc_test", "javascript": "node calc_test.mjs"}
RIGHT = '{"value": RIGHT, "q": QUESTION}'


def hostile(chance: random.Random, answers: Sequence[dict[str, Any]]) -> list[Any]:
    """Return frames to write: in which call, for which question, the text, blanks, missing bytes.

    The room answers honestly after them.
    """
    text = json.dumps({**forged(chance, answers), "q": "Q"}).replace('"Q"', "QUESTION")
    deep = chance.choice([100, 5_000, 200_000])
    nested = RIGHT.replace("RIGHT", "[" * deep + "]" * deep)
    kinds: list[list[Any]] = [
        [[1, 0, text, 0, 0]],  # changed
        [[1, 0, text, 0, 0], [1, 0, RIGHT, 0, 0]],
        [[1, 0, nested, 0, 0]],
        [[2, 0, chance.choice([text, RIGHT]), 0, 0]],  # late
        [[1, 0, one := chance.choice([text, RIGHT]), 0, 0], [1, 0, one, 0, 0]],  # twice
        [[1, 0, RIGHT, 0, 0], [1, 0, text.replace("QUESTION", '"0"'), 0, 0]],  # early
        [[1, 0, text[: chance.randrange(len(text))], 0, chance.choice([0, 1, 2**31])]],
    ]
    large = [[1, 0, chance.choice([text, RIGHT]), 100_000_000, 0]]
    return large if chance.random() < 0.02 else chance.choice(kinds)


@needs_kind
@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
@pytest.mark.parametrize("language", PROJECTS)
def test_hostile_frames_pass_no_test_and_end_no_evaluation(
    tmp_path: Path, language: str, sandbox: str
) -> None:
    if language == "javascript":
        require("node")
    module, file, calc, hidden, test, answers = PROJECTS[language]
    chance, number = random.Random(5), count(ci=8, full=500)
    kinds = [hostile(chance, answers) for _ in range(number)]
    kinds[0] = [[1, 0, RIGHT, 100_000_000, 0]]
    suite = write_files(tmp_path / "suite", {f"fixtures/{hidden}": test})
    ends: dict[int, int] = {}
    for first in range(0, number, 100):
        names = " ".join(map(str, [-1, *range(first, min(first + 100, number))]))
        each = f"KIND=$kind timeout 20 {RUNS[language]} >&2; echo $kind $?"
        step = {"name": "test", "run": f"for kind in {names}; do {each}; done", "timeout": "30m"}
        checks = [{"kind": "exit", "step": "test"}]
        one = scenario([step], checks, fixtures=[hidden], wall=[module])

        def make(folder: Path) -> ExecutionEnvironment:
            return SandboxedExecutionEnvironment(folder, make_walls(sandbox))

        (tmp_path / "copies").mkdir(exist_ok=True)
        with borrowed_folder(tmp_path / "copies") as folder, skipping_without_sandbox():
            write_files(folder, {file: calc, "kinds.json": json.dumps(kinds)})
            settings = SuiteSettings(name="s", pipeline=("p",))
            played = asyncio.run(
                ScenarioPlayer(settings, suite, make, SystemClock()).play(one, folder)
            )
        assert not verdict(played)
        record = played.observation.steps["test"]
        pairs = [line.split() for line in record.stdout.splitlines() if line]
        found = {int(kind): int(status) for kind, status in pairs}
        assert found.pop(-1) == 0, record.stderr
        ends |= found
    assert len(ends) == number
    assert [kind for kind, status in ends.items() if not status] == []
    assert [*ends.values()].count(70) > number / 2
