from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import UsageError
from attractor.llm import ConfigurationError, NoObjectGeneratedError, ResponseFormat
from attractor.llm.generation.objects import ExtractedObject, find_objects
from tests.llm.asking import PROVIDERS, speaking
from tests.llm.generated import PERSON, adder, an_object

ALICE = {"name": "Alice", "age": 30}


def answering(text: str, more: str = "") -> str:
    return f"[[rules]]\nanswer.text = '''{text}'''\n{more}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (' {"a": 1}\n', [ExtractedObject({"a": 1}, True)]),
        ('Here:\n```json\n{"a": 1}\n```\nWell?', [ExtractedObject({"a": 1}, False)] * 2),
        (
            'In {braces}: {"a": {"b": 2}}, {"c": 3}',
            [ExtractedObject({"a": {"b": 2}}, False), ExtractedObject({"c": 3}, False)],
        ),
        ("No object.", []),
        ('[{"a": 1}]', []),
        ('"{}"', []),
        ('{"a": 1', []),
        ('{"a": NaN}', []),
        ('{"a": [{"b": 1}, {"c', []),
        ('{"a": [{"b": 1}, 2', []),
        ('{"a": 1} or {"a": [{"b": 1}, {', [ExtractedObject({"a": 1}, False)]),
        ("", []),
    ],
)
def test_objects_are_found_alone_or_among_words(text: str, found: list[ExtractedObject]) -> None:
    assert list(find_objects(text)) == found


@given(st.text(alphabet='{}[]":, a1`\n', max_size=40))
def test_no_text_is_too_odd(text: str) -> None:
    assert all(isinstance(one.value, dict) for one in find_objects(text))


BEHIND_ANOTHER = 'Given {"x": 1} the answer is {"name": "Alice", "age": 30}, not {"name": "B"}.'


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_first_object_that_the_schema_wants_is_taken(provider: str) -> None:
    with speaking(answering(BEHIND_ANOTHER)) as twin:
        assert an_object(twin, provider).output == ALICE


def test_of_objects_that_are_all_wrong_the_first_is_told_of() -> None:
    with (
        speaking(answering('{"name": 1, "age": 2} or {"x": 1}')) as twin,
        pytest.raises(NoObjectGeneratedError, match="its schema: name must be string"),
    ):
        an_object(twin)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_words_around_the_object_are_a_warning(provider: str) -> None:
    with speaking(answering('Sure! {"name": "Alice", "age": 30} There.')) as twin:
        result = an_object(twin, provider)
    assert result.output == ALICE
    assert "words_around_object" in [one.code for one in result.steps[-1].warnings]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (answering("I do not know."), "contains no JSON object: 'I do not know.'"),
        (answering('{"name": "Alice"}'), "its schema: age is missing"),
        (answering('{"name"', 'answer.finish = "length"'), "reached max_tokens"),
        (answering("", 'answer.finish = "content_filter"'), "a safety filter"),
    ],
)
def test_an_answer_without_the_object_is_told_and_not_asked_again(script: str, told: str) -> None:
    with speaking(script) as twin:
        with pytest.raises(NoObjectGeneratedError, match=told) as caught:
            an_object(twin)
        assert len(twin.requests) == 1
    assert caught.value.text in script


def test_a_call_instead_of_an_answer_is_told() -> None:
    script = 'rules = [{ answer.tool_calls = [{ name = "add", arguments = { a = 1 } }] }]'
    with speaking(script) as twin, pytest.raises(NoObjectGeneratedError, match="called add"):
        an_object(twin, tools=[adder()])


def test_tools_may_come_before_the_object() -> None:
    script = """
    [[rules]]
    when = { step = 1, tool_result = "3" }
    answer.text = '{"name": "Alice", "age": 3}'
    [[rules]]
    answer.tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }]
    """
    with speaking(script) as twin:
        assert an_object(twin, tools=[adder()]).output == {"name": "Alice", "age": 3}


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"schema": {"type": "array"}}, UsageError, "not of type object"),
        ({"schema": {"type": "object", "required": 1}}, UsageError, "invalid JSON schema"),
        (
            {"schema": PERSON, "response_format": ResponseFormat("json")},
            ConfigurationError,
            "by the schema",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anybody_is_asked(
    options: dict[str, Any], kind: type[Exception], told: str
) -> None:
    with speaking(answering("{}")) as twin:
        with pytest.raises(kind, match=told):
            an_object(twin, **options)
        assert len(twin.requests) == 0
