"""The parser that lark makes of a grammar, one token at a time, with the means to recover."""

from functools import cache
from typing import Any, Protocol, cast

from lark import Lark, UnexpectedToken
from lark.parsers.lalr_analysis import Shift

from attractor.language.tokens import Token
from attractor.language.tree_builder import TreeBuilder

_NOTHING = (None,)

Unexpected = UnexpectedToken
"""A token that the grammar does not expect."""


class Machine:
    """A walk through the states of the grammar of `dot.lark`."""

    def __init__(self) -> None:
        self._walk = _grammar().parse_interactive()
        self._state = self._walk.parser_state

    def feed(self, token: Token) -> object:
        """Take a token, or raise Unexpected; behind the last one return what was built."""
        # It asks a token for nothing but its type, and to make lark's own takes long.
        return self._walk.feed_token(token)

    @property
    def is_at_beginning(self) -> bool:
        """Whether nothing has been taken yet."""
        return len(self._state.state_stack) == 1

    def expects_only(self, type_: str) -> bool:
        """Tell whether no other token may follow."""
        return set(self._state.parse_conf.states[self._state.state_stack[-1]]) == {type_}

    def depth_for(self, type_: str) -> int:
        """Return how much of the walk is kept so that a token of this type may be taken next."""
        states, stack = self._state.parse_conf.states, self._state.state_stack
        depth = len(stack)
        # A state that would reduce first does not tell yet whether the token may follow.
        while depth and states[stack[depth - 1]].get(type_, _NOTHING)[0] is not Shift:
            depth -= 1
        return depth

    def cut(self, depth: int) -> None:
        """Forget what is deeper."""
        del self._state.state_stack[depth:]
        del self._state.value_stack[depth - 1 :]


class _Conf(Protocol):
    states: dict[int, dict[str, Any]]


class _State(Protocol):
    state_stack: list[int]
    value_stack: list[object]
    parse_conf: _Conf


class _Walk(Protocol):
    parser_state: _State

    def feed_token(self, token: Token) -> object: ...


class _Grammar(Protocol):
    """What is used of lark, whose own types say less."""

    def parse_interactive(self) -> _Walk: ...


@cache
def _grammar() -> _Grammar:
    return cast(Any, Lark).open(
        "grammars/dot.lark",
        rel_to=__file__,
        parser="lalr",
        lexer="basic",
        start="pipeline",
        transformer=TreeBuilder(),
    )
