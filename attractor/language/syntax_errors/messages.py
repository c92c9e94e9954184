"""Explains a token that the grammar does not expect, and unclosed texts and brackets."""

from collections.abc import Callable, Mapping
from enum import Enum, auto

from attractor.language.parsing.tokens import END
from attractor.language.source.text import INSIDE_LIST, quote
from attractor.language.syntax_errors.brace_errors import explain_head, explain_open
from attractor.language.syntax_errors.token_context import (
    TokenContext,
    explain_arrow,
    explain_edge,
    explain_keyword,
    explain_target,
)

_COMMENT = ("unclosed comment", "add */ at its end")
_TEXT = ("unclosed text", 'add a " at its end')


def explain_unclosed_text(place: TokenContext) -> None:
    """Report the opening quote."""
    place.report_at(place.token.start, place.token.start + 1, *_TEXT)


def explain_unclosed_comment(place: TokenContext) -> None:
    """Report the beginning of the comment."""
    place.report(*_COMMENT)


def explain_unclosed_list(place: TokenContext) -> None:
    """Report the bracket, or an unclosed text or comment within it."""
    inside = INSIDE_LIST.match(place.text, place.token.end)
    stop = inside.end() if inside else place.token.end
    if place.text.startswith('"', stop):
        place.report_at(stop, stop + 1, *_TEXT)
    elif place.text.startswith("/*", stop):
        place.report_at(stop, stop + 2, *_COMMENT)
    else:
        place.report("unclosed '['", "add ] after the last attribute")


def explain_unclosed_graph(place: TokenContext) -> None:
    """Report the brace that is open at the end of the text, unless it is reported already."""
    brace = next(iter(place.braces.never_closed()), place.token)
    is_first = brace is next((one for one in place.tokens if one.type == "_OPEN"), brace)
    fix = "add } at the end" if is_first else "add } at the end of the subgraph"
    if not place.is_told(brace):
        place.report_at(brace.start, brace.end, "unclosed '{'", fix)


_NOT_WHOLE = frozenset({"_ARROW", "GRAPH", "NODE", "EDGE"})
_HTML = "unsupported HTML label"
_COLON = "expected key = value, not ':'"
_SMART_QUOTES = "typographic quotes"

SECOND_GRAPH = frozenset({"DIGRAPH", "GRAPH", "STRICT"})
"""Tokens behind a graph that begin another one."""


class Part(Enum):
    """The part of the text that a token belongs to."""

    HEAD = auto()
    BODY = auto()
    BEHIND = auto()


def explain(place: TokenContext, part: Part) -> None:
    """Report the mistake at a token."""
    kind = place.token.type
    if kind in ("UNCLOSED_TEXT", "UNCLOSED_COMMENT"):
        _EXPLAIN[kind](place)
    elif part is Part.BEHIND:
        _explain_behind(place)
    elif part is Part.HEAD:
        explain_head(place)
    else:
        _EXPLAIN.get(kind, _explain_other)(place)


def explain_early_end(place: TokenContext) -> None:
    """Report the brace before a token, which ends the graph too early."""
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


def _explain_html(place: TokenContext) -> None:
    place.report(_HTML, 'write label="..." with plain text')


def _explain_smart_quote(place: TokenContext) -> None:
    place.report(_SMART_QUOTES, 'write "')


def _explain_colon(place: TokenContext) -> None:
    place.report(_COLON, "use =")


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
    elif sign == "-" and follows_id and place.after == "ID" and place.stands_alone():
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
    "UNCLOSED_TEXT": explain_unclosed_text,
    "UNCLOSED_COMMENT": explain_unclosed_comment,
    "UNCLOSED_LIST": explain_unclosed_list,
    END: _explain_end,
    "DASHES": explain_edge,
    "OTHER_ARROW": explain_edge,
    "HTML": _explain_html,
    "NUMBER": _explain_number,
    "SMART_QUOTE": _explain_smart_quote,
    "OTHER": _explain_sign,
    "_OPEN": explain_open,
    "_ARROW": _explain_arrow,
    "_COLON": _explain_colon,
    "DIGRAPH": explain_keyword,
    "STRICT": explain_keyword,
}
