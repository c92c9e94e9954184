import asyncio

import anyio
import pytest

from attractor.llm import ConfigurationError, RequestTimeoutError, TimeoutConfig
from attractor.llm.time_limits import limited


async def wait(seconds: float | None) -> None:
    async with limited(seconds, "this"):
        await asyncio.sleep(0.02)


def test_what_takes_longer_is_ended_and_told() -> None:
    with pytest.raises(RequestTimeoutError, match=r"this took longer than 0\.001 s"):
        asyncio.run(wait(0.001))


@pytest.mark.parametrize("seconds", [None, 10])
def test_what_is_done_in_time_is_let_be(seconds: float | None) -> None:
    asyncio.run(wait(seconds))


def test_what_closes_connections_meanwhile_comes_to_its_end() -> None:
    closed: list[str] = []

    async def closing() -> None:
        async with limited(0.001, "this"):
            # As below httpx.
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0.01)
                closed.append("one")
                await asyncio.sleep(0.01)
                closed.append("another")
            await asyncio.sleep(10)

    with pytest.raises(RequestTimeoutError):
        asyncio.run(closing())
    assert closed == ["one", "another"]


def test_another_ones_time_limit_is_not_this_one() -> None:
    async def failing() -> None:
        async with limited(10, "this"):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(failing())


@pytest.mark.parametrize("given", [{"total": 0}, {"per_step": -1.0}])
def test_no_time_is_no_limit(given: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="leaves no time"):
        TimeoutConfig(**given)
