"""A graph written as text is parsed as the same graph, by us and by Graphviz."""

import gc
import subprocess
from functools import partial

from hypothesis import HealthCheck, given, settings

from attractor.language import format, parse
from attractor.language.graph.builder import GraphBuilder
from attractor.language.graph.graph import Graph
from tests.counts import count
from tests.language.pipelines import any_graphs
from tests.needs import needs_graphviz

MANY = settings(
    max_examples=count(ci=20, full=5_000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@MANY
@given(any_graphs())
def test_a_graph_written_as_text_is_read_as_itself(graph: Graph) -> None:
    written = format(graph)
    assert parse(written) == graph
    assert format(written) == written


@needs_graphviz
@settings(MANY, max_examples=count(ci=15, full=1_000))
@given(any_graphs())
def test_graphviz_reads_formatted_graphs(graph: Graph) -> None:
    result = subprocess.run(["dot", "-Tcanon"], input=format(graph).encode(), capture_output=True)
    assert result.returncode == 0, result.stderr
    assert b"syntax error" not in result.stderr


def test_lines_and_subgraphs_are_kept() -> None:
    graph = GraphBuilder("G").node("a", prompt='One\n\n  "two"\\\n').build()
    assert 'prompt="One\n\n  \\"two\\"\\\\\n"' in format(graph)
    assert parse(format(graph)) == graph
    text = "digraph G { subgraph a { x; subgraph b { y } z } subgraph { x } y -> w }"
    graph = parse(text)
    assert [(one.id, one.nodes, one.parent) for one in graph.subgraphs] == [
        ("a", ("x", "z"), -1),
        ("b", ("y",), 0),
        ("", ("x",), -1),
    ]
    assert parse(format(graph)) == graph


def test_a_large_text_is_laid_out_without_a_collection() -> None:
    """Collections of the growing heap would take longer than all the rest."""
    text = "digraph G {" + "".join(f"a{i} [prompt=x, label=y];" for i in range(5_000)) + "}"
    collected: list[str] = []
    note = partial(_note_collection, collected)
    gc.collect()
    gc.callbacks.append(note)
    try:
        written = format(text)
        format(parse(text))
    finally:
        gc.callbacks.remove(note)
    assert written.count("\n") == 5_002
    # Between two tasks the collector may run.
    assert len(collected) <= 4


def _note_collection(collected: list[str], phase: str, info: dict[str, int]) -> None:
    collected.append(phase)
