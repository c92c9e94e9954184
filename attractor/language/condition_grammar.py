"""Reads a condition by the grammar of `condition.lark`, or says what is wrong with it and where."""

from functools import cache
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput

from attractor.language.condition_mistakes import (
    explain,
    misplaced_parenthesis,
    no_number,
    wrong_literal,
)
from attractor.language.condition_operators import (
    AnyOf,
    Contains,
    Matches,
    Not,
    Order,
    Truth,
    read_number,
)
from attractor.language.conditions import AllOf, Comparison, Condition
from attractor.language.literals import read_text
from attractor.language.matching import InvalidPattern, compile_pattern
from attractor.language.wording import quote


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
        return Comparison(str(key), _plain(literal), sign.type == "EQUAL")

    def order(self, children: list[Token]) -> Condition:
        key, sign, literal = children
        number = _plain(literal)
        if read_number(number) is None:
            raise wrong_literal(literal, *no_number(number))
        return Order(str(key), str(sign), number)

    def contains(self, children: list[Token]) -> Condition:
        return Contains(str(children[0]), _plain(children[2]))

    def matches(self, children: list[Token]) -> Condition:
        key, _, literal = children
        pattern = _plain(literal)
        try:
            return Matches(str(key), pattern, compile_pattern(pattern).search)
        except InvalidPattern as invalid:
            raise wrong_literal(literal, invalid.message, invalid.hint) from invalid


def _plain(literal: Token) -> str:
    return read_text(literal[1:-1])[0] if literal.type == "TEXT" else str(literal)


@cache
def _grammar() -> Any:
    return cast(Any, Lark).open(
        "grammars/condition.lark",
        rel_to=__file__,
        parser="lalr",
        start="condition",
        transformer=_Builder(),
    )
