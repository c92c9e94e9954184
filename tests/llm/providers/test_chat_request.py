from typing import Any

import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import Message, Request, ResponseFormat, ToolChoice
from attractor.llm.providers.chat_request import write_choice, write_settings, write_tools
from tests.llm.asking import SHELL


def settings(**more: Any) -> dict[str, Json]:
    def name_schema(wanted: ResponseFormat, schema: JsonObject) -> Json:
        return {"name": wanted.type, "schema": dict(schema)}

    request = Request(model="m", messages=[Message.user("hi")], **more)
    return write_settings(request, name_schema)


def test_settings_have_the_names_that_most_servers_know() -> None:
    given: dict[str, Any] = {"temperature": 0.0, "top_p": 0.5, "max_tokens": 9}
    found = settings(**given, stop_sequences=["a", "b"], reasoning_effort="low")
    assert found == given | {"stop": ["a", "b"], "reasoning_effort": "low"}


def test_what_was_not_given_is_not_set() -> None:
    assert settings() == settings(response_format=ResponseFormat("text")) == {}


def test_a_form_is_a_setting_and_its_schema_is_named_by_who_takes_it() -> None:
    assert settings(response_format=ResponseFormat("json")) == {
        "response_format": {"type": "json_object"}
    }
    schema: JsonObject = {"type": "object"}
    found = settings(response_format=ResponseFormat("json_schema", schema))["response_format"]
    assert found == {
        "type": "json_schema",
        "json_schema": {"name": "json_schema", "schema": schema},
    }


def test_tools_are_functions() -> None:
    shell = {
        "name": "shell",
        "description": "Run a command.",
        "parameters": SHELL.parameters,
    }
    assert write_tools([SHELL]) == [{"type": "function", "function": shell}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("named", "shell"), {"type": "function", "function": {"name": "shell"}}),
    ],
)
def test_each_tool_choice_has_its_word(choice: ToolChoice, sent: Any) -> None:
    assert write_choice(choice) == sent
