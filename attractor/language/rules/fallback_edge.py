"""Every outcome of a stage has an edge.

What it does: reports a node with conditions on all of its edges if no condition is true for an
expected outcome. The rule tries every value that the conditions compare with, and one other value.
Success is always expected, failure only behind a conditional, partial success of agents, child
pipelines, custom types and nodes with `allow_partial`, also behind a conditional.

Why: a stage that can take none of its edges fails the run with the reason `no_route`.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        triage [prompt="Set context.size to small or large"]
        patch  [prompt="Patch"]
        plan   [prompt="Plan"]
        exit   [shape=Msquare]
        start -> triage
        triage -> patch [condition="context.size=small"]
        triage -> plan  [condition="context.size=large"]
        plan -> patch -> exit
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        triage [prompt="Set context.size to small or large"]
        patch  [prompt="Patch"]
        plan   [prompt="Plan"]
        exit   [shape=Msquare]
        start -> triage
        triage -> patch [condition="context.size=small"]
        triage -> plan
        plan -> patch -> exit
    }
"""

from collections.abc import Iterator, Sequence

from attractor.language.conditions.analysis import assignments, words_for
from attractor.language.conditions.condition import ALWAYS, Comparison, Condition
from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.branches import FAN_IN, FORKS
from attractor.language.graph.graph import Graph
from attractor.language.graph.paths import FAIL, PARTIAL_SUCCESS, SUCCESS, reached_from, sources
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

# A person chooses among all edges; the edges of a fork are branches.
_SILENT = frozenset({"wait.human", "exit", *FORKS})
# Stages of these types succeed or fail.
_WHOLE = frozenset({"start", "exit", "tool", "wait", "wait.human", "prompt", FAN_IN, *FORKS})
_SUCCESS = Comparison("outcome", SUCCESS)


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    silent = {one.id for type_ in _SILENT for one in graph.of_type(type_)}
    expected, cases = _Expected(graph), dict[tuple[object, ...], str]()
    for id_ in dict.fromkeys(edge.source for edge in graph.edges_with("condition")):
        conditions = [edge.condition for edge in graph.outgoing(id_)]
        if id_ in silent or id_ not in graph.nodes or ALWAYS in conditions:
            continue
        # Conditions with the same text are the same object: most pipelines have few.
        ends = expected.of(id_)
        case_key = (ends, *map(id, conditions))
        if case_key not in cases:
            cases[case_key] = _uncovered(conditions, ends)
        if cases[case_key]:
            yield warning(
                f"{quote(id_)} has no edge to take if {cases[case_key]}",
                graph.nodes[id_].span,
                node=id_,
                fix="add an edge without a condition",
            )


class _Expected:
    """Expected outcomes of the stages of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._asking = {one.id for one in graph.of_type("conditional")}

    def of(self, node: str) -> tuple[str, ...]:
        """Return the outcomes that need an edge."""
        # The edges of a node depend on the outcome of these stages.
        before = sources(self._graph)
        through = reached_from([node], lambda id_: before(id_) if id_ in self._asking else ())
        judged = through - self._asking
        partial = (PARTIAL_SUCCESS,) if any(map(self._may_be_partial, judged)) else ()
        return (SUCCESS, *([FAIL] if node in self._asking else []), *partial)

    def _may_be_partial(self, id_: str) -> bool:
        node = self._graph.nodes[id_]
        return node.type not in _WHOLE or node.attributes.flag("allow_partial")


def _uncovered(conditions: Sequence[Condition], expected: Sequence[str]) -> str:
    """Return the values without an edge, in words."""
    if len(expected) == 1 and _SUCCESS in conditions:
        return ""
    for values in assignments(conditions, expected) or ():
        if not any(condition.holds(values.__getitem__) for condition in conditions):
            return words_for(values)
    return ""


part = BuiltInRule(Severity.WARNING, _apply)
