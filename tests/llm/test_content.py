from dataclasses import replace

import pytest

from attractor.base.errors import UsageError
from attractor.llm import (
    AudioData,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    ProviderData,
    ThinkingData,
    ToolCallData,
    ToolResultData,
)

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
        ({"kind": ContentKind.TEXT}, "nothing"),
        ({"kind": ContentKind.TEXT, "thinking": ThinkingData("hm")}, "thinking"),
        ({"kind": ContentKind.TEXT, "text": "a", "thinking": ThinkingData("b")}, "text, thinking"),
        ({"kind": "web_search_call", "text": "a"}, "text"),
    ],
)
def test_a_part_holds_what_its_kind_says_and_nothing_else(
    fields: dict[str, object], held: str
) -> None:
    with pytest.raises(UsageError, match=f"holds {held}$"):
        ContentPart(**fields)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", [ImageData, AudioData, DocumentData])
def test_a_file_has_exactly_one_source(kind: type[ImageData | AudioData | DocumentData]) -> None:
    with pytest.raises(UsageError, match="either a url or data"):
        kind()
    with pytest.raises(UsageError, match="either a url or data"):
        kind(url="https://example.org", data=b"")
