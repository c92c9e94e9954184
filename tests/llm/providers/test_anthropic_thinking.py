from typing import Any

import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import Request, ToolChoice
from attractor.llm.providers.anthropic_thinking import Thinking, model_version, write_thinking
from tests.llm.asking import SHELL

ADAPTIVE = {"type": "adaptive", "display": "summarized"}
OLD, NEW = "claude-sonnet-4-5", "claude-opus-4-6"


def written(model: str, effort: str | None, *turns: Json, **more: Any) -> Thinking:
    request = Request(model, [], reasoning_effort=effort, **more)
    return write_thinking(request, turns, provider="anthropic")


def options(**given: Json) -> dict[str, JsonObject]:
    return {"anthropic": given}


def turn(role: str, *kinds: str) -> Json:
    return {"role": role, "content": [{"type": kind} for kind in kinds]}


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-opus-4-6", (4, 6)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("claude-opus-5-5", (5, 5)),
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("claude-mythos-preview", None),
    ],
)
def test_a_version_is_read_from_the_name(model: str, version: tuple[int, int] | None) -> None:
    assert model_version(model) == version


@pytest.mark.parametrize(
    ("model", "effort", "level"),
    [
        ("claude-opus-4-6", "low", "low"),
        ("claude-opus-4-6", "max", "max"),
        ("claude-sonnet-4-6", "minimal", "low"),
        ("claude-opus-4-7", "xhigh", "xhigh"),
        ("claude-haiku-5-5", "high", "high"),
        ("claude-mythos-preview", "medium", "medium"),
        ("claude-of-tomorrow", "high", "high"),
    ],
)
def test_newer_models_decide_themselves_and_are_told_an_effort(
    model: str, effort: str, level: str
) -> None:
    fields, room, ignored = written(model, effort)
    assert fields == {"thinking": ADAPTIVE, "output_config": {"effort": level}}
    assert (room > 0, ignored) == (True, [])


@pytest.mark.parametrize(
    ("effort", "budget"), [("minimal", 1024), ("low", 1024), ("medium", 8192), ("high", 24576)]
)
def test_older_models_are_given_a_number_of_tokens(effort: str, budget: int) -> None:
    fields, room, ignored = written(OLD, effort)
    assert fields == {"thinking": {"type": "enabled", "budget_tokens": budget}}
    assert (room, ignored) == (budget, [])
    both = written("claude-opus-4-5-20251101", effort).fields
    assert both["thinking"] == fields["thinking"]
    assert both["output_config"] == {"effort": "low" if effort == "minimal" else effort}


@pytest.mark.parametrize(("model", "effort"), [(NEW, "xhigh"), (OLD, "xhigh"), (OLD, "max")])
def test_a_level_above_what_a_model_has_is_lowered_and_told_of(model: str, effort: str) -> None:
    fields, _, (told,) = written(model, effort)
    high = written(model, "high").fields
    assert (fields, "thinks at 'high'" in told) == (high, True)


def test_thoughts_leave_the_room_that_was_asked_for() -> None:
    assert written(OLD, "high", max_tokens=4096).fields == {
        "thinking": {"type": "enabled", "budget_tokens": 3072}
    }
    fields, _, (told,) = written(OLD, "high", max_tokens=2000)
    assert (fields, "fewer than 2048 max_tokens" in told) == ({}, True)


@pytest.mark.parametrize("model", ["claude-3-5-sonnet-20241022", "claude-2.1"])
def test_a_model_that_does_not_think_is_not_asked_to(model: str) -> None:
    fields, room, (told,) = written(model, "high")
    assert (fields, room, "does not think" in told) == ({}, 0, True)
    assert written(model, None) == Thinking()


def test_not_at_all_is_said_by_saying_nothing_where_that_is_enough() -> None:
    assert written(NEW, "none") == written(OLD, "none") == Thinking({}, 0, [])
    assert written("claude-opus-5-5", "none").ignored == ["reasoning_effort 'none'"]


@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("named", "shell")])
def test_who_has_to_call_a_tool_cannot_think_first(choice: ToolChoice) -> None:
    fields, room, (told,) = written(NEW, "high", tools=[SHELL], tool_choice=choice)
    assert (fields, room) == ({"output_config": {"effort": "high"}}, 0)
    assert "where the model has to call a tool" in told
    assert written(NEW, "high", tools=[SHELL], tool_choice=ToolChoice("auto")).ignored == []


@pytest.mark.parametrize(
    ("kinds", "can_think"),
    [
        (("thinking", "tool_use"), True),
        (("redacted_thinking", "tool_use"), True),
        (("text", "tool_use"), False),
        (("tool_use",), False),
    ],
)
def test_an_older_model_goes_on_thinking_only_where_it_began_so(
    kinds: tuple[str, ...], can_think: bool
) -> None:
    loop = [
        turn("user", "text"),
        turn("assistant", *kinds),
        turn("user", "tool_result"),
        turn("assistant", "tool_use"),
        turn("user", "tool_result", "text"),
    ]
    fields, _, ignored = written(OLD, "high", *loop)
    assert ("thinking" in fields, not ignored) == (can_think, can_think)
    assert "thinking" in written(NEW, "high", *loop).fields
    over = [*loop, turn("assistant", "text"), turn("user", "text")]
    assert "thinking" in written(OLD, "high", *over).fields


def test_what_the_options_say_of_thinking_goes_before_the_effort() -> None:
    own = options(thinking={"type": "enabled", "budget_tokens": 2000})
    assert written(NEW, "low", provider_options=own) == Thinking(
        {"output_config": {"effort": "low"}}, 2000, []
    )
    fields, room, (told,) = written(OLD, "low", provider_options=own)
    assert (fields, room, "beside the option" in told) == ({}, 2000, True)
    assert written(NEW, None, provider_options=own) == Thinking(room=2000)
