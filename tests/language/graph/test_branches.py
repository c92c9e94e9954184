"""Branches, and where they meet."""

from collections.abc import Callable

from attractor.language.graph.branches import Fork, Forks, find_forks
from attractor.language.graph.graph import Edge, Graph
from attractor.language.reading import parse
from tests.growing import times_more
from tests.tables import table

NODES = (
    "s [shape=Mdiamond]; e [shape=Msquare]; p [shape=component]; j [shape=tripleoctagon];"
    "i [shape=tripleoctagon]; q [shape=component];"
)


def forks(edges: str) -> list[Fork]:
    return list(find_forks(parse(f"digraph G {{ {NODES} {edges} }}")))


def shown(fork: Fork) -> dict[str, str]:
    return {name: "".join(sorted(nodes)) for name, nodes in fork.branches.items()}


@table(
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


def test_meeting_of_forks() -> None:
    (fork,) = forks("s -> p; p -> a -> j; p -> b -> j; j -> d -> e; a -> x; b -> x; x -> e")
    assert fork.meeting == "j"
    assert shown(fork) == {"a": "ax", "b": "bx"}
    assert [(leak.source, leak.target) for leak in fork.leaks] == [("x", "e")]
    outer, inner = forks("s -> p; p -> a -> j; p -> q; q -> b -> i; q -> c -> i; i -> j -> e")
    assert (outer.node, outer.meeting, shown(outer)) == ("p", "j", {"a": "a", "q": "iq"})
    assert (inner.node, inner.meeting, shown(inner)) == ("q", "i", {"b": "b", "c": "c"})
    forked = forks("s -> p; p -> q -> a -> x; p -> b -> i -> x; x -> p; x -> e")
    assert {one.node: one.meeting for one in forked} == {"p": "x", "q": "e"}
    each = "f [type=for_each];"
    outer, inner = forks(each + "s -> p; p -> a -> j; p -> f -> b -> i; i -> j -> e")
    assert (outer.node, outer.meeting, shown(outer)) == ("p", "j", {"a": "a", "f": "fi"})
    assert (inner.node, inner.meeting, shown(inner)) == ("f", "i", {"b": "b"})
    (alone,) = forks(each + "s -> f -> b -> e; b -> f")
    assert (alone.node, alone.meeting) == ("f", "e")
    assert [(leak.source, leak.target) for leak in alone.leaks] == [("b", "f")]


def test_forks_without_a_meeting_are_left_out() -> None:
    (fork,) = forks("s -> p; p -> a -> j -> e; p -> b -> b")
    assert (fork.meeting, fork.branches) == ("", {})
    assert (
        list(find_forks(parse("digraph G { start; p [shape=component]; start -> p -> a }"))) == []
    )


@table("edges", ["s -> e; p -> a -> e", "p -> a; p -> b"])
def test_unreachable_fork_is_left_out(edges: str) -> None:
    assert forks(edges) == []


def leaks(edges: str) -> dict[str, list[str]]:
    return {
        fork.node: sorted(f"{one.source}{one.target}" for one in fork.leaks)
        for fork in forks(edges)
    }


NESTED = "s -> p; p -> a -> j; p -> q; q -> b -> i; q -> c -> i; i -> j -> e;"


@table(
    ("edges", "leaking"),
    [
        ("b -> e", {"p": [], "q": ["be"]}),
        ("b -> j", {"p": [], "q": ["bj"]}),
        ("b -> x -> j; x -> e", {"p": [], "q": ["xe", "xj"]}),
        ("q -> e", {"p": ["qe"], "q": ["ij"]}),
        ("a -> e; b -> e", {"p": ["ae"], "q": ["be"]}),
        ("i -> e", {"p": ["ie"], "q": []}),
        ("i -> c; j -> q", {"p": [], "q": []}),
    ],
)
def test_leaving_edge_belongs_to_the_innermost_fork(
    edges: str, leaking: dict[str, list[str]]
) -> None:
    assert leaks(NESTED + edges) == leaking


def test_leaks_of_nested_forks() -> None:
    edges = "s -> p; p -> a -> j; p -> q; q -> b -> i; q -> c -> i; q -> j; j -> i -> e"
    assert leaks(edges)["p"] == ["bi", "ci"]
    outer, inner = forks("s -> p; p -> a -> j; p -> q; q -> b -> j; q -> c -> j; j -> e")
    assert (outer.meeting, outer.taken, outer.taken_by, inner.meeting) == ("", "j", "q", "j")
    assert leaks("s -> p -> a -> b -> j -> e; j -> b") == {"p": []}


def test_custom_kind_of_fork_is_found() -> None:
    graph = parse(f"digraph G {{ {NODES} m [type=for_each]; s -> m -> a -> j -> e; n -> a }}")
    found = Forks(graph)
    fork = found.at("m")
    assert fork is not None
    assert fork.meeting == "j"
    assert (found.at("m"), found.at("n"), found.at("nobody")) == (fork, None, None)


def chain(number: int) -> str:
    """Return one fork after another, each with two branches."""
    pieces = [
        f"p{i} [shape=component]; j{i} [shape=tripleoctagon];"
        f"p{i} -> a{i} -> j{i}; p{i} -> b{i} -> j{i}; j{i} -> p{i + 1};"
        for i in range(number)
    ]
    return "".join(["s -> p0;", *pieces, f"p{number} -> e"])


def nest(number: int) -> str:
    """Return one fork within another, each with one more branch."""
    pieces = [
        f"p{i} [shape=component]; j{i} [shape=tripleoctagon];"
        f"p{i} -> p{i + 1}; p{i} -> b{i} -> j{i}; j{i + 1} -> j{i};"
        for i in range(number)
    ]
    return "".join(["s -> p0;", *pieces, f"p{number} -> j{number}; j0 -> e"])


def nest_without_a_meeting(number: int) -> str:
    pieces = [
        f"p{i} [shape=component]; p{i} -> p{i + 1}; p{i} -> b{i} -> b{i};" for i in range(number)
    ]
    return "".join(["s -> p0; p0 -> e;", *pieces])


def nest_with_one_meeting(number: int) -> str:
    pieces = [
        f"p{i} [shape=component]; p{i} -> p{i + 1}; p{i} -> b{i} -> j;" for i in range(number)
    ]
    return "".join(["s -> p0; j -> e;", *pieces, f"p{number} -> j"])


def tangle(number: int) -> str:
    """Return one fork whose branches share a line of stages, which each enters at another place."""
    return "".join(
        ["s -> p; j -> e; p -> z -> j;"]
        + [f"p -> b{i} -> c{i} -> c{i + 1};" for i in range(number)]
        + [f"c{number} -> j"]
    )


@table("edges", [chain, nest, nest_without_a_meeting, nest_with_one_meeting])
def test_many_forks_are_as_much_more_work_as_there_are(edges: Callable[[int], str]) -> None:
    def work(number: int) -> Callable[[], object]:
        graph = parse(f"digraph G {{ {NODES} {edges(number)} }}")
        return lambda: list(find_forks(graph))

    assert times_more(work, few=30) < 40


def looks(edges: str) -> int:
    """Count the reads of a node's edges until all forks are found."""
    looked: list[str] = []

    class Watched(Graph):
        def outgoing(self, node: str) -> tuple[Edge, ...]:
            looked.append(node)
            return super().outgoing(node)

    graph = parse(f"digraph G {{ {NODES} {edges} }}")
    (fork,) = find_forks(Watched(graph.name, graph.nodes, graph.edges, graph.attributes))
    assert fork.meeting == "j"
    return len(looked)


def test_search_of_shared_branches_is_bounded() -> None:
    assert looks(tangle(1_000)) < 20 * looks(tangle(100))


def test_a_fork_of_many_branches() -> None:
    edges = "; ".join(f"p -> a{i} -> j" for i in range(5_000))
    (fork,) = forks(f"s -> p; {edges}; j -> e")
    assert len(fork.branches) == 5_000
