"""Finds the handlers: each file of this folder, or entry point, is one node type."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from attractor.base.errors import InvalidDuration, UsageError
from attractor.base.registry import Registry
from attractor.engine.errors import TemplateFailed
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.seams import Child, ChildEnd, ChildRun, Handler, Parts, Stage
from attractor.language.diagnostics import InvalidPipeline, UnreadablePipeline


class BuiltHandler(Handler, Protocol):
    """A class of handlers that are built from the parts."""

    def __init__(self, parts: Parts) -> None: ...


def handler_registry() -> Registry[type[BuiltHandler]]:
    """Return the handler classes by node type."""
    return Registry("attractor.handlers", type[BuiltHandler], noun="handler")


Accompany = Callable[[ChildRun], Awaitable[Outcome]]
"""Type of a function that accompanies a child run until the stage can end."""

_OF_THE_PIPELINE = (InvalidPipeline, UnreadablePipeline, TemplateFailed, InvalidDuration)


async def run_child(
    stage: Stage, file: str, accompany: Accompany, *, inputs: Mapping[str, str]
) -> Outcome:
    """Run or resume a pipeline for a stage; each attempt has a child run of its own."""
    if stage.children is None:
        return failure("this run cannot start child pipelines", FailureClass.PIPELINE)
    child = Child(stage.id, file, inputs, stage.is_shared)
    try:
        async with stage.children.start(child, stage.workspace) as run:
            stage.emit(
                "ChildRunStarted", run_id=run.run_id, directory=str(run.directory), file=file
            )
            return await accompany(run)
    except UsageError as mistake:
        kind = FailureClass.TERMINAL
        if isinstance(mistake, _OF_THE_PIPELINE):
            kind = FailureClass.PIPELINE
        hint = f" ({mistake.hint})" if mistake.hint else ""
        return failure(f"{file}: {mistake.message}{hint}", kind)


def record_child_end(stage: Stage, run: ChildRun, end: ChildEnd) -> None:
    """Record the end of a child run."""
    stage.emit("ChildRunEnded", run_id=run.run_id, outcome=end.status.value, reason=end.reason)
