from typing import Any

from attractor.base.json import JsonObject
from attractor.llm import Message, Request, ResponseFormat, ToolChoice, Warning
from attractor.llm.providers.openai_compatible_request import write_request
from tests.llm.asking import SHELL

NAME = "openai_compatible"
HI = Message.user("hi")


def write(*, is_stream: bool = False, **more: Any) -> tuple[Any, list[str | None]]:
    """Return the body of a request, and the codes of its warnings."""
    request = Request(model="m", messages=[HI], **more)
    body, warnings = write_request(request, provider=NAME, is_stream=is_stream)
    return dict(body), [one.code for one in warnings]


def body(**more: Any) -> Any:
    return write(**more)[0]


def test_only_what_was_asked_is_sent() -> None:
    assert body() == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_settings_have_the_names_that_most_servers_know() -> None:
    settings: dict[str, Any] = {"temperature": 0.0, "top_p": 0.5, "max_tokens": 9}
    found = body(**settings, stop_sequences=["a", "b"], reasoning_effort="low")
    assert found == body() | settings | {"stop": ["a", "b"], "reasoning_effort": "low"}


def test_a_stream_asks_for_its_usage_and_options_can_change_that() -> None:
    assert body(is_stream=True) == body() | {
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    without = {NAME: {"stream_options": None}}
    assert body(is_stream=True, provider_options=without)["stream_options"] is None
    assert "stream_options" not in body(provider_options=without)


def test_tools_are_sent_with_the_choice_that_was_given() -> None:
    assert [one["type"] for one in body(tools=[SHELL])["tools"]] == ["function"]
    assert "tool_choice" not in body(tools=[SHELL])
    assert body(tools=[SHELL], tool_choice=ToolChoice("none"))["tool_choice"] == "none"


def test_a_choice_without_tools_is_not_sent_and_warned_about() -> None:
    found, codes = write(tool_choice=ToolChoice("none"))
    assert ("tool_choice" in found, codes) == (False, ["unsupported_parameter"])


def test_metadata_is_warned_about() -> None:
    found, codes = write(metadata={"run": "1"})
    assert ("metadata" in found, codes) == (False, ["unsupported_parameter"])


def test_json_is_asked_for_by_a_setting_and_a_word() -> None:
    found = body(response_format=ResponseFormat("json"))
    assert found["response_format"] == {"type": "json_object"}
    assert found["messages"][0]["role"] == "system"
    assert "JSON" in found["messages"][0]["content"]
    assert body(response_format=ResponseFormat("text")) == body()


def test_a_schema_is_sent_with_a_name() -> None:
    optional: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}}
    closed: JsonObject = {**optional, "required": ["a"]}
    for schema, strict, codes in (
        (closed, True, []),
        (optional, True, ["schema_not_enforced"]),
        (optional, False, []),
    ):
        found, warned = write(response_format=ResponseFormat("json_schema", schema, strict=strict))
        form = found["response_format"]
        held = strict and not codes
        assert (form["type"], form["json_schema"]["name"]) == ("json_schema", "answer")
        assert form["json_schema"]["strict"] is held
        assert form["json_schema"]["schema"] == (
            {**schema, "additionalProperties": False} if held else schema
        )
        assert warned == codes


def test_options_for_it_win_and_grow() -> None:
    options = {NAME: {"temperature": 1, "top_k": 5, "tools": [{"type": "web"}]}}
    found = body(temperature=0.0, tools=[SHELL], provider_options=options)
    assert (found["temperature"], found["top_k"], len(found["tools"])) == (1, 5, 2)
    assert body(provider_options={"openai": {"store": True}}) == body()


def test_warnings_say_what_to_do() -> None:
    request = Request(model="m", messages=[HI], metadata={"run": "1"})
    (warning,) = write_request(request, provider=NAME).warnings
    assert isinstance(warning, Warning)
    assert "provider_options" in warning.message


def test_users_and_models_keep_their_names() -> None:
    said = [
        Message("developer", "Be brief.", name="house"),
        Message("user", "hi", name="ann"),
        Message("assistant", "hello", name="bot"),
    ]
    sent, warnings = write_request(Request(model="m", messages=said), provider=NAME)
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi", "name": "ann"},
        {"role": "assistant", "content": "hello", "name": "bot"},
    ]
    told = "the name 'house' of a message (developer) is not sent: instructions go as one message"
    assert [(one.message, one.code) for one in warnings] == [(told, "unsupported_parameter")]
