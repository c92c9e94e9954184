"""The model stylesheet: rules, grammar and syntax errors (attractor-spec 8)."""

import re
from collections.abc import Mapping
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

from lark import Lark, TextSlice, Token, Transformer, UnexpectedInput

from attractor.base.dataclasses import dataclass
from attractor.language.diagnostics import Mistake, suggester
from attractor.language.graph.attribute_catalogue import ATTRIBUTES, STYLE_PROPERTIES
from attractor.language.graph.graph import Node
from attractor.language.source.text import BARE, SMART_QUOTES, TEXT, quote, read_text

PROPERTIES = ("llm_model", "llm_provider", "reasoning_effort", "backend")


@dataclass(frozen=True)
class Declaration:
    """A property with its value, and the places of both in the stylesheet."""

    property: str
    value: str
    start: int
    value_span: tuple[int, int]


@dataclass(frozen=True)
class StyleRule:
    """The declarations of a selector, and the place of the rule."""

    kind: str
    name: str
    declarations: tuple[Declaration, ...]
    selector: str
    start: int


class _Ranked(NamedTuple):
    """The value of a property with the rank of its rule; the highest rank wins."""

    rank: int
    property: str
    value: str


@dataclass(frozen=True)
class Stylesheet:
    """Rules ordered by specificity, then by their place in the text."""

    rules: tuple[StyleRule, ...]

    def properties(self, node: Node) -> dict[str, str]:
        """Return the properties of a node; the most specific rule wins, then the last."""
        classes = [("CLASS", name) for name in node.classes]
        selectors = [("EVERY", ""), ("SHAPE", node.shape), *classes, ("ID", node.id)]
        ranked = chain.from_iterable(
            self._by_selector.get(selector, {}).values() for selector in selectors
        )
        return {one.property: one.value for one in sorted(ranked)}

    @cached_property
    def _by_selector(self) -> Mapping[tuple[str, str], Mapping[str, _Ranked]]:
        """Return the last value of each property, by selector."""
        by_selector: dict[tuple[str, str], dict[str, _Ranked]] = {}
        for rank, rule in enumerate(self.rules):
            by_property = by_selector.setdefault((rule.kind, rule.name), {})
            for declaration in rule.declarations:
                by_property[declaration.property] = _Ranked(
                    rank, declaration.property, declaration.value
                )
        return by_selector


# Bound on the backward search, which would be slow in a long text.
_NEAR = 200
_WORD = re.compile(r"\S+")
_CLASS = re.compile(r"(?<=[\s}])\.[\w-]+\Z|\A\.[\w-]+\Z")
_SELECTORS_BEFORE = re.compile(r"(?:\A|\})\s*(?P<selectors>[^{}\";:]*)\Z")
_TO_BRACE = re.compile(r"[^{}\n\";:]*")
_SELECTOR = re.compile(r"\*|[.#]?[\w-]+")
_VALUE_BEFORE = re.compile(
    r"(?P<property>[A-Za-z_][\w-]*)\s*:\s*(?P<value>[^\s;{}\":][^;{}\":]*)?\Z"
)
_REST_OF_VALUE = re.compile(r"[^;{}\n\"]*")
_NEXT_PROPERTY = re.compile(r"\s*[A-Za-z_][\w-]*\s*:(?!\S*:)")
_QUOTES = frozenset("'`").union(SMART_QUOTES)
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
# A text with more mistakes is no stylesheet, and each mistake means parsing the rest again.
_MOST_MISTAKES = 1000
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_TEXT_OR_END = re.compile(rf"{TEXT.pattern}|\}}", re.DOTALL)
EFFORTS = ATTRIBUTES["reasoning_effort"].choices
_MEANT = {**STYLE_PROPERTIES, "effort": "reasoning_effort"}
# From the least to the most specific selector.
_KINDS = ("EVERY", "SHAPE", "CLASS", "ID")


def explain(text: str, unexpected: UnexpectedInput, start: int) -> Mistake:
    """Explain an unexpected token."""
    found = _WORD.match(text, start)
    if found is None:
        message, hint = "unexpected end of the stylesheet", _hint(unexpected)
        return Mistake(message, start=start, end=start, hint=hint)
    if found[0][:2] in ("/*", "//"):
        message, hint = (
            "comments are not supported in a stylesheet",
            "move the comment out of the stylesheet",
        )
        return Mistake(message, start=start, end=start + 2, hint=hint)
    return (
        _several_selectors(text, start)
        or _no_class(text, start, found.end())
        or _wrong_value(text, start)
        or Mistake(
            f"unexpected {quote(found[0])} in the stylesheet",
            start=start,
            end=found.end(),
            hint=_hint(unexpected),
        )
    )


def is_at_end(unexpected: UnexpectedInput) -> bool:
    """Return whether the parser failed at the end of the text."""
    token: Any = getattr(unexpected, "token", None)
    return unexpected.pos_in_stream is None or (token is not None and token.type == "$END")


def _several_selectors(text: str, start: int) -> Mistake | None:
    """Explain a second selector before the brace."""
    before = _SELECTORS_BEFORE.search(text, max(0, start - _NEAR), start)
    rest = _TO_BRACE.match(text, start)
    if not before or not rest or not text.startswith("{", rest.end()):
        return None
    first = before.start("selectors")
    written = text[first : rest.end()].rstrip()
    if len(_SELECTOR.findall(before["selectors"])) != 1 or len(_SELECTOR.findall(written)) < 2:
        return None
    return Mistake(
        f"several selectors {quote(written)} in one rule",
        start=first,
        end=first + len(written),
        hint="use a single selector, or write a rule for each selector",
    )


def _no_class(text: str, start: int, end: int) -> Mistake | None:
    class_ = _CLASS.search(text, max(0, start - _NEAR), end)
    if class_ is None or not class_.start() <= start < class_.end():
        return None
    message = f"invalid class {quote(class_[0])}"
    hint = "use lowercase letters, digits and -"
    return Mistake(message, start=class_.start(), end=class_.end(), hint=hint)


def _wrong_value(text: str, start: int) -> Mistake | None:
    """Explain a property without a valid value."""
    before = _VALUE_BEFORE.search(text, max(0, start - _NEAR), start)
    rest = _REST_OF_VALUE.match(text, start)
    if before is None or rest is None or not (before["value"] or rest[0].strip()):
        return None
    if before["property"] not in PROPERTIES:
        return no_property(before["property"], before.start("property"))
    whole = (before["value"] or "").rstrip()
    first = before.start("value") if whole else start
    if whole and _NEXT_PROPERTY.match(text, start):
        message = f"missing ';' after {quote(whole)}"
        return Mistake(message, start=first, end=first + len(whole), hint="add ;")
    return _unquoted(text, first, before["property"])


def _unquoted(text: str, start: int, property_: str) -> Mistake | None:
    found = _REST_OF_VALUE.match(text, start)
    value = found[0].rstrip() if found else ""
    if not value or "," in value or BARE.fullmatch(value):
        return None
    plain = value.strip("".join(_QUOTES)) if value[0] in _QUOTES else value
    end = start + len(value)
    if property_ == "reasoning_effort" and plain not in EFFORTS:
        return no_effort(plain, start, end)
    double = "double quotes" if value[0] in _QUOTES else "quotes"
    message = f"the value {quote(value)} needs {double}"
    hint = f"write {plain}" if BARE.fullmatch(plain) else f'write \\"{plain}\\"'
    return Mistake(message, start=start, end=end, hint=hint)


def _hint(unexpected: UnexpectedInput) -> str:
    names: set[str] = getattr(unexpected, "expected", None) or getattr(unexpected, "allowed", set())
    expected = sorted({_EXPECTED[name] for name in names if name in _EXPECTED})
    return f"write {' or '.join(expected)}" if expected else "write SELECTOR { PROPERTY: VALUE; }"


def _read_rules(text: str) -> tuple[list[StyleRule], list[Mistake]]:
    """Return the valid rules, and the mistakes in the invalid rules."""
    rules: list[StyleRule] = []
    mistakes: list[Mistake] = []
    at = 0
    while len(mistakes) < _MOST_MISTAKES and (not at or text[at:].strip()):
        try:
            return rules + _grammar().parse(TextSlice(text, at, len(text))), mistakes
        except UnexpectedInput as unexpected:
            stop = len(text) if is_at_end(unexpected) else unexpected.pos_in_stream or 0
            mistakes.append(explain(text, unexpected, stop))
        # The rules before the mistake are complete.
        ends = [found.end() for found in _TEXT_OR_END.finditer(text, at, stop) if found[0] == "}"]
        rules += _grammar().parse(TextSlice(text, at, ends[-1])) if ends else []
        comment = _COMMENT.match(text, stop)
        at = text.find("}", comment.end() if comment else stop) + 1
        if not at:
            break
    return rules, mistakes


class _Builder(Transformer[Token, list[StyleRule]]):
    """Builds rules: a method for each rule of `stylesheet.lark`."""

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
        rel_to=str(Path(__file__).parent),
        parser="lalr",
        start="stylesheet",
        transformer=_Builder(),
    )


def no_property(name: str, start: int) -> Mistake:
    """Explain an unknown property."""
    meant = _MEANT.get(name, "")
    near = f"did you mean {meant}?" if meant else suggester(PROPERTIES)(name)
    return Mistake(
        f"unknown property {quote(name)}",
        start=start,
        end=start + len(name),
        hint=near or f"use {_either(PROPERTIES)}",
    )


def no_effort(value: str, start: int, end: int) -> Mistake:
    """Explain an invalid effort."""
    hint = suggester(EFFORTS)(value) or f"use {_either(EFFORTS)}"
    message = f"invalid reasoning_effort {quote(value)}"
    return Mistake(message, start=start, end=end, hint=hint)


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


class StylesheetReading(NamedTuple):
    """A stylesheet and the mistakes in it; a stylesheet with a mistake is not applied."""

    stylesheet: Stylesheet
    mistakes: tuple[Mistake, ...]


def read_stylesheet(text: str) -> StylesheetReading:
    """Parse a stylesheet and find all mistakes."""
    rules, mistakes = _read_rules(text)
    for line in chain.from_iterable(rule.declarations for rule in rules):
        if line.property not in PROPERTIES:
            mistakes.append(no_property(line.property, line.start))
        elif line.property == "reasoning_effort" and line.value not in EFFORTS:
            mistakes.append(no_effort(line.value, *line.value_span))
    mistakes.sort(key=lambda mistake: mistake.start)
    rules.sort(key=lambda rule: _KINDS.index(rule.kind))
    return StylesheetReading(Stylesheet(tuple(rules)), tuple(mistakes))
