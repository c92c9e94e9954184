"""Runs a command of a pipeline: the command of a tool stage, or the command of a receipt."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.fenced import unfenced
from attractor.base.json import content_hash
from attractor.base.processes import ExecResult, OutputChunk
from attractor.base.records import write_record
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.receipts import (
    NO_RECEIPT,
    RECEIPT,
    RECEIPT_FILE,
    RECEIPT_SKIPPED,
    RECEIPT_TAKEN,
    Receipt,
    last_lines,
    receipt_command,
)
from attractor.engine.routing.edge_selection import TOOL_OUTPUT
from attractor.engine.seams import Parts, Stage, Suspended
from attractor.engine.stage.command_output import OutputInOrder, find_failure
from attractor.engine.stage.folder import write_tail
from attractor.engine.stage.toolchain import find_broken_program
from attractor.engine.truncation import keep_ends
from attractor.environments.missing_program import missing_command
from attractor.language.declarations.inputs import fault_of_variable, variable_of

# Without `timeout` there is no limit (attractor-spec 2.6), but an environment needs a number.
UNLIMITED = timedelta(days=7)


@dataclass(frozen=True)
class CommandEnd:
    """The end of a command, and both outputs in order of arrival."""

    result: ExecResult
    output: str


def find_input_fault(inputs: Mapping[str, str]) -> str:
    """Return the first reason why a command cannot get inputs as variables, or an empty text."""
    faults = ((name, fault_of_variable(name, value)) for name, value in inputs.items())
    return next((f"the input {name} {fault}" for name, fault in faults if fault), "")


IDEMPOTENCY_KEY = "ATTRACTOR_IDEMPOTENCY_KEY"
"""The variable that is the same when a stage is executed again after an interruption."""


async def run_command(
    stage: Stage,
    command: str,
    inputs: Mapping[str, str],
    *,
    limit: timedelta = UNLIMITED,
    variables: Mapping[str, str] | None = None,
) -> CommandEnd:
    """Run a command in the environment of a stage, with inputs as variables, without fences."""
    arrived = OutputInOrder()
    async with write_tail(stage.files) as on_tail:

        def on_output(chunk: OutputChunk) -> None:
            on_tail(chunk)
            arrived.add(chunk)

        result = await stage.workspace.environment.exec_command(
            command,
            timeout_ms=limit // timedelta(milliseconds=1),
            env_vars={
                **{variable_of(name): unfenced(value) for name, value in inputs.items()},
                IDEMPOTENCY_KEY: f"{stage.logs_root.name}:{stage.node.id}:{stage.visit}",
                **(variables or {}),
            },
            on_output=on_output,
        )
    return CommandEnd(result, arrived.text())


def describe_failure(name: str, result: ExecResult) -> str:
    """Return why a command failed: exit status and line, or first a missing program."""
    reason = f"{name} ended with exit code {result.exit_code}"
    if missing := missing_command(result):
        return f"{missing} ({reason})"
    found = find_failure(result.stdout, result.stderr)
    return f"{reason}: {found.words}" if found else reason


async def require_toolchain(stage: Stage, parts: Parts, command: str, result: ExecResult) -> None:
    """Stop the run if a toolchain program of a failed command does not say its version.

    No agent could repair the machine.
    """
    broken = await find_broken_program(
        command,
        result,
        stage.workspace.environment,
        project=parts.project,
        search_path=parts.search_path,
    )
    if broken:
        raise Suspended(f"stage {stage.node.id}: {broken}")


async def require_receipt(stage: Stage, outcome: Outcome, parts: Parts) -> Outcome:
    """Return the outcome of an agent's stage if its command ends with 0, otherwise a failure.

    A failed stage, and a stage without the attribute, needs no receipt.
    """
    command = receipt_command(stage.node)
    if not command or not outcome.status.is_success:
        return outcome
    if not parts.takes_receipts(stage.node):
        reason = "the stage was simulated, or executed by a callback"
        stage.emit(RECEIPT_SKIPPED, command=command, reason=reason)
        return outcome
    end, tree, tree_after = await _run_on_tree(stage, command, parts)
    result, output = end.result, stage.redact(end.output)
    content = output.encode("utf-8", "backslashreplace")
    stage.files.write(RECEIPT_FILE, output)
    seconds = result.duration_ms / 1000
    receipt = Receipt(command, result.exit_code, tree, seconds, content_hash(content), tree_after)
    stage.emit(RECEIPT_TAKEN, **write_record(receipt), lines=[*last_lines(output)])
    if not result.exit_code and not result.timed_out:
        return outcome
    if result.timed_out:
        reason = f"{RECEIPT} exceeded its time limit of {describe_duration(UNLIMITED)}"
    else:
        reason = describe_failure(RECEIPT, result)
    # The claims of the report are void with it: labels, next stages and context updates.
    failed = failure(f"{NO_RECEIPT}: {reason}", FailureClass.VERDICT)
    updates = {TOOL_OUTPUT: keep_ends(result.stdout)}
    return replace(failed, notes=outcome.notes, usage=outcome.usage, context_updates=updates)


async def _run_on_tree(stage: Stage, command: str, parts: Parts) -> tuple[CommandEnd, str, str]:
    """Run the command of a receipt on the files that the stage left.

    Return also their tree, and the tree at the end of the command if it differs. All processes of
    the stage are ended first. What the command writes is undone where the workspace is the run's
    own; elsewhere others may write at the same time, so the files are compared.
    """
    workspace, subject = stage.workspace, f"{stage.node.id} {stage.visit}"
    is_own = workspace.sets_back and not stage.is_shared
    await workspace.environment.cleanup()
    tree = await workspace.snapshot(subject)
    try:
        await workspace.environment.initialize()
        # Without a start-up file, which an agent could have written.
        end = await run_command(stage, command, parts.inputs, variables={"BASH_ENV": ""})
        if end.result.exit_code:
            await require_toolchain(stage, parts, command, end.result)
        after = tree if is_own else await workspace.snapshot(subject)
        return end, tree, "" if after == tree else after
    finally:
        await workspace.environment.cleanup()
        if is_own:
            await workspace.restore(tree)
