"""Reads a model stylesheet and tells what it says of a node (attractor-spec 8)."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, cached_property
from itertools import chain
from typing import Any, NamedTuple, cast

from lark import Lark, Token, Transformer, UnexpectedInput

from attractor.base.dataclasses import dataclass
from attractor.language.errors import InvalidStylesheet
from attractor.language.graph import Node
from attractor.language.literals import read_text
from attractor.language.stylesheet_mistakes import (
    EFFORTS,
    PROPERTIES,
    explain,
    is_at_end,
    no_effort,
    no_property,
)

# What is broken more often is no stylesheet, and each time the rest is read again.
_MOST_MISTAKES = 1000
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_TEXT_OR_END = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|\}', re.DOTALL)
# From the least specific selector to the most specific one.
_KINDS = ("EVERY", "SHAPE", "CLASS", "ID")


@dataclass(frozen=True)
class Declaration:
    """A property with its value, and where they stand in the stylesheet."""

    property: str
    value: str
    start: int
    value_span: tuple[int, int]

    def moved(self, by: int) -> "Declaration":
        """Return it as it stands further on."""
        start, end = self.value_span
        return replace(self, start=self.start + by, value_span=(start + by, end + by))


@dataclass(frozen=True)
class StyleRule:
    """What a selector says of the nodes it matches, and where the selector stands."""

    kind: str
    name: str
    declarations: tuple[Declaration, ...]
    selector: str
    start: int

    def moved(self, by: int) -> "StyleRule":
        """Return it as it stands further on."""
        moved = tuple(one.moved(by) for one in self.declarations)
        return replace(self, declarations=moved, start=self.start + by)


class _Ranked(NamedTuple):
    """What a rule says of a property; of two the later rule wins."""

    rank: int
    property: str
    value: str


@dataclass(frozen=True)
class Stylesheet:
    """Rules from the least specific to the most specific, each kind in the order of the text."""

    rules: tuple[StyleRule, ...]

    def properties(self, node: Node) -> dict[str, str]:
        """Return what the rules say of a node; the most specific one wins, then the last."""
        classes = [("CLASS", name) for name in node.classes]
        selectors = [("EVERY", ""), ("SHAPE", node.shape), *classes, ("ID", node.id)]
        said = chain.from_iterable(self._said.get(one, {}).values() for one in selectors)
        return {one.property: one.value for one in sorted(said)}

    @cached_property
    def _said(self) -> Mapping[tuple[str, str], Mapping[str, _Ranked]]:
        """What each selector says last of each property, whichever rule it stands in."""
        said: dict[tuple[str, str], dict[str, _Ranked]] = {}
        for rank, rule in enumerate(self.rules):
            by_property = said.setdefault((rule.kind, rule.name), {})
            for one in rule.declarations:
                by_property[one.property] = _Ranked(rank, one.property, one.value)
        return said


def parse_stylesheet(text: str) -> Stylesheet:
    """Read a stylesheet, or say what is wrong with it first and where."""
    stylesheet, mistakes = read_stylesheet(text)
    if mistakes:
        raise mistakes[0]
    return stylesheet


class StylesheetReading(NamedTuple):
    """What a stylesheet says, and each mistake in it; one mistake is enough to make it void."""

    stylesheet: Stylesheet
    mistakes: tuple[InvalidStylesheet, ...]


def read_stylesheet(text: str) -> StylesheetReading:
    """Read a stylesheet and find every mistake in it; behind a broken rule it goes on."""
    rules, mistakes = _read_rules(text)
    checked = (_shortcoming(one) for rule in rules for one in rule.declarations)
    mistakes += [one for one in checked if one]
    mistakes.sort(key=lambda one: one.start)
    rules.sort(key=lambda rule: _KINDS.index(rule.kind))
    return StylesheetReading(Stylesheet(tuple(rules)), tuple(mistakes))


def _read_rules(text: str) -> tuple[list[StyleRule], list[InvalidStylesheet]]:
    """Return every rule that can be read, and what is wrong with the others."""
    rules: list[StyleRule] = []
    mistakes: list[InvalidStylesheet] = []
    at = 0
    while len(mistakes) < _MOST_MISTAKES and (not at or text[at:].strip()):
        try:
            return rules + _moved(_grammar().parse(text[at:]), at), mistakes
        except UnexpectedInput as unexpected:
            stop = len(text) if is_at_end(unexpected) else at + (unexpected.pos_in_stream or 0)
            mistakes.append(explain(text, unexpected, stop))
        rules += _moved(_whole_rules(text[at:stop]), at)
        comment = _COMMENT.match(text, stop)
        at = text.find("}", comment.end() if comment else stop) + 1
        if not at:
            break
    return rules, mistakes


def _whole_rules(text: str) -> list[StyleRule]:
    """Return the rules before the one in which a mistake was found, up to which a text goes."""
    ends = [found.end() for found in _TEXT_OR_END.finditer(text) if found[0] == "}"]
    return _grammar().parse(text[: ends[-1]]) if ends else []


def _moved(rules: list[StyleRule], by: int) -> list[StyleRule]:
    """Return rules with places that count from the beginning of the whole text."""
    return [rule.moved(by) for rule in rules] if by else rules


def _shortcoming(declaration: Declaration) -> InvalidStylesheet | None:
    name, value = declaration.property, declaration.value
    if name not in PROPERTIES:
        return no_property(name, declaration.start)
    if name == "reasoning_effort" and value not in EFFORTS:
        return no_effort(value, *declaration.value_span)
    return None


class _Builder(Transformer[Token, list[StyleRule]]):
    """A method for each rule of `stylesheet.lark`."""

    def stylesheet(self, children: list[StyleRule]) -> list[StyleRule]:
        return children

    def rule(self, children: list[Any]) -> StyleRule:
        selector: Token = children[0]
        name = selector.lstrip("*#.")
        start = selector.start_pos or 0
        return StyleRule(selector.type, name, tuple(children[1:]), str(selector), start)

    def declaration(self, children: list[Token]) -> Declaration:
        name, value = children
        text = read_text(value[1:-1])[0] if value.type == "TEXT" else str(value)
        place = (value.start_pos or 0, value.end_pos or 0)
        return Declaration(str(name), text, name.start_pos or 0, place)


@cache
def _grammar() -> Any:
    return cast(Any, Lark).open(
        "grammars/stylesheet.lark",
        rel_to=__file__,
        parser="lalr",
        start="stylesheet",
        transformer=_Builder(),
    )
