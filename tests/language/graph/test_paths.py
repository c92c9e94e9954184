"""Linear searches give the same result as a search of all paths."""

from collections.abc import Callable, Iterable, Mapping

from hypothesis import given, settings, strategies as st

from attractor.language.graph.paths import (
    dominance,
    loops,
    reached_from,
    sources,
    sources_and_jumps,
    targets,
    targets_and_jumps,
    unchecked_conditionals,
)
from attractor.language.reading import parse
from tests.counts import count
from tests.growing import times_more
from tests.tables import table

NAMES = "abcdefgh"
GRAPHS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=24)
MANY = settings(max_examples=count(ci=20, full=5_000), deadline=None)

Edges = Iterable[tuple[str, str]]


def following(edges: Edges) -> Mapping[str, list[str]]:
    return {name: [b for a, b in edges if a == name] for name in NAMES}


def naively_reached(edges: Edges, begin: str, *, without: str = "") -> set[str]:
    """Walk until nothing new is found, never through one node."""
    reached = {begin} - {without}
    for _ in NAMES:
        reached |= {b for a, b in edges if a in reached and b != without}
    return reached


@MANY
@given(GRAPHS)
def test_reachable_nodes(edges: list[tuple[str, str]]) -> None:
    assert reached_from(["a"], following(edges).__getitem__) == naively_reached(edges, "a")


@MANY
@given(GRAPHS)
def test_paths_stop_at_the_exit(edges: list[tuple[str, str]]) -> None:
    reached = reached_from(["a"], following(edges).__getitem__, until="b")
    open_edges = [(a, b) for a, b in edges if a != "b"]
    assert reached == naively_reached(open_edges, "a")


@MANY
@given(GRAPHS)
def test_nodes_on_every_path(edges: list[tuple[str, str]]) -> None:
    found = dominance("a", following(edges).__getitem__)
    reached = naively_reached(edges, "a")
    for node in NAMES:
        needed = {
            one
            for one in reached
            if node in reached and node not in naively_reached(edges, "a", without=one)
        }
        assert {one for one in NAMES if found.covers(one, node)} == needed
        if node in found.parents:
            nearest = found.parents[node]
            assert {one for one in NAMES if found.covers(one, nearest)} == needed - {node}


@MANY
@given(GRAPHS)
def test_loops_are_the_largest_sets_that_lead_to_each_other(edges: list[tuple[str, str]]) -> None:
    reached = {
        name: set[str]().union(*(naively_reached(edges, b) for a, b in edges if a == name))
        for name in NAMES
    }
    expected = {
        frozenset(other for other in NAMES if other in reached[name] and name in reached[other])
        for name in NAMES
        if name in reached[name]
    }
    found = [frozenset(loop) for loop in loops(NAMES, following(edges).__getitem__)]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_a_chain_of_any_length_has_an_end() -> None:
    long = 50_000

    def ahead(node: str) -> list[str]:
        return [str(int(node) + 1)] if int(node) < long else ["0"]

    assert len(reached_from(["0"], ahead)) == long + 1
    assert dominance("0", ahead).covers("0", str(long))
    assert [len(loop) for loop in loops(["0"], ahead)] == [long + 1]


def test_edges_and_jumps_are_followed_in_both_directions() -> None:
    text = "digraph G { a [retry_target=c]; b; c [fallback_retry_target=a]; a -> b -> b }"
    graph = parse(text)
    assert [*targets(graph)("a")] == ["b"]
    assert [*targets_and_jumps(graph)("a")] == ["b", "c"]
    assert [*sources(graph)("b")] == ["a", "b"]
    assert [*sources_and_jumps(graph)("a")] == ["c"]


DIAMONDS = "c, d, e [shape=diamond];".replace(",", " [shape=diamond];")


@table(
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
    assert unchecked_conditionals(graph, ["c"]) == unasked


def test_outcome_conditions_behind_conditionals() -> None:
    graph = parse(f"digraph G {{ {DIAMONDS} c -> a; d -> e -> b; a -> d }}")
    assert unchecked_conditionals(graph, ["c", "a", "nobody"]) == {"c"}
    assert unchecked_conditionals(graph, []) == set()


def test_work_for_a_conditional_does_not_grow_with_the_graph() -> None:
    def work(many: int) -> Callable[[], object]:
        rows = " ".join(f"c{one} -> a{one};" for one in range(many))
        graph = parse(f"digraph G {{ node [shape=diamond]; {rows} }}")
        graph.outgoing("c0")
        return lambda: unchecked_conditionals(graph, ["c0"])

    assert times_more(work, few=10) == 1
