""""""

from typing import Any

import pytest

from attractor.twins.exchange.conversation import Speaker, Turn
from attractor.twins.wires.anthropic import part
from tests.twins.exchanging import KEYS, answer, refusal
from tests.twins.wires.test_anthropic import CALL, RESULT, ask

MARK = {"cache_control": {"type": "ephemeral"}}
PICTURE = {"type": "base64", "media_type": "image/png", "data": "cGljdHVyZQ=="}
TEXT = {"type": "text", "text": "12345"}


def test_blocks_end_where_they_end_in_the_words() -> None:
    text = {"type": "text", "text": "12345"}
    call: Any = {"type": "tool_use", "id": "c", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": "seen"}
    said = [
        {"role": "user", "content": [text, text | MARK, text]},
        {"role": "assistant", "content": [call | MARK]},
        {"role": "user", "content": [result, {"type": "image", "source": PICTURE}, text | MARK]},
    ]
    body: Any = {
        "model": "m",
        "max_tokens": 9,
        "messages": said,
        "system": [{"type": "text", "text": "Be brief.", **MARK}],
    }
    talk = part.read(KEYS["anthropic"], body)
    words = [talk.words[: one.end] for one in talk.blocks or ()]
    assert words == [
        "Be brief.",
        *("Be brief.\n12345", "Be brief.\n12345\n12345", "Be brief.\n12345\n12345\n12345"),
        "Be brief.\n12345\n12345\n12345\nlook({})",
        *("Be brief.\n12345\n12345\n12345\nlook({})\nseen" + end for end in ("", "\n", "\n12345")),
    ]
    assert words[-1] == talk.words
    marked = [one.is_marked for one in talk.blocks or ()]
    assert marked == [True, False, True, False, True, False, False, True]
    assert talk.turns[1] == Turn(Speaker.ASSISTANT, "look({})")


def blocks(content: Any, **more: Any) -> list[tuple[str, int, bool]]:
    said = [{"role": "user", "content": content}]
    asked: Any = {"model": "m", "max_tokens": 9, "messages": said, **more}
    talk = part.read(KEYS["anthropic"], asked)
    return [(one.content, one.end, one.is_marked) for one in talk.blocks or ()]


def test_one_text_is_one_block() -> None:
    assert blocks("12345", system="Be brief.") == blocks(
        [TEXT], system=[{"type": "text", "text": "Be brief."}]
    )


def test_a_mark_is_no_part_of_its_block() -> None:
    ((plain, _, is_marked),) = blocks([TEXT])
    assert [(one, is_marked) for one, _, is_marked in blocks([TEXT | MARK])] == [(plain, True)]
    assert not is_marked


def test_a_mark_for_all_is_one_on_the_last_block() -> None:
    assert [one for *_, one in blocks([TEXT, TEXT], system="s", **MARK)] == [False, False, True]


ANTHROPIC_CONTENT_TEXT = {"type": "text", "text": "a"}
PNG = {"type": "base64", "media_type": "image/png", "data": "cG5n"}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}
URL = {"type": "url", "url": "https://x.org/a"}
WORDS = {"type": "text", "media_type": "text/plain", "data": "a"}


def shown(kind: str, source: Any) -> dict[str, Any]:
    return {"type": kind, "source": source}


def test_images_and_documents_are_taken_as_the_provider_takes_them() -> None:
    content = [
        shown("image", PNG),
        shown("image", URL),
        shown("document", PDF) | {"title": "a.pdf", "cache_control": {"type": "ephemeral"}},
        shown("document", URL),
        shown("document", WORDS),
        shown("document", {"type": "content", "content": "a"}),
    ]
    assert answer(
        "anthropic",
        ask([ANTHROPIC_CONTENT_TEXT, *content], [CALL], [RESULT | {"content": content}]),
    )


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (shown("image", PNG | {"data": "no base64"}), "image.source.base64.data: Invalid base64"),
        (shown("image", PNG | {"media_type": "image/tiff"}), "media_type: Input should be"),
        (shown("image", PDF), "image.source.base64.media_type: Input should be 'image/gif'"),
        (shown("document", PNG), "media_type: Input should be 'application/pdf'"),
        (shown("document", PDF | {"data": ""}), "document.source.base64.data: Invalid base64"),
        (shown("document", WORDS | {"media_type": "text/html"}), "with the type 'text/plain'"),
        (shown("image", WORDS), "Input tag 'text' does not match"),
        (shown("image", {"type": "url", "url": "data:image/png;base64,cG5n"}), "Only HTTP URLs"),
        ({"type": "document"}, "document.source: Field required"),
    ],
)
def test_what_is_none_is_refused_wherever_it_stands(block: dict[str, Any], words: str) -> None:
    for turns in ([[block]], [["a"], [CALL], [RESULT | {"content": [block]}]]):
        said = [one if one != ["a"] else "a" for one in turns]
        status, error = refusal("anthropic", ask(*said))
        assert (status, error["type"]) == (400, "invalid_request_error")
        assert words in error["message"]


def test_a_model_shows_nothing() -> None:
    status, error = refusal("anthropic", ask("a", [shown("image", PNG)], "b"))
    assert (status, "not allowed in assistant messages" in error["message"]) == (400, True)


def test_results_come_first() -> None:
    assert answer("anthropic", ask("a", [CALL], [RESULT, ANTHROPIC_CONTENT_TEXT]))
    status, error = refusal("anthropic", ask("a", [CALL], [ANTHROPIC_CONTENT_TEXT, RESULT]))
    assert (status, "before any other content" in error["message"]) == (400, True)
