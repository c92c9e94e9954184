"""The nodes that belong to the branches of a fork, and the nodes outside of them."""

import pytest

from attractor.engine.routing.branch_bounds import BranchBounds
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse

NODES = (
    "s [shape=Mdiamond]; e [shape=Msquare]; p [shape=component]; j [shape=tripleoctagon];"
    "i [shape=tripleoctagon]; q [shape=component];"
)


def drawn(edges: str) -> Graph:
    return parse(f"digraph G {{ {NODES} {edges} }}")


def bounds(edges: str) -> BranchBounds:
    graph = drawn(edges)
    return BranchBounds(graph, Forks(graph))


def outside(edges: str, node: str = "p") -> str:
    return "".join(sorted(bounds(edges).outside(node)))


@pytest.mark.parametrize(
    ("edges", "node", "found"),
    [
        ("s -> w -> p; p -> a -> j; p -> b -> j; j -> d -> e", "p", "depsw"),
        # A loop around the fork is outside as a whole.
        ("s -> w -> p; p -> a -> j; p -> b -> j; j -> d -> w; d -> e", "p", "depsw"),
        # What only a failure in a branch leads to is in the branch; so is a loop there.
        (
            "s -> p; p -> a -> c -> a; c -> j; p -> b -> j; a [retry_target=f]; f -> a; j -> e",
            "p",
            "eps",
        ),
        # What a failure outside leads to is not.
        ("s -> w -> p; p -> a -> j; p -> b -> j; w [retry_target=f]; f -> w; j -> e", "p", "efpsw"),
        (
            "s -> p; p -> a -> j; p -> b -> j; j -> d -> e; d [retry_target=a]; f -> a;"
            "a [retry_target=f]",
            "p",
            "deps",
        ),
        # To a fork within a branch, the rest of the branch is outside.
        (
            "s -> p; p -> a -> j; p -> w -> q; q -> b -> i; q -> c -> i; i -> d -> j -> e",
            "q",
            "adejpqsw",
        ),
        (
            "s -> p; p -> a -> j; p -> w -> q; q -> b -> i; q -> c -> i; i -> d -> j -> e",
            "p",
            "eps",
        ),
        # Branches that meet at the exit.
        ("s -> w -> p; p -> a -> e; p -> b -> e", "p", "psw"),
        ("s -> p; p -> a -> j; p -> j; j -> e", "p", "eps"),
    ],
)
def test_nodes_outside_of_branches(edges: str, node: str, found: str) -> None:
    assert outside(edges, node) == found


def test_where_a_failed_goal_gate_leads_is_outside() -> None:
    assert "f" in outside("retry_target=f; s -> p; p -> a -> j; p -> b -> j; j -> e; f -> e")


def test_a_fork_that_never_meets_has_no_bounds() -> None:
    assert outside("s -> p; p -> a -> a; p -> b -> e") == ""


def test_fork_may_be_reached_by_failure_only() -> None:
    edges = "s -> w -> e; w [retry_target=p]; p -> a -> j; p -> b -> j; j -> w"
    assert Forks(drawn(edges)).at("p") is None
    fork = bounds(edges).fork("p")
    assert fork
    assert (fork.meeting, sorted(fork.branches)) == ("j", ["a", "b"])
    assert outside(edges) == "epsw"


def test_a_node_that_is_not_there_is_no_fork() -> None:
    assert bounds("s -> e").fork("gone") is None
    assert outside("s -> e", "gone") == ""
