"""Orders of a person to a run of the fleet, with the words of orders to any run."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field, fields, replace
from typing import Any, NoReturn

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused
from attractor.engine.journal.events import Action
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.settle import settle_ended
from attractor.fleet.decisions import is_holder
from attractor.fleet.dispatch import Dispatch, copy_fence, first_of
from attractor.fleet.records import RunState
from attractor.pipeline.orders import CANCEL_PATIENCE_S, Orders, Receipt

OpenDispatch = Callable[[OpenProject], AbstractAsyncContextManager[Dispatch]]
"""Opens the fleet for the runs of a project."""

_LOOK_S = 0.5
_CANCEL_S = 3 * CANCEL_PATIENCE_S
"""The time in which a worker notices that a run is canceled, ends its stages and commits."""

_CONTINUES = "; it continues in its pool"


@dataclass(frozen=True)
class FleetOrders(Orders):
    """Orders to a run of the fleet: a run that waits is changed here, and continues in its pool."""

    change: Callable[[Callable[[Orders], Any]], Any] = field(kw_only=True)
    cancel_at_worker: Callable[[], bool] = field(kw_only=True)

    @classmethod
    def of(cls, orders: Orders, opened: OpenProject, open_dispatch: OpenDispatch) -> "FleetOrders":
        """Return the orders of the same person to a run in the fleet."""
        here = replace(orders, fences=copy_fence)

        async def work(order: Callable[[Orders], Any]) -> Any:
            run_id = first_of(orders.root).name
            async with open_dispatch(opened) as dispatch:
                async with dispatch.held(run_id):
                    done = await asyncio.to_thread(order, here)
                # The copy now says that the run continues, or has ended.
                await dispatch.sync(run_id)
                return done

        async def cancel() -> bool:
            async with open_dispatch(opened) as dispatch:
                if not await _cancel_at_worker(dispatch, first_of(orders.root).name):
                    return False
            await settle_ended(orders.root, opened, is_canceled=True)
            return True

        values = {known.name: getattr(orders, known.name) for known in fields(Orders)}
        return cls(
            **values,
            change=lambda order: asyncio.run(work(order)),
            cancel_at_worker=lambda: asyncio.run(cancel()),
        )

    def answer(self, choice: str, *, question: str = "", why: str = "") -> Receipt:
        """Answer a question, and let the run continue in its pool."""
        receipt = self.change(lambda orders: orders.answer(choice, question=question, why=why))
        return replace(receipt, words=f"{receipt.words}{_CONTINUES}")

    def answer_all(self, choice: str, *, question: str = "", why: str = "") -> Sequence[Receipt]:
        """Answer all questions alike, and let the run continue in its pool."""
        return self.change(lambda orders: orders.answer_all(choice, question=question, why=why))

    def needs_process(self, question: str) -> bool:
        """Return False: its pool continues a run of the fleet."""
        return False

    def cancel(self, why: str = "") -> Receipt:
        """Cancel a run: here if it waits, or by the worker that executes it."""
        if self.cancel_at_worker():
            return Receipt(self.root.name, Action.CANCEL, True, "canceled by its worker")
        return self.change(lambda orders: orders.cancel(why))

    def pause(self, why: str = "") -> NoReturn:
        """Refuse: a run of the fleet that does not work takes no process."""
        raise Refused(
            f"run {self.root.name} is in the fleet and cannot be paused",
            hint=f"cancel it: attractor cancel {self.root.name}; "
            "or let its worker give it back: attractor fleet drain WORKER",
        )

    def steer(self, text: str, *, node: str = "", why: str = "") -> NoReturn:
        """Refuse: no order reaches a stage on a worker."""
        raise Refused(
            f"run {self.root.name} is in the fleet: its stages take no messages",
            hint=f"cancel it: attractor cancel {self.root.name}; "
            "or start it again with another goal: attractor run",
        )


async def _cancel_at_worker(dispatch: Dispatch, run_id: str) -> bool:
    """Let the worker of a run cancel it, and wait for the end; False if no worker owns the run."""
    run = await dispatch.table.run(run_id)
    if run is None or run.state is not RunState.RUNNING or is_holder(run.owner):
        return False
    await dispatch.table.cancel(run_id)
    until = time.monotonic() + _CANCEL_S
    while (await dispatch.sync(run_id)).state is not RunState.ENDED:
        if time.monotonic() > until:
            raise Refused(
                f"run {run_id} is to be canceled, but its worker has not ended it yet",
                hint=f"look who: attractor fleet why {run_id}",
            )
        await asyncio.sleep(_LOOK_S)
    return True
