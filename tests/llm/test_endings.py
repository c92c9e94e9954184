import asyncio

import pytest

from attractor.llm.endings import ending_of, ending_of_call


def fail(error: BaseException) -> None:
    raise error


async def fail_later(error: BaseException) -> None:
    raise error


async def three() -> int:
    return 3


def test_what_was_returned_is_there() -> None:
    assert asyncio.run(ending_of(three())).result() == 3
    assert ending_of_call(lambda: 3).result() == 3


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(2), KeyboardInterrupt()])
def test_what_was_raised_is_raised_when_it_is_asked_for(error: BaseException) -> None:
    async def working() -> list[BaseException | None]:
        endings = [await ending_of(fail_later(error)), ending_of_call(lambda: fail(error))]
        return [one.exception() for one in endings]

    assert asyncio.run(working()) == [error, error]


@pytest.mark.parametrize("error", [StopIteration(), StopAsyncIteration()])
def test_what_would_say_that_a_loop_is_at_its_end_is_a_fault(error: Exception) -> None:
    with pytest.raises(RuntimeError, match=f"{type(error).__name__} was raised") as caught:
        ending_of_call(lambda: fail(error)).result()
    assert caught.value.__cause__ is error
    with pytest.raises(RuntimeError, match=type(error).__name__):
        asyncio.run(ending_of(fail_later(error))).result()


def test_who_is_cancelled_is_cancelled() -> None:
    async def working() -> None:
        task = asyncio.create_task(ending_of(asyncio.sleep(60)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(working())
