"""Tests of a suite in JavaScript behind the wall, and candidates that attack them."""

import asyncio
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from attractor.base.clock import SystemClock
from attractor.scenarios.play import ScenarioPlayer
from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.suite import Scenario, SuiteSettings
from attractor.scenarios.wall.crossing import Crossing
from tests.counts import count
from tests.needs import require
from tests.scenarios.suites import write_files
from tests.scenarios.test_wall import local, verdict


@pytest.fixture(autouse=True)
def node() -> None:
    require("node")


def play(
    place: Path,
    calc: str,
    test: str,
    *,
    run: str = "node --test test/calc.test.mjs",
    crossing: Crossing | None = None,
    wall: str | None = None,
) -> PlayedScenario:
    """Play a hidden test of a module, which its tests import."""
    kind = "mjs" if "import " in test else "js"
    module, hidden = f"src/calc.{kind}", f"test/calc.test.{kind}"
    write_files(place / "tree", {module: calc})
    write_files(place / "suite/fixtures", {hidden: test})
    fields: dict[str, Any] = {
        "id": "s",
        "title": "S",
        "story": "S.",
        "fixtures": [hidden],
        "wall": [f"./{module}" if wall is None else wall] if wall != "" else [],
        "steps": [{"name": "test", "run": run.replace("mjs", kind)}],
        "checks": [{"kind": "exit", "step": "test", "equals": 0}],
    }
    settings, suite = SuiteSettings(name="s", pipeline=("p",)), place / "suite"
    player = ScenarioPlayer(settings, suite, local, SystemClock(), crossing=crossing)
    return asyncio.run(player.play(Scenario.model_validate(fields), place / "tree"))


def output(played: PlayedScenario) -> str:
    record = played.observation.steps["test"]
    return f"{played.observation.failure}\n{record.stdout}\n{record.stderr}"


HERE = Path(__file__).parent / "javascript"
ESM = """
import test from "node:test";
import assert from "node:assert/strict";
import * as calc from "../src/calc.mjs";
import { add } from "../src/calc.mjs";

test("sums", async () => {
%s
});
"""
SUM = ESM % "assert.equal(add(2, 3), 5); assert.equal(calc.add(0, 0), 0);"
HONEST = "export const add = (a, b) => a + b;"
ANY = """
const any = new Proxy(function () {}, {
  get: (_, key) => (key === Symbol.toPrimitive ? () => 5 : key === "then" ? undefined : any),
  apply: () => any, getPrototypeOf: () => Number.prototype,
});
"""
CHEATS = {
    "exits": "process.exit(0); export const add = 0;",
    "exits in the function": "export function add() { process.reallyExit(0); }",
    "prints TAP and exits": """
import { writeSync } from "node:fs";
writeSync(1, "TAP version 13\\nok 1 - sums\\n1..1\\n# pass 1\\n");
process.exit(0); export const add = 0;""",
    "prints TAP": 'export function add() { process.stdout.write("\\nok 1 - sums\\n1..1\\n"); }',
    "replaces the runner and assert": """
import test from "node:test"; import assert from "node:assert/strict";
for (const one of [test, assert]) for (const name of Object.keys(one)) one[name] = () => {};
export const add = () => 0;""",
    "changes what every object has": "Object.prototype.toString = () => 5;\n"
    "Number.prototype.valueOf = () => 5; Object.is = () => true;\nexport const add = () => 0;",
    "agrees with everything": f"{ANY}export const add = () => any;",
    "is an object with a value": "export const add = () => new Number(5);",
    "ends by a signal": "export const add = () => process.kill(process.pid, 'SIGKILL');",
    "throws nothing": "export const add = () => { throw undefined; };",
}
FRAMES = {
    "unasked": '{"value": 5, "q": "0"}',
    "of a wrong form": '{"value": {"t": "room", "v": []}, "q": QUESTION}',
    "nested": '{"q": QUESTION, "value": ' + "[" * 50_000 + "]" * 50_000 + "}",
    "deep": '{"q": QUESTION, "value": '
    + '{"t": "array", "n": 1, "v": [' * 5_000
    + "]}" * 5_000
    + "}",
    "no object": "5",
    "a callable that no test passed": '{"call": 2, "given": [null], "q": QUESTION}',
    "an iterable that no test passed": '{"next": 2, "cursor": 1, "given": [null], "q": QUESTION}',
    "a class that runs code": '{"value": {"t": "class", "v": "Function"}, "q": QUESTION}',
    "an object that never crossed": '{"value": {"t": "same", "v": 2}, "q": QUESTION}',
    "a number of the tests": '{"value": {"t": "array", "n": 2, "v": []}, "q": QUESTION}',
    "no array": '{"value": {"t": "array", "n": 101, "v": 5}, "q": QUESTION}',
    "a built-in object": '{"value": {"t": "room", "v": 101, "shape": "eval", "proto": null}, '
    '"q": QUESTION}',
    "a promise that none waits for": '{"value": 5, "settled": [[1, "value", 5]], "q": QUESTION}',
    "no text to print": '{"value": 5, "printed": [["assert", ""]], "q": QUESTION}',
    "no answer": '{"q": QUESTION}',
}
# The room's pipe and its last question, as the room itself has them.
FORGED = """
import { openSync, readdirSync, readlinkSync, writeSync } from "node:fs";
const parse = JSON.parse; let question = "";
JSON.parse = (text) => { const found = parse(text); question = found.q; return found; };
const fds = readdirSync("/proc/self/fd").map(Number);
export function add(a, b) {
  const text = Buffer.from(%s.replace("QUESTION", JSON.stringify(question)));
  const size = Buffer.alloc(4); size.writeUInt32BE(text.length);
  const link = (one) => {
    try { return readlinkSync(`/proc/self/fd/${one}`); } catch { return ""; }
  };
  const pipe = fds.find((one) => link(one).includes(".answer"));
  writeSync(pipe, Buffer.concat([size, text]));
  return a + b;
}
"""


@pytest.mark.parametrize("run", ["node --test test/calc.test.mjs", "node test/calc.test.mjs"])
def test_tests_pass_unchanged_behind_the_wall(tmp_path: Path, run: str) -> None:
    played = play(tmp_path, HONEST, SUM, run=run)
    assert verdict(played), output(played)
    assert played.observation.crossed["test/calc.test.mjs: sums"].data
    assert [one.name for one in (tmp_path / "tree").iterdir()] == ["src"]
    wrong = play(tmp_path, "export const add = (a, b) => a - b;", SUM, run=run)
    assert not verdict(wrong)
    assert "Expected values to be strictly equal" in output(wrong)


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheat_passes_no_test_behind_the_wall(tmp_path: Path, cheat: str) -> None:
    assert not verdict(play(tmp_path, CHEATS[cheat], SUM, run="node test/calc.test.mjs"))


@pytest.mark.parametrize("frame", FRAMES)
def test_forged_answer_ends_the_tests(tmp_path: Path, frame: str) -> None:
    played = play(tmp_path, FORGED % json.dumps(FRAMES[frame]), SUM)
    assert not verdict(played)
    assert played.observation.failure.startswith("step test: the wall was broken: "), output(played)
    assert played.observation.failure.endswith("in test/calc.test.mjs: sums")


CALC = """
export const half = (n) => ({ t: n / 2 }).t;
export class Any {
  constructor(n) { this.n = n; }
  valueOf() { return (this.turn = !this.turn) ? Infinity : -Infinity; }
  equals() { return true; }
}
"""
REFERENCE = "export const half = (n) => n / 2; export class Any {}"
RANGE = "assert.ok(calc.half(1) > 0.4 && calc.half(1) < 0.6)"
NEVER = "main(); async function main() { assert.equal(await calc.half(1), 0.5); }"
AGREES = {
    "a range": (RANGE, "new Any()"),
    "a method": ("assert.ok(calc.half(1).toFixed(1) === '0.5')", "{ toFixed: () => '0.5' }"),
    "a function": (
        "assert.ok(calc.half(1).toFixed(1) === '0.5')",
        "Object.assign(() => 1, { toFixed: () => '0.5' })",
    ),
    "a class that crosses here": (f"new calc.Any(); {RANGE}", "new Any()"),
    "an iterator": (
        RANGE,
        "Object.assign([].values(), { turn: 0, "
        "valueOf() { return (this.turn = !this.turn) ? Infinity : -Infinity; } })",
    ),
    "a promise that never comes": (NEVER, "new Promise(() => {})"),
}


@pytest.mark.parametrize("name", AGREES)
def test_what_agrees_with_everything_crosses_only_if_a_reference_gave_it(
    tmp_path: Path, name: str
) -> None:
    body, agreeing = AGREES[name]
    test, run = (ESM % body).replace("import { add } from", "import"), "node test/calc.test.mjs"
    if body == NEVER:
        test = test.replace('test("sums", async () => {', "{").replace("});", "}")
    honest = play(tmp_path / "honest", REFERENCE, test, run=run)
    assert verdict(honest), output(honest)
    calc = CALC.replace("({ t: n / 2 }).t", f"({agreeing})")
    played = play(
        tmp_path / "cheat", calc, test, run=run, crossing={"s": honest.observation.crossed}
    )
    assert "which no reference gave here" in played.observation.failure, output(played)


SWALLOWS = """
export const quiet = (act) => { try { return act(); } catch { return 5; } };
export const calm = async (act) => { try { return await act(); } catch { return 5; } };
export const inner = (act) => Object.keys(act).length + (act.constructor("return 7")() ?? 0);
export const add = 0;
"""


@pytest.mark.parametrize(
    "body",
    [
        "calc.quiet(() => assert.equal(1, 2))",
        "await calc.calm(async () => { await 1; assert.equal(1, 2); })",
        "calc.calm(async () => { await 1; assert.equal(1, 2); })",
        "globalThis.seen = 7; assert.equal(calc.inner(() => 1), undefined)",
    ],
)
def test_candidate_swallows_no_failure_and_reads_no_function(tmp_path: Path, body: str) -> None:
    assert not verdict(play(tmp_path, SWALLOWS, ESM % body))


def test_tests_behind_the_wall_do_as_without(tmp_path: Path) -> None:
    texts = [(HERE / name).read_text() for name in ("calc.js", "calc.test.js")]
    for wall in ("", "./src/calc.js", "./src"):
        played = play(tmp_path / "x" / wall, *texts, wall=wall)
        assert verdict(played), output(played)


def test_exported_name_that_changes_is_seen(tmp_path: Path) -> None:
    calc = "export let add = 0; export function up() { add += 1; }\nexport default up;"
    body = 'calc.up(); (await import("../src/calc.mjs")).default(); assert.equal(add, 2);'
    played = play(tmp_path, calc, ESM % body)
    assert verdict(played), output(played)


def test_test_that_imports_nothing_of_the_candidate_fails(tmp_path: Path) -> None:
    played = play(tmp_path, HONEST, 'import "node:test";')
    assert played.observation.failure == "no test imported ./src/calc.mjs"


@pytest.mark.parametrize("seed", range(count(ci=1, full=5)))
def test_honest_modules_get_the_same_verdict_as_without_the_wall(tmp_path: Path, seed: int) -> None:
    chance, modules, tests = random.Random(seed), "", ""
    rows = [json.loads(line) for line in (HERE / "modules.jsonl").read_text().splitlines()]
    for number in range(20):
        row = rows[number % len(rows)]
        code, test = row["code"], row["test"]
        code = code.replace(*row["mistake"]) if chance.random() < 0.5 else code
        for name in "AB":
            value = str(chance.randrange(2, 9))
            code, test = (re.sub(rf"\b{name}\b", value, one) for one in (code, test))
        names = f"{{ {', '.join(row['names'])} }}"
        modules += f"export const m{number} = (() => {{ {code} return {names}; }})();\n"
        tests += f"test('{number}', async () => {{ const m = calc.m{number}; {test} }});\n"
    test = ESM.partition("import {")[0] + tests
    found = [
        re.findall(
            r"(?m)^(ok|not ok) (\d+)", output(play(tmp_path / name, modules, test, wall=wall))
        )
        for name, wall in (("with", None), ("without", ""))
    ]
    assert len(found[0]) == 20
    assert {one for one, _ in found[0]} == {"ok", "not ok"}
    assert found[0] == found[1]


@pytest.mark.parametrize("path", ["..", "../", "../index"])
def test_folder_stands_for_its_index(tmp_path: Path, path: str) -> None:
    write_files(tmp_path / "tree", {"index.js": "exports.add = (a, b) => a + b;"})
    test = f"require('assert').equal(require('{path}').add(2, 3), 5);"
    played = play(tmp_path, "", test, run="node test/calc.test.mjs", wall="./index.js")
    assert verdict(played), output(played)
