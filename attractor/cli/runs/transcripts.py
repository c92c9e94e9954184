"""Shows the transcript of an agent's stage for people: words, tool calls, edits as diffs."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click

from attractor.agent.tool_calls.call_text import describe_call, first_line
from attractor.base.errors import NotCanonical
from attractor.base.json import JsonObject, parse_json

USER_INPUT = "USER_INPUT"
TRANSCRIPT = "transcript.jsonl"
"""The file in a stage's folder with the events of the agent's session."""

MOST_LINES, MOST_OUTPUT_LINES = 60, 12
_INDENT = " " * len("00:00:00  ")

Paint = Callable[[str, str], str]
"""Type of a function that colors a text, by the name of a color."""


def _plain(text: str, color: str) -> str:
    return text


def painter(is_colored: bool) -> Paint:
    """Return the function that colors a text, or one that does not."""
    return (lambda text, color: click.style(text, fg=color)) if is_colored else _plain


def describe_entry(record: JsonObject, paint: Paint = _plain) -> list[str]:
    """Return an entry of a transcript as lines; an internal entry has none."""
    describe = _ENTRIES.get(str(record.get("kind")))
    lines = describe(record, paint) if describe else []
    if not any(lines):
        return []
    subagent = str(record.get("session")).rpartition("@")[2].partition("/")[2]
    who = f"({subagent}) " if subagent else ""
    return [f"{_clock(record)}  {who}{lines[0]}", *(f"{_INDENT}{line}" for line in lines[1:])]


class TranscriptReader:
    """Reads the new entries of a transcript."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / TRANSCRIPT
        self._offset = self._inode = 0

    def more(self) -> Iterator[JsonObject]:
        """Yield the new complete entries; an entry that is no JSON object is skipped."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode:
                    # A retry writes a new file.
                    self._inode, self._offset = status.st_ino, 0
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                record = parse_json(line)
            except NotCanonical:
                continue
            if isinstance(record, dict):
                yield record


def _clock(record: JsonObject) -> str:
    try:
        time = datetime.fromisoformat(str(record.get("time")))
    except ValueError:
        return "--:--:--"
    return time.astimezone().strftime("%H:%M:%S")


def _said(record: JsonObject, paint: Paint) -> list[str]:
    return str(record.get("text") or "").strip().splitlines()


def _called(record: JsonObject, paint: Paint) -> list[str]:
    title, *body = describe_call(str(record.get("tool_name")), record.get("arguments"))
    colors = {"+": "green", "-": "red"}
    shown = [paint(line, colors[line[0]]) if line[:1] in colors else line for line in _cut(body)]
    return [paint(title, "cyan"), *shown]


def _cut(lines: Sequence[str], most: int = MOST_LINES) -> list[str]:
    if len(lines) <= most:
        return list(lines)
    half = most // 2
    return [*lines[:half], f"... {len(lines) - 2 * half} lines omitted ...", *lines[-half:]]


def _returned(record: JsonObject, paint: Paint) -> list[str]:
    """Show errors, and the end of a command's output."""
    name, error = str(record.get("tool_name")), record.get("error")
    if error:
        lines = str(error).splitlines()
        return [paint(f"{name} failed: {first_line(str(error))}", "red"), *_cut(lines[1:], 8)]
    if name != "shell":
        return []
    return _cut(str(record.get("output") or "").rstrip().splitlines(), MOST_OUTPUT_LINES)


def _noted(title: str, key: str, color: str = "yellow") -> Callable[[JsonObject, Paint], list[str]]:
    def describe(record: JsonObject, paint: Paint) -> list[str]:
        first, *more = str(record.get(key) or "").splitlines() or [""]
        return [paint(f"{title}: {first}".removesuffix(": "), color), *_cut(more)]

    return describe


_hook = _noted("hook failed", "fault")

_ENTRIES: Mapping[str, Callable[[JsonObject, Paint], list[str]]] = {
    USER_INPUT: _noted("input", "content", "blue"),
    "STEERING_INJECTED": _noted("message to the agent", "content", "blue"),
    "ASSISTANT_TEXT_END": _said,
    "TOOL_CALL_START": _called,
    "TOOL_CALL_END": _returned,
    "TOOL_HOOK": lambda record, paint: _hook(record, paint) if record.get("fault") else [],
    "LOOP_DETECTION": _noted("warning", "message"),
    "COMPACTION": _noted("old turns were replaced by a summary", "summary"),
    "WARNING": _noted("warning", "message"),
    "ERROR": _noted("error", "message", "red"),
    "TURN_LIMIT": lambda record, paint: [
        paint("the limit of turns or rounds is reached", "yellow")
    ],
}
