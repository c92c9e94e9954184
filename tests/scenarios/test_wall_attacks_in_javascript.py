"""Candidates in JavaScript that know the wall and the shape of its tests: none passes."""

from pathlib import Path

import pytest

from tests.needs import require
from tests.scenarios.test_wall import verdict
from tests.scenarios.test_wall_in_javascript import ESM, output, play


@pytest.fixture(autouse=True)
def node() -> None:
    require("node")


FILE = """
import fs from "node:fs";
import assert from "node:assert/strict";
import * as calc from "../src/calc.mjs";
main();
async function main() { %s }
"""
COMMON = (
    FILE.replace('import fs from "node:fs";', "const calc = require('../src/calc');")
    .replace('import assert from "node:assert/strict";', "const assert = require('assert');")
    .replace('import * as calc from "../src/calc.mjs";\n', "")
)
HALF = "export const half = (n) => n / 2;"
TEXT = "export const half = (n) => String(n / 2);"
LIST = "export const half = () => [1, 2, 3];"
EACH = "export const each = (all, act) => all.forEach(act); export const half = () => missing();"
ERROR = "export class E extends Error {} export const half = () => { throw new E('no'); };"
RANGE = "assert.ok(calc.half(1) > 0.4 && calc.half(1) < 0.6);"
LENGTH = "assert.ok(calc.half().length > 2 && calc.half().length < 4);"
STARTS = "assert.ok(calc.half(1).startsWith('0.5'));"
AWAITS = "assert.equal(await calc.half(1), 0.5);"
CAUGHT = "calc.each([1], (one) => assert.equal(one, 1)); assert.throws(() => calc.half());"
FLIP = "const flip = () => (globalThis.turn = !globalThis.turn) ? Infinity : -Infinity;\n"
OWN = "Object.assign(half, { half, valueOf: flip, startsWith: () => true });"
READ = "Number(/equal.*, (\\d+)/.exec(String(readFileSync('test/calc.test.mjs')))[1])"
ATTACKS = {
    "a length of a function": (
        *(LENGTH, LIST, FLIP),
        "export const half = () => Object.defineProperty(() => 1, 'length', { get: flip });",
    ),
    "a length of an iterator": (
        *(LENGTH, LIST, FLIP),
        "export const half = () => Object.defineProperty([].values(), 'length', { get: flip });",
    ),
    "a promise that is none": (
        *(AWAITS, HALF, ""),
        "export const half = () => Object.assign(() => 1, { then() {} });",
    ),
    "a method of an error": (
        *(STARTS, TEXT, ""),
        "export const half = () => Object.assign(new Error(), { startsWith: () => true });",
    ),
    "a method of data": (
        *(STARTS, TEXT, "Array.prototype.every = () => true;\n"),
        "export const half = () => ({ startsWith: () => true });",
    ),
    "a value of data": (
        *(RANGE, HALF, f"{FLIP} Array.prototype.every = () => true;\n"),
        "export const half = () => ({ valueOf: flip });",
    ),
    "a method of data that crossed": (
        *(STARTS, TEXT, "export const data = {};\n"),
        "export const half = () => Object.assign(data, { startsWith: () => true });",
    ),
    "a value of the module": (
        *(RANGE, "exports.half = (n) => n / 2;", FLIP),
        f"const half = (module.exports = () => half); {OWN}",
    ),
    "a method of the module": (
        *(STARTS, "exports.half = (n) => String(n / 2);", FLIP),
        f"const half = (module.exports = () => half); {OWN}",
    ),
    "a function as a class of errors": (
        *("assert.throws(() => calc.half(), calc.E);", ERROR, ""),
        "export const E = () => true; export const half = () => missing();",
    ),
    "any error as a class": (
        *("assert.throws(() => calc.half(), calc.E);", ERROR, ""),
        "export const E = Error; export const half = () => missing();",
    ),
    "code in the tests": (
        "assert.equal(calc.half(Function), 5);",
        *("export const half = (kind) => (kind === Function ? 5 : 0);", ""),
        "export const half = (kind) => kind('process.reallyExit(0)')();",
    ),
    "a file of the tests by a function": (
        *("assert.equal(calc.half(fs.readFileSync), 5);", "export const half = () => 5;", ""),
        f"export const half = (readFileSync) => {READ};",
    ),
    "a file of the tests by a module": (
        *("assert.equal(calc.half(fs), 5);", "export const half = () => 5;", ""),
        f"export const half = ({{ readFileSync }}) => {READ};",
    ),
    "a change of what the tests have": (
        *("assert.equal(calc.half(1, Math), 0.5); assert.equal(Math.abs(-1), 1);", HALF, ""),
        "export const half = (n, all) => { delete all.abs; all.abs = () => 0; return 1; };",
    ),
    "a failure that something else catches": (
        *(CAUGHT, EACH, "let kept; export const each = (_, act) => (kept = act);\n"),
        "export const half = () => { try { kept(7); } catch {} missing(); };",
    ),
    "an end that cannot be noted": (
        *("assert.throws(() => calc.half());", EACH, "import fs from 'node:fs';\n"),
        "for (const one of fs.readdirSync('..')) for (const two of fs.readdirSync('../' + one))\n"
        "  if (two.startsWith('.wall-')) fs.mkdirSync(`../${one}/${two}/broken`);\n"
        "export const half = () => process.exit(0);",
    ),
    "a failure after the test": (
        *("calc.each([1], (one) => assert.equal(one, 1));", EACH, ""),
        "export const each = (_, act) => setTimeout(() => { try { act(7); } catch {} }, 60);",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_passes_no_test(tmp_path: Path, name: str) -> None:
    body, reference, *parts = ATTACKS[name]
    test = (COMMON if "exports." in reference else FILE) % body
    run = "node test/calc.test.mjs"
    honest = play(tmp_path / "honest", reference, test, run=run)
    assert verdict(honest), output(honest)
    crossing = {"s": honest.observation.crossed}
    played = play(tmp_path / "attack", "".join(parts), test, run=run, crossing=crossing)
    assert not verdict(played), output(played)


@pytest.mark.parametrize(
    "candidate",
    [
        "export const add = () => process.exit(0);",
        "process.on('exit', () => process.reallyExit(0)); export const add = () => missing.x;",
        "Promise.reject(new Error()); export const add = () => new Promise(() => {});",
    ],
)
def test_end_of_the_candidate_ends_the_tests_at_once(tmp_path: Path, candidate: str) -> None:
    test = ESM % "await add(2, 3)"
    played = play(tmp_path, candidate, test, run="timeout 10 node test/calc.test.mjs")
    assert played.observation.steps["test"].exit_code in (1, 70), output(played)


PASSED = """
export const echo = (value) => value;
export const merge = (act, all) => all.reduce(act);
export const api = { name: "calc", twice: (n) => 2 * n };
"""


def test_what_node_has_by_itself_comes_back_as_itself(tmp_path: Path) -> None:
    body = """
const fs = (await import("fs")).default;
for (const one of [Math, JSON, Math.max, Function, Object.prototype, process, fs])
  assert.equal(calc.echo(one), one);
assert.deepEqual(calc.merge(Object.assign, [{ a: 1 }, { b: 2 }]).b, 2);
assert.throws(() => calc.echo(assert.equal)(1, 2), assert.AssertionError);
const mine = { twice: calc.api.twice };
assert.equal(mine.twice(2), 4);"""
    played = play(tmp_path, PASSED, ESM.replace("import { add } from", "import") % body)
    assert verdict(played), output(played)
