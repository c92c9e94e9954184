"""Requirements that a pipeline declares: programs, versions and variables (ruling R14)."""

import re
from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import NamedTuple

from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import Mistake
from attractor.language.graph.graph import Graph
from attractor.language.source.text import IDENTIFIER, quote

Version = tuple[int, ...]
_PIECE = late_pattern(r"[^,]+|(?<=,)(?=,)|\A(?=,)")
_NEED = late_pattern(
    r"(?:(?P<kind>[^\s:<>=]*)\s*:\s*)?(?P<name>[^\s:<>=]+)"
    r"(?:\s*(?P<sign>[<>=]+)\s*(?P<version>[^\s<>=]*))?"
)
_PROGRAM = late_pattern(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VERSION = late_pattern(r"v?([0-9]{1,9}(?:\.[0-9]{1,9})*)")
_FORMS = "use a program (git), a program with a version (node>=20), or a variable (env:TOKEN)"
_SIGNS: Mapping[str, Callable[[Version, Version], bool]] = {
    ">=": ge,
    ">": gt,
    "<=": le,
    "<": lt,
}
_ENV = "env"
_SAME = ("=", "==")


class Requirement(NamedTuple):
    """A required program or variable, and the range of the requirement in the list."""

    name: str
    is_program: bool
    sign: str = ""
    version: str = ""
    start: int = 0
    end: int = 0

    @property
    def written(self) -> str:
        """The requirement without blanks."""
        prefix = "" if self.is_program else f"{_ENV}:"
        return f"{prefix}{self.name}{self.sign}{self.version}"

    def holds(self, found: Version) -> bool:
        """Return whether a version is sufficient: `=3.11` means any 3.11."""
        wanted = parse_version(self.version)
        if not self.sign or wanted is None:
            return True
        if self.sign in _SAME:
            return found[: len(wanted)] == wanted
        width = max(len(found), len(wanted))
        return _SIGNS[self.sign](_padded(found, width), _padded(wanted, width))


class Requirements(NamedTuple):
    """The requirements of a list, and the mistakes."""

    needs: tuple[Requirement, ...]
    mistakes: tuple[Mistake, ...] = ()


def declared_requirements(graph: Graph) -> tuple[Requirement, ...]:
    """Return the requirements that a pipeline declares."""
    return read_requirements(graph.attributes.text("requires")).needs


def read_requirements(text: str) -> Requirements:
    """Parse a list of requirements; skip entries with a mistake."""
    needs: list[Requirement] = []
    mistakes: list[Mistake] = []
    for piece in _PIECE.finditer(text) if text.strip() else ():
        written = piece[0].strip()
        if not written and piece.end() == len(text):  # a trailing comma is allowed
            continue
        read = _read(written, piece.start() + len(piece[0]) - len(piece[0].lstrip()))
        if isinstance(read, Mistake):
            mistakes.append(read)
        else:
            needs.append(read)
    return Requirements(tuple(needs), tuple(mistakes))


def parse_version(text: str) -> Version | None:
    """Return a version as numbers."""
    found = _VERSION.fullmatch(text)
    return tuple(map(int, found[1].split("."))) if found else None


def _read(written: str, start: int) -> Requirement | Mistake:
    end = start + len(written)
    found = _NEED.fullmatch(written)
    if found is None:
        message = f"invalid requirement {quote(written)}" if written else "empty requirement"
        return Mistake(message, start, max(end, start + 1), _FORMS)
    sign, version = found["sign"] or "", found["version"] or ""
    is_program = found["kind"] is None
    if wrong := _wrong(found, sign, version):
        return Mistake(wrong[0], start, end, wrong[1])
    return Requirement(found["name"], is_program, sign, version, start, end)


def _wrong(found: re.Match[str], sign: str, version: str) -> tuple[str, str] | None:
    """Return message and fix for an invalid requirement, or None."""
    kind, name = found["kind"], found["name"]
    if kind not in (None, _ENV):
        return f"unknown kind of requirement {quote(f'{kind}:')}", _FORMS
    if kind and not IDENTIFIER.fullmatch(name):
        return f"invalid variable name {quote(name)}", "use letters, digits and _"
    if kind and sign:
        return f"the variable {name} cannot have a version", f"use env:{name}"
    if not kind and not _PROGRAM.fullmatch(name):
        hint = "use its name without a path"
        return f"invalid program name {quote(name)}", hint
    if sign and sign not in (*_SIGNS, *_SAME):
        return f"unknown operator {quote(sign)}", f"use one of {', '.join((*_SIGNS, '='))}"
    if sign and parse_version(version) is None:
        return f"invalid version {quote(version)}", "use numbers, such as 20 or 3.11"
    return None


def _padded(version: Version, width: int) -> Version:
    return version + (0,) * (width - len(version))
