"""Reachable and unreachable nodes and edges of a graph."""

import asyncio
from collections.abc import Callable, Sequence

from hypothesis import given, settings, strategies as st

from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.simulation.coverage import Coverage, cover
from attractor.engine.simulation.walk import walk
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse
from tests.counts import count
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import Scripted, handlers_of
from tests.engine.walks import small_graphs
from tests.growing import times_more
from tests.language.pipelines import BRANCH, HUMAN_GATE, SMOKE
from tests.tables import table


def test_all_of_the_usual_pipelines_can_be_reached() -> None:
    for text in (BRANCH, HUMAN_GATE, SMOKE):
        found = cover(parse(text))
        assert (found.unreachable_nodes, found.unreachable_edges) == ((), ())
        assert (found.only_suggested, found.untried) == ((), ())
        assert found.nodes == frozenset(parse(text).nodes)


def test_restart_passes_no_outcome_to_a_conditional() -> None:
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


ENDS = "start [shape=Mdiamond]; exit [shape=Msquare];"


def covered(text: str) -> Coverage:
    return cover(parse(f"digraph G {{ {ENDS} {text} }}"))


@table(
    ("text", "unreachable"),
    [
        # A condition that is never true: of the outcome, or with two values at the same time.
        (
            """j [shape=diamond]; start -> work -> j; j -> exit [condition="outcome=success"]
            j -> a [condition="outcome=retry"]; j -> b [condition="context.x=1 && context.x=2"]
            j -> c [condition="outcome=fail"]; a -> exit; b -> exit; c -> exit""",
            "ab",
        ),
        # A second conditional sees the same outcome and context, unless a stage lies between.
        (
            """m [shape=diamond]; n [shape=diamond]; start -> work -> m -> n; n -> exit; x -> exit
            m -> exit [condition="outcome=success && context.x=a"]
            n -> x [condition="outcome=success && context.x=a"]""",
            "x",
        ),
        (
            """m [shape=diamond]; n [shape=diamond]; start -> work -> m -> more -> n -> exit
            m -> exit [condition="context.x=a"]; n -> last [condition="context.x=a"]; last -> exit
            """,
            "",
        ),
        # A goal gate also redirects from a dead end.
        (
            """work [goal_gate=true, retry_target=mend, on_failure=continue]; mend
            start -> work -> last""",
            ["exit"],
        ),
        # A command has no preferred label and suggests no next ids; an agent may have both.
        (
            """work [shape=parallelogram]; start -> work; work -> a [label=A, weight=-1]
            work -> exit; a -> exit""",
            "a",
        ),
        ("start -> work; work -> a [label=A, weight=-1]; work -> exit; a -> exit", ""),
        # Choices with the same label are distinguished by their target.
        (
            """ask [shape=hexagon]; start -> ask; ask -> a [label=Yes]; ask -> b [label="[Y] yes"]
            a -> exit; b -> exit""",
            "",
        ),
        # The goal of the graph does not change.
        (
            """goal=this; start -> work; work -> x [condition="graph.goal=other"]; x -> exit
            work -> exit [condition="graph.goal=this"]""",
            "x",
        ),
        # Retry targets of stages and of goal gates make nodes reachable.
        (
            """work [retry_target=again]; gate [goal_gate=true, retry_target=mend]
            start -> work -> gate; gate -> exit [condition="outcome=success"]
            gate -> exit [condition="outcome=fail"]; again -> work; mend -> gate""",
            "",
        ),
        # A walk leaves a fork only at its meeting node and by its retry target.
        (
            """fan [shape=component, retry_target=mend]; work [retry_target=second]
            second [shape=component]; join [shape=tripleoctagon]; mend -> exit; z -> exit
            start -> work -> fan -> a -> join -> exit; fan -> b -> join
            second -> x -> exit; second -> y -> exit""",
            "z",
        ),
        ('start -> work -> exit; work -> a [condition="context.n>3"]; a -> exit', ""),
        ("start -> exit", ""),
    ],
)
def test_unreachable_nodes(text: str, unreachable: Sequence[str]) -> None:
    found = covered(text)
    assert list(found.unreachable_nodes) == list(unreachable)
    # Each unreachable node has an unreachable edge.
    ends = {end for one in found.unreachable_edges for end in (one.source, one.target)}
    assert ends >= set(unreachable) - {"exit"}


def test_edge_that_only_a_suggestion_takes_is_named() -> None:
    found = covered("start -> work -> a -> exit; work -> b -> exit")
    assert [(one.source, one.target) for one in found.only_suggested] == [("work", "b")]
    assert found.unreachable_nodes == ()


def test_untried_edges_count_as_possible_and_are_reported() -> None:
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

    found = work(300)()
    assert (found.unreachable_nodes, found.untried) == ((), ())
    assert times_more(work, few=20) < 15


@settings(max_examples=count(ci=30, full=1000), deadline=None)
@given(small_graphs(), st.integers(0, 200))
def test_tighter_bound_never_reports_more_unreachable(of: Graph, most: int) -> None:
    tight, wide = cover(of, most=most), cover(of)
    assert set(tight.unreachable_nodes) <= set(wide.unreachable_nodes)
    assert {*map(id, tight.unreachable_edges)} <= {*map(id, wide.unreachable_edges)}
