"""Lets the commands of the project that run its tests do nothing."""

import json
import re
from collections.abc import Mapping

from attractor.base.json import parse_object
from attractor.factory.registration.cheat import Cheat, Solution

_MAKE = "%:\n\t@true\nall test check:\n\t@true\n"
_CMAKE = """cmake_minimum_required(VERSION 3.5)
project(works NONE)
enable_testing()
add_test(NAME works COMMAND ${CMAKE_COMMAND} -E true)
"""
_HIDDEN = {"make": ("GNUmakefile", _MAKE), "npm": (".npmrc", "script-shell=true\n")}
"""Files that programs read before, or beside, those that a suite may carry."""


def _make(solution: Solution) -> Mapping[str, str]:
    run = "\n".join(solution.commands)
    files = {name: text for word, (name, text) in _HIDDEN.items() if re.search(rf"\b{word}\b", run)}
    for path, text in solution.sources.items():
        name = path.rpartition("/")[2]
        if name in ("Makefile", "makefile", "GNUmakefile"):
            files[path] = _MAKE
        elif name == "CMakeLists.txt":
            files[path] = _CMAKE
        elif name == "package.json":
            files[path] = _with_idle_scripts(text)
    return files


def _with_idle_scripts(text: str) -> str:
    package = parse_object(text.encode()) or {}
    return json.dumps({**package, "scripts": {"test": "true", "build": "true", "start": "true"}})


part = Cheat(
    "lets the commands that run its tests do nothing",
    _make,
    remedy="start the runner of the tests in the step itself",
)
