"""Says what is wrong with a stylesheet, in a sentence for each of the usual mistakes."""

import re
from typing import Any

from lark import UnexpectedInput

from attractor.language.attributes import ATTRIBUTES
from attractor.language.converting.foreign_words import STYLE_PROPERTIES
from attractor.language.errors import InvalidStylesheet
from attractor.language.nearest import suggester
from attractor.language.patterns import SMART_QUOTES
from attractor.language.wording import quote

PROPERTIES = ("llm_model", "llm_provider", "reasoning_effort")
EFFORTS = ATTRIBUTES["reasoning_effort"].choices

_MEANT = {**STYLE_PROPERTIES, "effort": "reasoning_effort"}
# How far back a mistake is explained from: a search through all of a long text takes long.
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
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
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


def no_property(name: str, start: int) -> InvalidStylesheet:
    """Say that there is no such property."""
    meant = _MEANT.get(name, "")
    near = f"did you mean {meant}?" if meant else suggester(PROPERTIES)(name)
    return InvalidStylesheet(
        f"a stylesheet has no property {quote(name)}",
        start=start,
        end=start + len(name),
        hint=near or f"write {_either(PROPERTIES)}",
    )


def no_effort(value: str, start: int, end: int) -> InvalidStylesheet:
    """Say that a model cannot think so hard."""
    hint = suggester(EFFORTS)(value) or f"write {_either(EFFORTS)}"
    message = f"{quote(value)} is no reasoning_effort"
    return InvalidStylesheet(message, start=start, end=end, hint=hint)


def explain(text: str, unexpected: UnexpectedInput, start: int) -> InvalidStylesheet:
    """Say what is wrong where the grammar expected something else."""
    found = _WORD.match(text, start)
    if found is None:
        message, hint = "the stylesheet ends too soon", _hint(unexpected)
        return InvalidStylesheet(message, start=start, end=start, hint=hint)
    if found[0][:2] in ("/*", "//"):
        message, hint = "a stylesheet has no comments", "put them outside of it"
        return InvalidStylesheet(message, start=start, end=start + 2, hint=hint)
    return (
        _several_selectors(text, start)
        or _no_class(text, start, found.end())
        or _wrong_value(text, start)
        or InvalidStylesheet(
            f"{quote(found[0])} is unexpected in a stylesheet",
            start=start,
            end=found.end(),
            hint=_hint(unexpected),
        )
    )


def is_at_end(unexpected: UnexpectedInput) -> bool:
    """Tell whether it is the end that was not expected."""
    token: Any = getattr(unexpected, "token", None)
    return unexpected.pos_in_stream is None or (token is not None and token.type == "$END")


def _several_selectors(text: str, start: int) -> InvalidStylesheet | None:
    """Behind a whole selector stands another one before the brace."""
    before = _SELECTORS_BEFORE.search(text, max(0, start - _NEAR), start)
    rest = _TO_BRACE.match(text, start)
    if not before or not rest or not text.startswith("{", rest.end()):
        return None
    first = before.start("selectors")
    written = text[first : rest.end()].rstrip()
    if len(_SELECTOR.findall(before["selectors"])) != 1 or len(_SELECTOR.findall(written)) < 2:
        return None
    return InvalidStylesheet(
        f"a rule has one selector, and {quote(written)} is more",
        start=first,
        end=first + len(written),
        hint="write one of them, or a rule for each",
    )


def _no_class(text: str, start: int, end: int) -> InvalidStylesheet | None:
    class_ = _CLASS.search(text, max(0, start - _NEAR), end)
    if class_ is None or not class_.start() <= start < class_.end():
        return None
    message = f"{quote(class_[0])} is not the name of a class"
    hint = "a class has small letters, digits and -"
    return InvalidStylesheet(message, start=class_.start(), end=class_.end(), hint=hint)


def _wrong_value(text: str, start: int) -> InvalidStylesheet | None:
    """Behind a property and its colon stands no value, or more than one."""
    before = _VALUE_BEFORE.search(text, max(0, start - _NEAR), start)
    rest = _REST_OF_VALUE.match(text, start)
    if before is None or rest is None or not (before["value"] or rest[0].strip()):
        return None
    if before["property"] not in PROPERTIES:
        return no_property(before["property"], before.start("property"))
    whole = (before["value"] or "").rstrip()
    first = before.start("value") if whole else start
    if whole and _NEXT_PROPERTY.match(text, start):
        message = f"a ';' is missing behind {quote(whole)}"
        return InvalidStylesheet(message, start=first, end=first + len(whole), hint="write ;")
    return _unquoted(text, first, before["property"])


def _unquoted(text: str, start: int, property_: str) -> InvalidStylesheet | None:
    found = _REST_OF_VALUE.match(text, start)
    value = found[0].rstrip() if found else ""
    if not value or "," in value or _BARE.fullmatch(value):
        return None
    plain = value.strip("".join(_QUOTES)) if value[0] in _QUOTES else value
    end = start + len(value)
    if property_ == "reasoning_effort" and plain not in EFFORTS:
        return no_effort(plain, start, end)
    double = "double quotes" if value[0] in _QUOTES else "quotes"
    message = f"the value {quote(value)} has to stand in {double}"
    hint = f"write {plain}" if _BARE.fullmatch(plain) else f'write \\"{plain}\\"'
    return InvalidStylesheet(message, start=start, end=end, hint=hint)


def _hint(unexpected: UnexpectedInput) -> str:
    names: set[str] = getattr(unexpected, "expected", None) or getattr(unexpected, "allowed", set())
    expected = sorted({_EXPECTED[name] for name in names if name in _EXPECTED})
    return f"write {' or '.join(expected)}" if expected else "write SELECTOR { PROPERTY: VALUE; }"


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
