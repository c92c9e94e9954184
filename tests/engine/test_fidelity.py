import pytest

from attractor.engine.fidelity import Arrival, Resolved, classes_around, resolve
from attractor.language import prepare
from attractor.language.graph.attribute_catalogue import Fidelity
from tests.engine.graphs import graph, node

ARRIVAL = Arrival("before", "going on", "full", "of the edge")


@pytest.mark.parametrize(
    ("on_node", "arrival", "on_graph", "around", "thread"),
    [
        ("own", ARRIVAL, "default", "loop", "own"),
        ("", ARRIVAL, "default", "loop", "of the edge"),
        ("", Arrival("before", "going on", "full"), "default", "loop", "default"),
        ("", Arrival("before", "going on", "full"), "", "loop", "loop"),
        ("", Arrival("before", "going on", "full"), "", "", "going on"),
        ("", Arrival("before", "", "full"), "", "", "before"),
        ("", Arrival("", "", "full"), "", "", "work"),
    ],
)
def test_a_thread_is_the_first_that_is_named(
    on_node: str, arrival: Arrival, on_graph: str, around: str, thread: str
) -> None:
    work = node("work", thread_id=on_node)
    drawn = graph([work], [], thread_id=on_graph)
    assert resolve(drawn, work, arrival, {"work": around}) == Resolved(Fidelity.FULL, thread)


def test_without_full_fidelity_there_is_no_thread() -> None:
    work = node("work", thread_id="own", fidelity="compact")
    assert resolve(graph([work], []), work, Arrival("before"), {}) == Resolved(Fidelity.COMPACT)


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
    assert classes_around(drawn) == {"a": "loop-a", "b": "loop-a", "c": "inner"}
