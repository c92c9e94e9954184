"""Reads a model stylesheet and tells what it says of a node (attractor-spec 8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput

from attractor.language.errors import InvalidStylesheet
from attractor.language.graph import Node
from attractor.language.literals import read_text
from attractor.language.nearest import suggester
from attractor.language.wording import quote

PROPERTIES = ("llm_model", "llm_provider", "reasoning_effort")
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
    """A property with its value, and where it stands in the stylesheet."""

    property: str
    value: str
    start: int


@dataclass(frozen=True)
class StyleRule:
    """What a selector says of the nodes it matches."""

    kind: str
    name: str
    declarations: tuple[Declaration, ...]


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
    """Read a stylesheet, or say what is wrong with it and where."""
    try:
        rules: list[StyleRule] = _grammar().parse(text)
    except UnexpectedInput as unexpected:
        raise _mistake(text, unexpected) from unexpected
    for rule in rules:
        for declaration in rule.declarations:
            _check(declaration)
    return Stylesheet(tuple(sorted(rules, key=lambda rule: _KINDS.index(rule.kind))))


def _check(declaration: Declaration) -> None:
    name, start = declaration.property, declaration.start
    if name not in PROPERTIES:
        hint = suggester(PROPERTIES)(name) or f"write {', '.join(PROPERTIES)}"
        message = f"a stylesheet has no property {quote(name)}"
        raise InvalidStylesheet(message, start=start, end=start + len(name), hint=hint)


def _mistake(text: str, unexpected: UnexpectedInput) -> InvalidStylesheet:
    start = unexpected.pos_in_stream
    if start is None or start >= len(text) or _is_at_end(unexpected):
        start = len(text)
    found = text[start:].split(maxsplit=1)
    message = f"{quote(found[0])} is unexpected" if found else "the stylesheet ends too soon"
    end = start + (len(found[0]) if found else 0)
    return InvalidStylesheet(message, start=start, end=end, hint=_hint(unexpected))


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
        return StyleRule(selector.type, selector.lstrip("*#."), tuple(children[1:]))

    def declaration(self, children: list[Token]) -> Declaration:
        name, value = children
        text = read_text(value[1:-1])[0] if value.type == "TEXT" else str(value)
        return Declaration(str(name), text, name.start_pos or 0)


@cache
def _grammar() -> Any:
    return cast(Any, Lark).open(
        "grammars/stylesheet.lark",
        rel_to=__file__,
        parser="lalr",
        start="stylesheet",
        transformer=_Builder(),
    )
