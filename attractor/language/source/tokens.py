"""Cuts a text into the tokens that the grammar of `dot.lark` is made of.

Gathers what is found wrong or not portable while a text is read.

How ids, keys and values are written so that Attractor and Graphviz read the same.

Splits the text of an attribute list into attributes.

Makes the statements of a text while it is parsed: a method for each rule of `dot.lark`.

Notes what of a text only some programs accept, where single tokens do not show it (L1).

Puts one word in place of another as a person would write it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from sys import intern
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, Edit, Severity
from attractor.language.source.syntax_tree import (
    Assignment,
    Attribute,
    Defaults,
    Digraph,
    EdgeStatement,
    Identifier,
    NodeStatement,
    Omitted,
    Span,
    Statement,
    SubgraphStatement,
    Value,
    ValueKind,
    quoted,
)
from attractor.language.source.text import (
    ATTRIBUTE,
    BLANK,
    IDENTIFIER,
    TEXT,
    TOKEN,
    Literal,
    Source,
    comments_of,
    quote,
    read_text,
    read_word,
)

SYNTAX = "syntax"
PORTABILITY = "portability"


class Change(NamedTuple):
    """What is to stand between two offsets instead."""

    start: int
    end: int
    text: str


class Findings:
    """The diagnostics of one text, as they come."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []

    def mistake(
        self, message: str, start: int, end: int, *, fix: str = "", edit: Change | None = None
    ) -> None:
        """Note what keeps the text from being a pipeline."""
        self._add(Diagnostic(Severity.ERROR, message, fix=fix, rule=SYNTAX), start, end, edit)

    def not_portable(
        self, message: str, start: int, end: int, *, fix: str, edit: Change | None = None
    ) -> None:
        """Note what only some programs accept (ruling L1)."""
        self._add(Diagnostic(Severity.INFO, message, fix=fix, rule=PORTABILITY), start, end, edit)

    def replacing(self, start: int, end: int, text: str) -> Change:
        """Return a change that grows together with nothing around it."""
        before, behind = self.source.text[start - 1 : start], self.source.text[end : end + 1]
        first, last = text[:1] or behind, text[-1:] or before
        margin = " " if _would_join(before, first) else ""
        return Change(
            start, end, margin + text + (" " if text and _would_join(last, behind) else "")
        )

    def _add(self, found: Diagnostic, start: int, end: int, edit: Change | None) -> None:
        span = self.source.span
        edits = (Edit(span(edit.start, edit.end), edit.text),) if edit else ()
        self.diagnostics.append(replace(found, span=span(start, end), edits=edits))


def _would_join(one: str, other: str) -> bool:
    return bool(one and other) and all(_is_of_a_word(sign) for sign in (one, other))


def _is_of_a_word(sign: str) -> bool:
    return sign.isalnum() or sign in '_."'


_KEYWORDS = frozenset({"digraph", "subgraph", "graph", "node", "edge", "strict"})

_DEEPEST = 20

COMPASS = frozenset({"n", "ne", "e", "se", "s", "sw", "w", "nw", "c", "_"})
"""The ports that every node has, which cannot be meant as anything else."""


def is_plain(word: str) -> bool:
    """Tell whether a word needs no quotes anywhere."""
    return IDENTIFIER.fullmatch(word) is not None and not is_keyword(word)


def is_keyword(word: str) -> bool:
    """Tell whether Graphviz takes a word for one of the language's, in whatever letters."""
    return word.casefold() in _KEYWORDS


def written_word(word: str) -> str:
    """Write an id or a key: in quotes only where there is no other way."""
    return word if is_plain(word) else quoted(word)


def written_value(value: Value) -> str:
    """Write what a value means."""
    match value.kind:
        case ValueKind.STRING:
            return quoted_in_lines(str(value))
        case ValueKind.BARE | ValueKind.DURATION:
            return written_word(str(value))
        case _:
            return value.text


def written_attribute(attribute: Attribute) -> str:
    """Write `key=value`."""
    return f"{written_word(attribute.key)}={written_value(attribute.value)}"


def quoted_in_lines(text: str) -> str:
    r"""Write a text in quotes; one of several lines stays so, instead of one long line with \n."""
    lines = (quoted(line)[1:-1] for line in text.split("\n"))
    return '"' + "\n".join(lines) + '"'


def margin(depth: int) -> str:
    """Return the blanks before a line; so deep that nobody sees the margin it grows no more."""
    return "    " * min(depth, _DEEPEST)


_PORTABLE_ESCAPES = 'the escapes are \\" \\\\ \\n and \\t'


def read_list(findings: Findings, start: int, end: int) -> tuple[Attribute, ...]:
    """Read `[key=value, ...]` between two offsets; what is wrong in it is noted and left out."""
    text, last = findings.source.text, end - 1
    attributes: list[Attribute] = []
    before, at = None, _skip_blank(text, start + 1, last)
    while at < last:
        found = ATTRIBUTE.match(text, at, last)
        if found is None:
            # Imported here: few callers need it.
            from attractor.language.syntax_errors.attribute_lists import report_list_mistake

            before, at = None, report_list_mistake(findings, at, last)
            continue
        if before and before["separator"] != ",":
            _report_separator(findings, before, at)
        attributes += _attribute(findings, found)
        before, at = found, found.end()
    if not attributes:
        _report_empty(findings, start, end)
    elif before and before["separator"]:
        message = f"nothing follows the last {before['separator']!r} of the list"
        edit = Change(*before.span("separator"), "")
        findings.not_portable(message, last, end, fix="take it away", edit=edit)
    return tuple(attributes)


def read_attribute(findings: Findings, start: int, end: int) -> tuple[Attribute, ...]:
    """Read one `key = value`; nothing when it is wrong."""
    found = ATTRIBUTE.match(findings.source.text, start, end)
    assert found is not None
    return _attribute(findings, found)


def _skip_blank(text: str, at: int, last: int) -> int:
    blank = BLANK.match(text, at, last)
    return blank.end() if blank else at


def _attribute(findings: Findings, found: re.Match[str]) -> tuple[Attribute, ...]:
    key, start, end = found["key"], *found.span("key")
    if key is None:
        key, _ = read_text(found["quoted_key"][1:-1])
        start, end = found.span("quoted_key")
        if is_plain(key):
            edit = findings.replacing(start, end, key)
            fix = "take the quotes away"
            findings.not_portable("a key in quotes", start, end, fix=fix, edit=edit)
    elif not key.isascii():
        message = f"the key {quote(key)} has letters outside a to z"
        findings.not_portable(message, start, end, fix="use only letters, digits and _")
    value = _text(findings, found) if found["word"] is None else _word(findings, found)
    # Nearly every node has the same few keys: each is kept once.
    return (Attribute(intern(key), value, findings.source.span(start, end)),) if value else ()


def _word(findings: Findings, found: re.Match[str]) -> Value | None:
    word, (start, end) = found["word"], found.span("word")
    literal: Literal = read_word(word)
    if literal.fault:
        findings.mistake(literal.fault, start, end, fix=literal.fix)
        return None
    if word[-1] == ":" and findings.source.text.startswith("//", end):
        # What is said of it in full is found when the text is mended.
        findings.mistake("a value with '//' has to stand in quotes", start, end)
        return None
    return Value(literal.kind, literal.plain, word, findings.source.span(start, end))


def _text(findings: Findings, found: re.Match[str]) -> Value:
    start, end = found.span("text")
    plain, is_odd = read_text(found["text"][1:-1])
    if found["more"]:
        end = found.end("more")
        pieces = [read_text(piece[1:-1]) for piece in TEXT.findall(found["more"])]
        plain += "".join(piece for piece, _ in pieces)
        _report_joined(findings, start, end, plain)
        is_odd = is_odd or any(odd for _, odd in pieces)
    if is_odd:
        message = f"an escape that only Graphviz knows; {_PORTABLE_ESCAPES}"
        findings.not_portable(message, start, end, fix="write \\\\ where a backslash is meant")
    text = findings.source.text[start:end]
    return Value(ValueKind.STRING, plain, text, findings.source.span(start, end))


def _report_joined(findings: Findings, start: int, end: int, plain: str) -> None:
    between = TEXT.sub("", findings.source.text[start:end])
    # A comment between two pieces would be lost.
    edit = Change(start, end, quoted_in_lines(plain)) if not between.strip("+ \t\r\n") else None
    fix = "write one text, which may span lines"
    findings.not_portable("texts joined with +", start, end, fix=fix, edit=edit)


def _report_separator(findings: Findings, before: re.Match[str], at: int) -> None:
    separator = before["separator"]
    found = f"{separator!r} between" if separator else "no comma between"
    end_of_value = max(before.end("text"), before.end("more"), before.end("word"))
    start, end = before.span("separator") if separator else (end_of_value, end_of_value)
    edit = Change(start, end, ",")
    fix = "write a comma before it"
    findings.not_portable(f"{found} two attributes", at, at + 1, fix=fix, edit=edit)


def _report_empty(findings: Findings, start: int, end: int) -> None:
    text, blank = findings.source.text, start
    while text[blank - 1] in " \t":
        blank -= 1
    is_blank = not text[start + 1 : end - 1].strip()
    edit = findings.replacing(blank, end, "") if is_blank else None
    findings.not_portable("an empty attribute list", start, end, fix="leave it out", edit=edit)


END = "$END"
_TOKENS_KEYWORDS = {
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
    return Token(_TOKENS_KEYWORDS.get(name, "ID"), start, end, identifier)


def is_port(text: str, start: int) -> bool:
    """Tell whether a word stands behind a colon."""
    return text[max(0, start - _NEAR) : start].rstrip().endswith(":")


def _plain_id(id_: str) -> str:
    if is_plain(id_):
        return f"write {id_} without the quotes"
    if is_keyword(id_):
        return f"{id_} is a word of the language: write {id_}_, or another id"
    return "use letters, digits and _ in ids, and put the words into the label"


_OMITTED = Omitted()


class TreeBuilder:
    """Turns the children of a rule into a statement; it remembers nothing."""

    def pipeline(self, children: list[Token | Statement]) -> Digraph:
        """Build the whole."""
        return Digraph(_id(children), _statements(children), _span(children))

    def assignment(self, children: list[Token]) -> Statement:
        """Build `key = value`; nothing is left of it when the value was wrong."""
        found = children[0].attributes
        return Assignment(found[0]) if found else _OMITTED

    def defaults(self, children: list[Token]) -> Defaults:
        """Build a default block."""
        return Defaults(children[0].type.lower(), _attributes(children))

    def subgraph(self, children: list[Token | Statement]) -> SubgraphStatement:
        """Build a subgraph."""
        return SubgraphStatement(_id(children), _statements(children), _span(children))

    def node(self, children: list[Token]) -> NodeStatement:
        """Build a declared node."""
        return NodeStatement(_ids(children)[0], _attributes(children))

    def edge(self, children: list[Token | Statement]) -> EdgeStatement:
        """Build a chain of edges."""
        return EdgeStatement(_ids(children), _attributes(children))

    def port(self, children: list[Token]) -> Omitted:
        """Drop a port."""
        return _OMITTED

    def mistake(self, children: list[Token]) -> Omitted:
        """Keep the place of what could not be read."""
        return _OMITTED


def _ids(children: Sequence[Token | Statement]) -> tuple[Identifier, ...]:
    tokens = (one for one in children if isinstance(one, Token) and one.type == "ID")
    return tuple(token.id for token in tokens if token.id is not None)


def _id(children: Sequence[Token | Statement]) -> Identifier | None:
    return next(iter(_ids(children[:2])), None)


def _statements(children: Sequence[Token | Statement]) -> tuple[Statement, ...]:
    return tuple(one for one in children if not isinstance(one, Token | Omitted))


def _span(children: Sequence[Token | Statement]) -> Span:
    """Return the place of the word that a rule begins with."""
    word = children[0]
    assert isinstance(word, Token)
    assert word.id is not None
    return word.id.span


def _attributes(children: Sequence[Token | Statement]) -> tuple[Attribute, ...]:
    tokens = (one for one in children if isinstance(one, Token))
    lists = [one.attributes for one in tokens if one.type == "ATTRIBUTES"]
    return lists[0] if len(lists) == 1 else tuple(one for found in lists for one in found)


NOTED = frozenset({("DIGRAPH", "_OPEN"), ("_COLON", "ID"), ("ATTRIBUTES", "ATTRIBUTES")})
"""The types of two tokens in a row of which there is something to note."""


def note_pair(token: Token, following: Token, findings: Findings) -> None:
    """Note an anonymous graph, a dropped port, or two lists in a row."""
    if following.type == "_OPEN":
        fix = "name it: digraph Name {"
        findings.not_portable("a graph without a name", token.start, token.end, fix=fix)
    elif following.type == "ID":
        _note_port(token, following, findings)
    else:
        message, fix = "a second attribute list", "write one list with commas"
        edit = _joined(token, following, findings.source.text)
        findings.not_portable(message, following.start, following.end, fix=fix, edit=edit)


def note_portability(findings: Findings) -> None:
    """Note odd blanks and preprocessor lines."""
    _note_blanks(findings)
    _note_preprocessor(findings)


def _note_port(colon: Token, word: Token, findings: Findings) -> None:
    """Note a port; one that may have been meant as a label is not taken away."""
    name = word.id.text if word.id else ""
    message = "a port, which means nothing to a pipeline and is dropped"
    start, end = colon.start, word.end
    if name in COMPASS:
        edit = findings.replacing(start, end, "")
        findings.not_portable(message, start, end, fix="take it away", edit=edit)
    else:
        fix = f"write [label={quoted(name)}] where a label is meant, else take it away"
        findings.not_portable(message, start, end, fix=fix)


def _note_blanks(findings: Findings) -> None:
    text = findings.source.text
    # Imported here: few callers need it.
    from attractor.language.syntax_errors.recovery import odd_blanks

    for start, end in () if text.isascii() else odd_blanks(text):
        # Imported here: few callers need it.
        from attractor.language.syntax_errors.recovery import named

        letter = named(text[start])
        message = f"a blank that other programs take for a letter: {letter}"
        edit = Change(start, end, " ")
        findings.not_portable(message, start, end, fix="write a plain blank", edit=edit)


def _joined(first: Token, second: Token, text: str) -> Change | None:
    """Return the change that makes one list of two, where nothing can be lost by it."""
    between = text[first.end : second.start]
    is_open = text[first.start : first.end - 1].rstrip().endswith((",", ";", "/", "["))
    if is_open or between.strip() or not first.attributes or not second.attributes:
        return None
    return Change(first.end - 1, second.start + 1, ", ")


def _note_preprocessor(findings: Findings) -> None:
    text = findings.source.text
    if "\n#" not in text and not text.startswith("#"):
        return
    for comment in comments_of(text):
        if comment.is_preprocessor:
            message = "a line of the C preprocessor"
            start, end = comment.start, comment.end
            edit = Change(start, end, comment.written)
            findings.not_portable(message, start, end, fix="begin it with //", edit=edit)


def word_edits(value: Value, word: str) -> tuple[Edit, ...]:
    """Return the edit of a value: in quotes where it had some, or needs them; none for no word."""
    if not word:
        return ()
    had_quotes = value.text.startswith('"')
    return (Edit(value.span, quoted(word) if had_quotes else written_word(word)),)
