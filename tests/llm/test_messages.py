from dataclasses import replace
from typing import Any

import pytest

from attractor.base.errors import UsageError
from attractor.llm import (
    AudioData,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    ProviderData,
    Role,
    ThinkingData,
    ToolCallData,
    ToolResultData,
)


def test_a_role_is_known_by_its_name_and_words_are_one_text() -> None:
    short = Message("user", "hi")
    assert short == Message.user("hi") == Message(role="user", content=Message.user("hi").content)
    assert (type(short.role), short.text) == (Role, "hi")


TEXT = ContentPart(ContentKind.TEXT, text="a")


@pytest.mark.parametrize("content", [TEXT, ["a"], [TEXT, None], None, {"text": "a"}, 1, b"a"])
def test_what_is_no_content_is_refused_with_what_would_be(content: Any) -> None:
    with pytest.raises(UsageError, match="invalid message content") as caught:
        Message(Role.USER, content)
    assert "a list of parts" in caught.value.hint


@pytest.mark.parametrize("role", ["User", "", None, 1, ["user"]])
def test_what_is_no_role_is_refused_with_those_there_are(role: Any) -> None:
    with pytest.raises(UsageError, match="unknown role") as caught:
        Message(role, "a")
    assert caught.value.hint == "use one of system, user, assistant, tool, developer"


GOOD = [
    ContentPart(ContentKind.TEXT, text=""),
    ContentPart(ContentKind.IMAGE, image=ImageData(url="https://example.org/a.png")),
    ContentPart(ContentKind.AUDIO, audio=AudioData(data=b"")),
    ContentPart(ContentKind.DOCUMENT, document=DocumentData(data=b"%PDF")),
    ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData("1", "shell", {})),
    ContentPart(ContentKind.TOOL_RESULT, tool_result=ToolResultData("1", "done")),
    ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm")),
    ContentPart(ContentKind.REDACTED_THINKING, thinking=ThinkingData("x", redacted=True)),
    ContentPart("web_search_call", provider_data=ProviderData("openai", {"id": "ws_1"})),
]


@pytest.mark.parametrize("part", GOOD, ids=lambda part: str(part.kind))
def test_a_part_may_carry_its_providers_own_item_beside_its_content(part: ContentPart) -> None:
    assert replace(part, provider_data=ProviderData("openai", {})).kind == part.kind


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({"kind": ContentKind.TEXT}, "none"),
        ({"kind": ContentKind.TEXT, "thinking": ThinkingData("hm")}, "thinking"),
        ({"kind": ContentKind.TEXT, "text": "a", "thinking": ThinkingData("b")}, "text, thinking"),
        ({"kind": "web_search_call", "text": "a"}, "text"),
    ],
)
def test_a_part_holds_what_its_kind_says_and_nothing_else(
    fields: dict[str, object], held: str
) -> None:
    with pytest.raises(UsageError, match=f": {held}$"):
        ContentPart(**fields)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", [ImageData, AudioData, DocumentData])
def test_a_file_has_exactly_one_source(kind: type[ImageData | AudioData | DocumentData]) -> None:
    with pytest.raises(UsageError, match="url and data"):
        kind()
    with pytest.raises(UsageError, match="url and data"):
        kind(url="https://example.org", data=b"")
