"""A graph built in code equals the one parsed from its text."""

import math
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.language import format
from attractor.language.conditions.condition import ALWAYS, Comparison
from attractor.language.graph.builder import MOST_CLASSES_AROUND, GraphBuilder, derived_class
from attractor.language.graph.graph import folder_name
from attractor.language.linting.lint_rule import Vocabulary, rule_registry
from attractor.language.reading import parse
from attractor.language.source.text import IDENTIFIER
from tests.counts import count
from tests.tables import table


def texts(dot: str, node: str, *keys: str) -> list[str]:
    attributes = parse(f"digraph G {{ {dot} }}").nodes[node].attributes
    return [attributes.text(key) for key in keys]


def test_defaults_apply_where_a_node_is_declared() -> None:
    dot = "node [x=1]; a [x=2]; node [x=3]; b"
    assert texts(dot, "a", "x") == ["2"]
    assert texts(dot, "b", "x") == ["3"]
    dot = "node [x=1]; subgraph s { node [x=2, y=3]; a; b [x=4] } c"
    assert texts(dot, "a", "x", "y") == ["2", "3"]
    assert texts(dot, "b", "x", "y") == ["4", "3"]
    assert texts(dot, "c", "x", "y") == ["1", ""]
    assert texts("node [x=1]; s -> a; node [x=2]; a [y=3]", "a", "x", "y") == ["2", "3"]
    graph = parse("digraph G { node [x=1]; s -> a; node [x=2]; a -> t }")
    assert graph.nodes["a"].attributes.text("x") == "1"
    assert not graph.nodes["a"].is_declared
    dot = "node [x=1]; a [z=1]; subgraph s { node [x=2, y=2]; a [z=2, w=1] }"
    assert texts(dot, "a", "x", "y", "z", "w") == ["1", "2", "2", "1"]


def test_a_subgraph_gives_its_class_to_the_nodes_declared_in_it() -> None:
    graph = parse(
        """digraph G {
            label = "Not a class"
            a
            subgraph cluster_x {
                b [class="code,critical fast"]
                subgraph { graph [label="Inner (2)"]; c }
                subgraph { d }
                label = "Loop A!"
                a -> e
            }
            f -> b
        }"""
    )
    assert {id_: node.classes for id_, node in graph.nodes.items()} == {
        "a": (),
        "b": ("code", "critical", "fast", "loop-a"),
        "c": ("loop-a", "inner-2"),
        "d": ("loop-a",),
        "e": ("loop-a",),
        "f": (),
    }


def test_subgraphs_leave_nothing_but_their_content() -> None:
    graph = parse('digraph G { goal="g"; subgraph s { goal="other"; graph [x=1] } }')
    assert graph.goal == "g"
    assert "x" not in graph.attributes.by_key
    graph = parse("digraph G { a; subgraph s { b; a -> b } c }")
    assert list(graph.nodes) == ["a", "b", "c"]
    assert [(one.source, one.target) for one in graph.edges] == [("a", "b")]


def test_edge_has_its_parsed_condition() -> None:
    edges = parse('digraph G { a -> b [condition="outcome=success"]; a -> c }').edges
    assert [one.condition for one in edges] == [Comparison("outcome", "success"), ALWAYS]
    assert [one.is_conditional for one in edges] == [True, False]


@table(("label", "name"), [("Loop A", "loop-a"), ("Ä/b_c-1", "bc-1"), ("  ", "--"), ("!", "")])
def test_the_class_of_a_label(label: str, name: str) -> None:
    assert derived_class(label) == name


def nested(levels: int, *, sheet: str = "") -> str:
    opened = "".join(f'subgraph {{ label="L {one}" n{one} ' for one in range(levels))
    return f'digraph G {{ model_stylesheet="{sheet}" {opened}{"}" * levels} }}'


def test_a_node_has_the_classes_of_the_innermost_labels_around_it() -> None:
    graph = parse(nested(MOST_CLASSES_AROUND + 5))
    most, last = MOST_CLASSES_AROUND, MOST_CLASSES_AROUND + 4
    assert graph.nodes[f"n{most - 1}"].classes == tuple(f"l-{one}" for one in range(most))
    assert graph.nodes[f"n{last}"].classes == tuple(f"l-{one}" for one in range(5, last + 1))


def test_time_for_deeply_nested_labels_is_linear() -> None:
    started = time.process_time()
    graph = parse(nested(10_000))
    # With the classes of every surrounding label it took a minute.
    assert time.process_time() - started < 20
    assert len(graph.nodes["n9999"].classes) == MOST_CLASSES_AROUND


def test_labels_beyond_the_class_limit_are_reported() -> None:
    def messages(levels: int, sheet: str) -> list[tuple[str, int]]:
        graph = parse(nested(levels, sheet=sheet))
        rule = rule_registry()["stylesheet_syntax"]
        return [(one.message, one.span.column) for one in rule.apply(graph, Vocabulary())]

    by_class = ".l-1 { llm_model: m }"
    ((message, column),) = messages(MOST_CLASSES_AROUND + 3, by_class)
    assert "only the classes of the innermost 100" in message
    text = nested(MOST_CLASSES_AROUND + 3, sheet=by_class)
    assert text[column - 1 :].startswith(f'subgraph {{ label="L {MOST_CLASSES_AROUND}"')
    assert messages(MOST_CLASSES_AROUND, by_class) == []
    assert messages(MOST_CLASSES_AROUND + 3, "* { llm_model: m }") == []


def test_node_belongs_to_every_subgraph_that_declares_it() -> None:
    many = count(ci=10_000, full=40_000)
    subgraphs = "".join(f"subgraph {{ label=L{one}; a }} " for one in range(many))
    started = time.process_time()
    graph = parse(f"digraph G {{ {subgraphs} }}")
    assert time.process_time() - started < count(ci=5, full=20)
    assert all(one.nodes == ("a",) for one in graph.subgraphs)
    assert len(graph.nodes["a"].classes) == many


def test_built_graph_equals_the_parsed_one() -> None:
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


def test_invalid_calls_are_refused() -> None:
    with pytest.raises(UsageError, match="at least two nodes"):
        GraphBuilder("G").edge("a")
    builder = GraphBuilder("G")
    with builder.subgraph(), pytest.raises(UsageError, match="unclosed"):
        builder.build()
    with pytest.raises(UsageError, match="'graph'"):
        GraphBuilder("G").defaults("graph", label="x")
    with pytest.raises(UsageError, match="the name of a graph must be a text, not None"):
        GraphBuilder(cast(Any, None))
    with pytest.raises(UsageError, match="integer is too long"):
        GraphBuilder("G").node("a", prompt=10**5_000)
    assert refused("node", 1) == "an id must be a text, not 1"
    assert refused("edge", "a", None) == "an id must be a text, not None"
    assert refused("edge", "a", "b", label=None).startswith("label of the edge from 'a'")
    assert refused("defaults", "node", label=None).startswith("label of every node")
    assert refused("node", "a", **{"\0": 1}).startswith("invalid character in a key")


@table(
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


def refused(method: str, *words: Any, **attributes: Any) -> str:
    """Return the error when a builder gets an invalid value."""
    builder = GraphBuilder("G")
    with pytest.raises(UsageError) as raised:
        getattr(builder, method)(*words, **attributes)
    assert builder.build() == GraphBuilder("G").build()
    return raised.value.message


@table(
    ("id_", "label", "message"),
    [
        (1, "x", "an id must be a text, not 1"),
        ("c", None, "label of the subgraph 'c': invalid attribute value None"),
    ],
)
def test_refused_subgraph_leaves_the_graph_unchanged(id_: Any, label: Any, message: str) -> None:
    builder = GraphBuilder("G")
    with pytest.raises(UsageError, match=message), builder.subgraph(id_, label=label):
        pass
    assert builder.build() == GraphBuilder("G").build()


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


@table(
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


@table(
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
