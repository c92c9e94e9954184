"""Rules that callers bring along, by name or as the specification has them."""

from collections.abc import Iterator

import pytest

from attractor.language import Diagnostic, Graph, Vocabulary, parse, prepare, validate
from attractor.language.diagnostics import warning
from attractor.language.extra_rules import ExtraRules

GRAPH = parse("digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }")


class NoGoal:
    """As the specification has it: a name, and a graph to look at."""

    name = "no_goal"

    def apply(self, graph: Graph) -> Iterator[Diagnostic]:
        if not graph.goal:
            yield warning("there is no goal", node="start")


class TooSmall:
    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        yield warning(f"{len(graph.nodes)} nodes, {vocabulary.types}")


@pytest.mark.parametrize(
    "rules", [[NoGoal(), TooSmall()], {"no_goal": NoGoal(), "too_small": TooSmall()}]
)
def test_further_rules_speak_under_their_names(rules: ExtraRules) -> None:
    vocabulary = Vocabulary(types={"start", "exit"})
    found = [one.rule for one in validate(GRAPH, extra_rules=rules, vocabulary=vocabulary)]
    assert sorted(found) == ["no_goal", "too_small"]


def test_they_are_asked_when_a_text_is_prepared_too() -> None:
    text = "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    [told] = prepare(text, extra_rules=[NoGoal()]).diagnostics
    assert (told.rule, told.node_id) == ("no_goal", "start")
