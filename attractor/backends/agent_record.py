"""Keeps what an agent did: all of it in the stage's transcript, the gist of it in the journal."""

import json

from attractor.agent.session_state import EventKind, SessionEvent
from attractor.agent.tool_execution import TruncationMode, truncate_output
from attractor.backends.agent_reporting import REPORT_OUTCOME, Reporting
from attractor.base.json import Json, JsonObject
from attractor.engine.interfaces import Stage

TRANSCRIPT = "transcript.jsonl"
# One tool that prints without end must not take the room of all the others.
LONGEST_IN_TRANSCRIPT = 100_000
LONGEST_IN_JOURNAL = 500


class Record:
    """Writes the events of one session down as they come."""

    def __init__(self, stage: Stage, reporting: Reporting) -> None:
        self._stage = stage
        self._reporting = reporting

    def take(self, event: SessionEvent) -> None:
        """Write one event down, and see whether it is a report that was refused."""
        told = {
            "time": event.timestamp.isoformat(),
            "session": event.session_id,
            "kind": event.kind.value,
        }
        line = told | _shortened(event.data, LONGEST_IN_TRANSCRIPT)
        self._stage.files.append(TRANSCRIPT, json.dumps(line, ensure_ascii=False))
        self._stage.emit(event.kind.value, **_shortened(event.data, LONGEST_IN_JOURNAL))
        error = event.data.get("error")
        is_report = event.data.get("tool_name") == REPORT_OUTCOME
        if event.kind is EventKind.TOOL_CALL_END and is_report and isinstance(error, str):
            self._reporting.refuse(error)


def _shortened(data: JsonObject, longest: int) -> dict[str, Json]:
    return {name: _short(value, longest) for name, value in data.items()}


def _short(value: Json, longest: int) -> Json:
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False)
        return value if len(text) <= longest else _cut(text, longest)
    return _cut(value, longest) if isinstance(value, str) else value


def _cut(text: str, longest: int) -> str:
    return truncate_output(text, longest, TruncationMode.HEAD_TAIL)
