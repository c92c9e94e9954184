"""Heeds what people order while stages are at work: a run that is canceled ends at once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.flights import InFlight
from attractor.engine.inbox import Action, Received
from attractor.engine.open_run import OpenRun
from attractor.engine.seams import stage_id

POLL = timedelta(milliseconds=200)
"""How often the inbox is looked into."""

Steer = Callable[[str, str], Awaitable[bool]]
"""Hands words to the stage in flight, by its id; tells whether it took them."""


async def steer_nobody(stage_id: str, text: str) -> bool:
    """Take no words: nobody is at work who could."""
    return False


@dataclass(frozen=True)
class Watch:
    """Looks after one run while its walk goes on."""

    run: OpenRun
    steer: Steer = steer_nobody
    budgets: Budgets = NO_BUDGETS

    async def over(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; end it when the run is canceled, or when its orders cannot be taken.

        It ends too when the time of the run is up: what is at work then is made again.
        """
        walking = asyncio.create_task(work)
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait([walking, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Whoever is canceled ends what it began before it is done.
            for task in (walking, watching):
                task.cancel()
            await asyncio.wait([walking, watching])
        if walking.cancelled() and not watching.cancelled():
            watching.result()
        if not (walking.cancelled() and self.run.state.canceled):
            walking.result()

    async def _watch(self) -> None:
        """Take orders until the run is canceled, or its time is up."""
        time = Budgets(duration=self.budgets.duration)
        while not self.run.state.canceled:
            await asyncio.sleep(POLL.total_seconds())
            time.require_left(self.run)
            self.run.take_orders()
            for received in self.run.steering():
                await self._pass_on(received)

    async def _pass_on(self, received: Received) -> None:
        """Hand words to the stages that are at work, or to the one that is named."""
        order = received.order
        if order is None or order.action is not Action.STEER:
            return
        flights = [one for one in self._flights() if order.question in ("", one.node)]
        took = [one for one in flights if await self.steer(_id_of(one), order.value)]
        self.run.settle(received, "" if took else self._refusal(order.question, flights))

    def _refusal(self, node: str, asked: Sequence[InFlight]) -> str:
        """Say why nobody took the words: those who were asked cannot, or there were none."""
        if asked:
            return "refused: nobody at work takes words"
        others = ", ".join(dict.fromkeys(one.node for one in self._flights()))
        return f"refused: {node or 'no stage'} is not at work" + (others and f"; at work: {others}")

    def _flights(self) -> list[InFlight]:
        strands = self.run.state.strands.values()
        return [one.in_flight for one in strands if one.in_flight is not None]


def _id_of(flight: InFlight) -> str:
    return stage_id(flight.node, flight.visit, flight.attempt)
