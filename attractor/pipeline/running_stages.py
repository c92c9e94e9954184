"""Which stages of a run are at work, its children's included, and what they printed last.

The records of a run, read without holding it: what it was made from, and what happened.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileTrouble
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import parse_json
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.stage.folder import history_folder
from attractor.engine.stage.live_output import TAIL
from attractor.engine.state.identifiers import stage_id
from attractor.engine.state.in_flight import InFlight
from attractor.engine.storage.json_files import read_foreign
from attractor.pipeline.children.folders import child_directory, newest_round


@dataclass(frozen=True)
class StageAtWork:
    """An attempt that began and has not ended, and the folder that it writes into."""

    run_id: str
    node: str
    visit: int
    attempt: int
    branch: str
    folder: Path

    @property
    def name(self) -> str:
        """What it goes by for people: its branch and its node."""
        return f"[{self.branch}] {self.node}" if self.branch else self.node


def stages_at_work(root: Path) -> Sequence[StageAtWork]:
    """Return the stages at work in a run; of a stage that runs a child, those of the child."""
    directory = RunDirectory(root)
    state = open_journal(directory.events, directory.checkpoint).state
    flights = [(key, one.in_flight) for key, one in state.strands.items() if one.in_flight]
    return [one for key, flight in flights for one in _of_flight(directory, key, flight)]


def attempt_folder(directory: RunDirectory, node: str, visit: int, attempt: int) -> Path:
    """Return the folder of an attempt at work: its node's, or one aside while that is not free."""
    folder = directory.stage(node)
    aside = history_folder(folder, visit, attempt)
    return aside if aside.is_dir() else folder


def printed_last(folder: Path) -> str:
    """Return what a command printed last, as far as the folder of its attempt tells."""
    try:
        return read_foreign(folder / TAIL).decode("utf-8", "replace")
    except FileTrouble:
        return ""


def _of_flight(directory: RunDirectory, key: str, flight: InFlight) -> Iterator[StageAtWork]:
    name = stage_id(flight.node, flight.visit, flight.attempt)
    child = newest_round(child_directory(directory, name))
    inner = stages_at_work(child.root) if child.manifest.exists() else ()
    for one in inner:
        yield replace(one, branch="/".join(filter(None, [name, one.branch])))
    if inner:
        return
    folder = directory.stage(flight.node)
    if flight.is_aside:
        folder = history_folder(folder, flight.visit, flight.attempt)
    run_id = read_manifest(directory).run_id
    yield StageAtWork(run_id, flight.node, flight.visit, flight.attempt, key, folder)


@dataclass(frozen=True)
class RunRecord:
    """A run as it lies in its directory; somebody may be at work on it."""

    directory: RunDirectory
    manifest: Manifest

    @property
    def run_id(self) -> str:
        """What it goes by."""
        return self.manifest.run_id

    def events(self) -> Iterator[Event]:
        """Yield what happened, from the beginning; whether it was so is not verified here."""
        journal = self.directory.events
        for line in read_lines(journal) if journal.exists() else ():
            record = parse_json(line.content)
            if not isinstance(record, dict):
                raise RecordBroken(f"the line at byte {line.offset} of {journal} is no event")
            yield Event.from_record(record)


def read_run(root: Path) -> RunRecord:
    """Return the records of the run in a directory."""
    directory = RunDirectory(root)
    return RunRecord(directory, read_manifest(directory))
