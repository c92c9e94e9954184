import asyncio

import pytest

from attractor.base.errors import UsageError
from attractor.base.event_loops import require_no_loop


def test_where_no_loop_runs_one_may_wait() -> None:
    require_no_loop("ask")


def test_within_a_loop_the_other_function_is_named() -> None:
    async def ask() -> None:
        require_no_loop("ask")

    with pytest.raises(UsageError, match="ask_sync waits") as caught:
        asyncio.run(ask())
    assert caught.value.hint == "write: await ask(...)"


def test_what_is_written_instead_may_be_another_word() -> None:
    async def hear() -> None:
        require_no_loop("hear", instead="async for ... in")

    with pytest.raises(UsageError) as caught:
        asyncio.run(hear())
    assert caught.value.hint == "write: async for ... in hear(...)"
