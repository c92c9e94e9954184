"""Names of messages: told where there is a place for them, else their loss is (3.1)."""

import pytest

from attractor.llm import DocumentData, InvalidRequestError, Message, Request
from attractor.llm.messages import ContentKind, ContentPart, Role, ToolCallData
from attractor.llm.providers import anthropic_request, gemini_request, openai_request
from attractor.llm.providers.unsupported import (
    check_instructions,
    may_support_reasoning,
    unsent_names,
    unsupported_audio,
    unsupported_part,
)

WRITING = {
    "openai": openai_request.write_request,
    "anthropic": anthropic_request.write_request,
    "gemini": gemini_request.write_request,
}
CALLED = Message(
    Role.ASSISTANT,
    [ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData("c", "search", {}))],
)
RESULT = Message(Role.TOOL, Message.tool_result("c", "found").content, name="search")


@pytest.mark.parametrize("provider", WRITING)
def test_a_name_without_a_place_is_warned_about(provider: str) -> None:
    said = [
        Message("developer", "Be brief.", name="house"),
        Message("user", "hi", name="ann"),
        CALLED,
        RESULT,
        Message("user", "and?", name="ann"),
    ]
    written = WRITING[provider](Request("m", said, provider), provider=provider)
    assert "ann" not in str(written.body)
    assert {one.code for one in written.warnings} == {"unsupported_parameter"}
    told = [one.message.partition("support ")[2] for one in written.warnings]
    assert told == [
        "the name 'house' of a message (developer)",
        "the name 'ann' of a message (user)",
    ]


@pytest.mark.parametrize("provider", WRITING)
def test_without_names_nothing_is_warned_about(provider: str) -> None:
    request = Request("m", [Message.user("hi"), CALLED, RESULT], provider)
    assert list(WRITING[provider](request, provider=provider).warnings) == []


def test_who_has_a_place_for_names_is_not_warned_about() -> None:
    said = [Message("user", "hi", name="ann"), Message("assistant", "hello", name="bot")]
    assert unsent_names(said, sent={Role.USER, Role.ASSISTANT}) == []
    assert unsent_names(said, sent={Role.USER}) == ["the name 'bot' of a message (assistant)"]


DOCUMENT = ContentPart(ContentKind.DOCUMENT, document=DocumentData(data=b""))


def test_only_instructions_have_to_be_words() -> None:
    check_instructions([Message.system("a"), Message(Role.USER, [DOCUMENT])], "acme")
    with pytest.raises(InvalidRequestError, match="kind document in a message of role system"):
        check_instructions([Message(Role.SYSTEM, [DOCUMENT])], "acme")


def test_a_refusal_is_not_tried_again_and_says_what_to_do() -> None:
    for error in (unsupported_audio("acme"), unsupported_part(DOCUMENT, Role.TOOL, "acme")):
        assert (error.provider, error.retryable, bool(error.hint)) == ("acme", False, True)
        assert "acme does not support" in str(error)


def test_who_is_known_not_to_think_may_not_and_who_is_unknown_may() -> None:
    assert may_support_reasoning("claude-opus-4-6", "anthropic")
    assert may_support_reasoning("a-model-of-tomorrow", "anthropic")
    assert not may_support_reasoning("gpt-4.1", "openai")
