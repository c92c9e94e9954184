import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from attractor.llm.daemon_thread import call_in_thread

WORD: ContextVar[str] = ContextVar("WORD")


def about_here() -> tuple[str, str, bool]:
    thread = threading.current_thread()
    return WORD.get(), thread.name, thread.daemon


def test_it_is_called_elsewhere_and_yet_in_the_context_of_its_caller() -> None:
    async def working() -> tuple[str, str, bool]:
        WORD.set("here")
        return await call_in_thread(about_here, name="elsewhere")

    assert asyncio.run(working()) == ("here", "elsewhere", True)


def stop() -> None:
    raise StopIteration


def leave() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("function", "kind"),
    [(stop, RuntimeError), (leave, SystemExit), (lambda: 1 / 0, ArithmeticError)],
)
def test_whatever_it_raises_is_raised(
    function: Callable[[], object], kind: type[BaseException]
) -> None:
    async def working() -> None:
        async with asyncio.timeout(10):
            with pytest.raises(kind):
                await call_in_thread(function, name="elsewhere")

    asyncio.run(working())


def test_the_loop_goes_on_meanwhile_and_waits_for_nobody_in_the_end() -> None:
    may_end, has_ended = threading.Event(), threading.Event()

    def wait() -> None:
        may_end.wait(10)
        has_ended.set()

    async def working() -> None:
        task = asyncio.create_task(call_in_thread(wait, name="elsewhere"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(working())
    assert not has_ended.is_set()
    may_end.set()
    # Its loop is closed by now: nobody is told, and nothing goes wrong.
    assert has_ended.wait(5)
