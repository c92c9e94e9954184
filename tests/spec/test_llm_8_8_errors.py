"""unified-llm 8.8, error handling and retry."""

import asyncio

import pytest

from attractor.base.clock import SystemClock
from attractor.llm import (
    AuthenticationError,
    Client,
    ConfigurationError,
    NetworkError,
    Request,
    Response,
    RetryPolicy,
    SDKError,
    ServerError,
    StreamError,
    retry,
)
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import PROVIDERS, a_request, speaking
from tests.llm.generated import adder, an_object, generated, noting
from tests.llm.heard import heard

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)
AT_ONCE = RetryPolicy(base_delay=0.001, max_delay=0.002)
TABLE = {
    400: ("InvalidRequestError", False),
    401: ("AuthenticationError", False),
    403: ("AccessDeniedError", False),
    404: ("NotFoundError", False),
    408: ("RequestTimeoutError", False),
    413: ("ContextLengthError", False),
    422: ("InvalidRequestError", False),
    429: ("RateLimitError", True),
    500: ("ServerError", True),
    501: ("ServerError", True),
    502: ("ServerError", True),
    503: ("ServerError", True),
    504: ("ServerError", True),
    529: ("ServerError", True),
}


def failing(status: int, *, until: int | None = None, more: str = "") -> str:
    """Write a script that fails at every attempt, or at the first ones."""
    fault = f'answer.fault = {{ kind = "status", status = {status}{more} }}'
    times = [f"[[rules]]\nwhen.attempt = {n}\n{fault}" for n in range(1, (until or 0) + 1)]
    last = "answer.text = 'Hi.'" if until else fault
    return "\n".join([*times, f"[[rules]]\n{last}"])


def persist(twin: ProviderTwin, request: Request, policy: RetryPolicy = AT_ONCE) -> str:
    """Ask with retries; return the text of the answer or the name of the error."""

    async def asking() -> Response:
        async with Client.from_env(twin.environ()) as client:
            return await retry(
                lambda: client.complete(request), policy=policy, clock=SystemClock(), seed="a"
            )

    try:
        return asyncio.run(asking()).text
    except SDKError as error:
        return type(error).__name__


@pytest.mark.parametrize("status", TABLE)
def test_8_8_only_retryable_statuses_are_retried(provider: str, status: int) -> None:
    name, retryable = TABLE[status]
    if (provider, status) == ("gemini", 504):
        # Its body contains DEADLINE_EXCEEDED, for which 6.4 defines another error than for the
        # status.
        name, retryable = "RequestTimeoutError", False
    with speaking(failing(status)) as twin:
        assert persist(twin, a_request(provider, "hello")) == name
        assert len(twin.requests) == (3 if retryable else 1)


def test_8_8_every_error_has_retryable(provider: str) -> None:
    for status, (name, retryable) in TABLE.items():
        with speaking(failing(status)) as twin, pytest.raises(SDKError) as caught:
            generated(twin, provider, max_retries=0)
        if (provider, status) != ("gemini", 504):
            assert (type(caught.value).__name__, caught.value.retryable) == (name, retryable)
    assert NetworkError.retryable
    assert StreamError.retryable
    assert not ConfigurationError.retryable


def test_8_8_rate_limits_are_retried_transparently(provider: str) -> None:
    with speaking(failing(429, until=2)) as twin:
        assert persist(twin, a_request(provider, "hello")) == "Hi."
        assert [one.status for one in twin.requests] == [429, 429, 200]


def test_8_8_no_retries_when_max_retries_is_0(provider: str) -> None:
    with speaking(failing(500)) as twin:
        policy = RetryPolicy(max_retries=0)
        assert persist(twin, a_request(provider, "hello"), policy) == "ServerError"
        assert len(twin.requests) == 1


def test_8_8_retry_after_overrides_the_backoff_within_max_delay(provider: str) -> None:
    waits: list[float] = []
    policy = RetryPolicy(
        base_delay=60, max_delay=60, on_retry=lambda error, attempt, delay: waits.append(delay)
    )
    with speaking(failing(429, until=1, more=', retry_after = "10ms"')) as twin:
        assert persist(twin, a_request(provider, "hello"), policy) == "Hi."
    assert waits == [0.01]


def test_8_8_retry_after_beyond_max_delay_is_raised_at_once(provider: str) -> None:
    with speaking(failing(429, more=', retry_after = "61s"')) as twin:
        assert persist(twin, a_request(provider, "hello"), RetryPolicy()) == "RateLimitError"
        assert len(twin.requests) == 1


def test_8_8_delays_grow_exponentially_with_jitter(provider: str) -> None:
    whole = [0.001, 0.002, 0.004]
    assert delays(provider, jitter=False) == whole
    waits = delays(provider, jitter=True)
    assert waits != whole
    for wait, middle in zip(waits, whole, strict=True):
        assert 0.5 * middle <= wait <= 1.5 * middle


def delays(provider: str, *, jitter: bool) -> list[float]:
    waits: list[float] = []
    policy = RetryPolicy(
        max_retries=3,
        base_delay=0.001,
        jitter=jitter,
        on_retry=lambda error, attempt, delay: waits.append(delay),
    )
    with speaking(failing(500)) as twin:
        persist(twin, a_request(provider, "hello"), policy)
    return waits


AT_THE_SECOND_STEP = """
[[rules]]
when = { step = 1, attempt = 1 }
answer.fault = { kind = "status", status = 429, retry_after = "1ms" }
[[rules]]
when = { step = 1 }
answer.text = "Hi."
[[rules]]
answer.tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }]
"""


def test_8_8_retries_apply_to_a_step_and_not_to_all_of_them(provider: str) -> None:
    done: list[int] = []

    def execute(a: int, b: int) -> None:
        done.append(a + b)

    with speaking(AT_THE_SECOND_STEP) as twin:
        assert generated(twin, provider, tools=[adder(execute)]).text == "Hi."
        assert [one.status for one in twin.requests] == [200, 429, 200]
    assert done == [3]


def test_8_8_generate_retries_up_to_its_limit(provider: str) -> None:
    script = failing(503, more=', retry_after = "1ms"')
    for retries in (0, 1):
        with speaking(script) as twin, pytest.raises(ServerError):
            generated(twin, provider, max_retries=retries)
        assert len(twin.requests) == retries + 1
    with speaking(failing(401)) as twin, pytest.raises(AuthenticationError):
        generated(twin, provider)
    assert len(twin.requests) == 1


def test_8_8_an_object_is_asked_for_again_after_trouble(provider: str) -> None:
    script = failing(500, until=1, more=', retry_after = "1ms"')
    with speaking(script.replace("Hi.", '{"name": "Alice", "age": 30}')) as twin:
        assert an_object(twin, provider).output == {"name": "Alice", "age": 30}
        assert len(twin.requests) == 2


TROUBLE = """
[[rules]]
when = { attempt = 2 }
answer.text = "Hi."
[[rules]]
answer = { text = "One two three four five six.", fault = { kind = "cut", after = AFTER } }
"""
# The number of a provider's events before the first and after the second piece of the answer.
BEFORE = {"openai": 2, "anthropic": 2, "gemini": 0}
BEHIND = {"openai": 6, "anthropic": 4, "gemini": 2}


def test_8_8_streaming_does_not_retry_after_partial_data_has_been_delivered(provider: str) -> None:
    with speaking(TROUBLE.replace("AFTER", str(BEHIND[provider]))) as twin:
        answer = heard(twin, provider)
        assert len(twin.requests) == 1
    assert isinstance(answer.error, StreamError)
    assert answer.error.retryable
    assert answer.text.startswith("One two three")
    assert (answer.types.count("error"), answer.events[-1].error) == (1, answer.error)


def test_8_8_a_stream_is_retried_before_its_first_delta(provider: str) -> None:
    with speaking(TROUBLE.replace("AFTER", str(BEFORE[provider]))) as twin:
        answer = heard(twin, provider)
        assert len(twin.requests) == 2
    assert (answer.text, answer.error) == ("Hi.", None)
    assert (answer.types.count("stream_start"), answer.types.count("error")) == (1, 0)
    for retries in (0, 1):
        with speaking(failing(503, more=', retry_after = "1ms"')) as twin:
            answer = heard(twin, provider, max_retries=retries)
            assert len(twin.requests) == retries + 1
        assert (type(answer.error), answer.events) == (ServerError, [])


def test_8_8_retries_of_a_stream_apply_to_a_step_and_not_to_all_of_them(provider: str) -> None:
    done: list[int] = []
    with speaking(AT_THE_SECOND_STEP) as twin:
        answer = heard(twin, provider, tools=[noting(done)])
        assert [one.status for one in twin.requests] == [200, 429, 200]
    assert (answer.text, done) == ("Hi.", [3])
