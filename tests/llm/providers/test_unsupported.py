"""Names of messages are sent or reported as lost (3.1)."""

from attractor.llm import DocumentData, Message, Request
from attractor.llm.messages import ContentKind, ContentPart, Role, ToolCallData
from attractor.llm.providers import anthropic_request, gemini_request, openai_request
from attractor.llm.providers.unsupported import unsupported_audio, unsupported_part
from tests.tables import table

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


@table("provider", WRITING)
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
    text = [one.message.partition("support ")[2] for one in written.warnings]
    assert text == [
        "the name 'house' of a message (developer)",
        "the name 'ann' of a message (user)",
    ]


@table("provider", WRITING)
def test_messages_without_names_cause_no_warning(provider: str) -> None:
    request = Request("m", [Message.user("hi"), CALLED, RESULT], provider)
    assert list(WRITING[provider](request, provider=provider).warnings) == []


DOCUMENT = ContentPart(ContentKind.DOCUMENT, document=DocumentData(data=b""))


def test_refusal_is_not_retryable_and_names_a_remedy() -> None:
    for error in (unsupported_audio("acme"), unsupported_part(DOCUMENT, Role.TOOL, "acme")):
        assert (error.provider, error.retryable, bool(error.hint)) == ("acme", False, True)
        assert "acme does not support" in str(error)
