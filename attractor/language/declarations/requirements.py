"""Requirements that a pipeline declares: programs, versions and variables (ruling R14)."""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import NamedTuple

from attractor.language.graph.graph import Graph
from attractor.language.source.text import quote

Version = tuple[int, ...]
_PIECE = re.compile(r"[^,]+|(?<=,)(?=,)|\A(?=,)")
_NEED = re.compile(
    r"(?:(?P<kind>[^\s:<>=]*)\s*:\s*)?(?P<name>[^\s:<>=]+)"
    r"(?:\s*(?P<sign>[<>=]+)\s*(?P<version>[^\s<>=]*))?"
)
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VERSION = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9})*)")
_FORMS = "write a program (git), one with a version (node>=20), or a variable (env:TOKEN)"
_SIGNS: Mapping[str, Callable[[Version, Version], bool]] = {
    ">=": ge,
    ">": gt,
    "<=": le,
    "<": lt,
}
_SAME = ("=", "==")


class NeedKind(StrEnum):
    """What sort of thing is needed."""

    PROGRAM = "program"
    VARIABLE = "env"


class Need(NamedTuple):
    """One thing that is needed, and between which offsets it is written."""

    kind: NeedKind
    name: str
    sign: str = ""
    version: str = ""
    start: int = 0
    end: int = 0

    @property
    def is_program(self) -> bool:
        """Whether it is one that stands on the PATH."""
        return self.kind is NeedKind.PROGRAM

    @property
    def written(self) -> str:
        """The need as it is written, without blanks."""
        prefix = "env:" if self.kind is NeedKind.VARIABLE else ""
        return f"{prefix}{self.name}{self.sign}{self.version}"

    def holds(self, found: Version) -> bool:
        """Tell whether a version is one that is wanted: `=3.11` is every 3.11."""
        wanted = parse_version(self.version)
        if not self.sign or wanted is None:
            return True
        if self.sign in _SAME:
            return found[: len(wanted)] == wanted
        width = max(len(found), len(wanted))
        return _SIGNS[self.sign](_padded(found, width), _padded(wanted, width))


class NeedMistake(NamedTuple):
    """What is wrong in a list of needs, between which offsets, and what to do."""

    message: str
    start: int
    end: int
    hint: str


class Needs(NamedTuple):
    """What a text names, and the mistakes in it."""

    needs: tuple[Need, ...]
    mistakes: tuple[NeedMistake, ...] = ()


def declared_needs(graph: Graph) -> tuple[Need, ...]:
    """Return what a pipeline says it needs."""
    return read_needs(graph.attributes.text("requires")).needs


def read_needs(text: str) -> Needs:
    """Read what is needed; what is wrong in one keeps it from being asked for."""
    read = [*_read_all(text)]
    return Needs(
        tuple(one for one in read if isinstance(one, Need)),
        tuple(one for one in read if isinstance(one, NeedMistake)),
    )


def parse_version(text: str) -> Version | None:
    """Return a version as numbers."""
    found = _VERSION.fullmatch(text)
    return tuple(map(int, found[1].split("."))) if found else None


def _read_all(text: str) -> Iterator[Need | NeedMistake]:
    if not text.strip():
        return
    for piece in _PIECE.finditer(text):
        written = piece[0].strip()
        if not written and piece.end() == len(text):  # a comma at the end says nothing
            continue
        start = piece.start() + len(piece[0]) - len(piece[0].lstrip())
        yield _read(written, start)


def _read(written: str, start: int) -> Need | NeedMistake:
    end = start + len(written)
    found = _NEED.fullmatch(written)
    if found is None:
        said = f"{quote(written)} is nothing that can be needed" if written else "a need is empty"
        return NeedMistake(said, start, max(end, start + 1), _FORMS)
    sign, version = found["sign"] or "", found["version"] or ""
    kind = NeedKind.PROGRAM if found["kind"] is None else NeedKind.VARIABLE
    if wrong := _wrong(found, kind, sign, version):
        return NeedMistake(wrong[0], start, end, wrong[1])
    return Need(kind, found["name"], sign, version, start, end)


def _wrong(found: re.Match[str], kind: NeedKind, sign: str, version: str) -> tuple[str, str] | None:
    """Return what is wrong with a need, and what to do."""
    name = found["name"]
    if found["kind"] is not None and found["kind"] != NeedKind.VARIABLE:
        return f"{quote(found['kind'] + ':')} is no sort of need", _FORMS
    if kind is NeedKind.VARIABLE and not _VARIABLE.fullmatch(name):
        return f"{quote(name)} is no name of a variable", "use letters, digits and _"
    if kind is NeedKind.VARIABLE and sign:
        return f"the variable {name} has no version", f"write env:{name}"
    if kind is NeedKind.PROGRAM and not _PROGRAM.fullmatch(name):
        hint = "name it as one would call it from anywhere, without a path"
        return f"{quote(name)} is no name of a program", hint
    if sign and sign not in (*_SIGNS, *_SAME):
        return f"{quote(sign)} compares nothing", f"write one of {', '.join((*_SIGNS, '='))}"
    if sign and parse_version(version) is None:
        return f"{quote(version)} is no version", "write numbers, such as 20 or 3.11"
    return None


def _padded(version: Version, width: int) -> Version:
    return version + (0,) * (width - len(version))
