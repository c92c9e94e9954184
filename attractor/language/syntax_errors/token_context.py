"""An unexpected token with what stands around it.

Tells what the braces of a text hold, and which of them have no partner.

Says what is wrong with edges: with their arrows, and with what they lead from and to.
"""

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


class TokenContext:
    """Where in a text something is wrong."""

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
        """The token as it stands in the text."""
        return self.text[self.token.start : self.token.end]

    @property
    def named(self) -> str:
        """The token in quotes, or the number of a letter that nobody can see."""
        first = self.written[:1]
        is_seen = first.isprintable()
        return quote(self.written) if is_seen else f"the invisible letter U+{ord(first):04X}"

    @property
    def written_before(self) -> str:
        """The token before as it stands in the text."""
        return self.text[self.tokens[self.at - 1].start : self.tokens[self.at - 1].end]

    def is_told(self, token: Token) -> bool:
        """Tell whether something is said of a token already."""
        span = self._findings.source.span(token.start, token.end)
        return any(one.span == span for one in self._findings.diagnostics)

    def report(self, message: str, fix: str, edit: Change | None = None) -> None:
        """Note the mistake at the token."""
        self.report_at(self.token.start, self.token.end, message, fix, edit)

    def report_near(self, distance: int, message: str, fix: str) -> None:
        """Note the mistake at a token some way before or behind."""
        near = self.tokens[self.at + distance]
        self.report_at(near.start, near.end, message, fix)

    def begins_a_line(self) -> bool:
        """Tell whether a line ends between the token before and this one."""
        return "\n" in self.text[self.tokens[self.at - 1].end : self.token.start]

    def stands_alone(self) -> bool:
        """Tell whether there are blanks around the token."""
        start, end = self.token.start, self.token.end
        return self.text[start - 1 : start].isspace() and self.text[end : end + 1].isspace()

    def report_at(
        self, start: int, end: int, message: str, fix: str, edit: Change | None = None
    ) -> None:
        """Note the mistake between two offsets."""
        self._findings.mistake(message, start, end, fix=fix, edit=edit)


_BACKWARD = "write the nodes in the other order, and -> between them"


def explain_edge(place: TokenContext) -> None:
    """Say what to write instead of another arrow; one with a head can only mean this one."""
    written = place.written
    if place.before != "ID":
        place.report(f"{place.named} has no meaning here", "take it away")
    elif written == "--":
        place.report("'--' is no edge: edges have a direction", "write ->")
    elif written.startswith("<"):
        fix = "write an edge for each direction" if written.endswith(">") else _BACKWARD
        place.report(f"{quote(written)} is no edge", fix)
    else:
        has_head = len(written) > 1 and written.endswith(">") or not written.isascii()
        start, end = place.token.start, place.token.end
        edit = Change(start, end, "->") if has_head and not _is_a_dash(written) else None
        place.report(f"{quote(written)} is no edge", "write ->", edit)


def explain_arrow(place: TokenContext) -> bool:
    """Say what stands before an arrow instead of a node, if anything is known of it."""
    if place.before == "_CLOSE":
        place.report("an edge cannot begin at a subgraph", "write an edge for each of its nodes")
    elif place.before == "ATTRIBUTES":
        place.report("an edge cannot go on behind its attributes", "put them at the end")
    elif place.before in ("_OPEN", "_SEMICOLON"):
        place.report("this edge comes from nowhere", "write the id of a node before it")
    else:
        return False
    return True


def explain_target(place: TokenContext) -> None:
    """Say what stands behind an arrow instead of a node."""
    if place.token.type == "SUBGRAPH":
        place.report("an edge cannot lead to a subgraph", "write an edge for each of its nodes")
    elif place.token.type in ("GRAPH", "NODE", "EDGE") and not place.begins_a_line():
        explain_keyword(place)
    else:
        place.report_near(-1, "this edge leads nowhere", "write the id of a node behind it")


def explain_keyword(place: TokenContext) -> None:
    """Say that a word is taken."""
    message = f"{quote(place.written)} is a word of the language and cannot be an id"
    place.report(message, f"write {place.written}_, or another id")


def _is_a_dash(written: str) -> bool:
    return not written.endswith(">") and written[0] not in "\u2192\u27f6\u21d2"
