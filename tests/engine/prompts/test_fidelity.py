import pytest

from attractor.engine.prompts.fidelity import StageArrival, StageFidelity, resolve, subgraph_classes
from attractor.engine.prompts.inherited_context import Threads
from attractor.language import prepare
from attractor.language.graph.fidelity import Fidelity
from tests.engine.graphs import graph, node

ARRIVAL = StageArrival("before", "going on", "full", "of the edge")


@pytest.mark.parametrize(
    ("on_node", "arrival", "on_graph", "around", "thread"),
    [
        ("own", ARRIVAL, "default", "loop", "own"),
        ("", ARRIVAL, "default", "loop", "of the edge"),
        ("", StageArrival("before", "going on", "full"), "default", "loop", "default"),
        ("", StageArrival("before", "going on", "full"), "", "loop", "loop"),
        ("", StageArrival("before", "going on", "full"), "", "", "going on"),
        ("", StageArrival("before", "", "full"), "", "", "before"),
        ("", StageArrival("", "", "full"), "", "", "work"),
    ],
)
def test_a_thread_is_the_first_that_is_named(
    on_node: str, arrival: StageArrival, on_graph: str, around: str, thread: str
) -> None:
    work = node("work", thread_id=on_node)
    drawn = graph([work], [], thread_id=on_graph)
    assert resolve(drawn, work, arrival, {"work": around}) == StageFidelity(Fidelity.FULL, thread)


def test_without_full_fidelity_there_is_no_thread() -> None:
    work = node("work", thread_id="own", fidelity="compact")
    assert resolve(graph([work], []), work, StageArrival("before"), {}) == StageFidelity(
        Fidelity.COMPACT
    )


def test_the_nearest_subgraph_with_a_label_gives_a_thread_its_name() -> None:
    drawn = prepare(
        """digraph G {
            start [shape=Mdiamond]; exit [shape=Msquare]
            subgraph cluster_a {
                label = "Loop A"
                a [prompt=a]
                subgraph { b [prompt=b] }
                subgraph inner { label = "Inner"; c [prompt=c] }
            }
            d [prompt=d]
            start -> a -> b -> c -> d -> exit
        }"""
    ).graph
    assert drawn is not None
    assert subgraph_classes(drawn) == {"a": "loop-a", "b": "loop-a", "c": "inner"}


def test_a_conversation_is_kept_by_its_name() -> None:
    threads = Threads()
    threads.take("t", [""], visit="a@1").keep("said")
    assert threads.take("t", [""], visit="b@1").recall() == "said"
    assert threads.take("other", [""], visit="c@1").recall() is None


def test_a_branch_has_a_copy_and_gives_nothing_back() -> None:
    threads = Threads()
    threads.take("t", [""], visit="a@1").keep("before")
    branch = threads.take("t", ["inner", "outer", ""], visit="b@1")
    assert branch.recall() == "before"
    branch.keep("in the branch")
    assert threads.take("t", ["inner", "outer", ""], visit="c@1").recall() == "in the branch"
    assert threads.take("t", [""], visit="d@1").recall() == "before"
    threads.forget("inner")
    assert threads.take("t", ["inner", "outer", ""], visit="e@1").recall() == "before"


def test_attempt_that_starts_over_gets_conversation_of_visit_start() -> None:
    threads = Threads()
    threads.take("t", [""], visit="a@1").keep("a")
    threads.take("t", [""], visit="b@1").keep("a, b went wrong")
    again = threads.take("t", [""], visit="b@1", starts_over=True)
    assert again.recall() == "a"
    again.keep("a, b went wrong again")
    goes_on = threads.take("t", [""], visit="b@1")
    assert goes_on.recall() == "a, b went wrong again"
    assert threads.take("t", [""], visit="c@1", starts_over=True).recall() == goes_on.recall()


def test_the_one_used_longest_ago_is_let_go_first() -> None:
    threads = Threads(most=2)
    for name in ("one", "two"):
        threads.take(name, [""], visit="a@1").keep(name)
    threads.take("one", [""], visit="b@1")
    threads.take("three", [""], visit="c@1").keep("three")
    held = [threads.take(one, [""], visit="d@1").recall() for one in ("three", "one", "two")]
    assert held == ["three", "one", None]
