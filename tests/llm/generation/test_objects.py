""""""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.llm import (
    Client,
    ConfigurationError,
    NoObjectGeneratedError,
    ResponseFormat,
    ServerError,
    StreamError,
)
from attractor.llm.generation.objects import ExtractedObject, PartialObject, find_objects
from tests.llm.asking import PROVIDERS, speaking
from tests.llm.generated import PERSON, adder, an_object
from tests.llm.heard import an_object_stream, asking, with_client
from tests.tables import table

pytestmark = pytest.mark.anyio

ALICE = {"name": "Alice", "age": 30}


def answering(text: str, more: str = "") -> str:
    return f"[[rules]]\nanswer.text = '''{text}'''\n{more}"


def test_objects_are_found_within_text() -> None:
    for text, found in (
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
    ):
        assert list(find_objects(text)) == found


@given(st.text(alphabet='{}[]":, a1`\n', max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    assert all(isinstance(one.value, dict) for one in find_objects(text))


BEHIND_ANOTHER = 'Given {"x": 1} the answer is {"name": "Alice", "age": 30}, not {"name": "B"}.'


@table("provider", PROVIDERS)
def test_first_object_that_satisfies_the_schema_is_used(provider: str) -> None:
    with speaking(answering(BEHIND_ANOTHER)) as twin:
        assert an_object(twin, provider).output == ALICE


@table("provider", PROVIDERS)
def test_text_around_the_object_causes_a_warning(provider: str) -> None:
    with speaking(answering('Sure! {"name": "Alice", "age": 30} There.')) as twin:
        result = an_object(twin, provider)
    assert result.output == ALICE
    assert "words_around_object" in [one.code for one in result.steps[-1].warnings]


@table(
    ("script", "message"),
    [
        (answering("I do not know."), "contains no JSON object: 'I do not know.'"),
        (answering('{"name": "Alice"}'), "its schema: age is missing"),
        (answering('{"name": 1, "age": 2} or {"x": 1}'), "its schema: name must be string"),
        (answering('{"name"', 'answer.finish = "length"'), "reached max_tokens"),
        (answering("", 'answer.finish = "content_filter"'), "a safety filter"),
    ],
)
def test_answer_without_an_object_fails_without_a_retry(script: str, message: str) -> None:
    with speaking(script) as twin:
        with pytest.raises(NoObjectGeneratedError, match=message) as caught:
            an_object(twin)
        assert len(twin.requests) == 1
    assert caught.value.text in script


def test_tool_call_instead_of_an_object_is_reported() -> None:
    script = 'rules = [{ answer.tool_calls = [{ name = "add", arguments = { a = 1 } }] }]'
    with speaking(script) as twin, pytest.raises(NoObjectGeneratedError, match="called add"):
        an_object(twin, tools=[adder()])


@table(
    ("options", "kind", "message"),
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
def test_invalid_options_are_refused_before_a_request(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with speaking(answering("{}")) as twin:
        with pytest.raises(kind, match=message):
            an_object(twin, **options)
        assert len(twin.requests) == 0


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)


def begins(part: Json, whole: Json) -> bool:
    """Return whether a value is a beginning of another one, as it appears during a stream."""
    if isinstance(part, dict) and isinstance(whole, dict):
        if list(part) != list(whole)[: len(part)]:
            return False
        return _begin([*part.values()], [*whole.values()])
    if isinstance(part, list) and isinstance(whole, list):
        return _begin(part, whole)
    if isinstance(part, str) and isinstance(whole, str):
        return whole.startswith(part)
    return type(part) is type(whole) and part == whole


def _begin(part: list[Json], whole: list[Json]) -> bool:
    if len(part) > len(whole):
        return False
    *closed, last = part or [None]
    return not part or (closed == whole[: len(closed)] and begins(last, whole[len(closed)]))


def grown(text: str) -> JsonObject | None:
    growing = PartialObject()
    growing.add(text)
    return growing.value


@given(OBJECTS, st.booleans(), st.sampled_from([None, 1]))
def test_every_beginning_of_an_object_gives_a_beginning_of_its_value(
    value: dict[str, Json], is_ascii: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    growing = PartialObject()
    records: list[JsonObject] = []
    for letter in text:
        before = growing.value
        assert growing.add(letter) == (growing.value != before)
        if growing.value is not None:
            records.append(growing.value)
    # Not every piece of a long text is parsed.
    assert len(text) > 1000 or growing.value == value
    copies = [json.loads(json.dumps(one)) for one in records]
    assert all(begins(one, value) for one in copies)
    assert all(begins(one, other) for one, other in pairwise(copies))


@given(st.text(alphabet='{}[]":, a1-.e\\u0d8ntrfl\n', max_size=40))
def test_partial_objects_only_grow_for_any_text(text: str) -> None:
    growing = PartialObject()
    before: JsonObject | None = None
    for letter in "{" + text:
        growing.add(letter)
        value = growing.value
        if before is not None:
            assert value is not None
            assert begins(dict(before), dict(value))
        before = None if value is None else json.loads(json.dumps(value))


SURE: list[tuple[str, JsonObject | None]] = [
    ("", None),
    (" \n", None),
    ("{", {}),
    ('{"a', {}),
    ('{"a"', {}),
    ('{"a":', {}),
    ('{"a": "', {"a": ""}),
    ('{"a": "b', {"a": "b"}),
    ('{"a": "b\\', {"a": "b"}),
    ('{"a": "b\\u00e', {"a": "b"}),
    ('{"a": "b\\u00e4', {"a": "bä"}),
    ('{"a": "\\ud83d', {"a": ""}),
    ('{"a": "\\ud83d\\ude0', {"a": ""}),
    ('{"a": "\\ud83d\\ude00', {"a": "😀"}),
    ('{"a": 1', {}),
    ('{"a": 12,', {"a": 12}),
    ('{"a": -1.5e3}', {"a": -1500.0}),
    ('{"a": tru', {}),
    ('{"a": true ', {"a": True}),
    ('{"a": [', {"a": []}),
    ('{"a": [1, 2', {"a": [1]}),
    ('{"a": [1, {"b": [], "c": "', {"a": [1, {"b": [], "c": ""}]}),
    ('{"a": {"b": "c"}, "d"', {"a": {"b": "c"}}),
    ('{"a": 1} and more', {"a": 1}),
]


@table(("text", "value"), SURE)
def test_certain_values_are_reported(text: str, value: JsonObject | None) -> None:
    assert grown(text) == value


def test_partial_object_stops_at_invalid_json() -> None:
    for text, value in (
        ("words", None),
        ('["a"]', None),
        ("{a: 1}", {}),
        ('{"a" 1}', {}),
        ('{"a": nothing, "b": 2}', {}),
        ('{"a": 1, "b": 01}', {"a": 1}),
        ('{"a": NaN}', {}),
        ('{"a": "b\\x", "c": 1}            ', {"a": "b"}),
        ('{"a": "b\n"}', {"a": "b"}),
        ('{"a": "\\ud83d", "b": "c"}', {"a": ""}),
        ('{"a": "\ud83d"}', {"a": ""}),
        ('{"a": [1}', {"a": [1]}),
        ('{"a": 1, "a": 2}', {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
        ('{"a": [1,]}', {"a": [1]}),
    ):
        growing = PartialObject()
        for letter in text:
            growing.add(letter)
        assert growing.value == value
        assert not growing.add('"}]}')
        assert growing.value == value


everybody = table("provider", PROVIDERS)
RECIPES = {
    "recipes": [
        {"name": f"dish {n}", "minutes": n, "steps": ["cut it", "eat it"]} for n in range(3)
    ]
}
ANY: JsonObject = {"type": "object"}


@everybody
@table("around", ["ANSWER", "Here you are:\n\n```json\nANSWER\n```\nAll well?"])
async def test_partial_object_grows_until_it_is_complete(provider: str, around: str) -> None:
    text = around.replace("ANSWER", json.dumps(RECIPES, indent=1))
    async with asking(answering(text)) as (_, client):
        objects = an_object_stream(client, provider, ANY)
        records: list[Json] = []
        async for partial in objects:
            assert objects.partial_object is partial
            records.append(json.loads(json.dumps(partial)))
        assert len(records) > 5
        assert all(begins(one, other) for one, other in zip(records, records[1:], strict=False))
        assert records[-1] == RECIPES == await objects.object()
        result = await objects.result()
        assert (result.output, result.finish_reason.reason) == (RECIPES, "stop")


async def test_object_within_a_line_is_reported_when_complete() -> None:
    text = '  Well {so}, it is {"name": "Alice", "age": 30} then.'
    async with asking(answering(text)) as (_, client):
        assert [one async for one in an_object_stream(client)] == [ALICE]


@table("end", ["\n", " "])
async def test_first_valid_object_is_the_final_one(end: str) -> None:
    text = f'{{"x": 1}}{end}is given, and the answer {json.dumps(ALICE)}'
    async with asking(answering(text)) as (_, client):
        objects = an_object_stream(client)
        found = [one async for one in objects]
        assert found[-2:] == [{"x": 1}, ALICE]
        assert await objects.object() == objects.partial_object == ALICE


@everybody
@table(
    ("text", "words"),
    [
        ("nobody", "contains no JSON object"),
        ('{"name": "Alice"}', "does not match its schema"),
        ('{"name": "Alice", "age": ', "contains no JSON object"),
    ],
)
async def test_missing_or_invalid_object_is_reported_at_the_end(
    provider: str, text: str, words: str
) -> None:
    async with asking(answering(text)) as (twin, client):
        objects = an_object_stream(client, provider)
        with pytest.raises(NoObjectGeneratedError, match=words) as caught:
            async for _ in objects:
                pass
        assert caught.value.text == text
        for asked in (objects.object, objects.result):
            with pytest.raises(NoObjectGeneratedError):
                await asked()
        assert len(twin.requests) == 1


async def test_text_before_tool_calls_is_not_the_object() -> None:
    script = """
    [[rules]]
    when = { step = 1, tool_result = "3" }
    answer.text = '{"name": "Alice", "age": 3}'
    [[rules]]
    [rules.answer]
    text = '{"name": "Bob"'
    tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }]
    """
    async with asking(script) as (_, client):
        found = [one async for one in an_object_stream(client, tools=[adder()])]
        assert found[-1] == {"name": "Alice", "age": 3}
        assert {"name": "Bob"} in found


def test_object_stream_is_retried_and_closed_like_other_streams() -> None:
    fault = 'answer.fault = { kind = "status", status = 500, retry_after = "1ms" }'
    script = f"[[rules]]\nwhen.attempt = 1\n{fault}\n{answering(json.dumps(ALICE))}"

    async def work(client: Client) -> None:
        assert await an_object_stream(client).object() == ALICE
        async with an_object_stream(client) as objects:
            assert await anext(objects) == {"name": "Alice"}
        with pytest.raises(StreamError, match="closed before its end"):
            await objects.object()

    with speaking(script) as twin:
        with_client(twin, work)
        assert [one.status for one in twin.requests] == [500, 200, 200]
    with speaking(f"[[rules]]\n{fault}") as twin, pytest.raises(ServerError):
        with_client(twin, lambda client: an_object_stream(client, max_retries=0).object())
