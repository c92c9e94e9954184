from hypothesis import given

from attractor.llm import (
    ContentKind,
    ContentPart,
    FinishReason,
    Message,
    Response,
    Role,
    StreamAccumulator,
    StreamEventType,
    ThinkingData,
    Usage,
)
from attractor.llm.middleware import replay
from tests.llm.middleware.answers import answers, texts
from tests.llm.middleware.asked import whole


@given(answers)
def test_a_replayed_answer_accumulates_to_the_same_one(answer: Response) -> None:
    events = list(replay(answer))
    assert whole(events) is answer
    start = events[0].start
    assert start is not None
    assert (start.rate_limit, start.warnings) == (answer.rate_limit, answer.warnings)


@given(texts)
def test_the_pieces_are_the_whole_text(text: str) -> None:
    said = Message.assistant(text)
    answer = Response("1", "m", "openai", said, FinishReason("stop"), Usage())
    heard = StreamAccumulator()
    for event in list(replay(answer))[:-1]:
        heard.process(event)
    assert heard.partial_response is not None
    assert heard.partial_response.text == text


def test_a_hidden_thought_is_not_told_as_words() -> None:
    hidden = ThinkingData("opaque", redacted=True)
    part = ContentPart(ContentKind.REDACTED_THINKING, thinking=hidden)
    said = Message(Role.ASSISTANT, [part])
    events = list(replay(Response("1", "m", "anthropic", said, FinishReason("stop"), Usage())))
    assert StreamEventType.REASONING_DELTA not in [one.type for one in events]
    assert not any(one.text for one in events)
