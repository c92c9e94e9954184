"""Show the events of a run.

The journal is read and verified while another process may write it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import field
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode, UnknownName
from attractor.base.events import Event
from attractor.base.hash_chain import require_intact
from attractor.base.journal import read_torn
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.files import show_diff
from attractor.cli.output.streams import is_terminal, printable, show, show_json
from attractor.cli.runs.listings import read_since
from attractor.cli.runs.live.render import PrintedLines
from attractor.cli.runs.references import follow_copy, run_argument
from attractor.cli.runs.setup import project_of
from attractor.cli.runs.transcripts import entry_lines, painter
from attractor.engine.journal.reader import JournalReader, VerifiedLine, all_events
from attractor.engine.run_folder.layout import RunDirectory, is_executed, is_held
from attractor.pipeline.workspace.diffs import read_run_diff, read_stage_diff
from attractor.records.event_lines import describe_logged
from attractor.records.lookup import find_run, reference_of
from attractor.records.stage_output import read_output
from attractor.records.timeline import find_attempt, read_stages
from attractor.records.transcript import TRANSCRIPT, TranscriptReader, read_entry

OFTEN_S = 0.2
"""The pause in seconds between two checks for new lines."""

FLEET_S = 1.0
"""The least pause in seconds between two looks for new commits of a run of the fleet."""

_AT_WORK = ("queued", "booting", "executing", "waiting")


@dataclass
class JournalFollower:
    """Yields journal lines as they are written; calls `wait` if there are no new lines.

    If the process of the run was killed, `report_idle` is called once, and following continues when
    the run is resumed.
    """

    root: Path
    wait: Callable[[], None]
    report_idle: Callable[[], None]

    def lines(self, reading: JournalReader) -> Iterator[VerifiedLine]:
        """Yield existing and new lines until the run stops, ends, or a line is corrupt."""
        directory, rests, logs_requests = RunDirectory(self.root), False, False
        while True:
            # Checked before reading, so that lines written before the release of the lock are read.
            is_at_work = is_executed(directory)
            for line in reading.more():
                yield line
                rests = _rests(rests, line.event) if line.event else rests
                logs_requests = False
            if reading.verdict.flaw or (rests and not is_at_work):
                return
            if not (is_at_work or logs_requests):
                logs_requests = True
                self.report_idle()
            self.wait()


def _rests(before: bool, event: Event) -> bool:
    """Return whether the run has stopped or ended with an event."""
    match event.type:
        case "RunStatusChanged":
            return event.data.get("status") not in _AT_WORK
        case "RunInterrupted":
            return True
        case "RunResumed" | "StageStarted":
            return False
        case _:
            return before


@click.command()
@run_argument("")
@click.option("--follow", "-f", is_flag=True, help="Print new events until the run stops or ends.")
@click.option("--node", default="", help="Show only events of this node.")
@click.option(
    "--stage",
    default="",
    metavar="NODE",
    help="Show the transcript of the agent of this node, or the output of its command.",
)
@click.option(
    "--diff",
    "as_diff",
    is_flag=True,
    help="Show the changes of the run, or with --stage of a stage, as a diff.",
)
@click.option(
    "--since",
    default="",
    metavar="WHEN",
    help="Show only events after this time, such as 2026-01-31T09:30, or not older than "
    "this duration, such as 10m.",
)
@json_option
@click.pass_obj
def logs(
    invocation: Invocation,
    reference: str,
    follow: bool,
    node: str,
    stage: str,
    as_diff: bool,
    since: str,
    as_json: bool,
) -> ExitCode:
    """Show the events of a run.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest' (default: the newest
    run that answers no message of an actor).
    With --json, print each event as one line of JSON, exactly as in the journal. With --follow,
    print new events until the run stops or ends. Without --json, the output of running commands is
    printed too. A line that begins with ~ is an event on a worker that is not committed yet. With
    --stage, print the transcript of an agent, or the output of the command of
    NODE, NODE@VISIT or NODE@VISIT.ATTEMPT. With --diff, print the changes of the run, or of such a
    stage. Exit with 6 and print the line
    number if a line of the journal is corrupt.
    """
    runs_dir = invocation.configuration.settings.runs_dir
    root = find_run(reference, runs_dir)
    if as_diff:
        return _show_diff(invocation, root, stage, as_json=as_json)
    if stage:
        return _show_stage(invocation, root, stage, follow=follow, as_json=as_json)
    # click.echo fails on a closed pipe; show would continue forever.
    echo = click.echo if follow else partial(show, is_file=True)

    def write(line: str) -> None:
        echo(line if as_json and not is_terminal(sys.stdout) else printable(line))

    shown = _LineFilter(node, read_since(since) if since else None, as_json, write)
    _show_events(invocation, root, shown, follow=follow)
    return ExitCode.DONE


def _show_events(invocation: Invocation, root: Path, shown: "_LineFilter", *, follow: bool) -> None:
    directory, node = RunDirectory(root), shown.node
    reading, printed = JournalReader(directory.events), PrintedLines(directory, node)
    if node:
        _require_node(directory, node)
    for line in _lines(invocation, root, reading, shown, printed) if follow else reading.more():
        shown.show(line)
        if follow and line.event:
            printed.hear(line.event)
    if not follow:
        # Warn about an incomplete last line, unless a process is writing this line.
        torn = None if is_held(directory.lock) else read_torn(directory.events)
        if torn:
            length = len(torn.content)
            words = "the process that wrote it was killed; resuming the run removes the line"
            show(f"The journal's last line is incomplete ({length} bytes): {words}.", err=True)
    require_intact(reading.verdict, str(directory.events))


def _require_node(directory: RunDirectory, node: str) -> None:
    """Refuse a node that is neither in the journal nor in the graph."""
    known = {event.node for event in all_events(directory.events) if event.node}
    if node in known:
        return
    # Transforms of the graph are slow to import.
    from attractor.records.drawing import read_graph

    # Without a readable graph, the journal knows the nodes.
    with suppress(AttractorError):
        known |= read_graph(directory).nodes.keys()
    if node not in known:
        raise UnknownName("node of this run", node, known)


def _show_diff(invocation: Invocation, root: Path, stage: str, *, as_json: bool) -> ExitCode:
    """Print the changes of a run, or of a stage."""
    if stage:
        diff = read_stage_diff(find_attempt(read_stages(root), stage))
    else:
        diff = asyncio.run(read_run_diff(root, project_of(invocation)))
    if as_json:
        show_json(diff.to_record())
    elif diff.text:
        show_diff(diff.text.removesuffix("\n"), color=invocation.color)
    else:
        show("No files were changed.")
    return ExitCode.DONE


def _show_stage(
    invocation: Invocation, root: Path, stage: str, *, follow: bool, as_json: bool
) -> ExitCode:
    """Print the transcript of a stage, or the output of its command; with `follow`, print a
    transcript until the run has no live process.
    """
    directory = RunDirectory(root)
    folder = directory.stage(stage)
    color = (invocation.color and sys.stdout.isatty()) or None
    is_followed = follow and is_held(directory.lock)
    if not is_followed and not (folder / TRANSCRIPT).is_file():
        return _show_output(root, stage, color=color, as_json=as_json)
    reader = TranscriptReader(folder)
    paint = painter(bool(color))
    is_last = False
    while not is_last:
        # Checked before reading, so that entries written before the release of the lock are read.
        is_last = not (follow and is_held(directory.lock))
        for record in reader.more():
            if as_json:
                show(json.dumps(record, ensure_ascii=False), is_file=True)
            elif entry := read_entry(record):
                show("\n".join(entry_lines(entry, paint)), color=color)
        if not is_last:
            time.sleep(OFTEN_S)
    return ExitCode.DONE


def _show_output(root: Path, stage: str, *, color: bool | None, as_json: bool) -> ExitCode:
    """Print the output of the command of a stage."""
    attempts = read_stages(root)
    attempt = find_attempt(attempts, stage)
    output = read_output(attempt)
    if output is None:
        known = dict.fromkeys(one.node for one in attempts if read_output(one) is not None)
        raise UnknownName("stage with a transcript or output", stage, known)
    if as_json:
        show_json({"stage": attempt.id, "output": output})
    else:
        show(output.removesuffix("\n") or "No output.", color=color, is_file=True)
    return ExitCode.DONE


def _lines(
    invocation: Invocation,
    root: Path,
    reading: JournalReader,
    shown: "_LineFilter",
    printed: PrintedLines,
) -> Iterator[VerifiedLine]:
    runs_dir = invocation.configuration.settings.runs_dir
    words = (
        f"The run has no live process. Resume it: attractor resume {reference_of(root, runs_dir)}"
    )
    looked = 0.0

    def wait() -> None:
        # With --json, only events are printed.
        for line in () if shown.as_json else printed.more():
            shown.write(line)
        time.sleep(OFTEN_S)
        nonlocal looked
        if time.monotonic() > looked + FLEET_S:
            for event in follow_copy(invocation, root):
                shown.show_early(event)
            looked = time.monotonic()

    return JournalFollower(root, wait=wait, report_idle=lambda: show(words, err=True)).lines(
        reading
    )


@dataclass(frozen=True)
class _LineFilter:
    """Selects and formats the printed lines."""

    node: str
    since: datetime | None
    as_json: bool
    write: Callable[[str], None]
    early: set[str] = field(default_factory=set[str])
    """The lines that were printed before they were committed."""

    def show_early(self, event: Event) -> None:
        """Print an event that a worker has not committed yet, once."""
        words = "" if self.as_json or not self._is_wanted(event) else describe_logged(event)
        if words and words not in self.early:
            self.early.add(words)
            self.write(f"~ {words}")

    def show(self, line: VerifiedLine) -> None:
        """Print a line if the filter selects it."""
        if line.flaw and not self.as_json:
            message = (
                f"-- line {line.number} {line.flaw.reason}: the journal is corrupt from here on"
            )
            self.write(message)
        if not self._is_wanted(line.event):
            return
        if self.as_json:
            self.write(line.content.decode("utf-8", "replace"))
        elif line.event and (words := describe_logged(line.event)) and words not in self.early:
            self.write(words)

    def _is_wanted(self, event: Event | None) -> bool:
        if event is None:
            return not (self.node or self.since)
        is_late = self.since is None or event.time >= self.since
        return is_late and self.node in ("", event.node)


part = logs
