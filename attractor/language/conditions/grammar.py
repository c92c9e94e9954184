"""Parses conditions beyond the portable core with lark, and explains their syntax errors."""

import re
from collections.abc import Callable, Set
from functools import cache
from pathlib import Path
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput

from attractor.base.errors import UsageError
from attractor.base.patterns import linear_search
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
from attractor.language.diagnostics import InvalidCondition
from attractor.language.source.text import BARE, QUALIFIED, SMART_QUOTES, TEXT, quote, read_text


def parse_extended(text: str) -> Condition:
    """Parse a condition with extensions."""
    if mistake := misplaced_parenthesis(text):
        raise mistake
    try:
        return _grammar().parse(text)
    except UnexpectedInput as unexpected:
        raise explain(text, unexpected) from unexpected


class _Builder(Transformer[Token, Condition]):
    """Builds conditions: a method for each rule of `condition.lark`."""

    def any_of(self, children: list[Condition]) -> Condition:
        return AnyOf(tuple(children))

    def all_of(self, children: list[Condition]) -> Condition:
        return AllOf(tuple(children))

    def negation(self, children: list[Any]) -> Condition:
        clause: Condition = children[-1]
        # Two negations cancel out, so a row of `!` makes no deep tree.
        return Not(clause) if len(children) % 2 == 0 else clause

    def truth(self, children: list[Token]) -> Condition:
        (key,) = children
        if key in ("true", "false"):
            hint = "remove the condition if it is always true, or the edge if it is never true"
            raise wrong_literal(key, f"invalid key {quote(key)}", hint)
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
    """A regular expression is invalid."""


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that searches a text in linear time; a final newline can be ignored."""
    try:
        return linear_search(pattern, dot_nl=True)
    except ValueError as error:
        reason = str(error.__cause__).rpartition(":")[0]
        message = f"invalid regular expression {quote(pattern)}: {reason}"
        hint = "see https://github.com/google/re2/wiki/Syntax"
        raise InvalidPattern(message, hint=hint) from error


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
"""The deepest allowed nesting of parentheses."""

OTHER_QUOTES = "'`" + "".join(sorted(SMART_QUOTES))
"""Quotes other than double quotes."""

# Bound on the backward search, which would be slow in a long text.
_NEAR = 200
_PARENTHESIS = re.compile(rf"{TEXT.pattern}|[()]", re.DOTALL)
_KEY = QUALIFIED.pattern
_KEY_BEFORE = re.compile(rf"{_KEY}\s*\Z")
_LITERAL_BEFORE = re.compile(r"(?:=|[<>]|\bcontains\s|\bmatches\s)\s*(?P<literal>[\w.:-]+)\s*\Z")
_TO_JOINER = re.compile(rf"(?:{TEXT.pattern}|(?!&&|\|\||[()])[^\"])*", re.DOTALL)
_WORD = re.compile(r"[^\s=!<>&|()\"]+|\S")
_AND_A_CLAUSE = re.compile(rf"(?:and|or)\s+[!(\s]*{_KEY}\s*(?:!?=|[<>]|contains\b|matches\b)", re.I)
_OPERATORS = "=, !=, <, <=, >, >=, contains or matches"
_SIGNS = {
    "==": ("unknown operator ==", "use = for equal and != for not equal"),
    "=~": ("unknown operator =~", "use matches"),
    "=>": ("unknown operator =>", "use >="),
    "=<": ("unknown operator =<", "use <="),
    "<>": ("unknown operator <>", "use != for not equal"),
    "><": ("unknown operator ><", "use != for not equal"),
    ">>": ("unknown operator >>", f"use {_OPERATORS}"),
    "<<": ("unknown operator <<", f"use {_OPERATORS}"),
}
_JOINERS = {"and": "&&", "or": "||", "&": "&&", "|": "||"}


def explain(text: str, unexpected: UnexpectedInput) -> InvalidCondition:
    """Return the error for an unexpected token."""
    token: Any = getattr(unexpected, "token", None)
    at = unexpected.pos_in_stream
    if at is None or (token is not None and token.type == "$END"):
        at = len(text.rstrip())
    if text.startswith('"', at) and not TEXT.match(text, at):
        message = f"unclosed quote in {quote(text[at:])}"
        return _mistake(text, at, len(text), message, 'add " at the end of the text')
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
    """Return the error for an unbalanced parenthesis, or for too deeply nested parentheses."""
    opened: list[int] = []
    for found in _PARENTHESIS.finditer(text):
        at = found.start()
        if found[0] == "(":
            opened.append(at)
            if len(opened) > DEEPEST:
                message = f"more than {DEEPEST} nested parentheses"
                return _mistake(text, at, at + 1, message, "simplify the condition")
        elif found[0] == ")":
            if not opened:
                message = "unbalanced )"
                return _mistake(text, at, at + 1, message, "remove it, or add the missing (")
            opened.pop()
    if not opened or text.count('"') % 2:
        return None
    at = opened[-1]
    return _mistake(text, at, at + 1, "unclosed (", "add the missing )")


def no_number(literal: str) -> tuple[str, str]:
    """Return the message and the hint for a literal that is not a number."""
    return f"{quote(literal)} is not a number", "use a number, or compare with = or !="


def wrong_literal(literal: Token, message: str, hint: str) -> InvalidCondition:
    """Return the error for an invalid literal."""
    start, end = literal.start_pos or 0, literal.end_pos or 0
    return InvalidCondition(message, start=start, end=end, hint=hint)


def _no_operator(text: str, at: int) -> InvalidCondition:
    """Return the error for a key without an operator."""
    sign = text[at : at + 2]
    if sign in _SIGNS:
        return _mistake(text, at, at + 2, *_SIGNS[sign])
    word = _word(text, at)
    before = _KEY_BEFORE.search(text, max(0, at - _NEAR), at)
    key, start = (before[0].strip(), before.start()) if before else ("", at)
    if key.lower() == "not":
        return _mistake(text, start, start + 3, "unknown word 'not'", "use !")
    if word.lower() in _JOINERS:
        return _wrong_joiner(text, at, word)
    if at == start + len(key) and word:
        message = f"invalid key {quote(key + word)}"
        hint = "valid keys are outcome, preferred_label and context.NAME"
        return _mistake(text, start, at + len(word), message, hint)
    return _mistake(
        text, at, at + len(word), f"unknown operator {quote(word)}", f"use {_OPERATORS}"
    )


def _no_clause(text: str, at: int) -> InvalidCondition:
    """Return the error for a clause without a key."""
    word = _word(text, at)
    if not word or word in "&|)":
        end = at + len(word)
        return _mistake(text, at, end, "missing clause", "add KEY=VALUE")
    if word in "=<>":
        message = f"missing key before {word}"
        return _mistake(text, at, at + 1, message, "add outcome, preferred_label or context.NAME")
    if word == '"' or word[0] in "-0123456789":
        piece = _piece(text, at)
        message = f"invalid key {quote(piece)}"
        return _mistake(text, at, at + len(piece), message, "write the key first: KEY=VALUE")
    hint = "valid keys are outcome, preferred_label and context.NAME"
    return _mistake(text, at, at + len(word), f"invalid key {quote(word)}", hint)


def _no_literal(text: str, at: int, *, wants_number: bool) -> InvalidCondition:
    """Return the error for an operator without a valid value."""
    piece = _piece(text, at)
    if not piece:
        message, hint = "missing value", 'add a value; "" is the empty text'
        return _mistake(text, at, at + 1, message, hint)
    if wants_number:
        return _mistake(text, at, at + len(piece), *no_number(piece))
    return _needs_quotes(text, at, piece)


def _no_joiner(text: str, at: int) -> InvalidCondition:
    """Return the error for a clause that is followed by neither `&&` nor `||`."""
    word = _word(text, at)
    if word in ("&", "|") or _AND_A_CLAUSE.match(text, at):
        return _wrong_joiner(text, at, word)
    before = _LITERAL_BEFORE.search(text, max(0, at - _NEAR), at)
    if before:
        start = before.start("literal")
        return _needs_quotes(text, start, _piece(text, start))
    message = f"unexpected {quote(word)} after a clause"
    return _mistake(text, at, at + len(word), message, "use && or || between clauses")


def _wrong_joiner(text: str, at: int, word: str) -> InvalidCondition:
    joiner = _JOINERS[word.lower()]
    message = f"{quote(word)} does not join clauses"
    return _mistake(text, at, at + len(word), message, f"use {joiner}")


def _needs_quotes(text: str, at: int, piece: str) -> InvalidCondition:
    if piece[0] in OTHER_QUOTES:
        plain = piece.strip(OTHER_QUOTES)
        message = f"the value {quote(piece)} needs double quotes"
        hint = f"write {plain}" if BARE.fullmatch(plain) else f'write \\"{plain}\\"'
        return _mistake(text, at, at + len(piece), message, hint)
    message = f"the value {quote(piece)} needs quotes"
    return _mistake(text, at, at + len(piece), message, f'write \\"{piece}\\"')


def _word(text: str, at: int) -> str:
    found = _WORD.match(text, at)
    return found[0] if found else ""


def _piece(text: str, at: int) -> str:
    """Return the text from an offset to the end of the clause."""
    found = _TO_JOINER.match(text, at)
    return found[0].rstrip() if found else ""


def _mistake(text: str, start: int, end: int, message: str, hint: str) -> InvalidCondition:
    return InvalidCondition(message, start=start, end=min(end, len(text)), hint=hint)
