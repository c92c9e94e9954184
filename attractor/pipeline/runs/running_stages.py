"""Stages in flight of a run and its children, and their latest output."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.stage.folder import history_folder
from attractor.engine.stage.live_output import TAIL
from attractor.engine.state.identifiers import stage_id
from attractor.engine.state.in_flight import InFlight
from attractor.engine.storage.json_files import read_untrusted
from attractor.pipeline.runs.child_folders import child_directory, newest_round


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
    flights = [(key, one.in_flight) for key, one in state.walks.items() if one.in_flight]
    return [one for key, flight in flights for one in _of_flight(directory, key, flight)]


def attempt_folder(directory: RunDirectory, node: str, visit: int, attempt: int) -> Path:
    """Return the folder of an attempt at work: its node's, or one aside while that is not free."""
    folder = directory.stage(node)
    aside = history_folder(folder, visit, attempt)
    return aside if aside.is_dir() else folder


def printed_last(folder: Path) -> str:
    """Return what a command printed last, as far as the folder of its attempt tells."""
    try:
        return read_untrusted(folder / TAIL).decode("utf-8", "replace")
    except FileError:
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
