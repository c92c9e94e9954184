from typing import Any

from attractor.llm import (
    ContentKind,
    ContentPart,
    ImageData,
    Message,
    Role,
    ToolCallData,
    ToolResultData,
)
from attractor.llm.providers.anthropic_turns import write_turns

IMAGE = ContentPart(ContentKind.IMAGE, image=ImageData(url="https://x.org/a.png"))
CALL = ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData("1", "shell", {}))
TEXT = ContentPart(ContentKind.TEXT, text="a")


def kinds(*messages: Message) -> list[tuple[str, list[str]]]:
    turns: Any = write_turns(messages, "anthropic", "claude-opus-4-6")
    return [(one["role"], [block["type"] for block in one["content"]]) for one in turns]


def test_results_stand_before_whatever_else_is_said_in_their_turn() -> None:
    shown = Message(
        Role.TOOL,
        [ContentPart(ContentKind.TOOL_RESULT, tool_result=ToolResultData("1", "a")), IMAGE],
    )
    other = Message.tool_result("2", "b")
    assert kinds(shown, other, Message.user("c")) == [
        ("user", ["tool_result", "tool_result", "image", "text"])
    ]


def test_what_a_model_has_drawn_is_shown_by_the_user_behind_its_results() -> None:
    model = Message(Role.ASSISTANT, [TEXT, IMAGE, CALL])
    assert kinds(model, Message.tool_result("1", "a")) == [
        ("assistant", ["text", "tool_use"]),
        ("user", ["tool_result", "image"]),
    ]


def test_a_turn_that_nothing_is_left_of_is_left_out() -> None:
    empty = Message(Role.ASSISTANT, [ContentPart(ContentKind.TEXT, text="")])
    assert kinds(Message.user("a"), empty, Message.user("b")) == [("user", ["text", "text"])]
