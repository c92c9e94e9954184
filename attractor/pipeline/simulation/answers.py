"""Checks answers for a simulated run against the choices of its gates."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from attractor.base.errors import UnknownName, UsageError, suggest
from attractor.engine.questions.edge_labels import normalize_label
from attractor.handlers.choices import GateChoice, find_choices, match_choice
from attractor.language.graph.graph import Edge, Graph
from attractor.language.source.syntax_tree import Attributes

_GATE = "wait.human"


def check_answers(graph: Graph, answers: Mapping[str, Sequence[str]]) -> None:
    """Refuse answers at nodes that ask nobody, and those that are no choice there at any time."""
    for node, said in answers.items():
        if node not in graph.nodes:
            raise UnknownName("node", node, graph.nodes)
        if graph.nodes[node].type != _GATE:
            raise UsageError(f"node {node!r} asks nobody", hint="give it an outcome instead")
        choices = list(_choices(graph, node))
        for answer in said:
            if not any(match_choice(answer, [one]) for one in choices):
                raise _none_of(node, answer, choices)


def _choices(graph: Graph, node: str) -> Iterator[GateChoice]:
    """Yield whatever may be chosen at a gate: which ways are open shows when it is reached."""
    open_ = tuple(_without_condition(edge) for edge in graph.outgoing(node))
    yield from find_choices(replace(graph, edges=open_), node)
    for edge in open_:
        # Alone each has the key that it has where those with the same one are closed.
        yield from find_choices(replace(graph, edges=(edge,)), node)


def _without_condition(edge: Edge) -> Edge:
    kept = {key: one for key, one in edge.attributes.by_key.items() if key != "condition"}
    return Edge(edge.source, edge.target, Attributes(kept), edge.span)


def _none_of(node: str, answer: str, choices: Sequence[GateChoice]) -> UsageError:
    labels = list(dict.fromkeys(one.label for one in choices))
    near = suggest(answer, labels) or suggest(answer.lower(), map(normalize_label, labels))
    hint = f"did you mean {near}?" if near else f"its choices: {', '.join(labels) or 'none'}"
    return UsageError(f"node {node!r} has no choice {answer!r}", hint=hint)
