from datetime import UTC, datetime

from attractor.agent.conversation.turns import AssistantTurn
from attractor.backends.agent_records import drop_redacted_data
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    Message,
    ProviderData,
    Role,
    ThinkingData,
)
from attractor.llm.response import FinishReason, Response, Usage
from tests.tables import table

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def answer(*parts: ContentPart) -> AssistantTurn:
    message = Message(Role.ASSISTANT, parts)
    return AssistantTurn.from_response(
        Response("r1", "", "", message, FinishReason("stop"), Usage(3, 4)), NOW
    )


@table(
    "spoilt",
    [
        ContentPart(ContentKind.THINKING, thinking=ThinkingData("the key is ***", "sealed")),
        ContentPart(ContentKind.REDACTED_THINKING, thinking=ThinkingData("a***b", None, True)),
        ContentPart("reasoning", provider_data=ProviderData("openai", {"content": "a***b"})),
    ],
)
def test_provider_data_with_a_redacted_secret_is_dropped(spoilt: ContentPart) -> None:
    text = ContentPart(ContentKind.TEXT, text="It is ***.")
    read = drop_redacted_data(answer(spoilt, text))
    assert isinstance(read, AssistantTurn)
    assert read.message.content == (text,)
    assert read.reasoning is None
