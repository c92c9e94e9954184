import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import Json, JsonObject
from attractor.llm.providers.anthropic_cache import Prompt, is_marked, mark_for_cache

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


def test_marks_stand_behind_tools_system_and_the_two_newest_user_turns() -> None:
    prompt = Prompt(
        [block("tool 1"), block("tool 2")],
        [block("system 1"), block("system 2")],
        [
            turn("user", "u1"),
            turn("assistant", "a1"),
            turn("user", "u2", "u3"),
            turn("assistant", "a2"),
            turn("user", "u4", "u5"),
        ],
    )
    found = mark_for_cache(prompt)
    assert marked([*found.tools, *found.system]) == ["tool 2", "system 2"]
    assert marked(found.messages) == ["u3", "u5"]
    assert found.tools[-1] == {"type": "text", "text": "tool 2", **MARK}


def test_the_request_before_wrote_where_this_one_reads() -> None:
    before = [turn("user", "u1")]
    now = [*before, turn("assistant", "a1"), turn("user", "u2")]
    written = marked(mark_for_cache(Prompt([], [], before)).messages)[-1]
    assert written in marked(mark_for_cache(Prompt([], [], now)).messages)


@pytest.mark.parametrize(
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
def test_a_mark_is_found_wherever_it_may_stand(body: JsonObject) -> None:
    assert is_marked(body)


def test_words_that_look_like_a_mark_are_none() -> None:
    call: Json = {"type": "tool_use", "input": MARK}
    body: JsonObject = {
        "system": "cache_control",
        "tools": [{"name": "a", "input_schema": MARK}],
        "messages": [{"role": "assistant", "content": [call]}, {"role": "user", "content": "b"}],
    }
    assert not is_marked(body)


@given(st.lists(st.sampled_from(["user", "assistant"])), st.integers(0, 3), st.integers(0, 3))
def test_there_are_never_more_than_four_and_nothing_else_changes(
    roles: list[str], tools: int, system: int
) -> None:
    turns = [turn(role, f"{number}") for number, role in enumerate(roles)]
    prompt = Prompt([block("t")] * tools, [block("s")] * system, turns)
    found = mark_for_cache(prompt)
    assert len(marked(list(found))) <= 4
    assert without_marks(list(found)) == list(prompt)


def without_marks(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: without_marks(one) for key, one in value.items() if key != "cache_control"}
    return [without_marks(one) for one in value] if isinstance(value, list) else value
