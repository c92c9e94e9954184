"""Streams that went wrong: events that are odd, bytes that were spoilt or cut."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from attractor.base.canonical import Json
from tests.counts import count
from tests.llm.providers.answers import bodies, values

KEYS = st.sampled_from(
    [
        "type",
        "item",
        "delta",
        "response",
        "output_index",
        "content_index",
        "summary_index",
        "index",
        "message",
        "content_block",
        "usage",
        "error",
        "candidates",
        "promptFeedback",
        "usageMetadata",
        "choices",
        "model",
    ]
)
Make = Callable[[Json, dict[str, Json]], Json]
some_tries = settings(max_examples=count(ci=100, full=5000), deadline=None)
# What takes ten times as long as the others.
a_few_tries = settings(max_examples=count(ci=75, full=5000), deadline=None)
many_tries = settings(max_examples=count(ci=500, full=5000), deadline=None)


@st.composite
def odd_events(draw: st.DrawFn, stream: Sequence[Json], *more: Make) -> list[Json]:
    """Draw a stream in which some events are not what they should be; `more` make others."""
    at = draw(st.integers(0, len(stream) - 1))
    key, value, body = draw(KEYS), draw(values), draw(bodies)
    event: Any = stream[at]
    odd: list[Json] = [{**event, key: value}, {**event, **body}]
    odd += [make(value, body) for make in more]
    chosen = draw(st.lists(st.sampled_from(odd), min_size=1, max_size=3))
    return [*stream[:at], *chosen, *stream[at:]]


@st.composite
def spoilt_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw bytes of which some were lost, with noise in their place, maybe up to the end."""
    at, noise = draw(st.integers(0, len(content))), draw(st.binary(max_size=6))
    lost = draw(st.integers(0, 40) | st.just(len(content)))
    return content[:at] + noise + content[at + lost :]
