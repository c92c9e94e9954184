"""Makes corrupt answers and streams, reproducible by a number."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import TypeVar

from attractor.base.json import Json
from tests.counts import count

# Names and values that providers use.
WORDS = """
    id type text model output content usage status message reasoning function_call tool_use
    thinking redacted_thinking name arguments call_id input summary data error code failed
    incomplete incomplete_details reason stop_reason input_tokens output_tokens candidates parts
    thought thoughtSignature functionCall args inlineData finishReason promptFeedback blockReason
    usageMetadata promptTokenCount thoughtsTokenCount responseId modelVersion choices delta index
    reasoning_content refusal tool_calls function finish_reason prompt_tokens item response
    completion_tokens_details output_index content_index summary_index content_block signature
    thinking_blocks annotations citations
""".split()  # noqa: SIM905 - as a list it fills a page
_LEAVES: Sequence[Json] = json.loads(
    r"""[null, true, false, 0, 1, -1, 2147483648, -9223372036854775808, 1e300, 5e-324, -0.0, 0.5,
    1000000000000000000000000000000, "", " ", "0", "1", "null", "{", "{}", "{\"a\": 1}", "[1",
    "\u0000", "\n", "größe", "\ud83d\ude00"]"""
)
_NOISE = [b"", b" ", b"\r\n\n", *rb'\ud800 data: NaN 99999 { "'.split(), b"\0", b"\n", b"\xff"]
T = TypeVar("T")
Test = Callable[["Garbage"], Coroutine[object, object, None] | None]
Make = Callable[[Json, dict[str, Json]], Json]


class Garbage:
    """Generates odd values; the same seed gives the same ones."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.drawn: list[object] = []
        self._random = Random(number)

    def value(self, depth: int = 3) -> Json:
        """Return any JSON value."""
        if depth and self._happens(0.4):
            return self.body(depth - 1) if self._happens(0.6) else self._list(depth - 1)
        if self._happens(0.3):
            return self._random.choice(WORDS)
        return self._random.choice(_LEAVES)

    def body(self, depth: int = 2) -> dict[str, Json]:
        """Return any object with names that providers use."""
        return {
            self._random.choice(WORDS): self.value(depth) for _ in range(self._random.randint(0, 6))
        }

    def spoilt(self, whole: Json) -> Json:
        """Return a document with a few odd places, most of them deep inside."""
        for _ in range(self._random.choice((1, 1, 2, 3))):
            whole = self._spoil(whole)
        return self._keep(whole)

    def odd(self, whole: Json) -> Json:
        """Return a corrupt answer, or one with some arbitrary fields."""
        if isinstance(whole, dict) and self._happens(0.3):
            return self._keep({**whole, **self.body()})
        return self.spoilt(whole)

    def stream(self, events: Sequence[Json], *more: Make) -> list[Json]:
        """Return a stream in which some events are odd, added or missing; `more` makes others."""
        at = self._random.randrange(len(events))
        lost = self._random.choice((0, 0, 1, 1, 2, len(events)))
        odd: list[Json] = []
        for _ in range(self._random.randint(0, 3)):
            make = self._random.choice([None, *more])
            odd.append(
                make(self.value(), self.body())
                if make is not None and self._happens(0.5)
                else self.odd(self._random.choice(events) if self._happens(0.2) else events[at])
            )
        return self._keep([*events[:at], *odd, *events[at + lost :]])

    def spoilt_bytes(self, content: bytes) -> bytes:
        """Return bytes of which some were lost, with noise instead, maybe up to the end."""
        at = self._random.randint(0, len(content))
        lost = self._random.choice((0, 1, self._random.randint(0, 40), len(content)))
        noise = self._random.choice((*_NOISE, self._random.randbytes(self._random.randint(1, 6))))
        return self._keep(content[:at] + noise + content[at + lost :])

    def _keep(self, drawn: T) -> T:
        self.drawn.append(drawn)
        return drawn

    def _happens(self, chance: float) -> bool:
        return self._random.random() < chance

    def _list(self, depth: int) -> list[Json]:
        return [self.value(depth) for _ in range(self._random.randint(0, 3))]

    def _spoil(self, one: Json) -> Json:
        """Choose a place in a document, and change it."""
        if self._happens(0.1):
            return self.value()
        if isinstance(one, dict) and one:
            return self._spoil_object(one)
        if isinstance(one, list) and one:
            return self._spoil_list(one)
        return self.value()

    def _spoil_object(self, one: dict[str, Json]) -> Json:
        key = self._random.choice(list(one))
        if self._happens(0.1):
            return {name: value for name, value in one.items() if name != key}
        if self._happens(0.1):
            return {**one, self._random.choice(WORDS): one[key]}
        return {**one, key: self._spoil(one[key])}

    def _spoil_list(self, one: list[Json]) -> Json:
        at = self._random.randrange(len(one))
        if self._happens(0.1):
            return [*one[:at], *one[at + 1 :]]
        if self._happens(0.1):
            return [*one[: at + 1], *one[at:]]
        return [*one[:at], self._spoil(one[at]), *one[at + 1 :]]


def every_number(test: Test) -> Callable[[], None]:
    """Call a function with the garbage of every seed; an error names the seed."""

    def trying() -> None:
        # A new event loop takes longer than most of the tests in it.
        with asyncio.Runner() as runner:
            for number in range(count(ci=25, full=5000)):
                _try(test, Garbage(number), runner)

    trying.__name__, trying.__doc__ = test.__name__, test.__doc__
    return trying


def _try(test: Test, garbage: Garbage, runner: asyncio.Runner) -> None:
    try:
        waiting = test(garbage)
        if waiting is not None:
            runner.run(waiting)
    except Exception as error:
        error.add_note(f"found with Garbage({garbage.number}): {garbage.drawn!r}")
        raise
