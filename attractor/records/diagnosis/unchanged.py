"""Explains a run that changed no files: its refused tool calls."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from attractor.base.call_text import EDITS, SKIPPED, failed_call, first_line
from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import parse_object
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.language.source.text import visible
from attractor.records.delivery import NO_FILES, read_delivery
from attractor.records.request import read_request

_UNRECORDED = ("copy",)
"""The kinds of workspace whose delivery without changes has no record."""

_MOST_NAMED = 3


def describe_unchanged(root: Path) -> str:
    """Return that a walk changed no files, with its refused tool calls.

    Return an empty text if files were changed, or if no record says whether they were.
    """
    directory = RunDirectory(root)
    try:
        workspace = read_request(read_manifest(directory)).workspace
        changed = read_delivery(directory).changed or (workspace in _UNRECORDED and NO_FILES)
        if changed != NO_FILES:
            return ""
        refused = list(_refused(root))
    except AttractorError:
        # The corrupt record is reported where it is read for its own sake.
        return ""
    if not refused:
        return "no files changed"
    calls = Counter(call for call, _ in refused).most_common()
    times = {1: "once", 2: "twice"}
    named = [
        f"{tool} of {node} was refused {times.get(count, f'{count} times')}"
        for (tool, node), count in calls[:_MOST_NAMED]
    ]
    more = ["and others"] if len(calls) > _MOST_NAMED else []
    return visible(f"no files changed: {', '.join([*named, *more])} ({refused[-1][1]})")


def _refused(root: Path) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield tool, node and error of each call that a hook refused or that should edit files."""
    for journal in sorted(root.rglob(RunDirectory(root).events.name)):
        for line in read_lines(journal):
            if b'"TOOL_CALL_END"' not in line.content or b'"error"' not in line.content:
                continue
            event = Event.from_record(parse_object(line.content) or {})
            tool, error = str(event.data.get("tool_name")), str(event.data.get("error") or "")
            if error and (tool in EDITS or error.startswith(SKIPPED)):
                fault = error.removeprefix(f"{failed_call(tool)}: ")
                yield (tool, event.node or ""), first_line(fault)
