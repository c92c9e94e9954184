from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from attractor.base.json import Json, JsonObject
from attractor.llm import (
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    InvalidRequestError,
    Message,
    Role,
    ToolCallData,
    ToolResultData,
)
from attractor.llm.providers.anthropic_content import (
    Prompt,
    is_marked,
    mark_for_cache,
    write_document,
    write_turns,
)
from tests.tables import table


def written(**given: Any) -> Json:
    return write_document(DocumentData(**given), "anthropic")


def test_a_pdf_is_sent_by_address_by_content_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"pdf")
    content = {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}
    url = "https://x.org/a.pdf?page=1"
    assert written(url=url) == {"type": "document", "source": {"type": "url", "url": url}}
    assert written(data=b"pdf") == {"type": "document", "source": content}
    assert written(url=str(file)) == {"type": "document", "source": content, "title": "a.pdf"}
    named = written(url=str(file), file_name="plan")
    assert named == {"type": "document", "source": content, "title": "plan"}


@table(
    "given",
    [
        {"media_type": "text/plain"},
        {"file_name": "notes.md"},
        {"media_type": "application/json"},
        {"media_type": "image/svg+xml"},
    ],
)
def test_text_documents_are_sent_as_text(given: dict[str, str]) -> None:
    sent: Any = written(data="größe".encode(), **given)
    assert sent["source"] == {"type": "text", "media_type": "text/plain", "data": "größe"}


@table(
    ("given", "words"),
    [
        ({"data": b"zip", "media_type": "application/zip"}, "of type application/zip "),
        ({"data": b"\xff", "media_type": "text/plain"}, "text/plain that is not UTF-8"),
        ({"url": "https://x.org/a.txt"}, "text/plain by its URL"),
    ],
)
def test_unsupported_content_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        written(**given)
    assert "pass a PDF" in caught.value.hint


IMAGE = ContentPart(ContentKind.IMAGE, image=ImageData(url="https://x.org/a.png"))
CALL = ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData("1", "shell", {}))
TEXT = ContentPart(ContentKind.TEXT, text="a")


def kinds(*messages: Message) -> list[tuple[str, list[str]]]:
    turns: Any = write_turns(messages, "anthropic", "claude-opus-4-6")
    return [(one["role"], [block["type"] for block in one["content"]]) for one in turns]


def test_tool_results_come_first_in_their_turn() -> None:
    shown = Message(
        Role.TOOL,
        [ContentPart(ContentKind.TOOL_RESULT, tool_result=ToolResultData("1", "a")), IMAGE],
    )
    other = Message.tool_result("2", "b")
    assert kinds(shown, other, Message.user("c")) == [
        ("user", ["tool_result", "tool_result", "image", "text"])
    ]


def test_generated_image_is_sent_after_tool_results() -> None:
    model = Message(Role.ASSISTANT, [TEXT, IMAGE, CALL])
    assert kinds(model, Message.tool_result("1", "a")) == [
        ("assistant", ["text", "tool_use"]),
        ("user", ["tool_result", "image"]),
    ]


def test_empty_turn_is_omitted() -> None:
    empty = Message(Role.ASSISTANT, [ContentPart(ContentKind.TEXT, text="")])
    assert kinds(Message.user("a"), empty, Message.user("b")) == [("user", ["text", "text"])]


MARK: dict[str, Json] = {"cache_control": {"type": "ephemeral"}}


def block(name: str) -> Json:
    return {"type": "text", "text": name}


def turn(role: str, *names: str) -> Json:
    return {"role": role, "content": [block(name) for name in names]}


def marked(value: Json) -> list[str]:
    """Return the names of all blocks that carry a mark."""
    if isinstance(value, dict):
        inner = [name for one in value.values() for name in marked(one)]
        return ([str(value["text"])] if "cache_control" in value else []) + inner
    return [name for one in value for name in marked(one)] if isinstance(value, list) else []


def test_cache_is_read_up_to_the_mark_of_the_previous_request() -> None:
    before = [turn("user", "u1")]
    now = [*before, turn("assistant", "a1"), turn("user", "u2")]
    written = marked(mark_for_cache(Prompt([], [], before)).messages)[-1]
    assert written in marked(mark_for_cache(Prompt([], [], now)).messages)


@table(
    "body",
    [
        MARK,
        {"tools": [{"name": "a", **MARK}]},
        {"system": [{"type": "text", "text": "a", **MARK}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", **MARK}]}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "content": [{"type": "text", **MARK}]}],
                }
            ]
        },
    ],
)
def test_cache_mark_is_found_in_every_place(body: JsonObject) -> None:
    assert is_marked(body)


def test_text_like_a_cache_marker_is_not_a_marker() -> None:
    call: Json = {"type": "tool_use", "input": MARK}
    body: JsonObject = {
        "system": "cache_control",
        "tools": [{"name": "a", "input_schema": MARK}],
        "messages": [{"role": "assistant", "content": [call]}, {"role": "user", "content": "b"}],
    }
    assert not is_marked(body)


@given(st.lists(st.sampled_from(["user", "assistant"])), st.integers(0, 3), st.integers(0, 3))
def test_at_most_four_cache_markers_are_set(roles: list[str], tools: int, system: int) -> None:
    turns = [turn(role, f"{number}") for number, role in enumerate(roles)]
    prompt = Prompt([block("t")] * tools, [block("s")] * system, turns)
    found = mark_for_cache(prompt)
    assert len(marked(list(found))) <= 4
    assert without_marks(list(found)) == list(prompt)


def without_marks(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: without_marks(one) for key, one in value.items() if key != "cache_control"}
    return [without_marks(one) for one in value] if isinstance(value, list) else value
