import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import UsageError
from attractor.llm import (
    AbortController,
    AbortError,
    Client,
    NoObjectGeneratedError,
    RequestTimeoutError,
    StreamError,
    StreamEventType,
    SyncObjectStreamResult,
    SyncStreamResult,
    stream_object_sync,
    stream_sync,
)
from attractor.llm.generation.sync import _keep_interrupt  # pyright: ignore[reportPrivateUsage]
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import MODELS, PROVIDERS, speaking
from tests.llm.generated import PERSON, adder
from tests.patience import PATIENCE_S, holds_once, wait_until
from tests.tables import table

everybody = table("provider", PROVIDERS)
ROOT = Path(__file__).parent.parent.parent
ALICE = {"name": "Alice", "age": 30}
SCRIPT = """
[[rules]]
when = { first_user = "Who?" }
answer.text = '{"name": "Alice", "age": 30}'
[[rules]]
when = { first_user = "slow" }
answer = { text = "One two three and many more words than that come here.", pace = "40ms" }
[[rules]]
when = { step = 1 }
answer.text = "It is three, I think."
[[rules]]
answer = { text = "Let me add.", tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }] }
"""


def a_stream(
    twin: ProviderTwin, provider: str = "openai", prompt: str = "go", **options: Any
) -> SyncStreamResult:
    client = Client.from_env(twin.environ())
    return stream_sync(MODELS[provider], prompt, provider=provider, client=client, **options)


def an_object(
    twin: ProviderTwin, provider: str = "openai", prompt: str = "Who?"
) -> SyncObjectStreamResult:
    client = Client.from_env(twin.environ())
    return stream_object_sync(
        MODELS[provider], prompt, schema=PERSON, provider=provider, client=client
    )


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "stream"]


@contextmanager
def no_thread_is_left() -> Generator[None]:
    yield
    wait_until(lambda: not threads(), threads)


@everybody
def test_events_texts_steps_and_the_answer_are_there_without_an_event_loop(provider: str) -> None:
    with speaking(SCRIPT) as twin, no_thread_is_left():
        with a_stream(twin, provider, tools=[adder()]) as events:
            types = [str(one.type) for one in events]
        assert types.count("step_finish") == 1
        assert events.response().text == "It is three, I think."
        events = a_stream(twin, provider, tools=[adder()])
        assert "".join(events.text_stream) == "Let me add.It is three, I think."
        assert list(events) == []
        assert len(a_stream(twin, provider, tools=[adder()]).result().steps) == 2


@everybody
def test_an_object_grows_without_an_event_loop(provider: str) -> None:
    with speaking(SCRIPT) as twin, no_thread_is_left():
        with an_object(twin, provider) as objects:
            assert objects.partial_object is None
            found = list(objects)
            assert objects.partial_object == found[-1] == ALICE
        assert objects.object() == objects.result().output == ALICE
        assert an_object(twin, provider).object() == ALICE
        with pytest.raises(NoObjectGeneratedError):
            an_object(twin, provider, "slow").result()


def test_stopped_or_forgotten_stream_releases_everything() -> None:
    with speaking(SCRIPT) as twin, no_thread_is_left():
        with a_stream(twin, prompt="slow") as events:
            text = next(events.text_stream)
        assert threads() == []
        assert events.partial_response
        assert events.partial_response.text == text
        for asked in (events.response, lambda: next(events)):
            with pytest.raises(StreamError, match="closed before its end"):
                asked()
        for event in a_stream(twin, prompt="slow"):
            if event.type == StreamEventType.TEXT_DELTA:
                break
        next(iter(an_object(twin)))
        with a_stream(twin):
            pass
        assert len(twin.requests) == 3


def test_time_and_an_abort_signal_count_while_the_caller_does_something_else() -> None:
    controller = AbortController()
    with speaking(SCRIPT) as twin, no_thread_is_left():
        events = a_stream(twin, prompt="slow", timeout=0.4)
        with pytest.raises(RequestTimeoutError):
            listen(events, lambda: time.sleep(0.5))
        with pytest.raises(RequestTimeoutError):
            events.result()
        events = a_stream(twin, prompt="slow", abort_signal=controller.signal)
        with pytest.raises(AbortError, match="enough"):
            listen(events, lambda: controller.abort("enough"))


def test_second_iteration_is_refused() -> None:
    refused: list[UsageError] = []

    def listen_too(a: int, b: int) -> int:
        # Meanwhile, the first one waits for its next event.
        for asked in (lambda: next(events), events.result):
            try:
                asked()
            except UsageError as error:
                refused.append(error)
        return a + b

    with speaking(SCRIPT) as twin, no_thread_is_left():
        events = a_stream(twin, tools=[adder(listen_too)])
        assert events.response().text == "It is three, I think."
    assert [one.message for one in refused] == ["the stream is already being read"] * 2


def raising(error: BaseException) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


@table("error", [SystemExit(2), StopIteration()])
def test_tool_that_exits_does_not_hang_the_stream(error: BaseException) -> None:
    with speaking(SCRIPT) as twin, no_thread_is_left():
        events = a_stream(twin, tools=[adder(raising(error))], timeout=60)
        (result,) = events.result().steps[0].tool_results
    assert result.is_error
    assert type(error).__name__ in str(result.content)


ENDS: list[tuple[dict[str, Any], type[BaseException]]] = [
    ({"tools": [adder(raising(KeyboardInterrupt()))]}, KeyboardInterrupt),
    ({"stop_when": raising(KeyboardInterrupt())}, KeyboardInterrupt),
    ({"stop_when": raising(SystemExit(2))}, SystemExit),
    ({"stop_when": raising(StopIteration())}, RuntimeError),
    ({"stop_when": raising(StopAsyncIteration())}, RuntimeError),
]


@table(("options", "wanted"), ENDS)
def test_interrupt_is_raised_in_the_waiting_thread(
    options: dict[str, Any], wanted: type[BaseException]
) -> None:
    with speaking(SCRIPT) as twin, no_thread_is_left():
        given: dict[str, Any] = {"tools": [adder()], **options}
        events = a_stream(twin, timeout=60, **given)
        for _ in range(2):
            with pytest.raises(wanted):
                list(events)


def listen(events: SyncStreamResult, meanwhile: Callable[[], None]) -> None:
    for event in events:
        if event.type == StreamEventType.TEXT_DELTA:
            meanwhile()


PROGRAM = """
from attractor.llm import stream_sync
events = stream_sync("gpt-5.2", "slow", provider="openai")
print(next(events.text_stream), flush=True)
"""

INTERRUPTED = """
from attractor.llm import stream_sync
events = stream_sync("gpt-5.2", "slow", provider="openai")
try:
    print(next(events), flush=True)
    list(events)
except KeyboardInterrupt:
    print("interrupted")
"""


def program(twin: ProviderTwin, text: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", text],
        env={"PYTHONPATH": str(ROOT), **twin.environ()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_program_with_an_abandoned_stream_ends() -> None:
    with speaking(SCRIPT) as twin, program(twin, PROGRAM) as running:
        out, err = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, err) == (0, "")
    assert out.startswith("One two three")


def test_ctrl_c_ends_a_stream_that_is_waited_for() -> None:
    # An interrupt between the creation of a coroutine and its await leaves a warning of Python.
    holds_once(_interrupt_a_stream, tries=3)


def _interrupt_a_stream() -> None:
    script = SCRIPT.replace("40ms", "250ms")
    with speaking(script) as twin, program(twin, INTERRUPTED) as running:
        assert running.stdout
        assert "stream_start" in running.stdout.readline()
        os.kill(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE_S)
    assert (out, err, running.returncode) == ("interrupted\n", "", 0)


def test_interrupt_while_a_lock_is_released_is_an_interrupt() -> None:
    lost = RuntimeError("cannot release un-acquired lock")
    lost.__context__ = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt), _keep_interrupt():
        raise lost
