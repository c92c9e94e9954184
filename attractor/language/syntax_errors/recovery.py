"""Reads a text with syntax errors: explains each and continues at the next statement."""

from collections.abc import Sequence

from attractor.language.parsing.grammar import Machine, Unexpected
from attractor.language.parsing.tokens import END, Findings, Token, scan
from attractor.language.source.syntax_tree import Digraph, Identifier
from attractor.language.syntax_errors.attribute_lists import explain_unread_attributes
from attractor.language.syntax_errors.brace_errors import (
    brace_of_head,
    means_digraph,
    stands_for_a_brace,
)
from attractor.language.syntax_errors.messages import SECOND_GRAPH, Part, explain, explain_early_end
from attractor.language.syntax_errors.token_context import BraceIntention, Braces, TokenContext

_BEGINS = frozenset({"ID", "SUBGRAPH", "GRAPH", "NODE", "EDGE", "ATTRIBUTE", "NUMBER", "_OPEN"})
_FOLLOWS_AN_ID = frozenset({"ATTRIBUTES", "UNCLOSED_LIST", "_ARROW", "_OPEN"})
# Tokens behind braces that still belong to the statement.
_GOES_ON = frozenset(
    {"_ARROW", "DASHES", "OTHER_ARROW", "ATTRIBUTES", "UNCLOSED_LIST", "_SEMICOLON"}
)
# Distance from a token to the next statement.
_ENDS = {"_SEMICOLON": 1, "_CLOSE": 0}
_DEEPER = {"_OPEN": 1, "_CLOSE": -1}


def next_statement(tokens: Sequence[Token], first: int, mistake: int, text: str) -> int:
    """Return the index of the next end or beginning of a statement.

    That is behind a `;`, at the first word of a line, or at the closing brace of the block;
    nested blocks are skipped.
    """
    depth = 0
    for at in range(mistake, len(tokens)):
        kind = tokens[at].type
        if kind == END or (not depth and at >= first and _begins(tokens, at, mistake, text)):
            return at
        if not depth and kind in _ENDS:
            return at + _ENDS[kind]
        depth += _DEEPER.get(kind, 0)
        if not depth and kind == "_CLOSE" and tokens[at + 1].type not in _GOES_ON:
            return at + 1
    return len(tokens) - 1


def _begins(tokens: Sequence[Token], at: int, mistake: int, text: str) -> bool:
    """Return whether a token is the first of its line and may begin a statement."""
    if tokens[at].type not in _BEGINS:
        return False
    if "\n" not in text[tokens[at - 1].end : tokens[at].start]:
        return False
    # Text after an unclosed bracket looks like statements: `label = "x"`.
    return tokens[mistake].type != "UNCLOSED_LIST" or tokens[at + 1].type in _FOLLOWS_AN_ID


_MISTAKE = "MISTAKE"


def recover(findings: Findings) -> Digraph | None:
    """Parse a text and report all mistakes; return None if the text ends in a statement."""
    return _Recovering(findings).read()


class _Recovering:
    """A parser that continues at the next statement after a mistake."""

    def __init__(self, findings: Findings) -> None:
        self._tokens = list(scan(findings))
        explain_unread_attributes(findings)
        self._findings = findings
        self._machine = Machine()
        self._mistaken = -1
        self._braces = Braces(self._tokens, findings.source.text)

    def read(self) -> Digraph | None:
        at, built = 0, None
        while at < len(self._tokens):
            try:
                built = self._machine.feed(self._tokens[at])
                at += 1
            except Unexpected:
                at = self._go_on(at)
        return built if isinstance(built, Digraph) else None

    def _go_on(self, at: int) -> int:
        """Report the mistake at a token; return the index at which to continue."""
        place = TokenContext(self._findings, self._tokens, at, self._braces)
        if self._machine.expects_only(END):
            return self._recover_behind(place)
        if self._machine.is_behind(self._tokens[at - 1]) and place.before == "_CLOSE":
            # The subgraph is complete, and the mistake is behind it.
            explain(place, Part.BODY)
            return self._pass_over(at)
        depth = self._machine.depth_for(_MISTAKE)
        if not depth:
            explain(place, Part.HEAD)
            return self._recover_head(place)
        explain(place, Part.BODY)
        self._machine.cut(depth)
        return self._pass_over(at)

    def _pass_over(self, at: int) -> int:
        """Replace the statement by MISTAKE; return the index of the next statement."""
        self._machine.feed(Token(_MISTAKE, 0, 0))
        token, text = self._tokens[at], self._findings.source.text
        if token.type == "_OPEN" and self._braces.held(at) is BraceIntention.STATEMENTS:
            word = Identifier("subgraph", self._findings.source.span(token.start, token.start))
            self._machine.feed(Token("SUBGRAPH", token.start, token.start, word))
            return at
        # A token may be wrong in one statement and begin the next; it is not tried a third time.
        first = at + 1 if at == self._mistaken else at
        self._mistaken = at
        at = next_statement(self._tokens, first, at, text)
        return at if self._tokens[at].type != END else len(self._tokens)

    def _recover_behind(self, place: TokenContext) -> int:
        """Continue in the graph if it seems to end too early."""
        is_another = place.token.type in SECOND_GRAPH or place.token.type == "_CLOSE"
        if not is_another and self._braces.is_left_open_before(place.at):
            explain_early_end(place)
            self._machine.take_back()
            return place.at
        explain(place, Part.BEHIND)
        return len(self._tokens)

    def _recover_head(self, place: TokenContext) -> int:
        """Continue after a wrong word before the first brace, if the intention is clear."""
        if self._machine.is_at_beginning:
            if place.token.type == "STRICT":
                return place.at + 1
            if place.token.type == "GRAPH" or means_digraph(place.token):
                self._machine.feed(place.token._replace(type="DIGRAPH"))
                return place.at + 1
            return len(self._tokens)
        brace = brace_of_head(place)
        if brace or place.token.type == END:
            return brace or len(self._tokens)
        self._machine.feed(Token("_OPEN", place.token.start, place.token.start))
        if stands_for_a_brace(place):
            return place.at + 1
        return next_statement(self._tokens, place.at, place.at, self._findings.source.text)
