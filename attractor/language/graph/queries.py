"""Goes over the attributes of a graph, with what they stand on.

What a person can choose at a human gate.

Finds the conditionals that judge nothing: they hand a failure on as if nothing had happened.

Finds where a part of an attribute's text stands in the file.

Goes over the conditions of a graph's edges, each where it stands.

Finds names in attributes that nobody knows, and where they stand.

Tells what is a moment: a date with a time, or a time of day.

Finds keys of conditions that ask the context for what only the outcome can be.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, time
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from attractor.language.conditions.analysis import SUCCESS, could_hold
from attractor.language.conditions.condition import ALWAYS, OUTCOMES, Condition, canonical_outcome
from attractor.language.diagnostics import Edit, one_slip, suggester
from attractor.language.graph.graph import AttributeOwner, Edge, Graph, Node
from attractor.language.source.syntax_tree import Attribute, Attributes, Span, Value, quoted
from attractor.language.source.text import TEXT, read_text
from attractor.language.source.tokens import word_edits

COMMANDS = frozenset({"tool_command", "tool_hooks.pre", "tool_hooks.post"})
"""The attributes that hold commands for a shell."""


class Holder(NamedTuple):
    """What an attribute stands on, and what else stands there."""

    place: AttributeOwner
    attributes: Attributes
    node: str = ""
    edge: tuple[str, str] | None = None


def each_attribute(graph: Graph, keys: Set[str]) -> Iterator[tuple[Holder, Attribute]]:
    """Yield every attribute with one of some keys; one in a default block comes once."""
    on_graph = keys & graph.attributes.by_key.keys()
    return _each(graph, on_graph, keys & graph.node_keys, keys & graph.edge_keys)


def each_stranger(
    graph: Graph, known: Mapping[AttributeOwner, Set[str]]
) -> Iterator[tuple[Holder, Attribute]]:
    """Yield every attribute that is not known for its place; one in a default block comes once."""
    on_graph = graph.attributes.by_key.keys() - known[AttributeOwner.GRAPH]
    on_nodes, on_edges = (
        graph.node_keys - known[AttributeOwner.NODE],
        graph.edge_keys - known[AttributeOwner.EDGE],
    )
    return _each(graph, on_graph, on_nodes, on_edges)


def goal_gates(graph: Graph) -> Sequence[Node]:
    """Return the nodes that keep the exit shut until they succeed."""
    return [one for one in graph.nodes_with("goal_gate") if one.is_goal_gate]


def _each(
    graph: Graph, on_graph: Set[str], on_nodes: Set[str], on_edges: Set[str]
) -> Iterator[tuple[Holder, Attribute]]:
    seen: set[int] = set()
    for key in sorted(on_graph):
        attribute = graph.attributes.by_key[key]
        seen.add(id(attribute))
        yield Holder(AttributeOwner.GRAPH, graph.attributes), attribute
    for key in sorted(on_nodes):
        for node in graph.nodes_with(key):
            attribute = node.attributes.by_key[key]
            if id(attribute) not in seen:
                seen.add(id(attribute))
                yield Holder(AttributeOwner.NODE, node.attributes, node.id), attribute
    for key in sorted(on_edges):
        for edge in graph.edges_with(key):
            attribute = edge.attributes.by_key[key]
            if id(attribute) not in seen:
                seen.add(id(attribute))
                ends = (edge.source, edge.target)
                yield Holder(AttributeOwner.EDGE, edge.attributes, edge=ends), attribute


Choices = Mapping[tuple[str, str], Edge]
"""The edges that a person may choose, by label and target; equal ones are one choice."""


def human_gates(graph: Graph) -> Iterator[tuple[Node, Choices]]:
    """Yield every human gate with what it offers.

    An edge that a choice cannot take, such as the one after a failure, is not offered.
    """
    for node in graph.of_type("wait.human"):
        yield node, _offered(graph, node)


def _offered(graph: Graph, node: Node) -> Choices:
    choices: dict[tuple[str, str], Edge] = {}
    for edge in graph.outgoing(node.id):
        if not edge.is_conditional or could_hold(edge.condition, [SUCCESS]):
            choices.setdefault((edge.label.strip() or edge.target, edge.target), edge)
    return choices


CONDITIONAL = "conditional"


def unasked_conditionals(graph: Graph, among: Iterable[str]) -> Set[str]:
    """Return those among some nodes behind which a stage comes before anybody asks for the outcome.

    A conditional with a single way out and no condition on it asks nothing; what it leads to may.
    Only as much of the graph is looked at as lies behind them.
    """
    is_unasked: dict[str, bool] = {}
    for node in among:
        at, passed = node, list[str]()
        while at not in is_unasked and (onward := _onward(graph, at)):
            # Unless the way comes back to it: round and round nobody asks either.
            is_unasked[at] = True
            passed.append(at)
            at = onward
        is_unasked.update(dict.fromkeys(passed, is_unasked.get(at, not is_conditional(graph, at))))
    return {node for node, one in is_unasked.items() if one}


def _onward(graph: Graph, node: str) -> str:
    """Return what a conditional that asks nothing leads to, or nothing."""
    edges = graph.outgoing(node)
    asks_nothing = len(edges) == 1 and not edges[0].is_conditional
    return edges[0].target if asks_nothing and is_conditional(graph, node) else ""


def is_conditional(graph: Graph, node: str) -> bool:
    """Tell whether a node hands on what the stage before it came to (ruling R1)."""
    return node in graph.nodes and graph.nodes[node].type == CONDITIONAL


_ESCAPE_OR_NEWLINE = re.compile(r"\\(?:\r\n|.)|\n", re.DOTALL)


def span_within(value: Value, start: int, end: int) -> Span:
    """Return the place between two offsets in a value; all of it where it is not one text."""
    plain, whole = value.plain, value.span
    places = _places(value.text, plain) if isinstance(plain, str) else None
    if places is None or not whole.is_somewhere:
        return whole
    line, column = places.of_start(max(start, 0))
    end_line, end_column = places.of_end(max(end, start + 1, 1))
    return Span(
        whole.file,
        whole.line + line,
        column if line else whole.column + column,
        whole.line + end_line,
        end_column if end_line else whole.column + end_column,
    )


class _Places(NamedTuple):
    """Where the text goes on behind each escape and newline: there alone offsets and columns part.

    In the first line columns count from the opening quote. A width is 0 where a line is continued.
    """

    offsets: list[int]
    lines: list[int]
    columns: list[int]
    widths: list[int]

    def of_start(self, offset: int) -> tuple[int, int]:
        return self._behind(bisect_right(self.offsets, offset) - 1, offset)

    def of_end(self, offset: int) -> tuple[int, int]:
        at = bisect_left(self.offsets, offset)
        is_behind_one = at < len(self.offsets) and self.offsets[at] == offset and self.widths[at]
        return self._behind(at if is_behind_one else at - 1, offset)

    def _behind(self, at: int, offset: int) -> tuple[int, int]:
        return self.lines[at], self.columns[at] + offset - self.offsets[at]


# One value is asked about again and again, and each time to go over it would take long.
@lru_cache(maxsize=8)
def _places(text: str, plain: str) -> _Places | None:
    """Return the places in a text as it was written, unless something else came of it."""
    inside = text[1:-1]
    if not TEXT.fullmatch(text) or read_text(inside)[0] != plain:
        return None
    places = _Places([0], [0], [1], [0])
    offset = done = line = 0
    line_start = -1
    for found in _ESCAPE_OR_NEWLINE.finditer(inside):
        width = len(read_text(found[0])[0])
        offset += found.start() - done + width
        done = found.end()
        if found[0].endswith("\n"):
            line, line_start = line + 1, done - 1
        for kept, one in zip(places, (offset, line, done - line_start, width), strict=True):
            kept.append(one)
    return places


class Guard(NamedTuple):
    """A condition as it was written on an edge."""

    edge: Edge
    condition: Condition
    text: str

    @property
    def ends(self) -> tuple[str, str]:
        """Where its edge leads from and to."""
        return self.edge.source, self.edge.target

    def span(self, start: int, end: int) -> Span:
        """Return the place of a part of it."""
        value = self.edge.attributes.value("condition")
        if value is None or not value.span.is_somewhere:
            return self.edge.span
        return span_within(value, start, end)


def each_guard(graph: Graph, concerns: Callable[[Condition, str], bool]) -> Iterator[Guard]:
    """Yield every condition that concerns somebody; one that a chain's edges share comes once."""
    asked: dict[int, bool] = {}
    seen: set[Span] = set()
    for edge in graph.edges_with("condition"):
        condition = edge.condition
        # What was read from the same text is the same object: most pipelines have few of them.
        answer = asked.get(id(condition))
        if answer is None:
            text = edge.attributes.text("condition")
            answer = asked[id(condition)] = condition is not ALWAYS and concerns(condition, text)
        if not answer:
            continue
        value = edge.attributes.value("condition")
        if value is None or (value.span.is_somewhere and value.span in seen):
            continue
        seen.add(value.span)
        yield Guard(edge, condition, str(value))


def edits_within(guard: Guard, start: int, end: int, instead: str) -> tuple[Edit, ...]:
    """Return the change of a part of a condition, if its place in the file is known exactly."""
    value = guard.edge.attributes.value("condition")
    if not instead or value is None or not value.span.is_somewhere:
        return ()
    span = span_within(value, start, end)
    return (Edit(span, quoted(instead)[1:-1]),) if span != value.span else ()


_SHOWN = 12
_INPUT = "${"


class UnknownName(NamedTuple):
    """A name that is not known, where it stands, and what to do."""

    name: str
    span: Span
    node: str
    fix: str
    edits: tuple[Edit, ...]


def unknown_names(
    graph: Graph, key: str, known: Set[str] | None, *, besides: Set[str] = frozenset()
) -> Iterator[UnknownName]:
    """Yield each name under a key that is not known; one in a stylesheet comes once.

    What is known is listed only when it is needed, so further names come `besides` it.
    """
    if known is None:
        return
    sheet = graph.attributes.value("model_stylesheet")
    suggest = suggester(chain.from_iterable((known, besides)))
    seen: set[tuple[str, Span]] = set()
    for holder, attribute in each_attribute(graph, {key}):
        name, span = str(attribute.value), attribute.value.span
        if not name or name in besides or name in known or _INPUT in name or (name, span) in seen:
            continue
        is_from_sheet = sheet is not None and span == sheet.span and span.is_somewhere
        if span.is_somewhere:
            seen.add((name, span))
        meant = "" if is_from_sheet else one_slip(name, {*known, *besides})
        yield UnknownName(
            name,
            _span_in_sheet(sheet, name) if is_from_sheet and sheet else span,
            "" if is_from_sheet else holder.node,
            suggest(name) or _choice({*known, *besides}),
            word_edits(attribute.value, meant),
        )


def _span_in_sheet(sheet: Value, name: str) -> Span:
    start = str(sheet).find(name)
    return span_within(sheet, start, start + len(name)) if start >= 0 else sheet.span


def _choice(known: Set[str]) -> str:
    names = sorted(known)
    others = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"known are {', '.join(names[:_SHOWN])}{others}" if names else "none is known here"


def is_moment(text: str) -> bool:
    """Tell whether a text says when."""
    return _is_read_by(datetime, text) or _is_read_by(time, text)


def _is_read_by(kind: type[datetime] | type[time], text: str) -> bool:
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True


_OUTCOME = ("outcome",)
# Words for the outcome in other tools.
_OTHER_NAMES = frozenset({"status", "result"})
_CLAUSE = re.compile(r'(?<![\w.":-])(?P<key>[A-Za-z_]\w*)\s*!?=\s*"?(?P<word>\w+)(?![\w.-])')


class Misnamed(NamedTuple):
    """Such a key and where it stands; `instead` is empty where it may be meant."""

    key: str
    start: int
    end: int
    instead: str


def misnamed_outcomes(text: str) -> Iterator[Misnamed]:
    """Yield each key such as `Outcome` or `status` that is compared with a word for an outcome."""
    for found in _CLAUSE.finditer(text):
        key, slip = found["key"], one_slip(found["key"], _OUTCOME)
        is_misnamed = key not in _OUTCOME and (slip or key in _OTHER_NAMES)
        if is_misnamed and canonical_outcome(found["word"]) in OUTCOMES:
            yield Misnamed(key, *found.span("key"), slip)
