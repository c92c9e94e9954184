"""Parses a text with syntax errors: explains each error and continues at the next statement."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto

from attractor.language.parsing.grammar import Machine, Unexpected
from attractor.language.parsing.tokens import END, Findings, Token, scan
from attractor.language.source.syntax_tree import Digraph, Identifier
from attractor.language.source.text import INSIDE_LIST, quote
from attractor.language.syntax_errors.attribute_lists import explain_unread_attributes
from attractor.language.syntax_errors.brace_errors import (
    brace_of_head,
    explain_head,
    explain_open,
    means_digraph,
    replaces_brace,
)
from attractor.language.syntax_errors.token_context import (
    BraceIntention,
    Braces,
    TokenContext,
    explain_arrow,
    explain_edge,
    explain_keyword,
    explain_target,
)

_COMMENT = ("unclosed comment", "add */ at its end")
_TEXT = ("unclosed text", 'add a " at its end')


def explain_unclosed_list(place: TokenContext) -> None:
    """Report the bracket, or an unclosed text or comment within the list."""
    inside = INSIDE_LIST.match(place.text, place.token.end)
    stop = inside.end() if inside else place.token.end
    if place.text.startswith('"', stop):
        place.report_at(stop, stop + 1, *_TEXT)
    elif place.text.startswith("/*", stop):
        place.report_at(stop, stop + 2, *_COMMENT)
    else:
        place.report("unclosed '['", "add ] after the last attribute")


def explain_unclosed_graph(place: TokenContext) -> None:
    """Report an unclosed brace at the end of the text, unless it is already reported."""
    brace = next(iter(place.braces.never_closed()), place.token)
    is_first = brace is next((token for token in place.tokens if token.type == "_OPEN"), brace)
    fix = "add } at the end" if is_first else "add } at the end of the subgraph"
    if not place.is_reported(brace):
        place.report_at(brace.start, brace.end, "unclosed '{'", fix)


_NOT_WHOLE = frozenset({"_ARROW", "GRAPH", "NODE", "EDGE"})
_HTML = "unsupported HTML label"
_COLON = "expected key = value, not ':'"
_SMART_QUOTES = "typographic quotes"

# The message and the fix of tokens that are always the same mistake.
_UNCLOSED = {"UNCLOSED_TEXT": _TEXT, "UNCLOSED_COMMENT": _COMMENT}
_MESSAGES = {
    "HTML": (_HTML, 'write label="..." with plain text'),
    "SMART_QUOTE": (_SMART_QUOTES, 'write "'),
    "_COLON": (_COLON, "use ="),
}

SECOND_GRAPH = frozenset({"DIGRAPH", "GRAPH", "STRICT"})
"""Tokens behind a graph that begin another graph."""


class Part(Enum):
    """The part of the text that a token belongs to."""

    HEAD = auto()
    BODY = auto()
    BEHIND = auto()


def explain(place: TokenContext, part: Part) -> None:
    """Report the mistake at a token."""
    kind = place.token.type
    if kind in _UNCLOSED:
        place.report(*_UNCLOSED[kind])
    elif part is Part.BEHIND:
        _explain_behind(place)
    elif part is Part.HEAD:
        explain_head(place)
    elif kind in _MESSAGES:
        place.report(*_MESSAGES[kind])
    else:
        _EXPLAIN.get(kind, _explain_other)(place)


def explain_early_end(place: TokenContext) -> None:
    """Report that the brace before a token ends the graph too early."""
    brace = place.tokens[place.at - 1]
    message = "this '}' ends the graph too early"
    place.report_at(brace.start, brace.end, message, "remove it")


def _explain_behind(place: TokenContext) -> None:
    if place.token.type in SECOND_GRAPH:
        place.report("second graph in one file", "move it to its own file")
    elif place.token.type == "_CLOSE":
        place.report("unexpected '}'", "remove it")
    else:
        place.report("text after the end of the graph", "move it before the last }")


def _explain_number(place: TokenContext) -> None:
    fix = f"use n{place.written.lstrip('-.')}, and the number as the label"
    place.report("an id cannot begin with a digit", fix)


def _explain_arrow(place: TokenContext) -> None:
    if not explain_arrow(place):
        _explain_other(place)


def _explain_end(place: TokenContext) -> None:
    """Report unclosed braces, and an incomplete statement before the end."""
    if place.before in _NOT_WHOLE:
        _explain_other(place)
    explain_unclosed_graph(place)


def _explain_sign(place: TokenContext) -> None:
    sign, follows_id = place.written, place.before in ("ID", "NUMBER")
    if sign == "=" and follows_id:
        _explain_equals(place)
    elif sign == "-" and follows_id and place.after == "ID" and place.is_between_blanks():
        explain_edge(place)
    elif sign == "-" and follows_id:
        place.report("invalid '-' in an id", "use _ instead of -")
    elif sign == ",":
        place.report("comma between statements", "begin a new line instead")
    elif sign == "]":
        place.report("unexpected ']'", "add [ before the attributes, or remove it")
    else:
        _explain_other(place)


def _explain_equals(place: TokenContext) -> None:
    key = place.written_before
    if place.after == "HTML":
        place.report_near(1, _HTML, f'write {key} = "..." with plain text')
    elif place.after == "SMART_QUOTE":
        place.report_near(1, _SMART_QUOTES, f'write {key} = "..."')
    else:
        place.report_near(-1, f"missing value of {quote(key)}", f'write {key} = "..."')


def _explain_other(place: TokenContext) -> None:
    if place.before == "_ARROW":
        explain_target(place)
    elif place.before in ("GRAPH", "NODE", "EDGE"):
        word = place.written_before
        fix = f'write {word} [key="value"] or another id'
        place.report_near(-1, f"missing attributes after {quote(word)}", fix)
    elif "_COLON" in _two_before(place):
        place.report_near(-1 - _two_before(place).index("_COLON"), _COLON, "use =")
    else:
        place.report(f"unexpected {place.named}", "remove it")


def _two_before(place: TokenContext) -> list[str]:
    return [one.type for one in reversed(place.tokens[max(0, place.at - 2) : place.at])]


_EXPLAIN: Mapping[str, Callable[[TokenContext], None]] = {
    "UNCLOSED_LIST": explain_unclosed_list,
    END: _explain_end,
    "DASHES": explain_edge,
    "OTHER_ARROW": explain_edge,
    "NUMBER": _explain_number,
    "OTHER": _explain_sign,
    "_OPEN": explain_open,
    "_ARROW": _explain_arrow,
    "DIGRAPH": explain_keyword,
    "STRICT": explain_keyword,
}

_BEGINS = frozenset({"ID", "SUBGRAPH", "GRAPH", "NODE", "EDGE", "ATTRIBUTE", "NUMBER", "_OPEN"})
_FOLLOWS_AN_ID = frozenset({"ATTRIBUTES", "UNCLOSED_LIST", "_ARROW", "_OPEN"})
# Tokens after braces that still belong to the same statement.
_GOES_ON = frozenset(
    {"_ARROW", "DASHES", "OTHER_ARROW", "ATTRIBUTES", "UNCLOSED_LIST", "_SEMICOLON"}
)
# Distance from a token to the next statement.
_ENDS = {"_SEMICOLON": 1, "_CLOSE": 0}
_DEEPER = {"_OPEN": 1, "_CLOSE": -1}


def next_statement(tokens: Sequence[Token], first: int, mistake: int, text: str) -> int:
    """Return the index of the next end or beginning of a statement.

    This is the token behind a `;`, the first word of a line, or the closing brace of the block.
    Nested blocks are skipped.
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
        if token.type == "_OPEN" and self._braces.intention_of(at) is BraceIntention.STATEMENTS:
            word = Identifier("subgraph", self._findings.source.span(token.start, token.start))
            self._machine.feed(Token("SUBGRAPH", token.start, token.start, word))
            return at
        # A token may be wrong in one statement and begin the next; it is not tried a third time.
        first = at + 1 if at == self._mistaken else at
        self._mistaken = at
        at = next_statement(self._tokens, first, at, text)
        return at if self._tokens[at].type != END else len(self._tokens)

    def _recover_behind(self, place: TokenContext) -> int:
        """Continue in the graph if the graph seems to end too early."""
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
        if replaces_brace(place):
            return place.at + 1
        return next_statement(self._tokens, place.at, place.at, self._findings.source.text)
