"""A graph made in code is the one that its text means."""

from contextlib import suppress

import pytest

from attractor.base.errors import UsageError
from attractor.language.building import GraphBuilder
from attractor.language.parsing import parse


def test_a_graph_is_built_as_easily_as_it_is_written() -> None:
    builder = GraphBuilder("Review", goal="Ship it")
    builder.defaults("node", max_retries=2)
    builder.node("start", shape="Mdiamond").node("exit", shape="Msquare")
    with builder.subgraph("cluster_loop", label="Loop A") as loop:
        loop.node("work", prompt="Work", **{"human.default_choice": "exit"})
    builder.edge("start", "work", "exit", condition="outcome=success")
    assert builder.build() == parse("""
        digraph Review {
            goal="Ship it"
            node [max_retries=2]
            start [shape=Mdiamond]; exit [shape=Msquare]
            subgraph cluster_loop {
                label="Loop A"
                work [prompt="Work", "human.default_choice"=exit]
            }
            start -> work -> exit [condition="outcome=success"]
        }
    """)
    assert builder.build().nodes["work"].classes == ("loop-a",)


def test_a_block_that_fails_keeps_what_was_added() -> None:
    builder = GraphBuilder("G")
    with suppress(LookupError), builder.subgraph("cluster_a"):
        builder.node("a")
        raise LookupError
    assert builder.build().subgraphs[0].nodes == ("a",)


def test_an_edge_has_two_ends() -> None:
    with pytest.raises(UsageError, match="two ends"):
        GraphBuilder("G").edge("a")


def test_a_graph_is_not_built_within_a_block() -> None:
    builder = GraphBuilder("G")
    with builder.subgraph(), pytest.raises(UsageError, match="still open"):
        builder.build()


def test_defaults_are_for_nodes_and_edges() -> None:
    with pytest.raises(UsageError, match="'graph'"):
        GraphBuilder("G").defaults("graph", label="x")
