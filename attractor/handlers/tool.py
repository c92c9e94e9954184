"""Runs a shell command; the exit status of the command is the verdict."""

from dataclasses import replace
from datetime import timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.processes import ExecResult
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.routing.edge_selection import TOOL_OUTPUT
from attractor.engine.seams import Parts, Stage
from attractor.engine.stage.command_output import LONGEST_WORDS, OUTPUT, STDERR, STDOUT
from attractor.engine.stage.commands import (
    UNLIMITED,
    describe_failure,
    find_input_fault,
    require_toolchain,
    run_command,
)
from attractor.engine.truncation import keep_ends, shorten
from attractor.language.declarations.inputs import asked_secrets


@dataclass(frozen=True)
class Tool:
    """Runs `tool_command` in the environment of the stage (attractor-spec 4.10)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Run the command to its end or its time limit, and judge by the exit status."""
        attributes = stage.node.attributes
        command = attributes.text("tool_command") or attributes.text("script")
        if not command.strip():
            return failure(f"No tool_command specified: {stage.node.id}", FailureClass.PIPELINE)
        asked = asked_secrets(stage.node)
        lacking = [name for name in asked if name not in self.parts.secrets]
        if lacking:
            reason = f"this run has no secret input {lacking[0]} for {stage.node.id}"
            return failure(reason, FailureClass.PIPELINE)
        # All inputs, and the secrets that the stage lists (ruling L8).
        inputs = {**self.parts.inputs, **{name: self.parts.secrets[name] for name in asked}}
        if fault := find_input_fault(inputs):
            return failure(fault, FailureClass.PIPELINE)
        limit = attributes.duration("timeout")
        limit = UNLIMITED if limit is None else limit
        end = await run_command(stage, command, inputs, limit=limit)
        result = end.result
        stage.files.write(STDOUT, result.stdout)
        stage.files.write(STDERR, result.stderr)
        if result.stdout and result.stderr:
            stage.files.write(OUTPUT, end.output)
        outcome = _judge(command, limit, result)
        if not outcome.status.is_success:
            await require_toolchain(stage, self.parts, command, result)
        return outcome


def _judge(command: str, limit: timedelta, result: ExecResult) -> Outcome:
    if result.timed_out:
        ended = failure(f"tool_command exceeded its time limit of {describe_duration(limit)}")
    elif result.exit_code:
        ended = failure(describe_failure("tool_command", result), FailureClass.VERDICT)
    else:
        ended = success(f"Tool completed: {shorten(command, LONGEST_WORDS)}")
    # Also after a failure: the next stage needs the output to fix it.
    return replace(ended, context_updates={TOOL_OUTPUT: keep_ends(result.stdout)})


part = Tool
