"""Definition of Done 11.10: the model stylesheet; with 11.1's box on `class` and 11.12's row."""

from attractor.language import Severity, parse, prepare, validate
from tests.tables import table

NODES = """
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    plan            [prompt="Plan", class="planning"]
    implement       [prompt="Implement", class="code"]
    critical_review [prompt="Review", class="code"]
    start -> plan -> implement -> critical_review -> exit
"""
SPECIFIED = """
    * { llm_model: claude-sonnet-4-5; llm_provider: anthropic; }
    .code { llm_model: claude-opus-4-6; llm_provider: anthropic; }
    #critical_review { llm_model: gpt-5.2; llm_provider: openai; reasoning_effort: high; }
"""


def models(stylesheet: str, nodes: str = NODES) -> dict[str, str]:
    prepared = prepare(f'digraph G {{ graph [model_stylesheet="{stylesheet}"] {nodes} }}')
    assert prepared.graph is not None
    assert prepared.diagnostics == ()
    return {id_: node.attributes.text("llm_model") for id_, node in prepared.graph.nodes.items()}


def test_11_10_the_stylesheet_is_read_from_the_graphs_attribute() -> None:
    found = models(SPECIFIED)
    assert found["plan"] == "claude-sonnet-4-5"
    assert found["implement"] == "claude-opus-4-6"
    assert found["critical_review"] == "gpt-5.2"


def test_11_10_selectors_by_shape() -> None:
    found = models(r"box { llm_model: \"claude-opus-4-6\" }")
    assert (found["plan"], found["start"]) == ("claude-opus-4-6", "")


def test_11_10_selectors_by_class() -> None:
    found = models(r".code { llm_model: \"gemini-3-flash-preview\" }")
    assert (found["implement"], found["plan"]) == ("gemini-3-flash-preview", "")


def test_11_10_selectors_by_id() -> None:
    graph = prepare(
        f'digraph G {{ model_stylesheet="#plan {{ reasoning_effort: low }}" {NODES} }}'
    ).graph
    assert graph is not None
    efforts = [
        graph.nodes[id_].attributes.text("reasoning_effort") for id_ in ("plan", "implement")
    ]
    assert efforts == ["low", ""]


def test_11_10_specificity_is_universal_shape_class_id() -> None:
    rules = [
        "#implement { llm_model: i }",
        ".code { llm_model: c }",
        "box { llm_model: s }",
        "* { llm_model: u }",
    ]
    for order in (rules, rules[::-1]):
        found = models(" ".join(order))
        assert (found["start"], found["plan"]) == ("u", "s")
        assert (found["critical_review"], found["implement"]) == ("c", "i")


def test_11_10_explicit_attributes_override_the_stylesheet() -> None:
    nodes = NODES.replace('prompt="Plan"', 'prompt="Plan", llm_model=own')
    found = models("* { llm_model: u } #plan { llm_model: i }", nodes)
    assert (found["plan"], found["implement"]) == ("own", "u")


def test_11_10_the_graphs_own_attribute_comes_last() -> None:
    found = models(".code { llm_model: c }", f"llm_model=g {NODES}")
    assert (found["plan"], found["implement"]) == ("g", "c")


def test_11_1_class_merges_in_attributes_from_the_stylesheet() -> None:
    loop = NODES.replace("plan   ", 'subgraph { label="Loop A" plan }\n plan   ')
    found = models(".loop-a { llm_model: l } .code { llm_model: c }", loop)
    assert (found["plan"], found["implement"]) == ("l", "c")


def test_11_12_a_stylesheet_overrides_models_by_shape() -> None:
    nodes = NODES.replace('prompt="Plan"', 'prompt="Plan", shape=hexagon')
    found = models("* { llm_model: u } hexagon { llm_model: h }", nodes)
    assert (found["plan"], found["implement"]) == ("h", "u")


@table("effort", ["low", "medium", "high"])
def test_8_4_the_efforts_there_are(effort: str) -> None:
    text = f'digraph G {{ model_stylesheet="* {{ reasoning_effort: {effort} }}" {NODES} }}'
    assert prepare(text).is_sound


@table("stylesheet", ["* {", "* { model: x }", "{}", "* { reasoning_effort: extreme }"])
def test_7_2_a_broken_stylesheet_is_an_error_and_changes_nothing(stylesheet: str) -> None:
    text = f'digraph G {{ model_stylesheet="{stylesheet}" {NODES} }}'
    (one,) = (one for one in validate(parse(text)) if one.is_error)
    assert (one.rule, one.severity) == ("stylesheet_syntax", Severity.ERROR)
    prepared = prepare(text)
    assert prepared.graph == parse(text)
    assert not prepared.is_sound
