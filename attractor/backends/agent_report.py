"""Reports of an agent about its stage, by the tool `report_outcome` or in a file (ruling R8).

The file is in its own temporary folder in the agent's environment, outside of the tree and the run
directory. A command in this environment reads the file, so that a link only leads to files that the
agent can read.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from attractor.agent.tool_calls.hooks import ToolHooks
from attractor.agent.tool_calls.tool import RegisteredTool, define
from attractor.backends.approvals import permit_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.engine.errors import InvalidReport
from attractor.engine.journal.events import OUTCOME_ASSUMED, REPORT_REFUSED
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.routing.next_move import wants_verdict
from attractor.engine.seams import Stage
from attractor.engine.stage.report import REPORT_OUTCOME, check_report, parse_report
from attractor.engine.truncation import response_updates
from attractor.environments.environment import ExecutionEnvironment, temporary_folder
from attractor.environments.errors import NotSupported
from attractor.llm.json_schema import find_faults

VARIABLE = "ATTRACTOR_STATUS_FILE"
LARGEST = 100_000

_ABSENT, _NO_FILE = 90, 91
_TAKE = (
    f'[ -e "$file" ] || [ -L "$file" ] || exit {_ABSENT}; '
    f'[ -f "$file" ] || exit {_NO_FILE}; '
    f'head -c {LARGEST + 1} "$file" && rm -f "$file"'
)
# Containers and hosts over SSH are slow to start a command.
_TIMEOUT_MS = 30_000


@dataclass(frozen=True)
class StatusFile:
    """A folder for a report in the agent's environment."""

    folder: str
    environment: ExecutionEnvironment

    @property
    def path(self) -> str:
        """The path of the file."""
        return f"{self.folder}/status.json"

    async def take(self) -> str | None:
        """Return the content of the file if it was written since the last call."""
        result = await self.environment.exec_command(
            _TAKE, timeout_ms=_TIMEOUT_MS, env_vars={"file": self.path}
        )
        if result.exit_code == _ABSENT:
            return None
        if result.exit_code == _NO_FILE:
            raise InvalidReport(
                f"{self.path} is not a regular file", hint="write one JSON object to this path"
            )
        if result.timed_out or result.exit_code:
            raise InvalidReport(f"cannot read {self.path}: {result.stderr.strip()}")
        if len(result.stdout.encode()) > LARGEST:
            raise InvalidReport(f"{self.path} is larger than {LARGEST} bytes")
        return result.stdout


@asynccontextmanager
async def status_file_in(
    environment: ExecutionEnvironment, *, warn: Callable[[str], None]
) -> AsyncGenerator[StatusFile | None]:
    """Yield a new file for a report; None if the environment runs no commands.

    If no folder can be created, call `warn` and yield None. The agent can then only report by the
    tool.
    """
    async with AsyncExitStack() as stack:
        file = None
        try:
            folder = await stack.enter_async_context(temporary_folder(environment))
            file = StatusFile(folder, environment)
        except NotSupported:
            pass
        except UsageError as error:
            warn(f"{VARIABLE} is not set: {error.message}")
        yield file


_NEEDS_REASON = (StageStatus.FAIL, StageStatus.RETRY)


class Reporting:
    """The reports of a stage's agent so far."""

    def __init__(self, stage: Stage, file: StatusFile | None = None) -> None:
        self._stage = stage
        self._file = file
        self._of_answer: set[tuple[StageStatus, str]] = set()
        self.outcome: Outcome | None = None
        self.refusals: list[str] = []

    def begin_answer(self) -> None:
        """Accept a report that corrects those of earlier answers."""
        self._of_answer.clear()

    @property
    def is_rejected(self) -> bool:
        """Whether a second report was refused, after a request to correct the first (ruling R8)."""
        return len(self.refusals) > 1

    @property
    def must_remind(self) -> bool:
        """Whether to ask for a missing or refused report; `auto_status` needs none."""
        return bool(self.refusals) or not self._has_auto_status

    def without_report(self, text: str, fault: str = "") -> Outcome:
        """Return the outcome of an agent that ended with a text and without a valid report.

        `fault` is the reason why the work does not count as done.
        """
        stage = self._stage
        if self.refusals:
            return failure(f"invalid report: {self.refusals[-1]}")
        if fault:
            return failure(fault)
        if not self._has_auto_status:
            if wants_verdict(stage.graph, stage.node, by_agent=True):
                return failure("no_verdict", FailureClass.VERDICT)
            why = "the agent ended without a report"
            stage.emit(OUTCOME_ASSUMED, reason=why, outcome="success")
        updates = response_updates(stage.node.id, text)
        return success(f"Stage completed: {stage.node.id}", **updates)

    @property
    def _has_auto_status(self) -> bool:
        return self._stage.node.attributes.flag("auto_status")

    def tool(self) -> RegisteredTool:
        """Return the tool for this stage, with the labels of the outgoing edges."""
        properties: dict[str, JsonObject] = {
            "outcome": {
                "type": "string",
                "enum": ["success", "partial_success", "retry", "fail"],
                "description": "How the stage ended.",
            },
            **_choice_schemas(self._stage),
            "context_updates": {
                "type": "object",
                "description": "Values that later stages shall have, by key.",
            },
            "notes": {"type": "string", "description": "What was done, in a sentence or two."},
            "failure_reason": {
                "type": "string",
                "description": "Why it failed or should be tried again.",
            },
        }
        words = "Report how your stage ended. Call it once, when your work is done."
        return RegisteredTool(
            define(REPORT_OUTCOME, words, properties, required=["outcome"]),
            self._execute,
            is_inherited=False,
        )

    def refuse(self, reason: str) -> None:
        """Record that a report was refused."""
        self.refusals.append(reason)
        self._stage.emit(REPORT_REFUSED, reason=reason)

    async def reported(self) -> Outcome | None:
        """Return the outcome reported by the tool or in the file; record the refusal of an invalid
        file.
        """
        if self.outcome is None and self._file is not None:
            try:
                written = await self._file.take()
                if written is not None:
                    self.outcome = self._judge(parse_report(written))
            except InvalidReport as error:
                self.refuse(f"{error.message}\n{error.hint}" if error.hint else error.message)
        return self.outcome

    async def _execute(self, arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        outcome = self._judge(check_report(arguments))
        self._of_answer.add((outcome.status, outcome.preferred_label))
        if len(self._of_answer) > 1:
            self.outcome = None
            raise InvalidReport("the reports contradict each other", hint="report once")
        self.outcome = outcome
        return "Recorded. End now with a short message that says what you did."

    def _judge(self, outcome: Outcome) -> Outcome:
        """Return a report as an outcome, if the labels in the report exist."""
        named: dict[str, Json] = {
            "preferred_label": outcome.preferred_label,
            "suggested_next_ids": list(outcome.suggested_next_ids),
        }
        set_fields = {name: value for name, value in named.items() if value}
        choices: dict[str, Json] = {**_choice_schemas(self._stage)}
        if faults := find_faults(set_fields, {"type": "object", "properties": choices}):
            raise InvalidReport("; ".join(faults))
        if outcome.status not in _NEEDS_REASON:
            return outcome
        reported = f"{self._stage.node.id} reported {outcome.status.value}"
        reason = outcome.failure_reason or outcome.notes or reported
        # A failure that the agent reports is a verdict about the work: not retried (ruling R3).
        verdict = FailureClass.VERDICT if outcome.status is StageStatus.FAIL else None
        class_ = outcome.failure_class or verdict
        return replace(outcome, failure_reason=reason, failure_class=class_)


def _choice_schemas(stage: Stage) -> dict[str, dict[str, Json]]:
    """Return the schemas of the edge choices: the labels and targets of the outgoing edges."""
    labels = _distinct(stage.labels)
    targets = _distinct([edge.target for edge in stage.graph.outgoing(stage.node.id)])
    choices: dict[str, dict[str, Json]] = {}
    if labels:
        choices["preferred_label"] = {
            "type": "string",
            "enum": labels,
            "description": "The way the pipeline should take from here.",
        }
    if targets:
        choices["suggested_next_ids"] = {
            "type": "array",
            "items": {"type": "string", "enum": targets},
            "description": "The stages that should come next, the best first.",
        }
    return choices


def _distinct(names: Sequence[str]) -> list[Json]:
    return list(dict.fromkeys(name for name in names if name))


PRE, POST = "tool_hooks.pre", "tool_hooks.post"


def hooks_of(stage: Stage) -> ToolHooks:
    """Return the hooks of a stage from the pipeline; a workspace cannot add hooks."""
    about = {"node": stage.node.id, "visit": stage.visit, "attempt": stage.attempt}
    return ToolHooks(
        pre=_command(stage, PRE),
        post=_command(stage, POST),
        about=about,
        permit=permit_of(stage) if stage.approvals else None,
    )


def _command(stage: Stage, key: str) -> str:
    """Return the command of a hook.

    An empty command on the node disables the command of the graph.
    """
    own = stage.node.attributes.value(key)
    return str(own) if own is not None else stage.graph.attributes.text(key)
