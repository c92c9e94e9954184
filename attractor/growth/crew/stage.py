"""Outcomes of the crew's stages, and the faults that they leave for the next attempt."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace

from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.seams import Stage
from attractor.engine.truncation import shorten
from attractor.growth.crew.app_tree import AppTree
from attractor.growth.crew.contract import Work

FAULTS = "crew.faults"
"""The context key of the faults that the compiler has to fix."""

_MOST_FAULTS = 20
_LONGEST = 300


def work_of(stage: Stage, tree: AppTree) -> Work:
    """Return the work of a stage, with a snapshot of the context."""
    return Work(tree, stage.context.snapshot())


def refused(reason: str, faults: Sequence[str], **updates: Json) -> Outcome:
    """Return a failure whose faults reach the compiler."""
    kept = [shorten(one, _LONGEST) for one in faults[:_MOST_FAULTS]]
    reason = f"{reason}: {kept[0]}" if kept else reason
    outcome = failure(reason, FailureClass.VERDICT)
    return replace(outcome, context_updates={**updates, FAULTS: list[Json](kept)})


async def as_outcome(work: Awaitable[Outcome]) -> Outcome:
    """Return the outcome, or a failure if the app or an input is invalid."""
    try:
        return await work
    except UsageError as mistake:
        hint = f" ({mistake.hint})" if mistake.hint else ""
        return failure(f"{mistake.message}{hint}", FailureClass.TERMINAL)
