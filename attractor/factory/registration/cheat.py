"""What a cheat is: a candidate without a solution, which a suite should not believe.

Each file in `cheats/` is one. It is made from a correct solution: the modules and names of it are
there, but not what they do.
"""

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from datetime import timedelta
from functools import cache

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.base.registry import Registry
from attractor.factory.registration.hollow import BracedLanguage, ending, hollow

PYTHON = (".py",)
JAVASCRIPT = (".js", ".mjs", ".cjs")

_SHELLS = ("#!/bin/sh", "#!/bin/bash", "#!/usr/bin/env bash", "#!/usr/bin/env sh")
_EXPORTED = late_pattern(
    r"^export\s+(?:async\s+)?(?:function\*?|class|const|let|var)\s+([A-Za-z_$][\w$]*)", re.MULTILINE
)
_LISTED = late_pattern(r"^(?:export|module\.exports\s*=)\s*\{([^}]*)\}", re.MULTILINE)
_ASSIGNED = late_pattern(r"\bexports\.([A-Za-z_$][\w$]*)\s*=")
_DEFAULT = late_pattern(r"^export\s+default\b", re.MULTILINE)
_WORD = late_pattern(r"[A-Za-z_$][\w$]*")


@dataclass(frozen=True)
class Solution:
    """What a cheat is made from: source files of a correct solution, by their paths.

    Agents can read the train scenarios: the texts that they expect, the files that they read, with
    the text that each expects there, and the ports of their services.
    """

    sources: Mapping[str, str]
    expected: Sequence[str] = ()
    read: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: Sequence[int] = ()
    reads_files: bool = False
    """Whether a check of the holdout may read a file."""
    has_service: bool = False
    """Whether the holdout starts a service."""
    commands: Sequence[str] = ()
    """The commands of the holdout's steps."""
    fixtures: Sequence[str] = ()
    """The files that the holdout puts into its trials."""

    def of(self, ends: Sequence[str]) -> Mapping[str, str]:
        """Return the source files of a language."""
        return {path: text for path, text in self.sources.items() if path.endswith(tuple(ends))}

    @property
    def scripts(self) -> Sequence[str]:
        """The paths of the shell scripts."""
        return [
            path
            for path, text in self.sources.items()
            if path.endswith(".sh") or text.startswith(_SHELLS)
        ]

    def each(self, ends: Sequence[str], text: Callable[[str], str]) -> Mapping[str, str]:
        """Return the source files of a language, with a text made from the content of each."""
        return {path: text(content) for path, content in self.of(ends).items()}


@dataclass(frozen=True)
class Cheat:
    """A candidate that solves nothing, in words after "a candidate that".

    `make` returns the files that it writes; none if the language is another one. `language` is the
    one that must compile, if any. `is_honest`: it deceives no test, so one holdout that notices it
    is enough. `remedy`: what helps against it, if neither cases nor a wall. `limit`: the time limit
    of each step, if the suite has a longer one.
    """

    words: str
    make: Callable[[Solution], Mapping[str, str]]
    language: BracedLanguage | None = None
    is_honest: bool = False
    remedy: str = ""
    limit: timedelta | None = None


def ending_cheat(language: BracedLanguage, *lines: str) -> Cheat:
    """Return the cheat that prints lines and ends the process with 0 when it is loaded."""
    says = "prints what a runner of tests prints at success, and " * bool(lines)
    return Cheat(
        f"{says}ends the process with 0 when it is loaded",
        lambda solution: solution.each(language.ends, lambda text: ending(text, language, lines)),
        language,
    )


def replacing_cheat(
    words: str, language: BracedLanguage, write: Callable[[str, str], Mapping[str, str]]
) -> Cheat:
    """Return the cheat with hollow files, and files that are written for some of the sources."""

    def make(solution: Solution) -> Mapping[str, str]:
        sources = solution.each(language.ends, lambda text: hollow(text, language))
        files = {to: new for one in solution.sources.items() for to, new in write(*one).items()}
        return {**sources, **files} if sources and files else {}

    return Cheat(words, make, language)


@cache
def all_cheats() -> Registry[Cheat]:
    """Return the cheats by their names."""
    return Registry(
        "attractor.factory.registration.cheats", Cheat, noun="cheat", is_hyphenated=True
    )


def python_names(text: str) -> Sequence[str]:
    """Return the names that a module of Python defines; none if it cannot be read."""
    found: dict[str, None] = {}
    with suppress(SyntaxError, ValueError, RecursionError):
        for one in ast.parse(text).body:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found[one.name] = None
            elif isinstance(one, ast.Assign | ast.AnnAssign):
                targets = one.targets if isinstance(one, ast.Assign) else [one.target]
                found |= dict.fromkeys(each.id for each in targets if isinstance(each, ast.Name))
    return [*found]


def is_module(text: str) -> bool:
    """Return whether a file of JavaScript is an ES module."""
    return bool(re.search(r"^\s*(?:import|export)\b", text, re.MULTILINE))


def javascript_names(text: str) -> Sequence[str]:
    """Return the names that a file of JavaScript exports, "default" among them."""
    listed = [_exported_as(one) for part in _LISTED.findall(text) for one in part.split(",")]
    names = [*_EXPORTED.findall(text), *_ASSIGNED.findall(text), *filter(None, listed)]
    return [*dict.fromkeys([*names, *["default"] * bool(_DEFAULT.search(text))])]


def _exported_as(part: str) -> str:
    """Return the name of a part of a list, such as `b` of `a as b`."""
    words = _WORD.findall(part.split(":")[0])
    return words[-1] if words else ""


def exporting(text: str, value: str, names: Iterable[str] | None = None) -> str:
    """Return the lines with which a file of JavaScript exports a value under all its names."""
    names = [*(javascript_names(text) if names is None else names)]
    if not is_module(text):
        return "".join(f"exports.{one} = {value};\n" for one in names)
    return "".join(
        f"export default {value};\n" if one == "default" else f"export const {one} = {value};\n"
        for one in names
    )
