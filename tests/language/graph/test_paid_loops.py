"""Loops that cost money, and the default limit of visits."""

from attractor.language.graph.paid_loops import (
    DEFAULT_PAID_VISITS,
    DEFAULT_VISITS,
    default_visits,
    paid_loops,
)
from attractor.language.reading import parse
from tests.tables import table

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare];"


@table(
    ("attributes", "limit"),
    [
        ("prompt=x", DEFAULT_PAID_VISITS),
        ("type=prompt", DEFAULT_PAID_VISITS),
        ("type=pipeline", DEFAULT_PAID_VISITS),
        ("shape=house", DEFAULT_PAID_VISITS),
        ("shape=tripleoctagon, prompt=x", DEFAULT_PAID_VISITS),
        ("shape=tripleoctagon", DEFAULT_VISITS),
        ("shape=parallelogram", DEFAULT_VISITS),
        ("shape=hexagon", DEFAULT_VISITS),
    ],
)
def test_stages_that_cost_money_are_visited_less_often(attributes: str, limit: int) -> None:
    graph = parse(f"digraph G {{ {ENDS} a [{attributes}]; start -> a -> exit }}")
    assert default_visits(graph, graph.nodes["a"]) == limit


def test_paid_loops_include_bounded_ones() -> None:
    graph = parse(f"""digraph G {{ {ENDS}
        a [max_visits=2]; t [shape=parallelogram]; u [shape=parallelogram]
        start -> a -> t -> a; t -> u -> u -> exit }}""")
    assert [sorted(one) for one in paid_loops(graph)] == [["a", "t"]]
