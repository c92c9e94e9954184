"""Records of an agent's events in the stage's transcript and the journal.

Answers are recorded so that they can be sent back to the model, with the provider's own data.
Provider data in which a secret was redacted is dropped, because the provider would reject the data.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from attractor.agent.conversation.turns import AssistantTurn, Turn
from attractor.agent.events import DELTAS, EventKind, SessionEvent
from attractor.backends.agent_report import Reporting
from attractor.base.call_text import SKIPPED, describe_call, failed_call
from attractor.base.callables import do_nothing
from attractor.base.json import Json, JsonObject
from attractor.base.processes import OnOutput, OutputChunk
from attractor.engine.seams import Stage
from attractor.engine.stage.report import REPORT_OUTCOME
from attractor.engine.storage.secrets import PLACEHOLDER
from attractor.llm.messages import ContentPart

TRANSCRIPT = "transcript.jsonl"
# An endless output of one tool must not displace the output of the others.
LONGEST_IN_TRANSCRIPT = 100_000
LONGEST_IN_JOURNAL = 500
# An agent in a loop must not fill the disk.
MOST_TEXT_FILES = 20


# Other errors, such as an abort, are no refusals of a report.
_REFUSED = (
    f"Invalid arguments for tool: {REPORT_OUTCOME}",
    failed_call(REPORT_OUTCOME),
    SKIPPED,
)


class Record:
    """Records the events of a session; `live` shows the words and the tool calls at once."""

    def __init__(self, stage: Stage, reporting: Reporting, live: OnOutput = do_nothing) -> None:
        self._stage = stage
        self._reporting = reporting
        self._live = live
        self._text_files = 0

    def take(self, event: SessionEvent) -> None:
        """Record an event; answers and refused reports are also passed to the reporting."""
        self._show(event)
        if event.kind in DELTAS:
            return
        told = {
            "time": event.timestamp.isoformat(),
            "session": event.session_id,
            "kind": event.kind.value,
        }
        line = told | _shortened(event.data, LONGEST_IN_TRANSCRIPT, self._write_text)
        self._stage.files.append(TRANSCRIPT, json.dumps(line, ensure_ascii=False))
        subagent = event.session_id.removeprefix(self._stage.id).removeprefix("/")
        more = {"subagent": subagent} if subagent else {}
        if event.kind is EventKind.ASSISTANT_TEXT_START and not subagent:
            self._reporting.begin_answer()
        shown = _shortened(event.data, LONGEST_IN_JOURNAL, lambda text: f"more in {TRANSCRIPT}")
        self._stage.emit(event.kind.value, **shown, **more)
        error = str(event.data.get("error", ""))
        is_report = event.data.get("tool_name") == REPORT_OUTCOME and not subagent
        if event.kind is EventKind.TOOL_CALL_END and is_report and error.startswith(_REFUSED):
            self._reporting.refuse(error)

    def _write_text(self, text: str) -> str:
        """Write a text that is too long for the transcript to a file; return words about it."""
        if self._text_files == MOST_TEXT_FILES:
            return f"not written: the stage already has {MOST_TEXT_FILES} files of long texts"
        self._text_files += 1
        name = f"text-{self._text_files}.txt"
        self._stage.files.write(name, text)
        return f"whole text in {name} of the stage's folder"

    def _show(self, event: SessionEvent) -> None:
        """Pass the words of the model as they arrive, and its tool calls, to the live output."""
        match event.kind:
            case EventKind.ASSISTANT_TEXT_DELTA:
                self._live(OutputChunk("stdout", str(event.data["delta"])))
            case EventKind.ASSISTANT_TEXT_END if event.data.get("text"):
                self._live(OutputChunk("stdout", "\n"))
            case EventKind.TOOL_CALL_OUTPUT_DELTA:
                self._live(OutputChunk("stdout", str(event.data["delta"])))
            case EventKind.TOOL_CALL_START:
                name, arguments = str(event.data["tool_name"]), event.data["arguments"]
                lines = describe_call(name, arguments)
                self._live(OutputChunk("stdout", "".join(f"{line}\n" for line in lines)))
            case _:
                """Only shown when the stage has ended."""


Keep = Callable[[str], str]
"""Type of a function that keeps a text that is shortened, and returns words about its place."""


def _shortened(data: JsonObject, longest: int, keep: Keep) -> dict[str, Json]:
    return {name: _short(value, longest, keep) for name, value in data.items()}


def _short(value: Json, longest: int, keep: Keep) -> Json:
    match value:
        case str():
            return _cut(value, longest, keep)
        case dict():
            return {name: _short(item, longest, keep) for name, item in value.items()}
        case list():
            text = json.dumps(value, ensure_ascii=False)
            return value if len(text) <= longest else _cut(text, longest, keep)
        case _:
            return value


def _cut(text: str, longest: int, keep: Keep) -> str:
    removed = len(text) - longest
    if removed <= 0:
        return text
    head = longest // 2
    note = f"\n[... {removed} characters omitted; {keep(text)} ...]\n"
    return text[:head] + note + text[head + removed :]


def drop_redacted_data(turn: Turn) -> Turn:
    """Return a turn from disk without provider data in which a secret was redacted."""
    if not isinstance(turn, AssistantTurn):
        return turn
    kept = tuple(part for part in turn.message.content if not _is_redacted(part))
    message = replace(turn.message, content=kept)
    thoughts = [part.thinking.text for part in kept if part.thinking]
    return replace(turn, message=message, reasoning="".join(thoughts) or None)


def _is_redacted(part: ContentPart) -> bool:
    if part.thinking:
        return PLACEHOLDER in part.thinking.text or PLACEHOLDER in (part.thinking.signature or "")
    if part.provider_data:
        return PLACEHOLDER in json.dumps(part.provider_data.item, ensure_ascii=False)
    return False
