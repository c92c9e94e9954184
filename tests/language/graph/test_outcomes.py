"""Outcomes and conditionals."""

from collections.abc import Callable

import pytest

from attractor.language.graph.outcomes import unasked_conditionals
from attractor.language.reading import parse
from tests.growing import times_more

DIAMONDS = "c, d, e [shape=diamond];".replace(",", " [shape=diamond];")


@pytest.mark.parametrize(
    ("edges", "unasked"),
    [
        ("c -> a", {"c"}),
        ("c -> d -> a", {"c", "d"}),
        ("c -> d -> a; d -> b", set[str]()),
        ('c -> a [condition="outcome=success"]', set[str]()),
        ('c -> d; d -> a [condition="outcome=fail"]', set[str]()),
        ("c -> d -> c", {"c", "d"}),
        ("c -> d -> e -> d", {"c", "d", "e"}),
        ("a -> c", set[str]()),
    ],
)
def test_conditional_without_outcome_conditions_checks_nothing(
    edges: str, unasked: set[str]
) -> None:
    graph = parse(f"digraph G {{ {DIAMONDS} {edges} }}")
    assert unasked_conditionals(graph, ["c"]) == unasked


def test_only_following_nodes_are_examined() -> None:
    graph = parse(f"digraph G {{ {DIAMONDS} c -> a; d -> e -> b; a -> d }}")
    assert unasked_conditionals(graph, ["c", "a", "nobody"]) == {"c"}
    assert unasked_conditionals(graph, []) == set()


def test_one_conditional_is_no_more_work_in_a_larger_graph() -> None:
    def work(many: int) -> Callable[[], object]:
        rows = " ".join(f"c{one} -> a{one};" for one in range(many))
        graph = parse(f"digraph G {{ node [shape=diamond]; {rows} }}")
        graph.outgoing("c0")
        return lambda: unasked_conditionals(graph, ["c0"])

    assert times_more(work, few=10) == 1
