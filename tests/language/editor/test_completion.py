"""Completion and hover at the cursor (`|`)."""

from hypothesis import given, strategies as st

from attractor.language import parse, prepare
from attractor.language.editor.completion import (
    Cursor,
    CursorKind,
    cursor_at,
    describe_attribute,
    hover,
    propose,
)
from attractor.language.graph.attribute_catalogue import ATTRIBUTES, AttributeOwner
from attractor.language.graph.graph import FIDELITIES
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import Source
from tests.tables import table

EFFORTS = ATTRIBUTES["reasoning_effort"].choices
KNOWN = Vocabulary(types={"tool", "codergen"}, models={"gpt-5.2"}, providers={"openai"})


def proposed(text: str) -> list[str]:
    cursor = cursor_at(text.replace("|", ""), text.index("|"))
    return [one.text for one in propose(cursor, ["plan", "the end"], KNOWN)]


def test_proposals_fit_the_place() -> None:
    on_node, on_edge = proposed("digraph G { a [|"), proposed("digraph G { a -> b [|")
    assert {"prompt", "shape", "goal_gate"} <= set(on_node)
    assert {"condition", "weight"} <= set(on_edge)
    assert "prompt" not in on_edge
    assert "default_max_retry" not in proposed("digraph G { graph [|")
    assert all(AttributeOwner.EDGE in ATTRIBUTES[key].places for key in on_edge)
    assert "hexagon" in proposed("digraph G { a [shape=|")
    assert proposed("digraph G { a [type=|") == ["codergen", "tool"]
    assert proposed("digraph G { a [goal_gate=|") == ["true", "false"]
    assert proposed("digraph G { a [llm_model=|") == ['"gpt-5.2"']
    assert proposed('digraph G { a [llm_model="|') == ["gpt-5.2"]
    assert proposed('digraph G { a -> b [condition="|')[0] == "outcome=success"
    assert proposed("digraph G { a [retry_policy=|")[0] == "none"
    assert proposed("digraph G { a [reasoning_effort=|") == list(EFFORTS)
    assert proposed('digraph G { a [fidelity="|') == list(FIDELITIES)
    for nothing in ("a [prompt=|", "a [mine=|", "// a [|"):
        assert proposed(f"digraph G {{ {nothing}") == []
    assert proposed("digraph G { a -> |") == ["plan", '"the end"']
    assert proposed("digraph G { a [retry_target=|") == ["plan", '"the end"']
    assert {"plan", "node", "goal"} <= set(proposed("digraph G { |"))
    assert all(row.sentence in describe_attribute(row) for row in ATTRIBUTES.values())


def at(text: str) -> Cursor:
    return cursor_at(text.replace("|", ""), text.index("|"))


@table(
    ("text", "place", "begun"),
    [
        ("digraph G { a [|", AttributeOwner.NODE, ""),
        ("digraph G { a [pro|", AttributeOwner.NODE, "pro"),
        ("digraph G { a [label=x, pro|]", AttributeOwner.NODE, "pro"),
        ('digraph G { a [label="a, b]", human.d|', AttributeOwner.NODE, "human.d"),
        ("digraph G { a -> b [co|", AttributeOwner.EDGE, "co"),
        ('digraph G { a -> "b c" [\n  x=1;\n  co|', AttributeOwner.EDGE, "co"),
        ("digraph G { rankdir=LR\n  node [sh|", AttributeOwner.NODE, "sh"),
        ("digraph G { graph [go|", AttributeOwner.GRAPH, "go"),
        ("digraph G { a -> b\n c [|", AttributeOwner.NODE, ""),
    ],
)
def test_a_key_in_a_list(text: str, place: AttributeOwner, begun: str) -> None:
    assert at(text) == Cursor(CursorKind.KEY, place, begun=begun)


@table(
    ("text", "place", "key", "begun", "is_quoted"),
    [
        ("digraph G { a [shape=|", AttributeOwner.NODE, "shape", "", False),
        ("digraph G { a [shape = he|]", AttributeOwner.NODE, "shape", "he", False),
        ('digraph G { a -> b [condition="out|', AttributeOwner.EDGE, "condition", "out", True),
        (
            'digraph G { a ["human.default_choice"=|',
            AttributeOwner.NODE,
            "human.default_choice",
            "",
            False,
        ),
        ("digraph G { default_fidelity=|", AttributeOwner.GRAPH, "default_fidelity", "", False),
        ('digraph G {\n goal="x\n', None, "", "", False),
    ],
)
def test_a_value(
    text: str, place: AttributeOwner | None, key: str, begun: str, is_quoted: bool
) -> None:
    if place is None:
        assert cursor_at(text, len(text)).writing is CursorKind.NOTHING
    else:
        assert at(text) == Cursor(CursorKind.VALUE, place, key, begun, is_quoted)


@table("text", ["digraph { a -> |", "digraph { a -> b -> c|", "digraph { a->|"])
def test_target_of_an_edge_is_completed(text: str) -> None:
    assert at(text).writing is CursorKind.TARGET


@table("text", ["digraph G {|", "digraph G { a [x=1]\n pl|", "digraph G { a; |"])
def test_a_statement(text: str) -> None:
    assert at(text).writing is CursorKind.STATEMENT


@table("text", ["digraph G { // a [|", "digraph G { /* a -> |", "// |\ndigraph"])
def test_comments_get_no_proposals(text: str) -> None:
    assert at(text).writing is CursorKind.NOTHING


def test_cursor_after_a_comment() -> None:
    assert at("digraph G { // c\n a -> |").writing is CursorKind.TARGET
    assert at("digraph G { a /* [ */ -> |").writing is CursorKind.TARGET


@given(st.text(alphabet='ab"[]{}=,;/*\\\n ->', max_size=60), st.data())
def test_every_place_of_every_text_has_an_answer(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    assert text[:offset].endswith(cursor_at(text, offset).begun)


TEXT = 'digraph G {\n  plan [label="The plan", prompt="Think"]\n  plan -> done [foo=1]\n}'


def hover_text(line: int, column: int, *, page: str = "") -> str:
    found = hover(
        Source(TEXT),
        line,
        column,
        graph=parse(TEXT),
        diagnostics=prepare(TEXT).diagnostics if page else (),
        page=lambda rule: page,
    )
    return found.text if found else ""


def test_hover_describes_elements_and_rules() -> None:
    assert hover_text(2, 28).startswith("**prompt**\n\nInstruction for the stage")
    assert hover_text(2, 4) == "**plan** (codergen)\n\nThe plan\n\nThink"
    assert hover_text(3, 4) == hover_text(2, 4)
    assert hover_text(3, 18, page="Why not") == "**unknown_attribute**\n\nWhy not"
    assert hover_text(1, 1) == ""


VALUES = """digraph G {
  a [shape=parallelogram, fidelity="summary:low", prompt="Work", retry_target=b, goal_gate=true]
  b [join_policy=quorum, type=exit, shape=egg, mine=box]
}"""


def of_value(word: str) -> str:
    line = next(at for at, one in enumerate(VALUES.split("\n"), 1) if word in one)
    column = VALUES.split("\n")[line - 1].index(word) + 1
    found = hover(Source(VALUES), line, column, graph=parse(VALUES))
    return found.text if found else ""


def test_hover_describes_a_value() -> None:
    assert of_value("parallelogram").startswith("**parallelogram** (shape)\n\nNode type `tool`")
    assert of_value('"summary:low').startswith("**summary:low** (fidelity)\n\nStarts a new session")
    assert of_value("quorum").startswith("**quorum** (join_policy)\n\nWhen a parallel node ends")
    assert of_value("true").startswith("**true** (goal_gate)\n\nWhether the exit stays closed")
    assert of_value("exit").startswith("**exit** (type)\n\nEnds the pipeline")
    assert of_value("b, goal").startswith("**b** (exit)")
    assert of_value('"Work') == of_value("egg") == of_value("box]") == ""
