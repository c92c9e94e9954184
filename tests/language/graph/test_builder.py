"""A graph made in code is the one that its text means."""

import math
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import UsageError
from attractor.language import format
from attractor.language.graph.builder import GraphBuilder
from attractor.language.graph.graph import folder_name
from attractor.language.reading import parse
from attractor.language.source.text import IDENTIFIER


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


def test_failed_block_keeps_added_nodes() -> None:
    builder = GraphBuilder("G")
    with suppress(LookupError), builder.subgraph("cluster_a"):
        builder.node("a")
        raise LookupError
    assert builder.build().subgraphs[0].nodes == ("a",)


def test_an_edge_has_two_ends() -> None:
    with pytest.raises(UsageError, match="at least two nodes"):
        GraphBuilder("G").edge("a")


def test_a_graph_is_not_built_within_a_block() -> None:
    builder = GraphBuilder("G")
    with builder.subgraph(), pytest.raises(UsageError, match="unclosed"):
        builder.build()


def test_defaults_are_for_nodes_and_edges() -> None:
    with pytest.raises(UsageError, match="'graph'"):
        GraphBuilder("G").defaults("graph", label="x")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "prompt of the node 'a': invalid attribute value None"),
        ([1], "prompt of the node 'a': invalid attribute value [1]"),
        (b"x", "prompt of the node 'a': invalid attribute value b'x'"),
        (10**18, "prompt of the node 'a': the integer is too long"),
        (-(10**18), "prompt of the node 'a': the integer is too long"),
        (1e300, "prompt of the node 'a': unsupported number 1e+300"),
        (math.nan, "prompt of the node 'a': unsupported number nan"),
        (-math.inf, "prompt of the node 'a': unsupported number -inf"),
        ("a\0b", "prompt of the node 'a': invalid character in the text"),
        ("\ud800", "prompt of the node 'a': invalid character in the text"),
        (
            timedelta(microseconds=1),
            "prompt of the node 'a': invalid duration datetime.timedelta(microseconds=1)",
        ),
    ],
)
def test_invalid_attribute_value_is_rejected_at_once(value: Any, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        GraphBuilder("G").node("a", prompt=value)
    assert raised.value.message.startswith(message)
    assert raised.value.hint


def test_a_number_of_very_many_digits_is_refused() -> None:
    with pytest.raises(UsageError, match="integer is too long"):
        GraphBuilder("G").node("a", prompt=10**5_000)


def refused(method: str, *words: Any, **attributes: Any) -> str:
    """Return what is said when a builder is given something it cannot take."""
    builder = GraphBuilder("G")
    with pytest.raises(UsageError) as raised:
        getattr(builder, method)(*words, **attributes)
    assert builder.build() == GraphBuilder("G").build()
    return raised.value.message


def test_rejection_names_the_element() -> None:
    assert refused("node", 1) == "an id must be a text, not 1"
    assert refused("edge", "a", None) == "an id must be a text, not None"
    assert refused("edge", "a", "b", label=None).startswith("label of the edge from 'a'")
    assert refused("defaults", "node", label=None).startswith("label of every node")
    assert refused("node", "a", **{"\0": 1}).startswith("invalid character in a key")


@pytest.mark.parametrize(
    ("id_", "label", "message"),
    [
        (1, "x", "an id must be a text, not 1"),
        ("c", None, "label of the subgraph 'c': invalid attribute value None"),
    ],
)
def test_a_subgraph_that_is_refused_is_not_begun(id_: Any, label: Any, message: str) -> None:
    builder = GraphBuilder("G")
    with pytest.raises(UsageError, match=message), builder.subgraph(id_, label=label):
        pass
    assert builder.build() == GraphBuilder("G").build()


def test_the_name_of_a_graph_is_a_text() -> None:
    with pytest.raises(UsageError, match="the name of a graph must be a text, not None"):
        GraphBuilder(cast(Any, None))


NUMBERS = st.floats() | st.integers() | st.sampled_from([1e-9, -1e-9, 1e22, 1e30, 10**30, 5e-324])


@given(NUMBERS)
def test_a_number_is_read_as_itself_or_refused(number: float) -> None:
    try:
        graph = GraphBuilder("G").node("a", width=number).build()
    except UsageError:
        assert not 1e-9 < abs(number) < 1e17
        return
    read = parse(format(graph))
    assert read == graph
    value = read.nodes["a"].attributes.value("width")
    assert value is not None
    assert (value.plain, type(value.plain)) == (number, type(number))


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1e-9, "0.000000001"),
        (0.5, "0.5"),
        (3.0, "3.0"),
        (-2.25, "-2.25"),
        (1e22, "10000000000000000000000.0"),
        (10**17, "100000000000000000"),
    ],
)
def test_a_number_is_written_without_an_exponent(number: float, written: str) -> None:
    assert f"a [width={written}]" in format(GraphBuilder("G").node("a", width=number).build())


TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)


@given(
    st.dictionaries(TEXTS, NUMBERS | TEXTS | st.booleans() | st.none() | st.binary(), max_size=3)
)
def test_built_graph_parses_to_itself(attributes: dict[str, Any]) -> None:
    try:
        builder = GraphBuilder("G").node("a").edge("a", "b", **attributes)
    except UsageError:
        return
    assert parse(format(builder.build())) == builder.build()


@pytest.mark.parametrize(
    ("node_id", "name"),
    [
        ("plan_2", "plan_2"),
        ("a b", "a%20b"),
        ("../etc", "%2E%2E%2Fetc"),
        (".hidden", "%2Ehidden"),
        ("a~b", "a%7Eb"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("2nd", "2nd"),
        ("my-node", "my-node"),
        ("", "%"),
        ("%2E", "%252E"),
    ],
)
def test_the_folder_of_a_node(node_id: str, name: str) -> None:
    assert folder_name(node_id) == name


def test_a_long_id_is_cut_and_ends_in_a_hash() -> None:
    names = {folder_name("a" * length) for length in range(95, 140)}
    assert len(names) == 45
    assert folder_name("a" * 101) == f"{'a' * 83}~{folder_name('a' * 101)[-16:]}"


@given(st.text())
def test_a_name_is_safe_on_every_file_system(node_id: str) -> None:
    name = folder_name(node_id)
    assert 0 < len(name.encode("ascii")) <= 100
    assert not set("/.\\\0 ") & set(name)
    assert name == node_id or not IDENTIFIER.fullmatch(name) or len(node_id) > 100


@given(st.text(), st.text())
def test_two_ids_never_share_a_folder(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) is (one == other)
