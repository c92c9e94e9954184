"""Parses conditions beyond the portable core with lark, and explains their syntax errors."""

import re
from collections.abc import Callable, Set
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput

from attractor.base.errors import UsageError
from attractor.language.conditions.condition import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Contains,
    Matches,
    Not,
    NumberComparison,
    Truth,
    read_number,
)
from attractor.language.errors import InvalidCondition
from attractor.language.source.text import BARE, SMART_QUOTES, quote, read_text


def parse_extended(text: str) -> Condition:
    """Read a condition that may go beyond the portable core."""
    if mistake := misplaced_parenthesis(text):
        raise mistake
    try:
        return _grammar().parse(text)
    except UnexpectedInput as unexpected:
        raise explain(text, unexpected) from unexpected


class _Builder(Transformer[Token, Condition]):
    """A method for each rule of `condition.lark`."""

    def any_of(self, children: list[Condition]) -> Condition:
        return AnyOf(tuple(children))

    def all_of(self, children: list[Condition]) -> Condition:
        return AllOf(tuple(children))

    def negation(self, children: list[Any]) -> Condition:
        clause: Condition = children[-1]
        # Two cancel each other out, so that no row of them makes a tree of any depth.
        return Not(clause) if len(children) % 2 == 0 else clause

    def truth(self, children: list[Token]) -> Condition:
        (key,) = children
        if key in ("true", "false"):
            hint = "an edge without a condition may always be taken; one that never may is none"
            raise wrong_literal(key, f"{quote(key)} is not a key", hint)
        return Truth(str(key))

    def comparison(self, children: list[Token]) -> Condition:
        key, sign, literal = children
        return Comparison(str(key), _plain_literal(literal), sign.type == "EQUAL")

    def order(self, children: list[Token]) -> Condition:
        key, sign, literal = children
        number = _plain_literal(literal)
        if read_number(number) is None:
            raise wrong_literal(literal, *no_number(number))
        return NumberComparison(str(key), str(sign), number)

    def contains(self, children: list[Token]) -> Condition:
        return Contains(str(children[0]), _plain_literal(children[2]))

    def matches(self, children: list[Token]) -> Condition:
        key, _, literal = children
        pattern = _plain_literal(literal)
        try:
            return Matches(str(key), pattern, compile_pattern(pattern))
        except InvalidPattern as invalid:
            raise wrong_literal(literal, invalid.message, invalid.hint) from invalid


class InvalidPattern(UsageError):
    """The regular expression is invalid."""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that searches a text in linear time; a final newline may be ignored.

    The texts come from models: Python's own `re` would need exponential time for some of them.
    """
    # Only conditions with `matches` need it.
    import re2  # pyright: ignore[reportMissingTypeStubs]

    library: Any = re2
    options = library.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        search = library.compile(pattern.encode("utf-8", "replace"), options).search
    except library.error as error:
        reason = error.args[0].decode("utf-8", "replace").rpartition(":")[0]
        message = f"invalid regular expression {quote(pattern)}: {reason}"
        hint = "see https://github.com/google/re2/wiki/Syntax"
        raise InvalidPattern(message, hint=hint) from error

    def matches(text: str) -> bool:
        encoded = text.encode("utf-8", "replace")
        # RE2's `$` does not match before a final newline, which most output of commands has.
        return bool(search(encoded) or encoded.endswith(b"\n") and search(encoded[:-1]))

    return matches


def _plain_literal(literal: Token) -> str:
    return read_text(literal[1:-1])[0] if literal.type == "TEXT" else str(literal)


@cache
def _grammar() -> Any:
    return cast(Any, Lark).open(
        "grammars/condition.lark",
        rel_to=str(Path(__file__).parent),
        parser="lalr",
        start="condition",
        transformer=_Builder(),
    )


DEEPEST = 30
"""How many parentheses may lie within each other."""

OTHER_QUOTES = "'`" + "".join(sorted(SMART_QUOTES))
"""Quotes that no text of the language stands in."""

# How far back a mistake is explained from: a search through all of a long text takes long.
_NEAR = 200
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_PARENTHESIS = re.compile(rf"{_TEXT}|[()]", re.DOTALL)
_KEY = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
_QUOTED = re.compile(_TEXT, re.DOTALL)
_KEY_BEFORE = re.compile(rf"{_KEY}\s*\Z")
_LITERAL_BEFORE = re.compile(r"(?:=|[<>]|\bcontains\s|\bmatches\s)\s*(?P<literal>[\w.:-]+)\s*\Z")
_TO_JOINER = re.compile(rf"(?:{_TEXT}|(?!&&|\|\||[()])[^\"])*", re.DOTALL)
_WORD = re.compile(r"[^\s=!<>&|()\"]+|\S")
_AND_A_CLAUSE = re.compile(rf"(?:and|or)\s+[!(\s]*{_KEY}\s*(?:!?=|[<>]|contains\b|matches\b)", re.I)
_OPERATORS = "=, !=, <, <=, >, >=, contains or matches"
_SIGNS = {
    "==": ("== is no operator", "write = for equal and != for not equal"),
    "=~": ("=~ is no operator", "write matches"),
    "=>": ("=> is no operator", "write >="),
    "=<": ("=< is no operator", "write <="),
    "<>": ("<> is no operator", "write != for not equal"),
    "><": (">< is no operator", "write != for not equal"),
    ">>": (">> is no operator", f"write {_OPERATORS}"),
    "<<": ("<< is no operator", f"write {_OPERATORS}"),
}
_JOINERS = {"and": "&&", "or": "||", "&": "&&", "|": "||"}


def explain(text: str, unexpected: UnexpectedInput) -> InvalidCondition:
    """Say what is wrong where the grammar expected something else."""
    token: Any = getattr(unexpected, "token", None)
    at = unexpected.pos_in_stream
    if at is None or (token is not None and token.type == "$END"):
        at = len(text.rstrip())
    if text.startswith('"', at) and not _QUOTED.match(text, at):
        message = f"the quotes of {quote(text[at:])} are never closed"
        return _mistake(text, at, len(text), message, 'put a " at the end of the text')
    names: Any = getattr(unexpected, "expected", None) or getattr(unexpected, "allowed", None)
    expected: Set[str] = names or set()
    if "EQUAL" in expected:
        return _no_operator(text, at)
    if "KEY" in expected:
        return _no_clause(text, at)
    if "TEXT" in expected:
        return _no_literal(text, at, wants_number="NUMBER" in expected)
    return _no_joiner(text, at)


def misplaced_parenthesis(text: str) -> InvalidCondition | None:
    """Find a parenthesis without its other half, or too many within each other."""
    opened: list[int] = []
    for found in _PARENTHESIS.finditer(text):
        at = found.start()
        if found[0] == "(":
            opened.append(at)
            if len(opened) > DEEPEST:
                message = f"more than {DEEPEST} parentheses lie within each other"
                return _mistake(text, at, at + 1, message, "write a simpler condition")
        elif found[0] == ")":
            if not opened:
                message = "this ) closes nothing"
                return _mistake(text, at, at + 1, message, "take it away, or write its (")
            opened.pop()
    if not opened or text.count('"') % 2:
        return None
    at = opened[-1]
    return _mistake(text, at, at + 1, "this ( is never closed", "write ) where it ends")


def no_number(literal: str) -> tuple[str, str]:
    """Say that an operator compares numbers, and what to write."""
    return f"{quote(literal)} is not a number", "write a number, or compare with = or !="


def wrong_literal(literal: Token, message: str, hint: str) -> InvalidCondition:
    """Say what is wrong with a literal that its operator does not take."""
    start, end = literal.start_pos or 0, literal.end_pos or 0
    return InvalidCondition(message, start=start, end=end, hint=hint)


def _no_operator(text: str, at: int) -> InvalidCondition:
    """Behind a key stands neither an operator nor what joins clauses."""
    sign = text[at : at + 2]
    if sign in _SIGNS:
        return _mistake(text, at, at + 2, *_SIGNS[sign])
    word = _word(text, at)
    before = _KEY_BEFORE.search(text, max(0, at - _NEAR), at)
    key, start = (before[0].strip(), before.start()) if before else ("", at)
    if key.lower() == "not":
        return _mistake(text, start, start + 3, "'not' is no word of conditions", "write !")
    if word.lower() in _JOINERS:
        return _wrong_joiner(text, at, word)
    if at == start + len(key) and word:
        message = f"{quote(key + word)} is not a key"
        hint = "keys are outcome, preferred_label and context.NAME"
        return _mistake(text, start, at + len(word), message, hint)
    return _mistake(
        text, at, at + len(word), f"{quote(word)} is no operator", f"write {_OPERATORS}"
    )


def _no_clause(text: str, at: int) -> InvalidCondition:
    """Where a clause should begin there is no key."""
    word = _word(text, at)
    if not word or word in "&|)":
        end = at + len(word)
        return _mistake(text, at, end, "a clause is missing here", "write KEY=VALUE")
    if word in "=<>":
        message = f"a key is missing before {word}"
        return _mistake(text, at, at + 1, message, "write outcome, preferred_label or context.NAME")
    if word == '"' or word[0] in "-0123456789":
        piece = _piece(text, at)
        message = f"{quote(piece)} is not a key"
        return _mistake(text, at, at + len(piece), message, "write the key first: KEY=VALUE")
    hint = "keys are outcome, preferred_label and context.NAME"
    return _mistake(text, at, at + len(word), f"{quote(word)} is not a key", hint)


def _no_literal(text: str, at: int, *, wants_number: bool) -> InvalidCondition:
    """Behind an operator stands no value."""
    piece = _piece(text, at)
    if not piece:
        message, hint = "a value is missing here", 'write one; "" is the empty text'
        return _mistake(text, at, at + 1, message, hint)
    if wants_number:
        return _mistake(text, at, at + len(piece), *no_number(piece))
    return _needs_quotes(text, at, piece)


def _no_joiner(text: str, at: int) -> InvalidCondition:
    """Behind a whole clause stands neither `&&` nor `||`."""
    word = _word(text, at)
    if word in ("&", "|") or _AND_A_CLAUSE.match(text, at):
        return _wrong_joiner(text, at, word)
    before = _LITERAL_BEFORE.search(text, max(0, at - _NEAR), at)
    if before:
        start = before.start("literal")
        return _needs_quotes(text, start, _piece(text, start))
    message = f"{quote(word)} does not belong behind a clause"
    return _mistake(text, at, at + len(word), message, "write && or || between clauses")


def _wrong_joiner(text: str, at: int, word: str) -> InvalidCondition:
    joiner = _JOINERS[word.lower()]
    message = f"{quote(word)} joins no clauses"
    return _mistake(text, at, at + len(word), message, f"write {joiner}")


def _needs_quotes(text: str, at: int, piece: str) -> InvalidCondition:
    if piece[0] in OTHER_QUOTES:
        plain = piece.strip(OTHER_QUOTES)
        message = f"the value {quote(piece)} has to stand in double quotes"
        hint = f"write {plain}" if BARE.fullmatch(plain) else f'write \\"{plain}\\"'
        return _mistake(text, at, at + len(piece), message, hint)
    message = f"the value {quote(piece)} has to stand in quotes"
    return _mistake(text, at, at + len(piece), message, f'write \\"{piece}\\"')


def _word(text: str, at: int) -> str:
    found = _WORD.match(text, at)
    return found[0] if found else ""


def _piece(text: str, at: int) -> str:
    """Return what stands from an offset to the end of its clause."""
    found = _TO_JOINER.match(text, at)
    return found[0].rstrip() if found else ""


def _mistake(text: str, start: int, end: int, message: str, hint: str) -> InvalidCondition:
    return InvalidCondition(message, start=start, end=min(end, len(text)), hint=hint)
