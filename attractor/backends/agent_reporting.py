"""How an agent reports its stage: by the tool `report_outcome`, or in a file (ruling R8)."""

from collections.abc import Sequence
from dataclasses import replace

from attractor.agent.tool import RegisteredTool, define
from attractor.backends.status_file import StatusFile
from attractor.base.json import Json, JsonObject
from attractor.engine.errors import InvalidReport
from attractor.engine.interfaces import Stage
from attractor.engine.journal.events import REPORT_REFUSED
from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.engine.stage_report import check_report, parse_report
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.json_schema import find_faults
from attractor.llm.tools import ToolDefinition

REPORT_OUTCOME = "report_outcome"

_NEEDS_REASON = (StageStatus.FAIL, StageStatus.RETRY)


class Reporting:
    """What the agent of one stage has reported so far."""

    def __init__(self, stage: Stage, file: StatusFile | None = None) -> None:
        self._stage = stage
        self._file = file
        self.outcome: Outcome | None = None
        self.refusals: list[str] = []

    @property
    def is_spoilt(self) -> bool:
        """Whether a report was refused once more after it had been sent back (ruling R8)."""
        return len(self.refusals) > 1

    def tool(self) -> RegisteredTool:
        """Return the tool for this stage, which offers the labels its node can route to."""
        return RegisteredTool(_definition(self._stage), self._execute)

    def refuse(self, reason: str) -> None:
        """Remember that a report was sent back."""
        self.refusals.append(reason)
        self._stage.emit(REPORT_REFUSED, reason=reason)

    async def reported(self) -> Outcome | None:
        """Return what was reported, by the tool or else in the file; a refused file is noted."""
        if self.outcome is None and self._file is not None:
            try:
                written = await self._file.take()
                if written is not None:
                    self.outcome = self._judge(parse_report(written))
            except InvalidReport as error:
                self.refuse(f"{error.message}\n{error.hint}" if error.hint else error.message)
        return self.outcome

    async def _execute(self, arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        self.outcome = self._judge(check_report(arguments))
        return "Recorded. End now with a short message that says what you did."

    def _judge(self, outcome: Outcome) -> Outcome:
        """Return a report as an outcome, if it names ways that the node has."""
        named: dict[str, Json] = {
            "preferred_label": outcome.preferred_label,
            "suggested_next_ids": list(outcome.suggested_next_ids),
        }
        told = {name: value for name, value in named.items() if value}
        ways: dict[str, Json] = {**_ways(self._stage)}
        if faults := find_faults(told, {"type": "object", "properties": ways}):
            raise InvalidReport("; ".join(faults))
        return _with_reason(outcome, self._stage.node.id)


def _with_reason(outcome: Outcome, node: str) -> Outcome:
    if outcome.status not in _NEEDS_REASON:
        return outcome
    reason = outcome.failure_reason or outcome.notes or f"{node} reported {outcome.status.value}"
    # What an agent says about the work is a verdict, not a hiccup to be tried away (ruling R3).
    verdict = FailureClass.VERDICT if outcome.status is StageStatus.FAIL else None
    return replace(outcome, failure_reason=reason, failure_class=outcome.failure_class or verdict)


def _definition(stage: Stage) -> ToolDefinition:
    properties: dict[str, JsonObject] = {
        "outcome": {
            "type": "string",
            "enum": ["success", "partial_success", "retry", "fail"],
            "description": "How the stage ended.",
        },
        **_ways(stage),
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
    return define(REPORT_OUTCOME, words, properties, required=["outcome"])


def _ways(stage: Stage) -> dict[str, dict[str, Json]]:
    """Offer the ways out of the node, where there are any to choose from."""
    labels = _distinct(stage.labels)
    targets = _distinct([edge.target for edge in stage.graph.outgoing(stage.node.id)])
    ways: dict[str, dict[str, Json]] = {}
    if labels:
        ways["preferred_label"] = {
            "type": "string",
            "enum": labels,
            "description": "The way the pipeline should take from here.",
        }
    if targets:
        ways["suggested_next_ids"] = {
            "type": "array",
            "items": {"type": "string", "enum": targets},
            "description": "The stages that should come next, the best first.",
        }
    return ways


def _distinct(names: Sequence[str]) -> list[Json]:
    return list(dict.fromkeys(name for name in names if name))
