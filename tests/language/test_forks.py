"""Branches, and where they meet."""

import time

import pytest

from attractor.language.collecting import collection_paused
from attractor.language.forks import Fork, find_forks
from attractor.language.parsing import parse

NODES = (
    "s [shape=Mdiamond]; e [shape=Msquare]; p [shape=component]; j [shape=tripleoctagon];"
    "i [shape=tripleoctagon]; q [shape=component];"
)


def forks(edges: str) -> list[Fork]:
    return list(find_forks(parse(f"digraph G {{ {NODES} {edges} }}")))


def shown(fork: Fork) -> dict[str, str]:
    return {name: "".join(sorted(nodes)) for name, nodes in fork.branches.items()}


@pytest.mark.parametrize(
    ("edges", "meeting", "branches"),
    [
        ("s -> p; p -> a -> j; p -> b -> j; j -> e", "j", {"a": "a", "b": "b"}),
        ("s -> p; p -> a -> e; p -> b -> e", "e", {"a": "a", "b": "b"}),
        ("s -> p; p -> a -> c; p -> b -> c; c -> j -> e", "c", {"a": "a", "b": "b"}),
        ("s -> p; p -> a -> j; p -> j; j -> e", "j", {"a": "a", "j": ""}),
        ("s -> p; p -> a -> c -> a; c -> j; p -> b -> j; j -> e", "j", {"a": "ac", "b": "b"}),
        ("s -> p; p -> a -> j; p -> b -> j; j -> d -> p; d -> e", "j", {"a": "a", "b": "b"}),
        ("s -> p -> a -> j -> e", "j", {"a": "a"}),
        ("s -> p -> a -> e", "e", {"a": "a"}),
    ],
)
def test_where_branches_meet(edges: str, meeting: str, branches: dict[str, str]) -> None:
    (fork,) = forks(edges)
    assert (fork.node, fork.meeting, shown(fork)) == ("p", meeting, branches)
    assert fork.leaks == ()


def test_a_fan_in_is_the_meeting_although_ways_lead_around_it() -> None:
    (fork,) = forks("s -> p; p -> a -> j; p -> b -> j; j -> d -> e; a -> x; b -> x; x -> e")
    assert fork.meeting == "j"
    assert shown(fork) == {"a": "ax", "b": "bx"}
    assert [(leak.source, leak.target) for leak in fork.leaks] == [("x", "e")]


def test_a_nested_fork_has_a_meeting_of_its_own() -> None:
    outer, inner = forks("s -> p; p -> a -> j; p -> q; q -> b -> i; q -> c -> i; i -> j -> e")
    assert (outer.node, outer.meeting, shown(outer)) == ("p", "j", {"a": "a", "q": "bciq"})
    assert (inner.node, inner.meeting, shown(inner)) == ("q", "i", {"b": "b", "c": "c"})


def test_branches_of_which_one_never_ends_do_not_meet() -> None:
    (fork,) = forks("s -> p; p -> a -> j -> e; p -> b -> b")
    assert (fork.meeting, fork.branches) == ("", {})


@pytest.mark.parametrize("edges", ["s -> e; p -> a -> e", "p -> a; p -> b"])
def test_a_fork_that_no_run_comes_to_is_left_out(edges: str) -> None:
    assert forks(edges) == []


def test_a_graph_without_an_exit_has_no_forks() -> None:
    assert (
        list(find_forks(parse("digraph G { start; p [shape=component]; start -> p -> a }"))) == []
    )


def chain(number: int) -> str:
    """Return one fork behind another, each with two branches."""
    pieces = ["digraph G { s [shape=Mdiamond]; e [shape=Msquare]; s -> p0;"]
    for i in range(number):
        following = f"p{i + 1}" if i + 1 < number else "e"
        pieces.append(
            f"p{i} [shape=component]; j{i} [shape=tripleoctagon];"
            f"p{i} -> a{i} -> j{i}; p{i} -> b{i} -> j{i}; j{i} -> {following};"
        )
    return "".join([*pieces, "}"])


def test_many_forks_take_as_much_longer_as_there_are() -> None:
    took = {number: min(seconds(number) for _ in range(3)) for number in (300, 3_000)}
    assert took[3_000] < 30 * took[300]


def seconds(number: int) -> float:
    graph = parse(chain(number))
    with collection_paused():
        before = time.process_time()
        assert len(list(find_forks(graph))) == number
        return time.process_time() - before


def test_a_fork_of_many_branches() -> None:
    edges = "; ".join(f"p -> a{i} -> j" for i in range(5_000))
    (fork,) = forks(f"s -> p; {edges}; j -> e")
    assert len(fork.branches) == 5_000
