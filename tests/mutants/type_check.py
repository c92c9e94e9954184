"""Prints the type errors of mutants, as pyright's JSON: mutmut does not run a mutant that has one.

mutmut starts this in the folder of the mutants. A mutant of `__init__` widens the types of
attributes for the whole class: where the original function then has an error, errors of its mutants
prove nothing and are left out.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

Function = tuple[str, str, str]
"""File, name of the original, and number of the mutant ('orig' for the original)."""


def main() -> None:
    """Run pyright on the modules that were mutated."""
    mutated = [str(file.with_suffix("")) for file in Path("attractor").rglob("*.py.meta")]
    # Strict mode also rejects unused and private names, and every mutant is one.
    config = {"typeCheckingMode": "basic", "include": mutated, "venvPath": "..", "venv": ".venv"}
    Path("pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    found = [(error, _function(error)) for error in json.loads(done.stdout)["generalDiagnostics"]]
    unsure = {(file, name) for _, (file, name, mutant) in found if mutant == "orig"}
    received = [one for one, (file, name, mutant) in found if mutant and (file, name) not in unsure]
    print(json.dumps({"generalDiagnostics": received}))


def _function(error: dict[str, Any]) -> Function:
    """Return the function that contains an error."""
    file, line = error["file"], error["range"]["start"]["line"] + 1
    for node in _functions(file):
        if node.lineno <= line <= (node.end_lineno or 0):
            name, _, mutant = node.name.partition("__mutmut_")
            return file, name, mutant
    return file, "", ""


@cache
def _functions(file: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return functions and methods, without functions inside functions."""
    return list(_find_functions(ast.parse(Path(file).read_text()).body))


def _find_functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _find_functions(node.body)


if __name__ == "__main__":
    main()
