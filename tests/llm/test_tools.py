import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import UsageError
from attractor.llm import ConfigurationError, Request, Tool, ToolCall, ToolCallData, ToolChoice
from attractor.llm.tools import ToolDefinition

OBJECT = {"type": "object"}


@pytest.mark.parametrize("name", ["a", "read_file", "A1", "x" * 64])
def test_a_name_every_provider_takes_is_taken(name: str) -> None:
    assert ToolDefinition(name, "", OBJECT).name == name


@pytest.mark.parametrize("name", ["", "1a", "_a", "a-b", "a b", "x" * 65, "é", "a\n"])
def test_a_name_some_provider_refuses_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="tool name"):
        ToolDefinition(name, "", OBJECT)


def test_parameters_are_an_object() -> None:
    with pytest.raises(UsageError, match="not of type object"):
        ToolDefinition("a", "", {"type": "string"})


def test_a_tool_that_is_executed_is_checked_as_its_definition_is() -> None:
    assert Tool("a", "b", OBJECT, print).definition == ToolDefinition("a", "b", OBJECT)
    with pytest.raises(UsageError, match="tool name"):
        Tool("a-b", "", OBJECT)


def test_two_tools_of_one_name_are_refused() -> None:
    tool = ToolDefinition("a", "", OBJECT)
    with pytest.raises(ConfigurationError, match="duplicate tool 'a'"):
        Request(model="m", messages=[], tools=[tool, tool])


@pytest.mark.parametrize(("mode", "name"), [("auto", None), ("named", "a")])
def test_a_tool_choice_is_kept(mode: str, name: str | None) -> None:
    assert ToolChoice(mode, name).tool_name == name


@pytest.mark.parametrize(("mode", "name"), [("some", None), ("named", None), ("auto", "a")])
def test_an_impossible_tool_choice_is_refused(mode: str, name: str | None) -> None:
    with pytest.raises(UsageError, match="tool choice"):
        ToolChoice(mode, name)


def test_arguments_sent_as_text_are_parsed_and_the_text_is_kept() -> None:
    call = ToolCall.from_data(ToolCallData("1", "shell", '{"command":  "ls"}'))
    assert (call.arguments, call.raw_arguments) == ({"command": "ls"}, '{"command":  "ls"}')
    assert call.fault is None


@pytest.mark.parametrize("text", ["", "  "])
def test_no_arguments_at_all_are_an_empty_object(text: str) -> None:
    call = ToolCall.from_data(ToolCallData("1", "shell", text))
    assert (call.arguments, call.fault) == ({}, None)


@pytest.mark.parametrize("text", ['{"command": "l', "[]", "null", '{"a": NaN}', "{}{}"])
def test_arguments_that_are_no_object_are_a_fault_to_tell_the_model(text: str) -> None:
    call = ToolCall.from_data(ToolCallData("1", "shell", text))
    assert (call.arguments, call.raw_arguments) == ({}, text)
    assert "the arguments of 'shell' are" in str(call.fault)


@given(st.text())
def test_no_text_of_arguments_breaks_anything(text: str) -> None:
    call = ToolCall.from_data(ToolCallData("1", "shell", text))
    assert call.raw_arguments == text
