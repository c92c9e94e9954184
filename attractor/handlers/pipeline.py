"""Runs another pipeline as one stage: a linked run with inputs and outputs."""

from collections.abc import Iterator, Mapping
from functools import partial

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.seams import ChildEnd, ChildRun, Parts, Stage
from attractor.engine.truncation import shorten, text_of
from attractor.handlers.registry import record_child_end, run_child
from attractor.language.declarations.inputs import Input, read_inputs
from attractor.language.graph.graph import Graph

CONTEXT = "context."
INPUTS = "inputs."
LONGEST_WORDS = 200


@dataclass(frozen=True)
class Pipeline:
    """Runs the pipeline that `file` names as a linked run in the workspace of the stage."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Start or resume the child run, and return the outcome of the stage."""
        file = stage.node.attributes.text("file").strip()
        if not file:
            return failure(f"{stage.node.id} has no `file`", FailureClass.PIPELINE)
        declared = read_inputs(stage.node.attributes.text("inputs"))
        if declared.mistakes:
            wrong = declared.mistakes[0]
            reason = f"inputs of {stage.node.id}: {wrong.message} ({wrong.hint})"
            return failure(reason, FailureClass.PIPELINE)
        try:
            inputs = {one.name: self._given(stage, one) for one in declared.inputs}
        except UsageError as missing:
            return failure(f"{stage.node.id}: {missing}", FailureClass.TERMINAL)
        return await run_child(stage, file, partial(_accompany, stage), inputs=inputs)

    def _given(self, stage: Stage, input_: Input) -> str:
        """Return the value of a child's input: a text, a context value, or an input of this run."""
        source = given_from(input_)
        if source.startswith(CONTEXT):
            key = source.removeprefix(CONTEXT)
            value = stage.context.get(key)
            if value is None:
                raise UsageError(f"the context has no {key} for the input {input_.name}")
            return text_of(value)
        if source.startswith(INPUTS):
            name = source.removeprefix(INPUTS)
            known = {**self.parts.inputs, **self.parts.secrets}
            if name not in known:
                raise UsageError(f"this run has no input {name} for the input {input_.name}")
            return known[name]
        return source


def given_from(input_: Input) -> str:
    """Return the source of an input; a plain name is a context key."""
    return f"{CONTEXT}{input_.name}" if input_.default is None else input_.default


async def _accompany(stage: Stage, run: ChildRun) -> Outcome:
    end = await run.wait()
    record_child_end(stage, run, end)
    return conclude(stage, run, end)


def conclude(stage: Stage, run: ChildRun, end: ChildEnd) -> Outcome:
    """Return the outcome of a stage whose child run has ended."""
    updates: dict[str, Json] = {f"{stage.node.id}.run_id": run.run_id}
    if end.status.is_success:
        try:
            updates |= {f"{stage.node.id}.{name}": value for name, value in outputs(run.graph, end)}
        except UsageError as missing:
            return _failed(str(missing), updates, end)
        notes = f"run {run.run_id}: {end.reason}"
        return Outcome(end.status, context_updates=updates, notes=notes, usage=end.usage)
    return _failed(f"the pipeline failed: {end.reason}", updates, end)


def outputs(graph: Graph, end: ChildEnd) -> Iterator[tuple[str, Json]]:
    """Yield the declared outputs of the child from its context, converted to the declared types."""
    declared = read_inputs(graph.attributes.text("outputs"))
    for wrong in declared.mistakes:
        raise UsageError(f"outputs of {graph.name}: {wrong.message} ({wrong.hint})")
    for output in declared.inputs:
        value = _left(output, end.context)
        if not output.fits(text_of(value)):
            shown = shorten(text_of(value), LONGEST_WORDS)
            raise UsageError(
                f"invalid value {shown} of the output {output.name} of type {output.type}"
            )
        yield output.name, _typed(output, value)


def _left(output: Input, context: Mapping[str, Json]) -> Json:
    """Return the value of an output, found by the output's name or by its declared context key."""
    is_elsewhere = (output.default or "").startswith(CONTEXT)
    key = (output.default or "").removeprefix(CONTEXT) if is_elsewhere else output.name
    value = context.get(key)
    if value is None and not is_elsewhere:
        value = output.default
    if value is None:
        raise UsageError(f"the context of the child has no {key}")
    return value


def _typed(output: Input, value: Json) -> Json:
    """Convert a text to the type of the output."""
    match output.type, value:
        case "int", str(text):
            return int(text)
        case "float", str(text):
            return float(text)
        case "bool", str(text):
            return text == "true"
        case _:
            return value


def _failed(reason: str, updates: Mapping[str, Json], end: ChildEnd) -> Outcome:
    return Outcome(
        StageStatus.FAIL,
        context_updates=updates,
        failure_reason=reason,
        failure_class=FailureClass.VERDICT,
        usage=end.usage,
    )


part = Pipeline
