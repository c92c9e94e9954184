"""The table that is kept is the one that lark makes of the grammar."""

import json

import pytest

from attractor.language.lalr import TABLE, Machine, Unexpected, read_table
from attractor.language.table_building import build_table
from attractor.language.tokens import END, Token


def tokens(*types: str) -> list[Token]:
    return [Token(one, 0, 0) for one in types]


def test_the_table_is_that_of_the_grammar() -> None:
    assert TABLE.read_text("utf-8") == build_table(), "run: make tables"


def test_a_token_that_may_not_follow_is_refused_and_the_walk_stays_where_it_was() -> None:
    machine = Machine()
    machine.feed(Token("DIGRAPH", 0, 0))
    with pytest.raises(Unexpected):
        machine.feed(Token("_ARROW", 0, 0))
    assert machine.feed(Token("_OPEN", 0, 0)) is None


def test_behind_the_end_nothing_else_may_follow() -> None:
    machine = Machine()
    assert machine.is_at_beginning
    for token in tokens("DIGRAPH", "_OPEN", "_CLOSE"):
        machine.feed(token)
    assert machine.expects_only(END)
    assert not machine.is_at_beginning


def test_a_rule_that_passes_on_leaves_its_only_child() -> None:
    class Calls:
        def statement(self, children: list[object]) -> object:
            raise AssertionError(children)

    table = read_table(json.loads(TABLE.read_text("utf-8")), Calls())
    assert all(rule.passes_on for rule in table.rules if rule.name == "statement")
