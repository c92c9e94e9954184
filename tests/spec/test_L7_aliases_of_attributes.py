"""Ruling L7: attributes under the names of other tools take effect, with a note."""

from attractor.language.preparation.prepare import prepare, transform_all
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Attributes
from attractor.language.source.text import Source
from attractor.pipeline.source.read import read_pipeline
from tests.tables import table


def attributes(text: str, node: str = "") -> Attributes:
    graph = transform_all(parse(f"digraph G {{ {text} }}"))
    return graph.nodes[node].attributes if node else graph.attributes


@table(
    ("alias", "ours"),
    [("script", "tool_command"), ("model", "llm_model"), ("provider", "llm_provider")],
)
def test_L7_a_node_with_the_other_name_has_ours(alias: str, ours: str) -> None:
    found = attributes(f"a [{alias}=x]", "a")
    assert found.text(ours) == "x"
    assert alias not in found.by_key


@table(
    ("alias", "ours"),
    [
        ("model", "llm_model"),
        ("provider", "llm_provider"),
        ("default_max_retry", "default_max_retries"),
    ],
)
def test_L7_a_graph_with_the_other_name_has_ours(alias: str, ours: str) -> None:
    assert attributes(f"{alias}=3").text(ours) == "3"


def test_L7_the_model_of_a_node_wins_over_the_stylesheet_by_any_name() -> None:
    text = 'model_stylesheet="* { llm_model: b }"; a [model=c]; d'
    assert attributes(text, "a").text("llm_model") == "c"
    assert attributes(text, "d").text("llm_model") == "b"


@table(
    ("text", "winner"),
    [
        ("node [llm_model=x]; a [model=y]", "y"),
        ("node [model=x]; a [llm_model=y]", "y"),
        ("a [llm_model=x, model=y]", "y"),
    ],
)
def test_L7_of_two_names_the_later_one_counts(text: str, winner: str) -> None:
    assert attributes(text, "a").text("llm_model") == winner


def test_L7_alias_is_reported_once_at_its_position() -> None:
    text = "digraph G { node [script=ls]; a [shape=parallelogram]; b [shape=parallelogram] }"
    found = [one for one in prepare(text).diagnostics if one.rule == "portability"]
    assert [(one.severity, one.span.column, one.fix) for one in found] == [
        ("info", 19, "use tool_command")
    ]


def test_L7_alias_is_no_unknown_attribute() -> None:
    rules = {one.rule for one in prepare("digraph G { a [model=x] }").diagnostics}
    assert "unknown_attribute" not in rules
    assert "portability" in rules


def test_L7_a_run_sees_our_names() -> None:
    text = "digraph G { start; t [shape=parallelogram, script=make]; exit; start -> t -> exit }"
    graph = read_pipeline(Source(text)).graph
    assert graph.nodes["t"].attributes.text("tool_command") == "make"


@table("classes", ["a,b", "a b", "a, b", " a ,b "])
def test_L7_classes_split_at_commas_and_blanks(classes: str) -> None:
    graph = parse(f'digraph G {{ n [class="{classes}"] }}')
    assert graph.nodes["n"].classes == ("a", "b")
