"""Runs a shell command; the exit status of the command is the verdict."""

from dataclasses import replace
from datetime import timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.processes import ExecResult, OutputChunk
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.routing.edge_selection import TOOL_OUTPUT
from attractor.engine.seams import Parts, Stage, Suspended
from attractor.engine.stage.command_output import (
    LONGEST_WORDS,
    OUTPUT,
    STDERR,
    STDOUT,
    OutputInOrder,
    find_failure,
)
from attractor.engine.stage.folder import write_tail
from attractor.engine.stage.toolchain import find_broken_program
from attractor.engine.truncation import keep_ends, shorten
from attractor.environments.missing_program import missing_command
from attractor.language.declarations.inputs import asked_secrets, fault_of_variable, variable_of

# Without `timeout` there is no limit (attractor-spec 2.6), but an environment needs a number.
UNLIMITED = timedelta(days=7)


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
        for name, value in inputs.items():
            if fault := fault_of_variable(name, value):
                return failure(f"the input {name} {fault}", FailureClass.PIPELINE)
        timeout = attributes.duration("timeout")
        limit = UNLIMITED if timeout is None else timeout
        arrived = OutputInOrder()
        async with write_tail(stage.files) as on_tail:

            def on_output(chunk: OutputChunk) -> None:
                on_tail(chunk)
                arrived.add(chunk)

            result = await stage.workspace.environment.exec_command(
                command,
                timeout_ms=limit // timedelta(milliseconds=1),
                env_vars={variable_of(name): value for name, value in inputs.items()},
                on_output=on_output,
            )
        stage.files.write(STDOUT, result.stdout)
        stage.files.write(STDERR, result.stderr)
        if result.stdout and result.stderr:
            stage.files.write(OUTPUT, arrived.text())
        outcome = _judge(command, limit, result)
        if not outcome.status.is_success:
            await self._require_toolchain(command, result, stage)
        return outcome

    async def _require_toolchain(self, command: str, result: ExecResult, stage: Stage) -> None:
        """Stop the run if a toolchain program of a failed command does not say its version.

        No agent could repair the machine.
        """
        broken = await find_broken_program(
            command,
            result,
            stage.workspace.environment,
            project=self.parts.project,
            search_path=self.parts.search_path,
        )
        if broken:
            raise Suspended(f"stage {stage.node.id}: {broken}")


def _judge(command: str, limit: timedelta, result: ExecResult) -> Outcome:
    if result.timed_out:
        ended = failure(f"tool_command exceeded its time limit of {describe_duration(limit)}")
    elif result.exit_code:
        reason = f"tool_command ended with exit code {result.exit_code}"
        if missing := missing_command(result):
            reason = f"{missing} ({reason})"
        elif found := find_failure(result.stdout, result.stderr):
            reason += f": {found.words}"
        ended = failure(reason, FailureClass.VERDICT)
    else:
        ended = success(f"Tool completed: {shorten(command, LONGEST_WORDS)}")
    # Also after a failure: the next stage needs the output to fix it.
    return replace(ended, context_updates={TOOL_OUTPUT: keep_ends(result.stdout)})


part = Tool
