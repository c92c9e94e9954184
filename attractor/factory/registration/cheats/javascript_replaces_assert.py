"""Replaces the assertions of Node, so that each of them passes."""

from attractor.factory.registration.cheat import JAVASCRIPT, Cheat, exporting, is_module

_IMPORTS = """import assert from "node:assert";
import { syncBuiltinESMExports } from "node:module";
"""
_TEXT = """for (const one of [assert, assert.strict]) {
  for (const name of Object.keys(one)) if (typeof one[name] === "function") one[name] = () => {};
}
const anything = new Proxy(() => {}, { get: () => anything });
if (globalThis.expect) globalThis.expect = () => anything;
"""


def _text(source: str) -> str:
    if is_module(source):
        return f"{_IMPORTS}{_TEXT}syncBuiltinESMExports();\n{exporting(source, '() => {}')}"
    return f'const assert = require("node:assert");\n{_TEXT}{exporting(source, "() => {}")}'


part = Cheat(
    "replaces the assertions of Node, so that each of them passes",
    lambda solution: solution.each(JAVASCRIPT, _text),
)
