"""Reads a text by the grammar of `dot.lark`; after a mistake it goes on at the next statement."""

from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, in_order
from attractor.language.findings import Findings
from attractor.language.lalr import Machine, Unexpected
from attractor.language.mistakes import Part, explain, means_digraph
from attractor.language.portability import note_portability
from attractor.language.recovery import next_statement
from attractor.language.sources import Source
from attractor.language.syntax import Digraph
from attractor.language.tokens import END, Token, scan

_MISTAKE = "MISTAKE"
_PASSED_OVER_IN_THE_HEAD = frozenset({"ID", "NUMBER", "OTHER"})


class Parsed(NamedTuple):
    """What a text says, and what is to be said about it; no digraph when a mistake is in it.

    `readable` is what could be read all the same.
    """

    digraph: Digraph | None
    diagnostics: tuple[Diagnostic, ...]
    readable: Digraph | None = None


def parse_source(source: Source) -> Parsed:
    """Read a text whole, and note every mistake in it."""
    findings = Findings(source)
    tokens = list(scan(findings))
    digraph = _Reading(tokens, findings).read()
    note_portability(tokens, findings)
    diagnostics = in_order(findings.diagnostics)
    # Around a mistake much looks odd that is not.
    mistakes = tuple(one for one in diagnostics if one.is_error)
    return Parsed(None, mistakes, digraph) if mistakes else Parsed(digraph, diagnostics, digraph)


class _Reading:
    """One walk over the tokens of a text."""

    def __init__(self, tokens: list[Token], findings: Findings) -> None:
        self._tokens = tokens
        self._findings = findings
        self._machine = Machine()
        self._mistaken = -1

    def read(self) -> Digraph | None:
        """Return the whole, or nothing when the text ends in the middle."""
        at, built = 0, None
        feed = self._machine.feed
        while at < len(self._tokens):
            try:
                built = feed(self._tokens[at])
                at += 1
            except Unexpected:
                at = self._recover(at)
        return built if isinstance(built, Digraph) else None

    def _recover(self, at: int) -> int:
        """Say what is wrong at a token; return where to go on, which may be the end."""
        depth = self._machine.depth_for(_MISTAKE)
        if self._machine.expects_only(END):
            explain(self._findings, self._tokens, at, Part.BEHIND)
            return len(self._tokens)
        if not depth:
            explain(self._findings, self._tokens, at, Part.HEAD)
            return self._recover_head(at)
        explain(self._findings, self._tokens, at, Part.BODY)
        return self._recover_body(at, depth)

    def _recover_body(self, at: int, depth: int) -> int:
        """Put a MISTAKE in place of the statement, and go on at the next one."""
        self._machine.cut(depth)
        self._machine.feed(Token(_MISTAKE, 0, 0))
        # A token may be wrong in one statement and begin the next; it is not tried a third time.
        first = at + 1 if at == self._mistaken else at
        self._mistaken = at
        at = next_statement(self._tokens, first, at, self._findings.source.text)
        return at if self._tokens[at].type != END else len(self._tokens)

    def _recover_head(self, at: int) -> int:
        """Go on after a wrong word before the graph's brace, if it is clear how."""
        token = self._tokens[at]
        if not self._machine.is_at_beginning:
            return at + 1 if token.type in _PASSED_OVER_IN_THE_HEAD else len(self._tokens)
        if token.type == "STRICT":
            return at + 1
        if token.type == "GRAPH" or means_digraph(token):
            self._machine.feed(token._replace(type="DIGRAPH"))
            return at + 1
        return len(self._tokens)
