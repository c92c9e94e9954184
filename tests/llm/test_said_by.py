from attractor.llm import (
    ContentKind,
    ContentPart,
    FinishReason,
    Message,
    ProviderData,
    Response,
    Role,
    ThinkingData,
    Usage,
)
from attractor.llm.said_by import said_by

TEXT = ContentPart(ContentKind.TEXT, text="So.")


def an_answer(*parts: ContentPart) -> Response:
    message = Message(Role.ASSISTANT, parts)
    return Response("1", "m-2026", "acme", message, FinishReason("stop"), Usage(1, 1))


def test_what_goes_back_to_its_provider_has_the_model_that_was_asked() -> None:
    own = ProviderData("acme", {"type": "thinking"})
    thought = ContentPart(ContentKind.THINKING, thinking=ThinkingData("Well."), provider_data=own)
    told, said = said_by("m", an_answer(thought, TEXT)).message.content
    assert told.provider_data is not None
    assert told.provider_data == ProviderData("acme", {"type": "thinking"}, "m")
    assert said == TEXT
    assert told.provider_data.is_of("m")
    assert not told.provider_data.is_of("another")
    assert own.is_of("another")


def test_an_answer_of_words_alone_stays_what_it_is() -> None:
    answer = an_answer(TEXT)
    assert said_by("m", answer) is answer
