"""What a stage may come to, and which values a condition can tell apart.

Both are as wide as can be: what none of them leads to cannot be reached in any run.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import cast

from attractor.base.dataclasses import dataclass
from attractor.engine.labels import normalize_label
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.language.conditions.condition import ALWAYS, Comparison, Condition, Unreadable
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.syntax_tree import parse_integer

STATUSES = (StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS, StageStatus.FAIL)

SAY_NO_LABEL = frozenset({"start", "exit", "conditional", "tool", "wait.human"})
"""Types whose stages neither prefer a label nor suggest a node of their own accord."""

_ALWAYS_SUCCEED = frozenset({"start", "exit", "conditional"})
_PREFIX = "context."
_OTHER = "something else"


@dataclass(frozen=True)
class Told:
    """What conditions ask for: the values they tell apart, by key, and whether all were found."""

    values: Mapping[str, Sequence[str]]
    is_whole: bool


def possible_outcomes(graph: Graph, node: Node) -> Sequence[Outcome]:
    """Return what a stage may come to that suggests no next node, but for the choice of a gate."""
    if node.type in _ALWAYS_SUCCEED:
        return (Outcome(StageStatus.SUCCESS),)
    if node.type == "tool":
        return (Outcome(StageStatus.SUCCESS), failure("simulated", FailureClass.VERDICT))
    if node.type == "wait.human":
        return (*_choices(graph, node), failure("nobody answered", FailureClass.TERMINAL))
    words = ("", *labels_asked(graph, node.id))
    return tuple(Outcome(status, word) for status in STATUSES for word in words)


def _choices(graph: Graph, node: Node) -> Iterator[Outcome]:
    """Yield what comes of each choice at a gate; a label that two of them share may be left out."""
    ways = dict.fromkeys(
        (edge.label or edge.target, edge.target) for edge in graph.outgoing(node.id)
    )
    times = Counter(normalize_label(label) for label, _ in ways)
    for label, target in ways:
        yield Outcome(StageStatus.SUCCESS, label, (target,))
        if times[normalize_label(label)] > 1:
            yield Outcome(StageStatus.SUCCESS, "", (target,))


def suggestions(node: Node, targets: Iterable[str]) -> Sequence[Outcome]:
    """Return the outcomes that suggest one of some nodes; not every stage can."""
    if node.type in SAY_NO_LABEL:
        return ()
    return tuple(Outcome(status, "", (target,)) for status in STATUSES for target in targets)


def labels_asked(graph: Graph, node: str) -> Sequence[str]:
    """Return the labels by which an outcome can choose a way out of a node."""
    edges = graph.outgoing(node)
    asked = told_apart(edge.condition for edge in edges).values.get("preferred_label", ())
    labels = (edge.label for edge in edges if not edge.is_conditional)
    return tuple(filter(None, dict.fromkeys([*labels, *asked])))


def told_apart(conditions: Iterable[Condition]) -> Told:
    """Return the values of each key that some conditions tell apart."""
    values: dict[str, dict[str, None]] = {}
    is_whole = True
    for clause in _clauses(conditions):
        keys, tried = clause.keys(), tuple(_tried(clause))
        for key in keys:
            values.setdefault(bare(key), {}).update(dict.fromkeys(tried))
        # What an earlier stage preferred may be anything.
        is_whole = is_whole and "context.preferred_label" not in keys and _decides(clause, tried)
    return Told({key: tuple(found) for key, found in values.items()}, is_whole)


def bare(key: str) -> str:
    """Return a key as the context has it; the outcome of the last stage goes by `outcome`."""
    return key.removeprefix(_PREFIX)


def _clauses(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield the conditions that hold no others."""
    waiting = [one for one in conditions if one is not ALWAYS]
    while waiting:
        condition = waiting.pop()
        inner = [one for value in _held(condition) for one in _conditions_in(value)]
        waiting += inner
        if not inner and not isinstance(condition, Unreadable):
            yield condition


def _held(condition: Condition) -> Sequence[object]:
    if not is_dataclass(condition):
        return ()
    return [getattr(condition, field.name) for field in fields(condition)]


def _conditions_in(value: object) -> Sequence[Condition]:
    inner = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return [cast(Condition, one) for one in inner if hasattr(one, "holds")]


def _tried(clause: Condition) -> Iterator[str]:
    """Yield the values to try for the keys of a clause, whatever its operator."""
    keys = clause.keys()
    texts = [one for one in _held(clause) if isinstance(one, str) and one not in keys]
    yield from texts
    yield _OTHER if "" in texts else ""
    if isinstance(clause, Comparison):
        return
    yield "true"
    for number in filter(None, map(parse_integer, texts)):
        yield from (str(number - 1), str(number + 1))


def _decides(clause: Condition, tried: Sequence[str]) -> bool:
    """Tell whether the values tried can make a clause hold, or not hold."""
    found = {clause.holds(lambda key, value=value: value) for value in tried}
    return found == {True, False}
