"""Ends the run that another one stands in for."""

from datetime import timedelta

from attractor.base.clock import Clock
from attractor.base.errors import Refused
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.open_run import is_held
from attractor.engine.state.checkpoint import open_journal
from attractor.pipeline.operating import Orders, Receipt

PATIENCE_S = 60.0
_POLL = timedelta(milliseconds=100)


async def end_other(orders: Orders, clock: Clock, *, why: str) -> Receipt | None:
    """End a run for good and wait until nobody is at work on it; None when it had ended before."""
    if _has_ended(orders):
        return None
    receipt = orders.cancel(why)
    until = clock.monotonic() + PATIENCE_S
    while is_held(RunDirectory(orders.root).lock):
        if clock.monotonic() > until:
            raise Refused(
                f"run {orders.root.name} was told to end, and is still at work",
                hint="see what it does with attractor status, then try again",
            )
        await clock.sleep(_POLL)
    if not _has_ended(orders):
        # Its runner let go of it without a look into the inbox.
        receipt = orders.cancel(why)
    return receipt


def _has_ended(orders: Orders) -> bool:
    directory = RunDirectory(orders.root)
    return open_journal(directory.events, directory.checkpoint).state.standing.is_final
