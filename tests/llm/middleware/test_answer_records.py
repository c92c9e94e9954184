import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from attractor.llm import (
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    InvalidRequestError,
    Message,
    ProviderData,
    Request,
    Response,
    ResponseFormat,
    Role,
    ToolChoice,
    ToolDefinition,
    ToolResultData,
)
from attractor.llm.middleware.answer_records import (
    differences,
    digest_of,
    read_answer,
    write_answer,
)
from tests.llm.middleware.answers import answers


@given(answers)
def test_an_answer_comes_back_as_it_was(answer: Response) -> None:
    again = read_answer(write_answer(answer))
    assert again == answer
    # Equal objects may differ in the order of their keys; what is given back to a provider may not.
    assert repr(again) == repr(answer)


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="not a record"):
        read_answer(json.dumps({"is": "Usage"}))


TOOL = ToolDefinition("add", "Add.", {"type": "object", "properties": {}})
ASKED = Request("m", [Message.user("a"), Message.user("b")], "openai", tools=[TOOL])


def seen(image: ImageData) -> Request:
    part = ContentPart(ContentKind.IMAGE, image=image)
    return replace(ASKED, messages=[Message(Role.USER, [part])])


def key(request: Request) -> str:
    return digest_of(request).key


def test_the_same_request_has_the_same_key_however_it_is_held() -> None:
    again = Request("m", (Message.user("a"), Message.user("b")), "openai", tools=(TOOL,))
    assert key(again) == key(ASKED)


OTHER_TEXT = ContentPart(
    ContentKind.TEXT, text="b", provider_data=ProviderData("openai", {"signature": "s"})
)
CHANGES: dict[str, Callable[[Request], Request]] = {
    "provider": lambda one: replace(one, provider="anthropic"),
    "model": lambda one: replace(one, model="n"),
    "message 2 of 2": lambda one: replace(one, messages=[Message.user("a"), Message.user("c")]),
    "the number of messages": lambda one: replace(one, messages=[Message.user("a")]),
    "tools": lambda one: replace(one, tools=[replace(TOOL, description="More.")]),
    "tool_choice": lambda one: replace(one, tool_choice=ToolChoice("required")),
    "response_format": lambda one: replace(one, response_format=ResponseFormat("json")),
    "temperature": lambda one: replace(one, temperature=0.5),
    "max_tokens": lambda one: replace(one, max_tokens=5),
    "stop_sequences": lambda one: replace(one, stop_sequences=["."]),
    "reasoning_effort": lambda one: replace(one, reasoning_effort="low"),
    "metadata": lambda one: replace(one, metadata={"user": "1"}),
    "provider_options": lambda one: replace(one, provider_options={"openai": {"seed": 1}}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_is_another_key_and_is_named(what: str) -> None:
    asked, kept = digest_of(CHANGES[what](ASKED)), digest_of(ASKED)
    assert asked.key != kept.key
    [named] = differences(asked.fields, kept.fields)
    assert named.startswith(what)


def test_what_a_provider_keeps_beside_a_text_counts() -> None:
    said = [Message.user("a"), Message(Role.USER, [OTHER_TEXT])]
    assert key(replace(ASKED, messages=said)) != key(ASKED)


def test_an_image_goes_by_what_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "seen.png"
    file.write_bytes(b"one")
    by_path = ImageData(url=str(file))
    before = key(seen(by_path))
    assert before == key(seen(ImageData(data=b"one")))
    assert before != key(seen(ImageData(data=b"two")))
    file.write_bytes(b"two")
    assert key(seen(by_path)) != before
    file.unlink()
    assert key(seen(by_path)) != before
    assert key(seen(ImageData(url="https://a/1"))) != key(seen(ImageData(url="https://a/2")))


def test_media_of_results_and_names_of_documents_count() -> None:
    def keyed(**result: Any) -> str:
        told = ToolResultData("1", "seen", **result)
        part = ContentPart(ContentKind.TOOL_RESULT, tool_result=told)
        return key(replace(ASKED, messages=[Message(Role.TOOL, [part])]))

    documents = [DocumentData(data=b"pdf", file_name=name) for name in ("a", "b")]
    keys = [keyed(image_data=b"a"), keyed(image_data=b"b"), *(keyed(document=d) for d in documents)]
    assert len(set(keys)) == 4


def test_a_request_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="cannot hash"):
        key(replace(ASKED, temperature=float("nan")))
