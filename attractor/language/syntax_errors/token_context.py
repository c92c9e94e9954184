"""Context of an unexpected token: its neighbors, braces and edges."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from functools import cached_property
from itertools import accumulate, takewhile

from attractor.language.diagnostics import Change
from attractor.language.parsing.tokens import Findings, Token
from attractor.language.source.text import quote

_BEGINS_AN_EDGE = frozenset({"_ARROW", "DASHES", "OTHER_ARROW"})
_BEFORE_A_LIST = frozenset({"ID", "NODE", "EDGE", "GRAPH", "ATTRIBUTES"})
_OF_A_LIST = frozenset({"ATTRIBUTE", "_SEMICOLON", "OTHER"})
# Indentation is only a hint: the search is bounded.
_FAR, _MOST_LEVELS = 200, 50
_STEPS = {"_OPEN": 1, "_CLOSE": -1}


class BraceIntention(Enum):
    """The probable intention of misplaced braces."""

    TARGETS = auto()
    ORIGINS = auto()
    ATTRIBUTES = auto()
    STATEMENTS = auto()


class Braces:
    """The braces of a text, by the index of their tokens."""

    def __init__(self, tokens: Sequence[Token], text: str) -> None:
        self._tokens = tokens
        self._text = text

    def intention_of(self, at: int) -> BraceIntention:
        """Return the probable intention of the braces that open at a token."""
        before = self._tokens[at - 1]
        if before.type == "_ARROW":
            return BraceIntention.TARGETS
        follows = "\n" not in self._text[before.end : self._tokens[at].start]
        if follows and before.type in _BEFORE_A_LIST and self._holds_attributes(at):
            return BraceIntention.ATTRIBUTES
        close = self.partner(at)
        if close and self._tokens[close + 1].type in _BEGINS_AN_EDGE:
            return BraceIntention.ORIGINS
        return BraceIntention.STATEMENTS

    def inside(self, at: int) -> Sequence[Token]:
        """Return the tokens between a brace and its partner; none without a partner."""
        return self._tokens[at + 1 : self.partner(at) or at]

    def partner(self, at: int) -> int:
        """Return the index of the closing brace, or 0 without a closing brace."""
        return self._partners.get(at, 0)

    def is_left_open_before(self, at: int) -> bool:
        """Return whether more braces are closed than opened from a token on."""
        return self._least_behind[at] < self._depths[at]

    def never_closed(self) -> Sequence[Token]:
        """Return the unclosed braces, the most probable mistake first.

        A closing brace at the beginning of a line has the indentation of the line of its opening
        brace; with less indentation another brace is missing.
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
        """Return whether there are only attributes between a brace and its partner."""
        types = (self._tokens[number].type for number in range(at + 1, self.partner(at)))
        behind = list(takewhile(_OF_A_LIST.__contains__, types))
        return "ATTRIBUTE" in behind and len(behind) == self.partner(at) - at - 1

    def _passed_over(self, open_: list[Token], close: Token) -> Sequence[Token]:
        """Remove and return the open braces that a closing brace skips, judging by indentation."""
        # Only a brace that is the first of its line has an indentation.
        line = self._line_before(close)
        margin = len(line)
        if line.strip() or self._margin_of_line(open_[-1]) <= margin:
            return ()
        for depth in range(len(open_) - 1, max(0, len(open_) - _MOST_LEVELS), -1):
            if self._margin_of_line(open_[depth - 1]) == margin:
                passed = open_[depth:]
                del open_[depth:]
                return passed
        return ()

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
        """The depth before each token."""
        steps = (_STEPS.get(token.type, 0) for token in self._tokens)
        return list(accumulate(steps, initial=0))

    @cached_property
    def _least_behind(self) -> Sequence[int]:
        return list(accumulate(reversed(self._depths), min))[::-1]


class TokenContext:
    """The place of a mistake, with the tokens around it."""

    def __init__(
        self, findings: Findings, tokens: Sequence[Token], at: int, braces: Braces
    ) -> None:
        self.text = findings.source.text
        self.tokens, self.at = tokens, at
        self.token = tokens[at]
        self.braces = braces
        self._findings = findings

    @property
    def before(self) -> str:
        """The type of the token before; empty at the beginning of the text."""
        return self.tokens[self.at - 1].type if self.at else ""

    @property
    def after(self) -> str:
        """The type of the token behind; empty at the end of the text."""
        return self.tokens[self.at + 1].type if self.at + 1 < len(self.tokens) else ""

    @property
    def written(self) -> str:
        """The text of the token."""
        return self.text[self.token.start : self.token.end]

    @property
    def named(self) -> str:
        """The token in quotes, or the code point of an invisible character."""
        first = self.written[:1]
        is_seen = first.isprintable()
        return quote(self.written) if is_seen else f"the invisible character U+{ord(first):04X}"

    @property
    def written_before(self) -> str:
        """The text of the token before."""
        return self.text[self.tokens[self.at - 1].start : self.tokens[self.at - 1].end]

    def is_reported(self, token: Token) -> bool:
        """Return whether a token has already been reported."""
        span = self._findings.source.span(token.start, token.end)
        return any(diagnostic.span == span for diagnostic in self._findings.diagnostics)

    def report(self, message: str, fix: str, edit: Change | None = None) -> None:
        """Report the mistake at the token."""
        self.report_at(self.token.start, self.token.end, message, fix, edit)

    def report_near(self, distance: int, message: str, fix: str) -> None:
        """Report the mistake at a token some places before or behind."""
        near = self.tokens[self.at + distance]
        self.report_at(near.start, near.end, message, fix)

    def begins_a_line(self) -> bool:
        """Return whether the token is the first of its line."""
        return "\n" in self.text[self.tokens[self.at - 1].end : self.token.start]

    def is_between_blanks(self) -> bool:
        """Return whether there are blanks on both sides of the token."""
        start, end = self.token.start, self.token.end
        return self.text[start - 1 : start].isspace() and self.text[end : end + 1].isspace()

    def report_at(
        self, start: int, end: int, message: str, fix: str, edit: Change | None = None
    ) -> None:
        """Report the mistake between two offsets."""
        self._findings.mistake(message, start, end, fix=fix, edit=edit)


_BACKWARD = "swap the nodes, and use -> between them"


def explain_edge(place: TokenContext) -> None:
    """Report an invalid arrow."""
    written = place.written
    if place.before != "ID":
        place.report(f"unexpected {place.named}", "remove it")
    elif written == "--":
        place.report("invalid edge '--': edges have a direction", "use ->")
    elif written.startswith("<"):
        fix = "write an edge for each direction" if written.endswith(">") else _BACKWARD
        place.report(f"invalid edge {quote(written)}", fix)
    else:
        is_a_dash = not written.endswith(">") and written[0] not in "\u2192\u27f6\u21d2"
        has_head = len(written) > 1 and written.endswith(">") or not written.isascii()
        start, end = place.token.start, place.token.end
        edit = Change(start, end, "->") if has_head and not is_a_dash else None
        place.report(f"invalid edge {quote(written)}", "use ->", edit)


def explain_arrow(place: TokenContext) -> bool:
    """Report a missing source of an edge; return whether there was such a mistake."""
    if place.before == "_CLOSE":
        place.report("an edge cannot begin at a subgraph", "write an edge for each of its nodes")
    elif place.before == "ATTRIBUTES":
        place.report("attributes in the middle of an edge", "move them to the end of the edge")
    elif place.before in ("_OPEN", "_SEMICOLON"):
        place.report("missing source of the edge", "add the id of a node before it")
    else:
        return False
    return True


def explain_target(place: TokenContext) -> None:
    """Report a missing target of an edge."""
    if place.token.type == "SUBGRAPH":
        place.report("an edge cannot lead to a subgraph", "write an edge for each of its nodes")
    elif place.token.type in ("GRAPH", "NODE", "EDGE") and not place.begins_a_line():
        explain_keyword(place)
    else:
        place.report_near(-1, "missing target of the edge", "add the id of a node after it")


def explain_keyword(place: TokenContext) -> None:
    """Report a keyword that is used as an id."""
    message = f"{quote(place.written)} is a keyword, not an id"
    place.report(message, f"use {place.written}_ or another id")
