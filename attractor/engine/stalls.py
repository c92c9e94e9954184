"""Notices a stage of which nothing is heard any more."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from attractor.language.graph.graph import Graph, Node

MAY_BE_SILENT = frozenset(
    {"wait", "wait.human", "parallel", "for_each", "pipeline", "stack.manager_loop"}
)
"""Types that wait for people, for the time, or for stages that are looked after themselves."""


class Stall:
    """Ends its block when no sign of life came for too long; each sign puts that off.

    Signs may come from any thread.
    """

    def __init__(self, limit: timedelta | None) -> None:
        self.limit = limit
        self._timer = asyncio.timeout(limit.total_seconds() if limit else None)
        self._put_off: Callable[[], object] = _do_nothing

    @property
    def is_over(self) -> bool:
        """Whether the time passed without a sign."""
        return self._timer.expired()

    def sign(self) -> None:
        """Begin to wait anew: something was heard."""
        self._put_off()

    async def __aenter__(self) -> Self:
        """Begin to wait."""
        await self._timer.__aenter__()
        if self.limit:
            loop = asyncio.get_running_loop()
            self._put_off = lambda: loop.call_soon_threadsafe(self._reschedule)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Wait no more."""
        self._put_off = _do_nothing
        return await self._timer.__aexit__(kind, error, trace)

    def _reschedule(self) -> None:
        if self.limit and self._put_off is not _do_nothing and not self._timer.expired():
            now = asyncio.get_running_loop().time()
            self._timer.reschedule(now + self.limit.total_seconds())


def stall_limit(node: Node, graph: Graph) -> timedelta | None:
    """Return how long nothing may be heard of a stage of a node; None is for ever."""
    if node.type in MAY_BE_SILENT:
        return None
    own = node.attributes.duration("stall_timeout")
    return graph.attributes.duration("stall_timeout") if own is None else own


def _do_nothing() -> None:
    """Take no notice."""
