"""Writes a text in the one layout: a statement a line, comments kept, the meaning unchanged."""

from collections.abc import Sequence
from itertools import pairwise

from attractor.language.collecting import collection_paused
from attractor.language.comments import Comment, comments_between
from attractor.language.errors import ParseError
from attractor.language.findings import Findings
from attractor.language.formatting.attributes import written_assignment
from attractor.language.formatting.lines import Lines
from attractor.language.formatting.lists import laid_out, read_lists
from attractor.language.parser import parse_source
from attractor.language.sources import Source
from attractor.language.tokens import END, Token, scan
from attractor.language.words import COMPASS, is_plain, written_word

_IN_A_STATEMENT = frozenset({"_ARROW", "_COLON", "ATTRIBUTES"})
_DEFAULTS = frozenset({"GRAPH", "NODE", "EDGE"})


def format_text(text: str, *, file: str = "") -> str:
    """Return a text in the one layout; a text with mistakes raises ParseError."""
    source = Source(text, file)
    with collection_paused():
        parsed = parse_source(source)
        if parsed.digraph is None:
            raise ParseError(parsed.diagnostics)
        return _Layout(text, list(scan(Findings(source)))).laid_out()


class _Layout:
    """One walk over the tokens of a text without mistakes."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._lines = Lines(text)
        self._depth = 0

    def laid_out(self) -> str:
        at = self._open(0)
        while self._tokens[at].type != END:
            at = self._statement(at)
        return self._lines.finish()

    def _statement(self, at: int) -> int:
        """Write the statement that begins at a token; return the token behind it."""
        token = self._tokens[at]
        match token.type:
            case "_SEMICOLON":
                self._lines.skip(token.start, token.end)
                return at + 1
            case "_CLOSE":
                self._depth -= 1
                self._lines.close(token.start, token.end)
                return at + 1
            case "SUBGRAPH":
                return self._open(at)
            case "ATTRIBUTE":
                return self._assignment(at)
            case _:
                return self._node_or_edge(at)

    def _open(self, at: int) -> int:
        """Write what begins with a brace: `digraph Name {`, `subgraph cluster_a {`."""
        end = at + 1
        while self._tokens[end].type != "_OPEN":
            end += 1
        head = self._tokens[at : end + 1]
        words = [self._word(one) for one in head[1:-1]]
        keyword = self._text[head[0].start : head[0].end]
        self._write(" ".join([keyword, *words, "{"]), head)
        self._lines.deeper()
        self._depth += 1
        return end + 1

    def _assignment(self, at: int) -> int:
        token = self._tokens[at]
        written = written_assignment(self._text, token)
        comments = comments_between(self._text, written.key_end, written.value[0])
        self._lines.add(written.text, token.start, token.end, within=comments)
        return at + 1

    def _node_or_edge(self, at: int) -> int:
        end = at + 1
        while self._belongs(end):
            end += 1
        statement = self._tokens[at:end]
        lists = [one for one in statement if one.type == "ATTRIBUTES"]
        line = " -> ".join(self._ends(statement))
        if lists:
            listed = read_lists(self._text, lists)
            if listed.entries or listed.last or statement[0].type in _DEFAULTS:
                line = laid_out(line, listed, self._depth)
        self._write(line, statement)
        return end

    def _belongs(self, at: int) -> bool:
        """Tell whether a token goes on with the statement before it."""
        if self._tokens[at].type in _IN_A_STATEMENT:
            return True
        return self._tokens[at].type == "ID" and self._tokens[at - 1].type in ("_ARROW", "_COLON")

    def _ends(self, statement: Sequence[Token]) -> list[str]:
        """Return the ids of a statement, without ports, unless one is a text like a label."""
        ends = [self._word(statement[0])]
        for before, one in pairwise(statement):
            if before.type == "_ARROW":
                ends.append(self._word(one))
            elif before.type == "_COLON" and self._may_be_a_label(one):
                ends[-1] += f":{self._text[one.start : one.end]}"
        return ends

    def _may_be_a_label(self, port: Token) -> bool:
        is_text = self._text.startswith('"', port.start)
        return is_text and port.id is not None and port.id.text not in COMPASS

    def _word(self, token: Token) -> str:
        written = self._text[token.start : token.end]
        if token.type in _DEFAULTS or token.id is None:
            return written
        return token.id.text if is_plain(token.id.text) else _kept(written)

    def _write(self, line: str, statement: Sequence[Token]) -> None:
        within: list[Comment] = []
        for before, token in zip(statement, statement[1:], strict=False):
            within += comments_between(self._text, before.end, token.start)
        self._lines.add(line, statement[0].start, statement[-1].end, within=within)


def _kept(written: str) -> str:
    """Return an id as it was written; Graphviz wants quotes around some that have none."""
    return written if written.startswith('"') else written_word(written)
