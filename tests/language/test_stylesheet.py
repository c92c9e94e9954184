import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.language.errors import InvalidStylesheet
from attractor.language.graph import Node
from attractor.language.stylesheet import PROPERTIES, parse_stylesheet
from attractor.language.values import Attributes, quoted


def of(text: str, *, shape: str = "box", classes: tuple[str, ...] = ()) -> dict[str, str]:
    return parse_stylesheet(text).properties(Node("a", Attributes.of({"shape": shape}), classes))


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("* { llm_model: m }", "m"),
        ("*{llm_model:m;}", "m"),
        ("* { llm_model: x } * { llm_model: m }", "m"),
        ("box { llm_model: m } * { llm_model: x }", "m"),
        (".c { llm_model: m } box { llm_model: x }", "m"),
        ("#a { llm_model: m } .c { llm_model: x }", "m"),
        ("#b { llm_model: x } .d { llm_model: x } house { llm_model: x }", ""),
        (".c { llm_model: x } .e { llm_model: m }", "m"),
        (".e { llm_model: x } .c { llm_model: m }", "m"),
        ('* { llm_model: "claude \\"4\\" {x}" }', 'claude "4" {x}'),
        ("\n* {\n  llm_model: gpt-5.2:x;\n  llm_provider: openai\n}\n", "gpt-5.2:x"),
    ],
)
def test_the_most_specific_rule_wins_and_then_the_last(text: str, model: str) -> None:
    assert of(text, classes=("c", "e")).get("llm_model", "") == model


def test_each_property_is_decided_for_itself() -> None:
    text = "* { llm_model: m; reasoning_effort: low } #a { reasoning_effort: high }"
    assert of(text) == {"llm_model": "m", "reasoning_effort": "high"}


@pytest.mark.parametrize(
    ("text", "message", "hint", "where"),
    [
        ("", "the stylesheet ends too soon", "write #id or * or .class or a shape", (0, 0)),
        ("* { llm_model: a", "the stylesheet ends too soon", "write ; or }", (16, 16)),
        ("* {}", "'}' is unexpected", "write a property", (3, 4)),
        ("* { llm_model = a }", "'=' is unexpected", "write :", (14, 15)),
        ("* { llm_model: 4o }", "'4o' is unexpected", "write a value", (15, 17)),
        (
            "* { llm_modl: a }",
            "a stylesheet has no property 'llm_modl'",
            "did you mean llm_model?",
            (4, 12),
        ),
        (
            "* { zzz: a }",
            "a stylesheet has no property 'zzz'",
            f"write {', '.join(PROPERTIES)}",
            (4, 7),
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(
    text: str, message: str, hint: str, where: tuple[int, int]
) -> None:
    with pytest.raises(InvalidStylesheet) as raised:
        parse_stylesheet(text)
    error = raised.value
    assert (error.message, error.hint, (error.start, error.end)) == (message, hint, where)


@given(st.text(alphabet='*{}:;.#"\\ \nabllm_model', max_size=40) | st.text(max_size=20))
def test_any_text_is_a_stylesheet_or_has_a_mistake_within_it(text: str) -> None:
    start, end = mistake(text)
    assert 0 <= start <= end <= len(text)


def mistake(text: str) -> tuple[int, int]:
    try:
        parse_stylesheet(text)
    except InvalidStylesheet as error:
        return error.start, error.end
    return 0, 0


@given(st.text())
def test_any_value_can_be_given_in_quotes(value: str) -> None:
    assert of(f"* {{ llm_model: {quoted(value)} }}") == {"llm_model": value}
