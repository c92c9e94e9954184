import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import UsageError
from attractor.llm import ToolCall, ToolCallData, ToolChoice
from attractor.llm.tools import ToolDefinition

OBJECT = {"type": "object"}


@pytest.mark.parametrize("name", ["", "1a", "_a", "a-b", "a b", "x" * 65, "é", "a\n"])
def test_a_name_some_provider_refuses_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="tool name"):
        ToolDefinition(name, "", OBJECT)


def test_parameters_are_an_object() -> None:
    with pytest.raises(UsageError, match="not of type object"):
        ToolDefinition("a", "", {"type": "string"})


@pytest.mark.parametrize(("mode", "name"), [("some", None), ("named", None), ("auto", "a")])
def test_an_impossible_tool_choice_is_refused(mode: str, name: str | None) -> None:
    with pytest.raises(UsageError, match="tool choice"):
        ToolChoice(mode, name)


@pytest.mark.parametrize("text", ['{"command": "l', "[]", "null", '{"a": NaN}', "{}{}"])
def test_arguments_that_are_no_object_are_a_fault_to_tell_the_model(text: str) -> None:
    call = ToolCall.from_data(ToolCallData("1", "shell", text))
    assert (call.arguments, call.raw_arguments) == ({}, text)
    assert "the arguments of 'shell' are" in str(call.fault)


@given(st.text())
def test_no_text_of_arguments_breaks_anything(text: str) -> None:
    call = ToolCall.from_data(ToolCallData("1", "shell", text))
    assert call.raw_arguments == text
