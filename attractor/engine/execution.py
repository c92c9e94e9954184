"""Lets a handler work on a stage, and turns whatever comes of it into an outcome."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from attractor.base.callables import call
from attractor.base.durations import describe_duration
from attractor.base.errors import NotCanonical
from attractor.base.json import JsonObject, canonical_json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.outcome_records import fault_of
from attractor.engine.reports import auto_status
from attractor.engine.retry import failure_of
from attractor.engine.seams import Halted, Handler, Stage
from attractor.engine.stalls import Stall
from attractor.language.graph.graph import Node

KEEP_THEIR_OWN_TIME = frozenset({"tool", "wait.human"})
GRACE = timedelta(seconds=30)
"""How much longer those may take: they know better what a time-out means."""


async def execute(handler: Handler, stage: Stage, *, stall: Stall | None = None) -> Outcome:
    """Return a handler's outcome; what it raises is a failure (attractor-spec 4.12).

    Only Halted passes, and a cancellation that was meant for us.
    """
    stall = stall or Stall(None)
    timer = asyncio.timeout(None)
    try:
        limit = _limit(stage.node)
        async with asyncio.timeout(limit.total_seconds() if limit else None) as timer, stall:
            returned = await call(handler.execute, stage)
        return _checked(stage.node, returned)
    except Halted:
        raise
    except asyncio.CancelledError:
        if _is_cancelling():
            raise
        return failure("the work was canceled from within")
    # The contract of handlers: no exception of theirs ends the walk.
    except Exception as error:  # noqa: BLE001
        if isinstance(error, TimeoutError) and stall.is_over:
            heard = describe_duration(stall.limit or timedelta())
            return failure(f"stalled: nothing was heard of it for {heard}")
        if isinstance(error, TimeoutError) and timer.expired():
            written = stage.node.attributes.duration("timeout") or timedelta()
            return failure(f"timed out after {describe_duration(written)}")
        return failure_of(error)


def _limit(node: Node) -> timedelta | None:
    limit = node.attributes.duration("timeout")
    if limit is None:
        return None
    return limit + GRACE if node.type in KEEP_THEIR_OWN_TIME else limit


def _checked(node: Node, returned: object) -> Outcome:
    """Return what a handler returned when it is an outcome that can be recorded."""
    if returned is None and node.attributes.flag("auto_status"):
        return auto_status()
    if not isinstance(returned, Outcome):
        kind = type(returned).__name__
        return failure(f"the handler returned {kind}, not an Outcome", FailureClass.TERMINAL)
    if fault := fault_of(returned) or _fault_of_values(returned.context_updates):
        return failure(fault, FailureClass.TERMINAL)
    if returned.status is StageStatus.FAIL and not returned.failure_reason:
        return replace(returned, failure_reason=f"{node.id} failed")
    return returned


def _fault_of_values(updates: JsonObject) -> str:
    try:
        canonical_json(updates)
    except NotCanonical as fault:
        return f"context updates: {fault}"
    return ""


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
