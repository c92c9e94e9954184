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
  const link = (one) => { try { return readlinkSync(`/proc/self/fd/${one}`); } catch { return ""; } };
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
AGREES = {
    "a range": ("assert.ok(calc.half(1) > 0.4 && calc.half(1) < 0.6)", "new Any()"),
    "a method": ("assert.ok(calc.half(1).toFixed(2).endsWith('50'))", "{ toFixed: () => new Any() }"),
    "a function": ("assert.ok(calc.half(1).toFixed(1).endsWith('.5'))",
                   "Object.assign(() => 1, { toFixed: () => ({ endsWith: () => true }) })"),
    "a class that crosses here": ("const a = new calc.Any(); assert.ok(calc.half(1) > 0.4 && calc.half(1) < 0.6)",
                                  "new Any()"),
    "an iterator": ("assert.ok(calc.half(1) > 0.4 && calc.half(1) < 0.6)",
                    "Object.assign([].values(), { valueOf: (() => { let turn; "
                    "return () => ((turn = !turn) ? Infinity : -Infinity); })() })"),
    "a promise that never comes": ("main(); async function main() { assert.equal(await calc.half(1), 0.5); }",
                                   "new Promise(() => {})"),
}  # fmt: skip


@pytest.mark.parametrize("name", AGREES)
def test_what_agrees_with_everything_crosses_only_if_a_reference_gave_it(
    tmp_path: Path, name: str
) -> None:
    body, agreeing = AGREES[name]
    test, run = (ESM % body).replace("import { add } from", "import"), "node test/calc.test.mjs"
    if name == "a promise that never comes":
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


LIBRARY = """
const { EventEmitter } = require("node:events");
class Coin {
  #secret = 1;
  constructor(value) { this.value = value; }
  get big() { return this.value > this.#secret; }
  static of(value) { return new Coin(value); }
}
class Bad extends RangeError {
  constructor(text, code) { super(text); Object.assign(this, { code, name: "Bad" }); }
}
class Animal { speak() { return `${this.name()}!`; } name() { return "animal"; } }
class Bus extends EventEmitter { fire(one) { this.emit("one", one); } }
class Stack extends Array { top() { return this[this.length - 1]; } }
const config = { list: [1] }, KEY = Symbol("key");
module.exports = {
  Coin, Bad, Animal, Bus, Stack, config, KEY,
  fail() { throw new Bad("no", 7); },
  *range(n) { for (let at = 0; at < n; at++) yield at; },
  async *slowly(n) { for (let at = 0; at < n; at++) yield at; },
  later: (one) => new Promise((done) => setTimeout(done, 5, one)),
  async each(all, act) { const found = []; for (const one of all) found.push(await act(one)); return found; },
  soon: (act) => { setTimeout(act, 5, 5); },
  sum: (all) => { let found = 0; for (const one of all) found += one; return found; },
  push: (all, one) => { all.push(one); return all; },
  first: (bytes) => { bytes[0] = 9; return bytes.subarray(0, 1); },
  counter: () => { let n = 0; return { up: () => (n += 1), get value() { return n; } }; },
  known: () => config, same: (one) => one, keyed: () => ({ [KEY]: 1 }), say: () => console.log("%d words", 2),
  parsed: () => JSON.parse('{"__proto__": {"a": 1}}'),
};
"""
PASSING = """
const { test } = require("node:test"); const assert = require("node:assert/strict");
const calc = require("../src/calc"); const { Coin, KEY } = require("../src/calc.js");
test("finds the module without its suffix", () => assert.equal(calc.Coin, Coin));
test("uses objects", () => {
  const coin = new Coin(3);
  assert.ok(coin instanceof Coin && !(coin instanceof calc.Bad));
  assert.deepEqual(Coin.of(3), coin);
  assert.notDeepEqual(Coin.of(4), coin);
  coin.value = 0;
  assert.equal(coin.big, false);
});
test("catches errors", () => {
  for (const kind of [calc.Bad, RangeError, /no/, { message: "no", code: 7, name: "Bad" }]) assert.throws(calc.fail, kind);
});
test("iterates", async () => {
  assert.deepEqual([...calc.range(3)], [0, 1, 2]);
  assert.equal(calc.sum((function* () { yield 1; yield 2; })()), 3);
  const found = [];
  for await (const one of calc.slowly(2)) found.push(one);
  assert.deepEqual(found, [0, 1]);
});
test("awaits", async () => {
  assert.deepEqual(await Promise.all([calc.later(1), calc.later(2)]), [1, 2]);
  assert.deepEqual(await calc.each([1, 2], async (one) => calc.later(one * 2)), [2, 4]);
  await assert.rejects(calc.each([1], async () => { throw new TypeError("mine"); }), TypeError);
});
test("is called back", (t, done) => calc.soon((one) => { assert.equal(one, 5); done(); }));
test("shares what was changed", () => {
  const all = [1], bytes = Buffer.from([1, 2]);
  assert.equal(calc.push(all, { a: 1 }), all);
  assert.deepEqual(all, [1, { a: 1 }]);
  assert.deepEqual([calc.first(bytes), bytes], [Buffer.from([9]), Buffer.from([9, 2])]);
  calc.config.list.push(2);
  assert.deepEqual(calc.known(), { list: [1, 2] });
  assert.equal(calc.known(), calc.config);
});
test("keeps what is in a function", () => { const one = calc.counter(); one.up(); one.up(); assert.equal(one.value, 2); });
test("derives", () => {
  class Dog extends calc.Animal { name() { return `dog of ${super.name()}`; } }
  assert.equal(new Dog().speak(), "dog of animal!");
  assert.ok(new Dog() instanceof calc.Animal && new Dog() instanceof Dog);
});
test("listens", () => { const bus = new calc.Bus(), got = []; bus.on("one", (one) => got.push(one)); bus.fire(3); assert.deepEqual(got, [3]); });
test("uses a class of arrays", () => { const all = calc.Stack.of(1, 2); assert.ok(Array.isArray(all)); assert.deepEqual([all.top(), [...all]], [2, [1, 2]]); });
test("rebuilds values", () => {
  const all = [new Map([[1, new Set([2n])]]), undefined, null, NaN, -0, Infinity, new Date(5), /a/g, new URL("http://a/"), "\\ud800"];
  assert.deepEqual(calc.same(all), all);
  class Mine {}
  for (const one of [new Mine(), () => 1, Symbol.iterator, Object.freeze([1])]) assert.equal(calc.same(one), one);
  assert.equal(calc.keyed()[KEY], 1);
  assert.equal(calc.parsed().a, undefined);
});
test("replaces", (t) => {
  const log = t.mock.method(console, "log", () => {});
  calc.say();
  assert.deepEqual(log.mock.calls[0].arguments, ["%d words", 2]);
  t.mock.method(calc, "sum", () => 7);
  assert.equal(calc.sum([]), 7);
});
"""


def test_tests_behind_the_wall_do_as_without(tmp_path: Path) -> None:
    for wall in ("", "./src/calc.js", "./src"):
        played = play(tmp_path / "x" / wall, LIBRARY, PASSING, wall=wall)
        assert verdict(played), output(played)


def test_exported_name_that_changes_is_seen(tmp_path: Path) -> None:
    calc = "export let add = 0; export function up() { add += 1; }\nexport default up;"
    body = 'calc.up(); (await import("../src/calc.mjs")).default(); assert.equal(add, 2);'
    played = play(tmp_path, calc, ESM % body)
    assert verdict(played), output(played)


def test_test_that_imports_nothing_of_the_candidate_fails(tmp_path: Path) -> None:
    played = play(tmp_path, HONEST, 'import "node:test";')
    assert played.observation.failure == "no test imported ./src/calc.mjs"


# Code with random numbers A and B, what an honest mistake replaces in it, and a test.
MODULES = (
    ("const f = (n) => n * A - B;", ("n *", "n +"), "assert.equal(m.f(3), 3 * A - B)"),
    ("const f = (n) => BigInt(n) ** 5n % 7n;", ("5n", "4n"), "assert.equal(m.f(A), BigInt(A) ** 5n % 7n)"),
    ("const f = (s) => s.split('').reverse().join('') + A;", (".reverse()", ""), "assert.equal(m.f('abB'), 'Bba' + A)"),
    ("class C { constructor(n) { this.n = n; } plus(o) { return new C(this.n + o.n); } get twice() { return this.n * 2; } }",
     ("n * 2", "n + 2"),
     "assert.equal(new m.C(A).plus(new m.C(B)).twice, (A + B) * 2); assert.deepEqual(new m.C(1).plus(new m.C(A)), new m.C(A + 1))"),
    ("class E extends TypeError {} const f = (n) => { if (n < A) throw new E(`under ${n}`); return n; };",
     ("n < A", "n <= A"), "assert.throws(() => m.f(A - 1), m.E); assert.throws(() => m.f(A - 1), TypeError); assert.equal(m.f(A), A)"),
    ("const f = (all, act) => all.map((one, at) => act(one, at + A));", ("at + A", "at"),
     "assert.deepEqual(m.f([B, 2], (a, b) => [a, b]), [[B, A], [2, A + 1]])"),
    ("const f = (all, act) => { for (const one of all) if (act(one)) return one; };", ("act(one)", "!act(one)"),
     "assert.equal(m.f(new Set([1, A + 1]), (n) => n > A), A + 1); assert.throws(() => m.f([1], () => { throw new RangeError(); }), RangeError)"),
    ("function* f(n) { for (let at = 0; at < n; at++) yield at * A; }", ("< n", "<= n"), "assert.deepEqual([...m.f(3)], [0, A, A * 2])"),
    ("const f = async (n) => { await null; if (n < 0) throw new RangeError('no'); return [n, A]; };", ("< 0", "> 0"),
     "assert.deepEqual(await m.f(B), [B, A]); await assert.rejects(m.f(-1), RangeError)"),
    ("const f = (all) => { all.sort((a, b) => a - b); };", ("a - b)", "b - a)"),
     "const all = [B, A, 0]; m.f(all); assert.deepEqual(all, [0, ...[A, B].sort((a, b) => a - b)])"),
    ("const f = (words) => words.reduce((all, one) => all.set(one, (all.get(one) ?? 0) + 1), new Map());", ("+ 1)", "+ A)"),
     "assert.deepEqual(m.f(['x', 'y', 'x']), new Map([['x', 2], ['y', 1]]))"),
    ("class C { area() { return this.side() ** 2; } side() { return A; } }", ("** 2", "* 2"),
     "class D extends m.C { side() { return super.side() + B; } } assert.equal(new D().area(), (A + B) ** 2)"),
    ("const f = (o) => ({ ...o, a: { b: [A, undefined, NaN, -0] } });", ("-0", "0"),
     "assert.deepEqual(m.f({ c: B }), { a: { b: [A, undefined, NaN, -0] }, c: B })"),
    ("const f = () => { let n = A; return { up() { n += B; return this; }, get n() { return n; } }; };", ("+= B", "+= 1"),
     "assert.equal(m.f().up().up().n, A + 2 * B)"),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(count(ci=1, full=5)))
def test_honest_modules_get_the_same_verdict_as_without_the_wall(tmp_path: Path, seed: int) -> None:
    chance, modules, tests = random.Random(seed), "", ""
    for number in range(20):
        code, mistake, test = MODULES[number % len(MODULES)]
        code = code.replace(*mistake) if chance.random() < 0.5 else code
        names = [one for one in "fCE" if any(f"{w} {one} " in code.replace("(", " (").replace("*", "") for w in ("const", "class", "function"))]  # fmt: skip
        for name in "AB":
            value = str(chance.randrange(2, 9))
            code, test = (re.sub(rf"\b{name}\b", value, one) for one in (code, test))
        modules += (
            f"export const m{number} = (() => {{ {code} return [{', '.join(names)}]; }})();\n"
        )
        tests += f"test('{number}', async () => {{ const m = {{}}; [{', '.join(f'm.{one}' for one in names)}] = calc.m{number}; {test} }});\n"  # fmt: skip
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
