import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

import anyio
import pytest
from httpcore._backends.anyio import AnyIOStream

from attractor.llm import AbortController, AbortError, Client, abort as abort_module, generate
from attractor.llm.abort import abortable
from tests.llm.asking import ADAPTERS, MODELS, PATIENT, speaking

Trace = Callable[[FrameType, str, Any], Any]


def test_signal_follows_its_controller() -> None:
    controller = AbortController()
    signal = controller.signal
    signal.raise_if_aborted()
    assert (signal.aborted, signal.reason) == (False, "")
    controller.abort("enough")
    controller.abort("again")
    assert (signal.aborted, signal.reason) == (True, "enough")
    with pytest.raises(AbortError, match="aborted: enough"):
        signal.raise_if_aborted()


def test_listeners_are_called_once_and_only_while_they_listen() -> None:
    heard: list[str] = []
    controller = AbortController()
    with controller.signal.calling(lambda: heard.append("gone")):
        pass
    with controller.signal.calling(lambda: heard.append("here")):
        controller.abort()
        controller.abort()
    with controller.signal.calling(lambda: heard.append("late")):
        assert heard == ["here", "late"]


def calls_when_aborted_at(moment: int) -> list[str]:
    """Abort as a signal handler does: between two steps of a reader that continues or leaves."""
    controller, messages, met = AbortController(), list[str](), Counter[str]()

    def trace(frame: FrameType, _event: str, _: object) -> Trace | None:
        if frame.f_code.co_filename != abort_module.__file__:
            return None
        met["steps"] += 1
        if met["steps"] == moment:
            sys.settrace(None)
            controller.abort()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with controller.signal.calling(lambda: messages.append("told")):
            sys.settrace(before)
            controller.abort()
    finally:
        sys.settrace(before)
    return messages


def test_a_handler_of_a_signal_aborts_at_any_moment() -> None:
    assert [calls_when_aborted_at(moment) for moment in range(12)] == [["told"]] * 12


async def wait_forever(signal: AbortController) -> None:
    async with abortable(signal.signal):
        await asyncio.Event().wait()


def test_abort_from_another_task_cancels_the_block() -> None:
    async def aborting() -> None:
        controller = AbortController()
        waiting = asyncio.create_task(wait_forever(controller))
        await asyncio.sleep(0)
        controller.abort("enough")
        await waiting

    with pytest.raises(AbortError, match="enough"):
        asyncio.run(aborting())


def test_abort_from_another_thread_cancels_the_block() -> None:
    controller = AbortController()
    timer = threading.Timer(0.01, controller.abort)
    timer.start()
    with pytest.raises(AbortError):
        asyncio.run(wait_forever(controller))
    timer.join()


def test_a_task_that_is_cancelled_is_cancelled_and_not_aborted() -> None:
    async def cancelling() -> None:
        waiting = asyncio.create_task(wait_forever(AbortController()))
        await asyncio.sleep(0)
        waiting.cancel()
        await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelling())


def test_inner_time_limit_is_no_abort() -> None:
    async def limited() -> None:
        async with abortable(AbortController().signal), asyncio.timeout(0.001):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(limited())


def test_cleanup_completes_despite_cancellation() -> None:
    closed: list[str] = []

    async def aborting() -> None:
        controller = AbortController()
        async with abortable(controller.signal):
            controller.abort("enough")
            # As inside httpx.
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0.01)
                closed.append("one")
                await asyncio.sleep(0.01)
                closed.append("another")
            await asyncio.Event().wait()

    with pytest.raises(AbortError, match="enough"):
        asyncio.run(aborting())
    assert closed == ["one", "another"]


def test_an_abort_leaves_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    close, begun, ended = AnyIOStream.aclose, Counter[str](), Counter[str]()
    controller = AbortController()

    async def close_slowly(stream: AnyIOStream) -> None:
        begun["closing"] += 1
        controller.abort("enough")
        await asyncio.sleep(0.05)
        await close(stream)
        ended["closing"] += 1

    async def ask(client: Client, provider: str) -> None:
        with suppress(AbortError):
            await generate(
                MODELS[provider],
                "hello",
                provider=provider,
                client=client,
                abort_signal=controller.signal,
            )

    async def many(environ: Mapping[str, str]) -> None:
        async with Client.from_env(environ, timeout=PATIENT) as client:
            # More connections than are kept for the next request, so that some are closed.
            await asyncio.gather(*(ask(client, name) for name in ADAPTERS * 30))

    monkeypatch.setattr(AnyIOStream, "aclose", close_slowly)
    with speaking("rules = [{ answer.text = 'Hello.' }]") as twin:
        asyncio.run(many(twin.environ()))
    assert begun["closing"] > 0
    assert ended == begun


@pytest.mark.anyio
async def test_abort_after_the_block_has_no_effect() -> None:
    controller = AbortController()
    async with abortable(controller.signal):
        pass
    controller.abort()
    async with abortable(None):
        await asyncio.sleep(0)
    assert "well" == "well"
