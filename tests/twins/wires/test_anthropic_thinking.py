from typing import Any

import pytest

from attractor.twins.wires.anthropic_thinking import begun_with
from tests.twins.exchanging import answer, refusal
from tests.twins.wires.test_anthropic import CALL, RESULT, ask

NEW, MIDDLE, OLD = "claude-opus-4-7", "claude-opus-4-6", "claude-sonnet-4-5"
ADAPTIVE = {"thinking": {"type": "adaptive"}}
HIGH = {"output_config": {"effort": "high"}}
ROOM = {"max_tokens": 4096}


def budget(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (NEW, ADAPTIVE | HIGH),
        (MIDDLE, ADAPTIVE | HIGH | {"temperature": 1, "top_p": 0.95}),
        (MIDDLE, budget(2048) | ROOM),
        (OLD, budget(1024) | ROOM),
        ("claude-opus-4-5", budget(1024) | ROOM | HIGH),
        (OLD, {"temperature": 0.5}),
        ("claude", ADAPTIVE | {"thinking": {"type": "disabled"}, "temperature": 0.5}),
    ],
)
def test_what_a_model_knows_is_taken(model: str, more: dict[str, Any]) -> None:
    assert answer("anthropic", ask("a", **{"model": model, **more}))


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        (OLD, ADAPTIVE, "adaptive thinking is not supported"),
        (NEW, budget(2048) | ROOM, "is not supported for this model. Use"),
        (OLD, budget(1000) | ROOM, "greater than or equal to 1024"),
        (OLD, budget(4096) | ROOM, "`max_tokens` must be greater than"),
        (OLD, HIGH, "does not support the effort parameter"),
        (MIDDLE, {"output_config": {"effort": "ultra"}}, "Input should be 'low'"),
        (MIDDLE, {"output_config": {"effort": "xhigh"}}, "does not support effort level 'xhigh'"),
        (MIDDLE, ADAPTIVE | {"temperature": 0.5}, "`temperature` may only be set to 1"),
        (MIDDLE, ADAPTIVE | {"top_p": 0.5}, "`top_p` must be greater"),
        (NEW, {"temperature": 0.5}, "`temperature` is deprecated"),
        (MIDDLE, ADAPTIVE | {"tool_choice": {"type": "any"}}, "forces tool use"),
    ],
)
def test_what_a_model_does_not_know_is_refused(
    model: str, more: dict[str, Any], words: str
) -> None:
    status, error = refusal("anthropic", ask("a", **{"model": model, **more}))
    assert (status, words in error["message"]) == (400, True)


def test_a_turn_goes_on_thinking_only_if_it_began_so() -> None:
    body = ask("a", [CALL], [RESULT], **{"model": OLD, **budget(1024), **ROOM})
    status, error = refusal("anthropic", body)
    assert (status, "but found `tool_use`" in error["message"]) == (400, True)
    assert answer("anthropic", body | {"model": MIDDLE} | ADAPTIVE)


def test_a_turn_begins_where_the_user_spoke_last() -> None:
    loop = [("user", ["text"]), ("assistant", ["thinking"]), ("user", ["tool_result"])]
    assert begun_with([*loop, ("assistant", ["text"]), ("user", ["tool_result"])]) == "thinking"
    assert begun_with([*loop, ("assistant", ["text"]), ("user", ["text"])]) == ""
