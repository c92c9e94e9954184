import pytest
from hypothesis import given, strategies as st

from attractor.base.json import Json
from attractor.twins.services.templates import ExpressionError, Template
from tests.tables import table

PLAIN: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="{}")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = {"body": {"items": [1, 2], "amount": 5, "name": "Ada"}, "path": {"id": "c1"}}


@given(PLAIN)
def test_value_without_braces_is_unchanged(value: Json) -> None:
    assert Template(value).value({}) == value


@given(PLAIN)
def test_one_expression_alone_gives_the_value_itself(value: Json) -> None:
    assert Template("{{ x }}").value({"x": value}) == value


def test_expressions_are_those_of_jinja() -> None:
    for written, value in (
        ("{{ body.amount * 2 }}", 10),
        ("{{ body.items }}", [1, 2]),
        ("{{ body.amount / 2 }}", 2.5),
        ("{{ body['items'] | length }}", 2),
        ("{{ body.missing | default('none') }}", "none"),
        ("{{ body.name | upper }}/{{ path.id }}", "ADA/c1"),
        ("is {{ body.amount > 3 }}", "is true"),
        ({"a": ["{{ path.id }}", 1]}, {"a": ["c1", 1]}),
    ):
        assert Template(written).value(NAMES) == value


def test_values_that_are_not_json_are_reported_with_their_expression() -> None:
    for written, message in (
        ("{{ body.nothing }}", "unknown name 'nothing'"),
        ("a {{ body.keys }}", "unknown name 'keys'"),
        ("{{ body.nothing.deeper }}", "unknown name 'nothing'"),
        ("{{ body.amount + body.name }}", "unsupported operand"),
        ("{{ body.amount / 0 }}", "division by zero"),
        ("{{ body.amount * 1e308 }}", "the value is a float, which is not JSON"),
        ("{{ body | dictsort(by='x') }}", "You can only sort by"),
        ("{{ f }}", "call it with ()"),
        ("{{ body['items'] | map('string') }}", "add | list"),
        ("{{ body.name.__class__ }}", "unsafe"),
        ("{{ body['items'].append(3) }}", "'append' of 'list' object is unsafe"),
    ):
        with pytest.raises(ExpressionError, match="{{ ") as caught:
            Template(written).value({**NAMES, "f": len})
        assert message in str(caught.value)


@table("written", ["{{ a", "a }}", "{{ a b }}", "{{ }}", "{{ a | nofilter }}"])
def test_invalid_expressions_are_found_when_loaded(written: str) -> None:
    with pytest.raises(ValueError, match="braces|invalid expression"):
        Template(written)


def test_template_lists_its_names() -> None:
    template = Template(["{{ path.id }} {{ path['b'] }}", {"x": "{{ now }}"}])
    assert template.names == {"path", "now"}
    assert template.from_path == {"id", "b"}
