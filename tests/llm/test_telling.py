import asyncio

from attractor.llm import StreamError, StreamEvent, StreamEventType
from attractor.llm.telling import Telling


def text(delta: str) -> StreamEvent:
    return StreamEvent(StreamEventType.TEXT_DELTA, text_id="0", delta=delta)


async def said(telling: Telling) -> str:
    response = telling.partial_response
    return "" if response is None else response.text


def test_an_answer_is_what_was_told_of_it_and_the_next_one_begins_when_it_is_told_of() -> None:
    async def work() -> None:
        telling = Telling()
        assert telling.partial_response is None
        for delta in ("Let ", "me."):
            telling.begin_answer() if delta == "Let " else None
            giving = asyncio.create_task(telling.tell(text(delta)))
            assert await telling.handover.take() == text(delta)
            giving.cancel()
        finish = StreamEvent(StreamEventType.FINISH)
        assert telling.finish(finish).text == await said(telling) == "Let me."
        telling.begin_answer()
        assert await said(telling) == "Let me."
        assert telling.finish(finish).text == await said(telling) == ""

    asyncio.run(work())


def test_an_error_is_told_only_after_something_else_was() -> None:
    async def work() -> None:
        silent, begun, error = Telling(), Telling(), StreamError()
        silent.fail(error)
        assert not silent.has_begun
        begun.finish(StreamEvent(StreamEventType.FINISH))
        begun.fail(error)
        begun.handover.leave(None)
        silent.handover.leave(None)
        assert await silent.handover.take() is None
        assert await begun.handover.take() == StreamEvent(StreamEventType.FINISH)
        assert await begun.handover.take() == StreamEvent(StreamEventType.ERROR, error=error)

    asyncio.run(work())
