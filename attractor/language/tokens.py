"""Cuts a text into the tokens that the grammar of `dot.lark` is made of."""

from collections.abc import Iterator
from sys import intern
from typing import NamedTuple

from attractor.language.attribute_lists import read_attribute, read_list
from attractor.language.findings import Findings
from attractor.language.literals import read_text
from attractor.language.patterns import TOKEN
from attractor.language.syntax import Identifier
from attractor.language.values import Attribute
from attractor.language.wording import quote
from attractor.language.words import is_keyword, is_plain

END = "$END"
_KEYWORDS = {
    "digraph": "DIGRAPH",
    "subgraph": "SUBGRAPH",
    "graph": "GRAPH",
    "node": "NODE",
    "edge": "EDGE",
    "strict": "STRICT",
}
# Behind these there is no telling what is text and what is not.
_LAST = frozenset({"UNCLOSED_TEXT", "UNCLOSED_COMMENT"})
# How far before a word its colon stands at most.
_NEAR = 100


class Token(NamedTuple):
    """A piece of a text: of which type, from where to where, and what it means.

    An `id` is what a word says, a keyword too; `attributes` are those of a whole list, or one.
    """

    type: str
    start: int
    end: int
    id: Identifier | None = None
    attributes: tuple[Attribute, ...] = ()


def scan(findings: Findings) -> Iterator[Token]:
    """Yield every token of a text, at last one of the type END."""
    text, at = findings.source.text, 0
    while True:
        found = TOKEN.match(text, at)
        kind = found.lastgroup if found else None
        if found is None or kind is None:
            break
        start, at = found.span(kind)
        yield _token(findings, kind, start, at)
        if kind in _LAST:
            break
    yield Token(END, len(text), len(text))


def _token(findings: Findings, kind: str, start: int, end: int) -> Token:
    match kind:
        case "ATTRIBUTES":
            return Token(kind, start, end, None, read_list(findings, start, end))
        case "ATTRIBUTE":
            return Token(kind, start, end, None, read_attribute(findings, start, end))
        case "NAME":
            return _name(findings, start, end)
        case "TEXT":
            id_, _ = read_text(findings.source.text[start + 1 : end - 1])
            if not is_port(findings.source.text, start):
                edit = findings.replacing(start, end, id_) if is_plain(id_) else None
                fix = _plain_id(id_)
                findings.not_portable("an id in quotes", start, end, fix=fix, edit=edit)
            return Token("ID", start, end, Identifier(id_, findings.source.span(start, end)))
        case _:
            return Token(kind, start, end)


def _name(findings: Findings, start: int, end: int) -> Token:
    # An id stands in edges as often as in its node: it is kept once.
    name = intern(findings.source.text[start:end])
    if not name.isascii():
        message = f"the id {quote(name)} has letters outside a to z"
        findings.not_portable(message, start, end, fix="put the word into the label")
    identifier = Identifier(name, findings.source.span(start, end))
    return Token(_KEYWORDS.get(name, "ID"), start, end, identifier)


def is_port(text: str, start: int) -> bool:
    """Tell whether a word stands behind a colon."""
    return text[max(0, start - _NEAR) : start].rstrip().endswith(":")


def _plain_id(id_: str) -> str:
    if is_plain(id_):
        return f"write {id_} without the quotes"
    if is_keyword(id_):
        return f"{id_} is a word of the language: write {id_}_, or another id"
    return "use letters, digits and _ in ids, and put the words into the label"
