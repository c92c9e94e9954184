"""Branches of forks, folded to a node each or together."""

from attractor.language.drawing.lanes import Bundle, find_bundles, find_lanes, fold, lane_state
from attractor.language.drawing.run_overlay import NodeState, RunStates, StageState
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse

OUTER = [f"b{number}" for number in range(11)]
INNER = [f"c{number}" for number in range(10)]


def many() -> Graph:
    """Return a fork of eleven branches; the first has two nodes, the last another fork of ten."""
    edges = [f"fork -> {one} -> join" for one in OUTER[1:]]
    edges += [f"inner -> {one} -> meet" for one in INNER]
    return parse(
        "digraph many { start [shape=Mdiamond]; done [shape=Msquare]"
        " fork [shape=component]; join [shape=tripleoctagon]"
        " inner [shape=component]; meet [shape=tripleoctagon]"
        f" start -> fork; fork -> b0 -> then -> join; {'; '.join(edges)}"
        " fork -> inner; meet -> join; join -> done }"
    )


def test_many_branches_are_one_node_that_counts_those_that_ended() -> None:
    graph = many()
    [outer, inner] = sorted(find_bundles(graph), key=lambda one: one.fork)
    assert [(one.fork, len(one.lanes)) for one in (outer, inner)] == [("fork", 12), ("inner", 10)]
    # The inner bundle is inside the outer one, and so are the lanes of both.
    drawn, folded = fold(graph, [outer, inner, *find_lanes(graph)])
    assert folded == [outer]
    assert set(drawn.nodes) == {"start", "fork", "fork/", "join", "done"}
    ends = [(edge.source, edge.target) for edge in drawn.edges]
    assert ends.count(("fork", "fork/")) == ends.count(("fork/", "join")) == 1
    assert drawn.nodes["fork/"].label == "12 branches\n0 of 12 ended"
    states = {"b0": StageState.DONE, "b1": StageState.DONE, "b2": StageState.FAILED}
    # The first branch goes on to its second node.
    states["fork"] = StageState.RUNNING
    known = RunStates({id_: NodeState(state) for id_, state in states.items()})
    assert outer.count(known) == "2 of 12 ended"
    assert lane_state(outer, known).state is StageState.FAILED


def test_branch_is_drawn_beside_the_others() -> None:
    graph = many()
    [outer] = [one for one in find_bundles(graph) if one.fork == "fork"]
    rest = Bundle("fork", tuple(lane for lane in outer.lanes if lane.begin != "b0"))
    drawn, _ = fold(graph, [rest])
    assert {"fork/", "b0", "then"} <= set(drawn.nodes)
    assert drawn.nodes["fork/"].label.startswith("11 other branches")


def test_few_branches_are_no_bundle() -> None:
    branches = "; ".join(f"fork -> {one} -> join" for one in OUTER[:9])
    few = parse(
        "digraph few { start [shape=Mdiamond]; done [shape=Msquare]; fork [shape=component]"
        f" join [shape=tripleoctagon] start -> fork; {branches}"
        " join -> done }"
    )
    assert find_bundles(few) == []
