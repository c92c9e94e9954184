"""Reachable and unreachable nodes and edges of a graph."""

import asyncio
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.simulation.coverage import Coverage, cover
from attractor.engine.simulation.walk import walk
from attractor.language.graph.graph import Edge, Graph
from attractor.language.reading import parse
from tests.counts import count
from tests.engine.forked import forked
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import Scripted, handlers_of
from tests.engine.walks import small_graphs
from tests.growing import times_more
from tests.language.pipelines import BRANCH, HUMAN_GATE, SMOKE


def ends(edges: tuple[Edge, ...]) -> list[tuple[str, str]]:
    return [(one.source, one.target) for one in edges]


def judged(*ways: Edge, before: str = "box") -> Coverage:
    """Cover a graph with a conditional behind one stage."""
    nodes = [start(), end(), node("work", before), node("judge", "diamond")]
    targets = [edge(way.target, "exit") for way in ways if way.target != "exit"]
    return cover(graph(nodes, [*chain("start", "work", "judge"), *ways, *targets]))


def test_all_of_the_usual_pipelines_can_be_reached() -> None:
    for text in (BRANCH, HUMAN_GATE, SMOKE):
        found = cover(parse(text))
        assert (found.unreachable_nodes, found.unreachable_edges) == ((), ())
        assert (found.only_suggested, found.untried) == ((), ())
        assert found.nodes == frozenset(parse(text).nodes)


def test_a_restart_hands_nothing_on_to_a_conditional() -> None:
    nodes = [start(), end(), node("judge", "diamond")]
    ways = [
        *chain("start", "work", "exit"),
        edge("work", "judge", "outcome=fail", loop_restart=True),
        edge("judge", "mend", "outcome=success"),
        edge("judge", "never", "outcome=fail"),
        *chain("mend", "exit"),
        *chain("never", "exit"),
    ]
    found = cover(graph(nodes, ways))
    assert found.unreachable_nodes == ("never",)
    script = {
        "work": [Outcome(StageStatus.FAIL, failure_reason="no"), Outcome(StageStatus.SUCCESS)]
    }
    walked = asyncio.run(walk(graph(nodes, ways), handlers_of(Scripted(script))))
    assert walked.path == ("start", "work", "judge", "mend", "exit")


def test_edge_with_impossible_condition_is_unreachable() -> None:
    found = judged(
        edge("judge", "exit", "outcome=success"),
        edge("judge", "a", "outcome=retry"),
        edge("judge", "b", "context.x=1 && context.x=2"),
        edge("judge", "c", "outcome=fail"),
    )
    assert found.unreachable_nodes == ("a", "b")
    assert ends(found.unreachable_edges) == [
        ("judge", "a"),
        ("judge", "b"),
        ("a", "exit"),
        ("b", "exit"),
    ]


def test_second_conditional_keeps_known_values() -> None:
    of = graph(
        [start(), end(), node("one", "diamond"), node("two", "diamond")],
        [
            *chain("start", "work", "one"),
            edge("one", "exit", "outcome=success && context.x=a"),
            edge("one", "two"),
            edge("two", "never", "outcome=success && context.x=a"),
            edge("two", "exit"),
            edge("never", "exit"),
        ],
    )
    assert cover(of).unreachable_nodes == ("never",)


def test_a_stage_in_between_may_change_everything() -> None:
    of = graph(
        [start(), end(), node("one", "diamond"), node("two", "diamond")],
        [
            *chain("start", "work", "one"),
            edge("one", "exit", "context.x=a"),
            edge("one", "more"),
            edge("more", "two"),
            edge("two", "last", "context.x=a"),
            edge("two", "exit"),
            edge("last", "exit"),
        ],
    )
    assert cover(of).unreachable_nodes == ()


def test_gates_send_back_from_an_end_that_is_no_exit() -> None:
    gate = node("work", goal_gate=True, retry_target="mend", on_failure="continue")
    of = graph([start(), end(), gate, node("mend")], chain("start", "work", "last"))
    assert cover(of).unreachable_nodes == ("exit",)


def test_a_command_prefers_no_label_and_suggests_nothing() -> None:
    ways = [edge("work", "a", label="A", weight=-1), edge("work", "exit"), edge("a", "exit")]
    of = [start(), end()]
    tool = cover(graph([*of, node("work", "parallelogram")], [edge("start", "work"), *ways]))
    agent = cover(graph([*of, node("work")], [edge("start", "work"), *ways]))
    assert (tool.unreachable_nodes, agent.unreachable_nodes) == (("a",), ())


def test_choices_with_same_label_differ_by_target() -> None:
    of = graph(
        [start(), end(), node("ask", "hexagon")],
        [
            edge("start", "ask"),
            edge("ask", "a", label="Yes"),
            edge("ask", "b", label="[Y] yes"),
            *chain("a", "exit"),
            *chain("b", "exit"),
        ],
    )
    assert cover(of).unreachable_nodes == ()


def test_an_edge_that_only_a_suggestion_takes_is_named() -> None:
    of = graph(
        [start(), end()],
        [edge("start", "work"), edge("work", "a"), edge("work", "b"), *chain("a", "exit")]
        + chain("b", "exit"),
    )
    found = cover(of)
    assert (ends(found.only_suggested), found.unreachable_nodes) == ([("work", "b")], ())


def test_the_goal_of_the_graph_does_not_change() -> None:
    ways = [
        edge("work", "never", "graph.goal=other"),
        edge("work", "exit", "graph.goal=this"),
        edge("never", "exit"),
    ]
    found = cover(graph([start(), end()], [edge("start", "work"), *ways], goal="this"))
    assert found.unreachable_nodes == ("never",)


def test_retry_targets_and_goal_gates_lead_on() -> None:
    gate = node("gate", goal_gate=True, retry_target="mend")
    of = graph(
        [start(), end(), node("work", retry_target="again"), gate],
        [
            *chain("start", "work", "gate"),
            edge("gate", "exit", "outcome=success"),
            edge("gate", "exit", "outcome=fail"),
            edge("again", "work"),
            edge("mend", "gate"),
        ],
    )
    assert cover(of).unreachable_nodes == ()


def test_too_much_to_try_is_taken_to_be_possible_and_said() -> None:
    ways = [edge("work", f"n{one}", f"context.k{one}=x && outcome=retry") for one in range(20)]
    of = graph([start(), end()], [edge("start", "work"), *ways, edge("work", "exit")])
    found = cover(of)
    assert len(found.untried) == 21
    assert (found.unreachable_nodes, found.unreachable_edges) == ((), ())


def test_loops_of_conditionals_end() -> None:
    nodes = [start(), end(), *(node(f"c{one}", "diamond") for one in range(6))]
    ways = [
        edge(f"c{one}", f"c{other}", f"context.k{one}=x && context.k{other}=y")
        for one in range(6)
        for other in range(6)
    ]
    of = graph(nodes, [*chain("start", "w", "c0"), *ways, edge("c5", "exit")])
    assert "exit" in cover(of).nodes


def test_ten_times_the_pipeline_is_ten_times_the_work() -> None:
    def work(size: int) -> Callable[[], Coverage]:
        text = [
            "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> w0;",
            *(
                f"g{one} [shape=diamond]; w{one} -> g{one};"
                f' g{one} -> w{one + 1} [condition="outcome=success"];'
                f' g{one} -> w{one} [condition="outcome!=success"];'
                for one in range(size // 2)
            ),
            f"w{size // 2} -> exit }}",
        ]
        graph = parse("\n".join(text))
        return lambda: cover(graph)

    found = work(1_000)()
    assert (found.unreachable_nodes, found.untried) == ((), ())
    assert times_more(work, few=20) < 15


def test_a_lonely_start_is_covered() -> None:
    assert cover(line()).nodes == {"start", "exit"}


@settings(max_examples=count(ci=30, full=1000), deadline=None)
@given(small_graphs(), st.integers(0, 200))
def test_a_tighter_bound_never_says_more_is_out_of_reach(of: Graph, most: int) -> None:
    tight, wide = cover(of, most=most), cover(of)
    assert set(tight.unreachable_nodes) <= set(wide.unreachable_nodes)
    assert {*map(id, tight.unreachable_edges)} <= {*map(id, wide.unreachable_edges)}


def test_every_way_that_short_walks_find_is_found() -> None:
    """Without values of the context the search is exact: every outcome of every stage is tried."""
    of = parse(BRANCH)
    statuses = [StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS, StageStatus.FAIL]
    taken: set[int] = set()
    for status in statuses:
        one = asyncio.run(
            walk(of, handlers_of(Scripted({"validate": [Outcome(status), Outcome(statuses[0])]})))
        )
        taken |= {id(edge) for edge in one.edges}
    reached = {id(edge) for edge in of.edges} - {*map(id, cover(of).unreachable_edges)}
    assert taken == reached


def test_all_branches_and_meeting_are_reachable() -> None:
    nodes = [node("judge", "diamond")]
    ways = [
        *chain("fan", "judge"),
        edge("judge", "bad", "outcome=fail"),
        edge("judge", "join", "outcome=success"),
        edge("bad", "join"),
    ]
    found = cover(forked("a a2", "b", nodes=nodes, edges=ways))
    assert found.unreachable_edges == found.only_suggested == found.untried == ()
    assert found.unreachable_nodes == ()


def test_a_fork_is_left_at_its_meeting_and_by_its_retry_target_alone() -> None:
    of = graph(
        [
            start(),
            end(),
            node("fan", "component", retry_target="mend"),
            node("work", retry_target="second"),
            node("second", "component"),
            node("join", "tripleoctagon"),
        ],
        [
            *chain("start", "work", "fan", "a", "join", "exit"),
            *chain("fan", "b", "join"),
            *chain("mend", "exit"),
            *chain("never", "exit"),
            *chain("second", "x", "exit"),
            *chain("second", "y", "exit"),
        ],
    )
    found = cover(of)
    assert found.unreachable_nodes == ("never",)
    assert ends(found.unreachable_edges) == [("never", "exit")]
