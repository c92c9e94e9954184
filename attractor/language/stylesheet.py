"""Reads a model stylesheet and tells what it says of a node (attractor-spec 8)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple, cast

from lark import Lark, Token, Transformer, UnexpectedInput

from attractor.language.errors import InvalidStylesheet
from attractor.language.graph import Node
from attractor.language.literals import read_text
from attractor.language.nearest import suggester
from attractor.language.wording import quote

PROPERTIES = ("llm_model", "llm_provider", "reasoning_effort")
EFFORTS = ("low", "medium", "high")
_WORD = re.compile(r"\S+")
_CLASS = re.compile(r"(?<=[\s}])\.[\w-]+\Z|\A\.[\w-]+\Z")
_LONGEST_CLASS = 100
# From the least specific selector to the most specific one.
_KINDS = ("EVERY", "SHAPE", "CLASS", "ID")
_EXPECTED = {
    "EVERY": "*",
    "SHAPE": "a shape",
    "CLASS": ".class",
    "ID": "#id",
    "PROPERTY": "a property",
    "TEXT": "a value",
    "BARE": "a value",
    "LBRACE": "{",
    "RBRACE": "}",
    "SEMICOLON": ";",
    "COLON": ":",
}


@dataclass(frozen=True)
class Declaration:
    """A property with its value, and where they stand in the stylesheet."""

    property: str
    value: str
    start: int
    value_span: tuple[int, int]


@dataclass(frozen=True)
class StyleRule:
    """What a selector says of the nodes it matches, and where the selector stands."""

    kind: str
    name: str
    declarations: tuple[Declaration, ...]
    selector: str
    start: int


@dataclass(frozen=True)
class Stylesheet:
    """Rules from the least specific to the most specific, each kind in the order of the text."""

    rules: tuple[StyleRule, ...]

    def properties(self, node: Node) -> dict[str, str]:
        """Return what the rules say of a node; the most specific one wins, then the last."""
        classes = [("CLASS", name) for name in node.classes]
        selectors = [("EVERY", ""), ("SHAPE", node.shape), *classes, ("ID", node.id)]
        ranks = sorted(rank for one in selectors for rank in self._ranks.get(one, ()))
        matching = [one for rank in ranks for one in self.rules[rank].declarations]
        return {one.property: one.value for one in matching}

    @cached_property
    def _ranks(self) -> Mapping[tuple[str, str], list[int]]:
        ranks: dict[tuple[str, str], list[int]] = {}
        for rank, rule in enumerate(self.rules):
            ranks.setdefault((rule.kind, rule.name), []).append(rank)
        return ranks


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
    """Read a stylesheet and find every mistake in it, but only the first that is grammar."""
    try:
        rules: list[StyleRule] = _grammar().parse(text)
    except UnexpectedInput as unexpected:
        return StylesheetReading(Stylesheet(()), (_mistake(text, unexpected),))
    checked = (_shortcoming(one) for rule in rules for one in rule.declarations)
    rules.sort(key=lambda rule: _KINDS.index(rule.kind))
    return StylesheetReading(Stylesheet(tuple(rules)), tuple(one for one in checked if one))


def _shortcoming(declaration: Declaration) -> InvalidStylesheet | None:
    name, value = declaration.property, declaration.value
    if name not in PROPERTIES:
        start, end = declaration.start, declaration.start + len(name)
        hint = suggester(PROPERTIES)(name) or f"write {', '.join(PROPERTIES)}"
        message = f"a stylesheet has no property {quote(name)}"
    elif name == "reasoning_effort" and value not in EFFORTS:
        start, end = declaration.value_span
        hint = suggester(EFFORTS)(value) or f"write {', '.join(EFFORTS)}"
        message = f"{quote(value)} is no reasoning_effort"
    else:
        return None
    return InvalidStylesheet(message, start=start, end=end, hint=hint)


def _mistake(text: str, unexpected: UnexpectedInput) -> InvalidStylesheet:
    start = unexpected.pos_in_stream
    if start is None or start >= len(text) or _is_at_end(unexpected):
        start = len(text)
    found = _WORD.match(text, start)
    if found is None:
        message, hint = "the stylesheet ends too soon", _hint(unexpected)
        return InvalidStylesheet(message, start=start, end=start, hint=hint)
    class_ = _CLASS.search(text, max(0, start - _LONGEST_CLASS), found.end())
    if class_ and class_.end() > start:
        message = f"{quote(class_[0])} is not the name of a class"
        hint = "a class has small letters, digits and -"
        return InvalidStylesheet(message, start=class_.start(), end=class_.end(), hint=hint)
    message = f"{quote(found[0])} is unexpected"
    hint = "a stylesheet has no comments" if found[0][:2] in ("/*", "//") else _hint(unexpected)
    return InvalidStylesheet(message, start=start, end=found.end(), hint=hint)


def _is_at_end(unexpected: UnexpectedInput) -> bool:
    token: Any = getattr(unexpected, "token", None)
    return token is not None and token.type == "$END"


def _hint(unexpected: UnexpectedInput) -> str:
    names: set[str] = getattr(unexpected, "expected", None) or getattr(unexpected, "allowed", set())
    expected = sorted({_EXPECTED[name] for name in names if name in _EXPECTED})
    return f"write {' or '.join(expected)}" if expected else "write SELECTOR { PROPERTY: VALUE; }"


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
