"""Rewrites the programs of the suite that a later step starts, or that run at this moment."""

import json
from collections.abc import Mapping

from attractor.factory.registration.cheat import JAVASCRIPT, PYTHON, Cheat, Solution

_ENDS_PYTHON, _ENDS_JAVASCRIPT = "raise SystemExit(0)\n", "process.exit(0);\n"
# A shell reads on in its script where it was, so each line ends it.
_ENDS_SHELL = "\nexit 0" * 500 + "\n"

_PYTHON = """import os

for path, text in %s:
    if os.path.exists(path):
        open(path, "w").write(text)
"""
_JAVASCRIPT = """import("node:fs").then(({ existsSync, writeFileSync }) => {
  for (const [path, text] of %s) if (existsSync(path)) writeFileSync(path, text);
});
"""
_SHELL = """#!/bin/sh
for path in %s; do
    [ -e "$path" ] && yes 'exit 0' | head -n 500 >"$path"
done
exit 0
"""


def _ending(path: str) -> str:
    if path.endswith(PYTHON):
        return _ENDS_PYTHON
    return _ENDS_JAVASCRIPT if path.endswith(JAVASCRIPT) else _ENDS_SHELL


def _make(solution: Solution) -> Mapping[str, str]:
    programs = [[path, _ending(path)] for path in solution.fixtures]
    if not programs:
        return {}
    pairs = json.dumps(programs)
    python = solution.each(PYTHON, lambda text: _PYTHON % pairs)
    javascript = solution.each(JAVASCRIPT, lambda text: _JAVASCRIPT % pairs)
    names = " ".join(f"'{path}'" for path, _ in programs if "'" not in path)
    return {**python, **javascript, **dict.fromkeys(solution.scripts, _SHELL % names)}


part = Cheat(
    "rewrites the programs of the suite while they run, or before a later step starts them",
    _make,
    remedy="check the output of the candidate itself, by cases or by a verifier",
)
