"""Runs the hook commands of a pipeline before and after each tool call (attractor-spec 9.7).

A hook runs in the environment of the tools. The call is passed in variables, and as JSON on
standard input. The output of a hook is ignored, except as the reason of a rejected call.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from datetime import timedelta
from enum import StrEnum

from attractor.base.call_text import SKIPPED
from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import AttractorError, MachineryError
from attractor.base.json import Json, JsonObject
from attractor.base.processes import BoundedOutput, ExecResult, OutputLimit
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.missing_program import missing_command

TIME_LIMIT = timedelta(seconds=60)
"""The time limit of a hook."""

LONGEST_WORDS = OutputLimit(head=2_000, tail=6_000)
"""The limit of a hook's output."""


class HookTime(StrEnum):
    """Whether a hook runs before or after a tool call."""

    PRE = "pre"
    POST = "post"


@dataclass(frozen=True)
class HookedCall:
    """A tool call as passed to hooks; after the call, also the output."""

    tool: str
    id: str
    arguments: Mapping[str, Json]
    output: str = ""
    is_error: bool = False


@dataclass(frozen=True)
class HookRun:
    """The result of a hook; `fault` is empty if the hook succeeded."""

    when: HookTime
    command: str
    fault: str = ""
    words: str = ""
    exit_code: int | None = None
    duration_ms: int = 0

    @property
    def is_ok(self) -> bool:
        """Whether the hook succeeded."""
        return not self.fault

    @property
    def rejection(self) -> str:
        """The message to the model about a skipped call."""
        message = f"{SKIPPED}, because of {self.name}: {self.fault}"
        return f"{message}\n{self.words}" if self.words else message

    @property
    def name(self) -> str:
        """The attribute with the hook."""
        return f"tool_hooks.{self.when}"


Permit = Callable[[str, JsonObject], Awaitable[str]]
"""Type of a function that returns why a tool may not be called with arguments, or ""."""


@dataclass(frozen=True, kw_only=True)
class ToolHooks:
    """The hooks of a session, and the additional data that hooks get, such as the stage.

    `permit` comes before a call, and returns why it may not be made; without it, all may.
    """

    pre: str = ""
    post: str = ""
    about: Mapping[str, Json] = field(default_factory=dict[str, Json])
    permit: Permit | None = None
    time_limit: timedelta = TIME_LIMIT

    async def run(
        self, when: HookTime, call: HookedCall, environment: ExecutionEnvironment
    ) -> HookRun | None:
        """Run a hook in the environment of the tools; None without a hook."""
        command = self.pre if when is HookTime.PRE else self.post
        if not command.strip():
            return None
        values: dict[str, Json] = {
            **self.about,
            "when": when.value,
            "tool": call.tool,
            "call_id": call.id,
            "arguments": dict(call.arguments),
        }
        if when is HookTime.POST:
            values |= {"output": call.output, "is_error": call.is_error}
        try:
            result = await environment.exec_command(
                command,
                timeout_ms=self.time_limit // timedelta(milliseconds=1),
                env_vars=_variables(values),
                # ASCII, because arguments of a model may contain lone surrogates.
                stdin=json.dumps(values, sort_keys=True).encode("ascii") + b"\n",
            )
        except MachineryError:
            raise
        except AttractorError as error:
            return HookRun(when, command, fault=f"cannot run: {error}")
        words = BoundedOutput(LONGEST_WORDS)
        words.add(result.output.strip().encode("utf-8", "replace"))
        return HookRun(
            when,
            command,
            fault=self._fault(result),
            words=words.kept().text,
            exit_code=None if result.timed_out else result.exit_code,
            duration_ms=result.duration_ms,
        )

    def _fault(self, result: ExecResult) -> str:
        if result.timed_out:
            return f"timed out after {describe_duration(self.time_limit)}"
        if not result.exit_code:
            return ""
        code = f"exit code {result.exit_code}"
        missing = missing_command(result)
        return f"{missing} ({code})" if missing else f"ended with {code}"


NO_HOOKS = ToolHooks()


def _variables(values: Mapping[str, Json]) -> dict[str, str]:
    """Return the short values of a call as variables: `TOOL_HOOK_TOOL`, `TOOL_HOOK_CALL_ID`, ..."""
    return {
        f"TOOL_HOOK_{name.upper()}": _plain(value)
        for name, value in values.items()
        if isinstance(value, str | int) and name != "output"
    }


def _plain(value: str | int) -> str:
    """Return a value as text that is valid in a variable."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.encode("utf-8", "replace").decode().replace("\0", "")
