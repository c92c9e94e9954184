"""Formats pipelines: a text or a graph in the standard layout."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from attractor.language.diagnostics import ParseError
from attractor.language.graph.graph import Graph, Node, Subgraph
from attractor.language.parsing.tokens import END, Findings, Token, scan
from attractor.language.reading import collection_paused, parse_source
from attractor.language.source.syntax_tree import Attributes, ValueKind, quoted
from attractor.language.source.text import (
    ATTRIBUTE,
    BLANK,
    COMPASS,
    TEXT,
    TEXT_OR_COMMENT,
    Comment,
    Source,
    comments_between,
    is_plain,
    margin,
    read_text,
    read_word,
    skip_blank,
    written_attribute,
    written_list,
    written_word,
)


def write_graph(graph: Graph) -> str:
    """Return a graph as text without default blocks: each node lists all attributes of the node."""
    name = f"{written_word(graph.name)} " if graph.name else ""
    inside = {id_ for subgraph in graph.subgraphs for id_ in subgraph.nodes}
    outside = (node for node in graph.nodes.values() if node.id not in inside)
    nodes = [*(margin(1) + _declared(node) for node in outside), *_subgraphs(graph)]
    edges = [
        f"{margin(1)}{written_word(edge.source)} -> {written_word(edge.target)}"
        + written_list(edge.attributes)
        for edge in graph.edges
    ]
    parts = [list(_own(graph.attributes)), nodes, edges]
    body = "\n\n".join("\n".join(lines) for lines in parts if lines)
    return f"digraph {name}{{\n{body}\n}}\n" if body else f"digraph {name}{{\n}}\n"


def _own(attributes: Attributes, depth: int = 1) -> Iterator[str]:
    for attribute in attributes.by_key.values():
        yield margin(depth) + written_attribute(attribute)


def _subgraphs(graph: Graph) -> Iterator[str]:
    """Yield the lines of all subgraphs, without recursion for nested subgraphs."""
    within: Mapping[int, list[int]] = defaultdict(list)
    for place, subgraph in enumerate(graph.subgraphs):
        within[subgraph.parent].append(place)
    declared: set[str] = set()
    waiting = [iter(within[-1])]
    while waiting:
        place = next(waiting[-1], None)
        if place is not None:
            yield from _begun(graph, graph.subgraphs[place], declared, len(waiting))
            waiting.append(iter(within[place]))
            continue
        waiting.pop()
        if waiting:
            yield margin(len(waiting)) + "}"


def _begun(graph: Graph, subgraph: Subgraph, declared: set[str], depth: int) -> Iterator[str]:
    """Yield the lines of one subgraph.

    A node lists its attributes in the first subgraph that contains the node.
    """
    id_ = f"{written_word(subgraph.id)} " if subgraph.id else ""
    yield f"{margin(depth)}subgraph {id_}{{"
    yield from _own(subgraph.attributes, depth + 1)
    for id_ in subgraph.nodes:
        written = written_word(id_) if id_ in declared else _declared(graph.nodes[id_])
        yield margin(depth + 1) + written
        declared.add(id_)


def _declared(node: Node) -> str:
    return written_word(node.id) + written_list(node.attributes)


_IN_QUOTES = frozenset({ValueKind.BARE, ValueKind.DURATION})


class AttributeSource(NamedTuple):
    """A formatted `key=value`, and the offsets of key and value in the original text."""

    text: str
    key_end: int
    value: tuple[int, int]


def read_written(text: str, found: re.Match[str]) -> AttributeSource:
    """Format a match of the pattern ATTRIBUTE."""
    key, key_end = found["key"], found.end("key")
    if key is None:
        (key, _), key_end = read_text(found["quoted_key"][1:-1]), found.end("quoted_key")
    value, place = _value(text, found)
    return AttributeSource(f"{written_word(key)}={value}", key_end, place)


def written_assignment(text: str, token: Token) -> AttributeSource:
    """Format a statement `key=value`."""
    found = ATTRIBUTE.match(text, token.start, token.end)
    assert found is not None
    return read_written(text, found)


def _value(text: str, found: re.Match[str]) -> tuple[str, tuple[int, int]]:
    if found["word"] is not None:
        return _word(found["word"]), found.span("word")
    start, end = found.span("text")
    if not found["more"]:
        return text[start:end], (start, end)
    end = found.end("more")
    pieces = text[start:end]
    # Texts with a comment between them are not joined.
    if all(piece[0].startswith('"') for piece in TEXT_OR_COMMENT.finditer(pieces)):
        pieces = '"' + "".join(piece[1:-1] for piece in TEXT.findall(pieces)) + '"'
    return pieces, (start, end)


def _word(word: str) -> str:
    quotable = read_word(word).kind in _IN_QUOTES and not is_plain(word)
    return quoted(word) if quotable else word


class FormattedLines:
    """Collects indented lines, with the comments and blank lines of the original text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: list[str] = []
        self.depth = 0
        # The offset up to which the text is formatted.
        self._at = 0
        # No blank line at the beginning of the text or after an opening brace.
        self._may_be_blank = False
        # Text after a line comment would become part of the comment.
        self._is_closed = False

    def add(self, line: str, start: int, end: int, *, within: Iterable[Comment] = ()) -> None:
        """Add the formatted line of a range of text.

        Comments within the range get their own lines before the formatted line.
        """
        self._take_comments(start)
        for comment in within:
            self._put(comment.written, start)
            self._at = start
        self._put(line, start)
        self._at = end

    def skip(self, start: int, end: int) -> None:
        """Omit a range of text, but keep the comments before this range."""
        self._take_comments(start)
        self._at = end

    def deeper(self) -> None:
        """Indent the following lines by one more level."""
        self.depth += 1
        self._may_be_blank = False

    def close(self, start: int, end: int) -> None:
        """Add a closing brace, and indent by one level less."""
        self._take_comments(start)
        self.depth -= 1
        self._may_be_blank = False
        self._put("}", start)
        self._at = end

    def finish(self) -> str:
        """Return the formatted text, with the comments after the last line."""
        self._take_comments(len(self._text))
        return "\n".join(self._lines) + "\n" if self._lines else ""

    def _take_comments(self, until: int) -> None:
        """Add the comments up to an offset.

        A comment behind the last line stays on this line; every other comment gets its own line.
        """
        for comment in comments_between(self._text, self._at, until):
            is_alone = "\n" in self._text[self._at : comment.start]
            if self._lines and not self._is_closed and not is_alone:
                self._lines[-1] += f"  {comment.written}"
            else:
                self._put(comment.written, comment.start)
            self._is_closed = comment.written.startswith("//")
            self._at = comment.end

    def _put(self, line: str, start: int) -> None:
        if self._may_be_blank and self._text.count("\n", self._at, start) > 1:
            self._lines.append("")
        self._lines.append(margin(self.depth) + line)
        self._is_closed = False
        self._may_be_blank = True


WIDEST = 100


class Entry(NamedTuple):
    """An attribute, the comments before the attribute, and the comments after it on its line."""

    written: str
    before: Sequence[Comment] = ()
    behind: Sequence[Comment] = ()


class Listed(NamedTuple):
    """The attributes of a statement; adjacent lists are merged."""

    entries: Sequence[Entry] = ()
    last: Sequence[Comment] = ()
    is_spread: bool = False

    @property
    def has_comments(self) -> bool:
        """Whether any list contains a comment."""
        return bool(self.last) or any(entry.before or entry.behind for entry in self.entries)


def read_lists(text: str, tokens: Sequence[Token]) -> Listed:
    """Parse and merge lists; `is_spread` if the first attribute of a list begins on a new line."""
    entries: list[Entry] = []
    last: list[Comment] = []
    is_spread = False
    for token in tokens:
        found, rest = _read_list(text, token)
        if found and last:
            found[0] = found[0]._replace(before=[*last, *found[0].before])
            last = []
        entries += found
        last += rest
        blank = BLANK.match(text, token.start + 1)
        is_spread = is_spread or (blank is not None and "\n" in blank[0])
    return Listed(entries, last, is_spread and bool(entries))


def laid_out(before: str, listed: Listed, depth: int) -> str:
    """Format a list after a node or an edge; on one line if the list fits and has no comments."""
    if not listed.entries and not listed.last:
        return f"{before} []"
    line = f"{before} [{', '.join(entry.written for entry in listed.entries)}]"
    fits = "\n" not in line and len(margin(depth)) + len(line) <= WIDEST
    # Splitting a list of one attribute makes no line shorter.
    is_short = fits or len(listed.entries) == 1
    if not listed.has_comments and not listed.is_spread and is_short:
        return line
    inner, outer = f"\n{margin(depth + 1)}", f"\n{margin(depth)}"
    return f"{before} [{inner}{inner.join(_rows(listed))}{outer}]"


def _rows(listed: Listed) -> Iterator[str]:
    for at, entry in enumerate(listed.entries, 1):
        yield from (comment.written for comment in entry.before)
        comma = "," if at < len(listed.entries) else ""
        yield "  ".join([entry.written + comma, *(comment.written for comment in entry.behind)])
    yield from (comment.written for comment in listed.last)


def _read_list(text: str, token: Token) -> tuple[list[Entry], list[Comment]]:
    entries: list[Entry] = []
    taken = at = token.start + 1
    last = token.end - 1
    while found := ATTRIBUTE.match(text, skip_blank(text, at, last), last):
        written = read_written(text, found)
        start, end = written.value
        before = (*_comments(text, taken, found.start()), *_comments(text, written.key_end, start))
        behind = _behind(text, end, found.end())
        entries.append(Entry(written.text, before, behind))
        taken, at = behind[-1].end if behind else end, found.end()
    return entries, _comments(text, taken, last)


def _comments(text: str, start: int, end: int) -> list[Comment]:
    return list(comments_between(text, start, end))


def _behind(text: str, start: int, end: int) -> list[Comment]:
    """Return the comments after a value on the same line."""
    behind: list[Comment] = []
    for comment in comments_between(text, start, end):
        if "\n" in text[start : comment.start]:
            break
        behind.append(comment)
        start = comment.end
    return behind


_IN_A_STATEMENT = frozenset({"_ARROW", "_COLON", "ATTRIBUTES"})
_DEFAULTS = frozenset({"GRAPH", "NODE", "EDGE"})


def format_text(text: str, *, file: str = "") -> str:
    """Format a text; a text with syntax errors raises ParseError."""
    source = Source(text, file)
    with collection_paused():
        parsed = parse_source(source)
        if parsed.digraph is None:
            raise ParseError(parsed.diagnostics)
        return _Layout(text, list(scan(Findings(source)))).laid_out()


class _Layout:
    """Formats the tokens of a text without syntax errors."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._lines = FormattedLines(text)

    def laid_out(self) -> str:
        at = self._open(0)
        while self._tokens[at].type != END:
            at = self._statement(at)
        return self._lines.finish()

    def _statement(self, at: int) -> int:
        """Format the statement at a token index; return the index of the next statement."""
        token = self._tokens[at]
        match token.type:
            case "_SEMICOLON":
                self._lines.skip(token.start, token.end)
                return at + 1
            case "_CLOSE":
                self._lines.close(token.start, token.end)
                return at + 1
            case "SUBGRAPH":
                return self._open(at)
            case "ATTRIBUTE":
                written = written_assignment(self._text, token)
                comments = comments_between(self._text, written.key_end, written.value[0])
                self._lines.add(written.text, token.start, token.end, within=comments)
                return at + 1
            case _:
                return self._node_or_edge(at)

    def _open(self, at: int) -> int:
        """Format the words before a brace and the brace, as in `subgraph cluster_a {`."""
        end = at + 1
        while self._tokens[end].type != "_OPEN":
            end += 1
        head = self._tokens[at : end + 1]
        words = [self._word(token) for token in head[1:-1]]
        keyword = self._text[head[0].start : head[0].end]
        self._write(" ".join([keyword, *words, "{"]), head)
        self._lines.deeper()
        return end + 1

    def _node_or_edge(self, at: int) -> int:
        end = at + 1
        # An id behind an arrow or a colon belongs to the same statement.
        while self._tokens[end].type in _IN_A_STATEMENT or (
            self._tokens[end].type == "ID" and self._tokens[end - 1].type in ("_ARROW", "_COLON")
        ):
            end += 1
        statement = self._tokens[at:end]
        lists = [token for token in statement if token.type == "ATTRIBUTES"]
        line = " -> ".join(self._ends(statement))
        if lists:
            listed = read_lists(self._text, lists)
            if listed.entries or listed.last or statement[0].type in _DEFAULTS:
                line = laid_out(line, listed, self._lines.depth)
        self._write(line, statement)
        return end

    def _ends(self, statement: Sequence[Token]) -> list[str]:
        """Return the ids of a statement without ports; quoted ports may be labels and are kept."""
        ends = [self._word(statement[0])]
        for before, token in pairwise(statement):
            is_text = self._text.startswith('"', token.start)
            if before.type == "_ARROW":
                ends.append(self._word(token))
            elif before.type == "_COLON" and is_text and token.id and token.id.text not in COMPASS:
                ends[-1] += f":{self._text[token.start : token.end]}"
        return ends

    def _word(self, token: Token) -> str:
        written = self._text[token.start : token.end]
        if token.type in _DEFAULTS or token.id is None:
            return written
        if is_plain(token.id.text):
            return token.id.text
        # Graphviz requires quotes.
        return written if written.startswith('"') else written_word(written)

    def _write(self, line: str, statement: Sequence[Token]) -> None:
        within: list[Comment] = []
        for before, token in zip(statement, statement[1:], strict=False):
            within += comments_between(self._text, before.end, token.start)
        self._lines.add(line, statement[0].start, statement[-1].end, within=within)


def format(pipeline: Graph | str) -> str:
    """Return a pipeline as formatted text with the same meaning, also for Graphviz.

    Comments and the order of statements are kept. A text with syntax errors raises ParseError.
    """
    with collection_paused():
        return format_text(write_graph(pipeline) if isinstance(pipeline, Graph) else pipeline)
