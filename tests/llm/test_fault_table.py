"""Every fault of the twin on every adapter, streamed and not: the error, the number of requests."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from attractor.llm import (
    AdapterTimeout,
    AuthenticationError,
    Client,
    InvalidRequestError,
    NetworkError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    SDKError,
    ServerError,
    StreamError,
    StreamEvent,
    StreamEventType,
    retry,
)
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import ADAPTERS, PATIENT, SERVED, a_request, ask, speaking, variables
from tests.llm.heard import a_stream, hear
from tests.patience import PATIENCE_S, with_longer_limits

# litellm suppresses this with a filter of its own, which each test removes again.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance")
T = TypeVar("T")
TEXT = "one two three four five six seven eight nine ten eleven twelve"
AGAIN = RetryPolicy(max_retries=1, base_delay=0.01)
everybody = pytest.mark.parametrize("provider", [*ADAPTERS, *SERVED])


@dataclass(frozen=True)
class Trouble:
    """A fault of the twin, and its result: for a whole answer, and for a stream."""

    name: str
    fault: str
    whole: type[SDKError] | None
    streamed: type[SDKError] | None
    retryable: bool = True
    said_before: bool = False
    retry_after: float | None = None

    @property
    def is_timed(self) -> bool:
        """Whether it tests a time limit."""
        return any(kind in self.fault for kind in ('"hang"', '"slow"'))

    def play(self, scene: Callable[[AdapterTimeout], None]) -> None:
        """Play a scene; tests without a time limit get enough time for a busy machine."""
        if not self.is_timed:
            return scene(PATIENT)
        return with_longer_limits(
            lambda limit_s: scene(AdapterTimeout(60, limit_s, limit_s)), first_s=0.3
        )


TROUBLES = [
    Trouble(
        "400", 'kind = "status", status = 400', InvalidRequestError, InvalidRequestError, False
    ),
    Trouble(
        "401", 'kind = "status", status = 401', AuthenticationError, AuthenticationError, False
    ),
    Trouble("404", 'kind = "status", status = 404', NotFoundError, NotFoundError, False),
    Trouble(
        "429",
        'kind = "status", status = 429, retry_after = "90s"',
        RateLimitError,
        RateLimitError,
        retry_after=90,
    ),
    Trouble("500", 'kind = "status", status = 500', ServerError, ServerError),
    Trouble("529", 'kind = "status", status = 529', ServerError, ServerError),
    Trouble("refused", 'kind = "refused"', NetworkError, NetworkError),
    Trouble("hang", 'kind = "hang"', RequestTimeoutError, RequestTimeoutError, False),
    Trouble(
        "hang later",
        'kind = "hang", after = 5',
        RequestTimeoutError,
        RequestTimeoutError,
        False,
        True,
    ),
    Trouble("slow", 'kind = "slow", size = 40, pause = "600ms"', RequestTimeoutError, None, False),
    # A stream may last as long as events arrive.
    Trouble("trickle", 'kind = "slow", size = 150, pause = "30ms"', None, None),
    Trouble("cut", 'kind = "cut", after = 5', NetworkError, StreamError, said_before=True),
    Trouble(
        "malformed", 'kind = "malformed", after = 5', ServerError, StreamError, said_before=True
    ),
    Trouble(
        "error in the middle",
        'kind = "status", status = 500, after = 5',
        ServerError,
        ServerError,
        said_before=True,
    ),
    Trouble("content length", 'kind = "content_length"', NetworkError, None),
]
RULES = [
    f"""
[[rules]]
when = {{ last_user = "<{one.name}>" }}
answer = {{ text = "{TEXT}", fault = {{ {one.fault} }} }}
"""
    for one in TROUBLES
]
SCRIPT = "".join([*RULES, "[[rules]]\nanswer.text = 'Hello.'"])
each = pytest.mark.parametrize("trouble", TROUBLES, ids=lambda one: one.name)


@pytest.fixture(scope="module")
def twin() -> Iterator[ProviderTwin]:
    with speaking(SCRIPT) as twin:
        for provider in SERVED:
            # The first requests take litellm longer than all later ones.
            ask(twin, a_request(provider, "hello"))
            run(twin, lambda client, asked=provider: hear(a_stream(client, asked)), PATIENT)
        yield twin


@everybody
@pytest.mark.parametrize(
    "trouble", [one for one in TROUBLES if one.name != "slow"], ids=lambda one: one.name
)
def test_a_stream_with_trouble(provider: str, trouble: Trouble, twin: ProviderTwin) -> None:
    async def asking(client: Client) -> tuple[list[StreamEvent], SDKError | None]:
        events: list[StreamEvent] = []
        try:
            async for event in client.stream(a_request(provider, f"<{trouble.name}>")):
                events.append(event)
        except SDKError as error:
            return events, error
        return events, None

    # Gemini's streams have no last event: the end of the connection is their end.
    is_open = provider == "gemini" and trouble.name == "content length"

    def scene(limits: AdapterTimeout) -> None:
        before = len(twin.requests)
        events, error = run(twin, asking, limits)
        require(trouble, StreamError if is_open else trouble.streamed, error)
        assert len(twin.requests) - before == 1
        text = "".join(one.delta or "" for one in events if one.type == StreamEventType.TEXT_DELTA)
        if error is None:
            assert (text, events[-1].type) == (TEXT, StreamEventType.FINISH)
        elif trouble.said_before or is_open:
            assert text
            assert TEXT.startswith(text)
            assert (events[-1].type, events[-1].error) == (StreamEventType.ERROR, error)
        else:
            assert events == []

    trouble.play(scene)


@everybody
@each
def test_request_is_retried_by_the_policy(
    provider: str, trouble: Trouble, twin: ProviderTwin
) -> None:
    """A requested delay over a minute is refused; permanent errors are not retried."""

    async def asking(client: Client) -> SDKError | None:
        try:
            request = a_request(provider, f"<{trouble.name}>")
            answer = await retry(lambda: client.complete(request), policy=AGAIN)
        except SDKError as error:
            return error
        assert answer.text == TEXT
        return None

    tries = 2 if trouble.whole and trouble.retryable and trouble.retry_after is None else 1

    def scene(limits: AdapterTimeout) -> None:
        before = len(twin.requests)
        require(trouble, trouble.whole, run(twin, asking, limits))
        assert len(twin.requests) - before == tries

    trouble.play(scene)


def run(
    twin: ProviderTwin, asking: Callable[[Client], Coroutine[Any, Any, T]], limits: AdapterTimeout
) -> T:
    """Ask with a client that has this retry policy."""

    async def within() -> T:
        async with Client.from_env(variables(twin), timeout=limits) as client:
            return await asyncio.wait_for(asking(client), PATIENCE_S)

    return asyncio.run(within())


def require(trouble: Trouble, kind: type[SDKError] | None, error: SDKError | None) -> None:
    """Require an error of exactly this class, with a hint."""
    assert (type(error) if error else None) is kind
    if error is not None:
        assert (error.retryable, error.retry_after) == (trouble.retryable, trouble.retry_after)
