from typing import Any

from attractor.twins.exchange.wire import Speaker, Turn
from attractor.twins.wires.anthropic import part
from tests.twins.exchanging import KEYS

MARK = {"cache_control": {"type": "ephemeral"}}
PICTURE = {"type": "base64", "media_type": "image/png", "data": "cGljdHVyZQ=="}
TEXT = {"type": "text", "text": "12345"}


def test_block_boundaries_are_kept() -> None:
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


def test_top_level_cache_control_marks_the_last_block() -> None:
    assert [one for *_, one in blocks([TEXT, TEXT], system="s", **MARK)] == [False, False, True]
