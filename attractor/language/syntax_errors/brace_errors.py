"""Explains misplaced braces, and mistakes before the first brace."""

import re

from attractor.language.diagnostics import Change
from attractor.language.parsing.tokens import END, Token
from attractor.language.source.syntax_tree import quoted
from attractor.language.source.text import IDENTIFIER, SMART_QUOTES, quote
from attractor.language.syntax_errors.token_context import (
    BraceIntention,
    TokenContext,
    explain_keyword,
)

_NOTHING = "unexpected '{'"
_EACH = "write an edge for each of its nodes"


def explain_open(place: TokenContext) -> None:
    """Report an opening brace; the message depends on the probable intention."""
    match place.braces.intention_of(place.at):
        case BraceIntention.TARGETS:
            source, targets = place.tokens[place.at - 2], _ids(place)
            ends = [f"{_written(place, source.start, source.end)} -> {one}" for one in targets]
            fix = _both(ends if source.type == "ID" else [])
            place.report("an edge cannot have several targets", fix)
        case BraceIntention.ORIGINS:
            target = place.tokens[place.braces.partner(place.at) + 2]
            ends = [f"{one} -> {_written(place, target.start, target.end)}" for one in _ids(place)]
            fix = _both(ends if target.type == "ID" else [])
            place.report("an edge cannot have several sources", fix)
        case BraceIntention.ATTRIBUTES:
            start, close = place.token.start, place.tokens[place.braces.partner(place.at)]
            inside = _written(place, place.token.end, close.start)
            edit = Change(start, close.end, f"[{inside}]")
            place.report("attributes need square brackets", "use [ ] instead of { }", edit)
        case BraceIntention.STATEMENTS:
            before, start = place.tokens[place.at - 1], place.token.start
            if before.type == "ID" and not place.begins_a_line():
                place.report(_NOTHING, f"write subgraph {place.written_before} {{")
            else:
                edit = Change(start, start, "subgraph ")
                place.report(_NOTHING, "add subgraph before it", edit)


def _ids(place: TokenContext) -> list[str]:
    """Return the ids between the braces; an empty result if the braces contain anything else."""
    inside = [token for token in place.braces.inside(place.at) if token.type != "_SEMICOLON"]
    words = [_written(place, token.start, token.end) for token in inside]
    ids = [word for word in words if word != ","]
    return ids if all(token.type in ("ID", "OTHER") for token in inside) else []


def _both(edges: list[str]) -> str:
    return f"write {' and '.join(edges)}" if len(edges) == 2 else _EACH


def _written(place: TokenContext, start: int, end: int) -> str:
    return place.text[start:end]


_BEGIN = "write digraph Name { ... }"
_KEYWORDS = frozenset({"DIGRAPH", "SUBGRAPH", "GRAPH", "NODE", "EDGE", "STRICT"})
_QUOTES = "'`" + "".join(SMART_QUOTES)
_SIGNS = frozenset({"OTHER", "_COLON", "SMART_QUOTE", "DASHES", "OTHER_ARROW"})
_IN_A_HEAD = _SIGNS | _KEYWORDS | {"ID", "NUMBER", "ATTRIBUTES"}


def means_digraph(token: Token) -> bool:
    """Return whether a word is `digraph` in upper or lower case."""
    return token.id is not None and token.id.text.casefold() == "digraph"


def brace_of_head(place: TokenContext) -> int:
    """Return the index of the brace behind the words at this place, or 0 without a brace."""
    for at in range(place.at, len(place.tokens)):
        if place.tokens[at].type == "_OPEN":
            return at
        gap = place.text[place.tokens[at - 1].end : place.tokens[at].start]
        if place.tokens[at].type not in _IN_A_HEAD or "\n" in gap:
            break
    return 0


def replaces_brace(place: TokenContext) -> bool:
    """Return whether another bracket is used instead of the brace."""
    return place.written in ("(", "[") and not place.begins_a_line()


def explain_head(place: TokenContext) -> None:
    """Report a mistake before the first brace."""
    is_first = place.before in ("", "STRICT")
    if not is_first:
        _explain_name(place)
    elif place.token.type == END:
        place.report("no graph in this file", _BEGIN)
    elif place.token.type == "STRICT":
        place.report("unsupported keyword 'strict'", "remove it")
    elif place.token.type == "GRAPH":
        place.report("undirected graphs are not supported", "use digraph, and -> between nodes")
    elif means_digraph(place.token):
        place.report(f"unknown keyword {quote(place.written)}", "use digraph")
    else:
        fix = _BEGIN if place.written.isprintable() else "remove it"
        place.report(f"expected digraph, not {place.named}", fix)


def _explain_name(place: TokenContext) -> None:
    """Report a mistake between `digraph` and the brace."""
    brace = brace_of_head(place)
    if not brace:
        _explain_no_brace(place)
    elif place.token.type in _KEYWORDS and place.before == "DIGRAPH":
        explain_keyword(place)
    elif place.token.type == "NUMBER" and brace == place.at + 1:
        fix = f"use n{place.written.lstrip('-.')} or another id"
        place.report("an id cannot begin with a digit", fix)
    elif place.token.type == "ATTRIBUTES":
        place.report(
            "attribute list before the '{' of a graph", "move them into the graph: graph [...]"
        )
    else:
        _explain_words(place, brace)


def _explain_no_brace(place: TokenContext) -> None:
    before = place.tokens[place.at - 1]
    if replaces_brace(place):
        edit = Change(place.token.start, place.token.end, "{")
        place.report(f"expected '{{', not {quote(place.written)}", "use {", edit)
    elif place.before == "DIGRAPH":
        place.report("missing '{'", _BEGIN)
    else:
        name = place.written_before
        edit = Change(before.end, before.end, " {")
        message, fix = f"missing '{{' after {quote(name)}", f"write {name} {{"
        place.report_at(before.start, before.end, message, fix, edit)


def _explain_words(place: TokenContext, brace: int) -> None:
    """Report an invalid id before the brace."""
    before = place.tokens[place.at - 1]
    has_id = before.type == "ID" and not means_digraph(before)
    start, end = (before if has_id else place.token).start, place.tokens[brace - 1].end
    name = place.text[start:end]
    if brace == place.at + 1 and place.token.type in ("OTHER", "_COLON"):
        edit = Change(place.tokens[place.at - 1].end, end, "")
        message = f"unexpected {quote(place.written)} before the '{{' of a graph"
        place.report(message, "remove it", edit)
        return
    plain = name.strip(_QUOTES)
    if name[0] in SMART_QUOTES:
        message = "typographic quotes"
    elif name[0] in _QUOTES:
        message = "a text needs double quotes"
    else:
        odd = re.search(r"\W", name)
        sign = "a blank" if not odd or odd[0].isspace() else f"a {quote(odd[0])}"
        message = f"the id {quote(name)} has {sign}"
    word = re.sub(r"\W+", "_", plain)
    is_plain = IDENTIFIER.fullmatch(plain)
    fix = f"write {plain}" if is_plain else f"write {quoted(plain)} or {word}"
    edit = Change(start, end, plain if is_plain else quoted(plain))
    place.report_at(start, end, message, fix, edit)
