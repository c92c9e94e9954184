from hypothesis import given
from hypothesis import strategies as st

from attractor.llm import (
    ContentKind,
    ContentPart,
    FinishReason,
    Message,
    Response,
    Role,
    ThinkingData,
    ToolCallData,
    Usage,
)

maybe = st.none() | st.integers(0, 10**9)
usages = st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**9), maybe, maybe, maybe)


def a_response(*parts: ContentPart) -> Response:
    said = Message(Role.ASSISTANT, parts)
    return Response("1", "m", "openai", said, FinishReason("stop"), Usage())


def thought(text: str, *, redacted: bool = False) -> ContentPart:
    return ContentPart(ContentKind.THINKING, thinking=ThinkingData(text, redacted=redacted))


@given(usages, usages, usages)
def test_usage_adds_up_in_any_order(one: Usage, two: Usage, three: Usage) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert (one + two).total_tokens == one.total_tokens + two.total_tokens


def test_what_neither_side_knows_stays_unknown() -> None:
    added = Usage(1, 2, reasoning_tokens=3) + Usage(10, 20, cache_read_tokens=5)
    assert added == Usage(11, 22, reasoning_tokens=3, cache_read_tokens=5)
    assert added.cache_write_tokens is None


def test_tool_calls_are_taken_out_in_order() -> None:
    calls = [
        ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData(str(one), "shell", {}))
        for one in range(3)
    ]
    response = a_response(ContentPart(ContentKind.TEXT, text="a"), *calls)
    assert [call.id for call in response.tool_calls] == ["0", "1", "2"]
    assert response.text == "a"


def test_reasoning_is_what_can_be_read_of_it() -> None:
    assert a_response(thought("a"), thought("x", redacted=True), thought("b")).reasoning == "ab"
    assert a_response(thought("x", redacted=True), thought("")).reasoning is None
