"""Tells what the braces of a text hold, and which of them have no partner."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from functools import cached_property
from itertools import accumulate, takewhile

from attractor.language.tokens import Token

_BEGINS_AN_EDGE = frozenset({"_ARROW", "DASHES", "OTHER_ARROW"})
_BEFORE_A_LIST = frozenset({"ID", "NODE", "EDGE", "GRAPH", "ATTRIBUTES"})
_OF_A_LIST = frozenset({"ATTRIBUTE", "_SEMICOLON", "OTHER"})
# To go by the margins of lines is a guess: it looks no further than this.
_FAR, _MOST_LEVELS = 200, 50
_STEPS = {"_OPEN": 1, "_CLOSE": -1}


class Held(Enum):
    """What braces were meant to hold that stand where none may."""

    TARGETS = auto()
    ORIGINS = auto()
    ATTRIBUTES = auto()
    STATEMENTS = auto()


class Braces:
    """The braces of a text, by the places of their tokens; found out when they are asked for."""

    def __init__(self, tokens: Sequence[Token], text: str) -> None:
        self._tokens = tokens
        self._text = text

    def held(self, at: int) -> Held:
        """Tell what is meant by the braces that open at a token."""
        before = self._tokens[at - 1]
        if before.type == "_ARROW":
            return Held.TARGETS
        follows = "\n" not in self._text[before.end : self._tokens[at].start]
        if follows and before.type in _BEFORE_A_LIST and self._holds_attributes(at):
            return Held.ATTRIBUTES
        close = self.partner(at)
        if close and self._tokens[close + 1].type in _BEGINS_AN_EDGE:
            return Held.ORIGINS
        return Held.STATEMENTS

    def inside(self, at: int) -> Sequence[Token]:
        """Return the tokens between a brace and its partner; none without one."""
        return self._tokens[at + 1 : self.partner(at) or at]

    def partner(self, at: int) -> int:
        """Return where a brace is closed; 0 when it never is."""
        return self._partners.get(at, 0)

    def is_left_open_before(self, at: int) -> bool:
        """Tell whether a token or one behind it closes more than was opened from there on."""
        return self._least_behind[at] < self._depths[at]

    def never_closed(self) -> Sequence[Token]:
        """Return the braces that are open at the end, the one first that most likely should not be.

        A brace that closes a line stands as far in as the line it was opened in; one that stands
        further out tells that another one is missing.
        """
        open_, suspects = list[Token](), list[Token]()
        for token in self._tokens:
            if token.type == "_OPEN":
                open_.append(token)
            elif token.type == "_CLOSE" and open_:
                suspects += self._passed_over(open_, token)
                open_.pop()
        return [*suspects, *reversed(open_)]

    def _holds_attributes(self, at: int) -> bool:
        """Tell whether there are attributes between a brace and its partner, and nothing else."""
        types = (self._tokens[one].type for one in range(at + 1, self.partner(at)))
        behind = list(takewhile(_OF_A_LIST.__contains__, types))
        return "ATTRIBUTE" in behind and len(behind) == self.partner(at) - at - 1

    def _passed_over(self, open_: list[Token], close: Token) -> Sequence[Token]:
        """Take those away that a brace does not close, going by how far in it stands."""
        margin = self._margin(close)
        if margin is None or self._margin_of_line(open_[-1]) <= margin:
            return ()
        for depth in range(len(open_) - 1, max(0, len(open_) - _MOST_LEVELS), -1):
            if self._margin_of_line(open_[depth - 1]) == margin:
                passed = open_[depth:]
                del open_[depth:]
                return passed
        return ()

    def _margin(self, token: Token) -> int | None:
        """Return how far in a token stands that is the first of its line."""
        line = self._line_before(token)
        return None if line.strip() else len(line)

    def _margin_of_line(self, token: Token) -> int:
        line = self._line_before(token)
        return len(line) - len(line.lstrip())

    def _line_before(self, token: Token) -> str:
        first = max(0, token.start - _FAR)
        return self._text[self._text.rfind("\n", first, token.start) + 1 or first : token.start]

    @cached_property
    def _partners(self) -> Mapping[int, int]:
        partners, open_ = dict[int, int](), list[int]()
        for at, token in enumerate(self._tokens):
            if token.type == "_OPEN":
                open_.append(at)
            elif token.type == "_CLOSE" and open_:
                partners[open_.pop()] = at
        return partners

    @cached_property
    def _depths(self) -> Sequence[int]:
        """How deep it is before each token."""
        steps = (_STEPS.get(token.type, 0) for token in self._tokens)
        return list(accumulate(steps, initial=0))

    @cached_property
    def _least_behind(self) -> Sequence[int]:
        return list(accumulate(reversed(self._depths), min))[::-1]
