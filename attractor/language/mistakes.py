"""Says in one sentence what is wrong at a token that the grammar does not expect there."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto

from attractor.language.findings import Findings
from attractor.language.place import Place
from attractor.language.tokens import END, Token
from attractor.language.unclosed import (
    explain_unclosed_comment,
    explain_unclosed_graph,
    explain_unclosed_list,
    explain_unclosed_text,
)
from attractor.language.wording import quote

_BEGIN = "write digraph Name { ... }"
_HTML = "HTML labels are not supported"
_COLON = "':' does not stand between a key and its value"
_SMART_QUOTES = "these are not the quotes of a keyboard"


class Part(Enum):
    """Which part of the text a token stands in."""

    HEAD = auto()
    BODY = auto()
    BEHIND = auto()


def explain(findings: Findings, tokens: Sequence[Token], at: int, part: Part) -> None:
    """Note what is wrong at a token."""
    place = Place(findings, tokens, at)
    kind = place.token.type
    if kind.startswith("UNCLOSED"):
        _EXPLAIN[kind](place)
    elif part is Part.BEHIND:
        _explain_behind(place)
    elif part is Part.HEAD:
        _explain_head(place)
    else:
        _EXPLAIN.get(kind, _explain_other)(place)


def means_digraph(token: Token) -> bool:
    """Tell whether a word is `digraph` in other letters."""
    return token.id is not None and token.id.text.casefold() == "digraph"


def _explain_head(place: Place) -> None:
    is_first = place.before in ("", "STRICT")
    if is_first and place.token.type == END:
        place.report("there is no graph in this file", _BEGIN)
    elif is_first and place.token.type == "STRICT":
        place.report("'strict' is not supported", "take the word away")
    elif is_first and place.token.type == "GRAPH":
        place.report("an undirected graph cannot be run", "write digraph, and -> between nodes")
    elif is_first and means_digraph(place.token):
        place.report(f"the language has no word {quote(place.written)}", "write digraph")
    elif is_first:
        fix = _BEGIN if place.written.isprintable() else "take it away"
        place.report(f"a pipeline does not begin with {_named(place.written)}", fix)
    else:
        place.report("'{' has to follow here", _BEGIN)


def _explain_behind(place: Place) -> None:
    if place.token.type in ("DIGRAPH", "GRAPH", "STRICT"):
        place.report("a second graph in one file", "put it into a file of its own")
    elif place.token.type == "_CLOSE":
        place.report("this '}' closes nothing", "take it away")
    else:
        place.report("text behind the end of the graph", "put it before the last }")


def _explain_edge(place: Place) -> None:
    message = f"{quote(place.written)} is no edge: edges have a direction"
    place.report(message, "write ->")


def _explain_number(place: Place) -> None:
    fix = f"write n{place.written.lstrip('-.')}, and put the number into the label"
    place.report("an id cannot begin with a digit", fix)


def _explain_keyword(place: Place) -> None:
    message = f"{quote(place.written)} is a word of the language and cannot be an id"
    place.report(message, f"write {place.written}_, or another id")


def _explain_open(place: Place) -> None:
    place.report("'{' begins nothing here", "write subgraph before it")


def _explain_html(place: Place) -> None:
    place.report(_HTML, 'write label="..." with plain text')


def _explain_smart_quote(place: Place) -> None:
    place.report(_SMART_QUOTES, 'write "')


def _explain_colon(place: Place) -> None:
    place.report(_COLON, "write =")


def _explain_arrow(place: Place) -> None:
    if place.before == "_CLOSE":
        place.report("an edge cannot begin at a subgraph", "write an edge for each of its nodes")
    elif place.before == "ATTRIBUTES":
        place.report("an edge cannot go on behind its attributes", "put them at the end")
    elif place.before in ("_OPEN", "_SEMICOLON"):
        place.report("this edge comes from nowhere", "write the id of a node before it")
    else:
        _explain_other(place)


def _explain_sign(place: Place) -> None:
    sign, follows_id = place.written, place.before in ("ID", "NUMBER")
    if sign == "=" and follows_id:
        _explain_equals(place)
    elif sign == "-" and follows_id:
        place.report("an id has only letters, digits and _", "write _ instead of -")
    elif sign == ",":
        place.report("a comma stands between statements", "begin a new line instead")
    elif sign == "]":
        place.report("this ']' closes nothing", "put [ before the attributes, or take it away")
    else:
        _explain_other(place)


def _explain_equals(place: Place) -> None:
    key = place.written_before
    if place.after == "HTML":
        place.report_near(1, _HTML, f'write {key} = "..." with plain text')
    elif place.after == "SMART_QUOTE":
        place.report_near(1, _SMART_QUOTES, f'write {key} = "..."')
    else:
        place.report_near(-1, f"the attribute {quote(key)} has no value", f'write {key} = "..."')


def _explain_other(place: Place) -> None:
    if place.before == "_ARROW":
        _explain_target(place)
    elif place.before in ("GRAPH", "NODE", "EDGE"):
        word = place.written_before
        fix = f'write {word} [key="value"], or another id'
        place.report_near(-1, f"{quote(word)} is not followed by attributes", fix)
    elif "_COLON" in _two_before(place):
        place.report_near(-1 - _two_before(place).index("_COLON"), _COLON, "write =")
    else:
        place.report(f"{_named(place.written)} has no meaning here", "take it away")


def _explain_target(place: Place) -> None:
    if place.token.type == "SUBGRAPH":
        place.report("an edge cannot lead to a subgraph", "write an edge for each of its nodes")
    elif place.token.type in ("GRAPH", "NODE", "EDGE") and not place.begins_a_line():
        _explain_keyword(place)
    else:
        place.report_near(-1, "this edge leads nowhere", "write the id of a node behind it")


def _named(written: str) -> str:
    """Return what is written in quotes, or the number of a character that nobody can see."""
    first = written[:1]
    return quote(written) if first.isprintable() else f"the invisible letter U+{ord(first):04X}"


def _two_before(place: Place) -> list[str]:
    return [one.type for one in reversed(place.tokens[max(0, place.at - 2) : place.at])]


_EXPLAIN: Mapping[str, Callable[[Place], None]] = {
    "UNCLOSED_TEXT": explain_unclosed_text,
    "UNCLOSED_COMMENT": explain_unclosed_comment,
    "UNCLOSED_LIST": explain_unclosed_list,
    END: explain_unclosed_graph,
    "DASHES": _explain_edge,
    "OTHER_ARROW": _explain_edge,
    "HTML": _explain_html,
    "NUMBER": _explain_number,
    "SMART_QUOTE": _explain_smart_quote,
    "OTHER": _explain_sign,
    "_OPEN": _explain_open,
    "_ARROW": _explain_arrow,
    "_COLON": _explain_colon,
    "DIGRAPH": _explain_keyword,
    "STRICT": _explain_keyword,
}
