"""Orders of a person to a run of the fleet, with the words of orders to any run."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field, fields, replace
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused
from attractor.base.records import write_fields
from attractor.engine.errors import NoRunningProcess
from attractor.engine.journal.events import Action
from attractor.engine.run_folder.inbox import Order
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.open_project import OpenProject
from attractor.fleet.decisions import is_executed
from attractor.fleet.dispatch.dispatch import Dispatch, copy_fence, first_of
from attractor.fleet.records import RowState
from attractor.pipeline.orders import CANCEL_PATIENCE_S, OrderReply, Orders, Receipt, find_verdict

OpenDispatch = Callable[[OpenProject], AbstractAsyncContextManager[Dispatch]]
"""Opens the fleet for the runs of a project."""

_LOOK_S = 0.5
_PATIENCE_S = 3 * CANCEL_PATIENCE_S
"""The time in which a worker, or the one that takes over from it, carries out an order."""


@dataclass(frozen=True)
class WorkerOrders(Orders):
    """Orders to a run that a worker executes: its process gets them through the row of the run."""

    dispatch: Dispatch = field(kw_only=True)

    def _has_process(self) -> bool:
        # The transaction that takes an order looks.
        return True

    def _give_all(self, orders: Sequence[Order], *, taken: str) -> Sequence[Receipt]:
        orders = [self._without_secrets(replace(one, proof=self.proof)) for one in orders]
        return [self._receipt_of(order, self._deliver(order), taken) for order in orders]

    def _receipt_of(self, order: Order, reply: OrderReply | None, taken: str) -> Receipt:
        if reply and not reply.is_taken:
            raise Refused(reply.why, hint=self._status_hint)
        sent = f"sent; its worker has not replied yet: {self._command('logs')}"
        if order.action is Action.PAUSE:
            sent = "sent to its worker, which parks the run after the stages in flight"
        return self._receipt(order, is_taken=bool(reply), words=taken if reply else sent)

    def _deliver(self, order: Order) -> OrderReply | None:
        return asyncio.run(self._send(order))

    async def _send(self, order: Order) -> OrderReply | None:
        """Let the worker have an order, and return its reply; None if it takes long.

        Raise NoRunningProcess if no worker executes the run.
        """
        run_id, name = first_of(self.root).name, self._new_name()
        run = await self.dispatch.table.order(run_id, name, write_fields(order))
        if run is None:
            raise NoRunningProcess(
                f"no worker executes run {run_id}", hint=f"look why: attractor fleet why {run_id}"
            )
        if order.action is Action.PAUSE:
            return OrderReply(True) if run.state is RowState.PARKED else None
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            run = await self.dispatch.sync(run_id)
            if reply := find_verdict(RunDirectory(self.root), f"{name}.json"):
                return reply
            if run.state is RowState.ENDED:
                raise Refused(
                    f"run {run_id} ended before its worker took the order", hint=self._status_hint
                )
            await asyncio.sleep(_LOOK_S)
        return None


@dataclass(frozen=True)
class FleetOrders(Orders):
    """Orders to a run of the fleet: one that waits is changed here, and continues in its pool.

    A run that a worker executes gets them from its worker.
    """

    opened: OpenProject = field(kw_only=True)
    open_dispatch: OpenDispatch = field(kw_only=True)

    @classmethod
    def of(cls, orders: Orders, opened: OpenProject, open_dispatch: OpenDispatch) -> "FleetOrders":
        """Return the orders of the same person to a run in the fleet."""
        return cls(**_fields_of(orders), opened=opened, open_dispatch=open_dispatch)

    def answer(self, choice: str, *, question: str = "", why: str = "") -> Receipt:
        """Answer a question, and let the run continue in its pool."""
        receipt = self._anywhere(lambda orders: orders.answer(choice, question=question, why=why))
        continues = "; it continues in its pool" if receipt.is_taken else ""
        return replace(receipt, words=f"{receipt.words}{continues}")

    def answer_all(self, choice: str, *, question: str = "", why: str = "") -> Sequence[Receipt]:
        """Answer all questions alike, and let the run continue in its pool."""
        return self._anywhere(lambda orders: orders.answer_all(choice, question=question, why=why))

    def needs_process(self, question: str) -> bool:
        """Return False: its pool continues a run of the fleet."""
        return False

    def cancel(self, why: str = "") -> Receipt:
        """Cancel a run: here if it waits, or by the worker that executes it."""
        if asyncio.run(self._cancel_at_worker(why)):
            return Receipt(self.root.name, Action.CANCEL, True, "canceled by its worker")
        return asyncio.run(self._change(lambda orders: orders.cancel(why)))

    def pause(self, why: str = "") -> Receipt:
        """Park the run: at once if it waits for its turn, or after the stages in flight."""
        return asyncio.run(self._send(lambda orders: orders.pause(why)))

    def steer(self, text: str, *, node: str = "", why: str = "") -> Receipt:
        """Send a message to the stages that a worker executes, and return the reply."""
        return asyncio.run(self._send(lambda orders: orders.steer(text, node=node, why=why)))

    def _anywhere(self, order: Callable[[Orders], Any]) -> Any:
        """Let a worker carry out an order, or do it here if none executes the run."""
        try:
            return asyncio.run(self._send(order))
        except NoRunningProcess:
            return asyncio.run(self._change(order))

    @property
    def _run_id(self) -> str:
        return first_of(self.root).name

    async def _send(self, order: Callable[[Orders], Any]) -> Any:
        """Let the worker that executes the run carry out an order."""
        async with self.open_dispatch(self.opened) as dispatch:
            await dispatch.sync(self._run_id)
            orders = WorkerOrders(**_fields_of(self), dispatch=dispatch)
            return await asyncio.to_thread(order, orders)

    async def _change(self, order: Callable[[Orders], Any]) -> Any:
        """Carry out an order here, in a run that no worker executes."""
        here = replace(Orders(**_fields_of(self)), fences=copy_fence)
        async with self.open_dispatch(self.opened) as dispatch:
            async with dispatch.held(self._run_id):
                done = await asyncio.to_thread(order, here)
            # The copy now says that the run continues, or has ended.
            await dispatch.sync(self._run_id)
            return done

    async def _cancel_at_worker(self, why: str) -> bool:
        """Let the worker of the run cancel it, and record the end; False if no worker owns it."""
        run_id = self._run_id
        async with self.open_dispatch(self.opened) as dispatch:
            run = await dispatch.table.run(run_id)
            if run is None or not is_executed(run):
                return False
            # The order tells the worker by whom and why; the row lets no other attempt begin.
            order = self._without_secrets(Order(Action.CANCEL, self.by, why, proof=self.proof))
            await dispatch.table.order(run_id, self._new_name(), write_fields(order))
            await dispatch.table.cancel(run_id)
            until = time.monotonic() + _PATIENCE_S
            while (await dispatch.sync(run_id)).state is not RowState.ENDED:
                if time.monotonic() > until:
                    raise Refused(
                        f"run {run_id} is to be canceled, but its worker has not ended it yet",
                        hint=f"look who: attractor fleet why {run_id}",
                    )
                await asyncio.sleep(_LOOK_S)
        return True


def _fields_of(orders: Orders) -> dict[str, Any]:
    """Return the values that all orders of a person to a run have in common."""
    return {known.name: getattr(orders, known.name) for known in fields(Orders)}
