"""Finds the folders of runs and of their child runs, and opens their records."""

import os
import re
import shlex
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count, takewhile
from pathlib import Path

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import AttractorError, FileError, UnknownName
from attractor.base.events import Event
from attractor.base.files import remove_tree, write_whole
from attractor.base.ids import is_run_id
from attractor.base.names import ambiguous, match_names
from attractor.base.patterns import late_pattern
from attractor.engine.errors import NoRun
from attractor.engine.journal.checkpoint import RestoredState, has_last, open_journal, read_on
from attractor.engine.journal.reader import all_events
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.run_folder.layout import CHILDREN, Manifest, RunDirectory, read_manifest
from attractor.engine.state.attempts import stage_id
from attractor.engine.state.progress import Progress
from attractor.engine.state.run_state import RunState
from attractor.engine.storage.json_files import Fields, read_document
from attractor.engine.truncation import shorten
from attractor.language.graph.graph import folder_name


@dataclass(frozen=True)
class RecordedRun:
    """The records in the directory of a run; a process may be executing the run."""

    directory: RunDirectory
    manifest: Manifest

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.manifest.run_id

    def events(self) -> Iterator[Event]:
        """Return the events of the run from the start, without verifying the hash chain."""
        return all_events(self.directory.events)


def read_run(root: Path) -> RecordedRun:
    """Return the records of the run in a directory."""
    directory = RunDirectory(root)
    return RecordedRun(directory, read_manifest(directory))


_STAGE = late_pattern(r"(?P<node>.*)@(?P<attempt>[0-9]+\.[0-9]+)", re.DOTALL)


def child_directory(parent: RunDirectory, name: str) -> RunDirectory:
    """Return the directory of a child run; the directory does not have to exist."""
    return RunDirectory(parent.children / child_folder(name))


def child_folder(name: str) -> str:
    """Return the folder of a child, named after its node, with the numbers of visit and attempt."""
    found = _STAGE.fullmatch(name)
    return f"{folder_name(found['node'])}@{found['attempt']}" if found else folder_name(name)


def newest_round(first: RunDirectory) -> RunDirectory:
    """Return the directory of the newest restart of a child (default: of the child itself)."""
    return next(iter(deque(rounds_of(first), maxlen=1)), first)


def rounds_of(first: RunDirectory) -> Iterator[RunDirectory]:
    """Return the directories of a child and of its restarts, in order."""
    return takewhile(lambda run: run.manifest.exists(), (_round(first, at) for at in count()))


def next_round(first: RunDirectory, progress: Progress) -> RunDirectory:
    """Return the directory of the next restart of a child."""
    return _round(first, progress.restarts + 1)


def round_before(first: RunDirectory, manifest: Manifest) -> RunDirectory:
    """Return the directory of the run that a restart continues."""
    return _round(first, manifest.restart - 1)


def outermost_run(root: Path) -> Path:
    """Return the directory of the outermost run that contains the run of a directory."""
    while root.parent.name == CHILDREN:
        root = root.parent.parent
    return root


def outermost_run_id(root: Path) -> str:
    """Return the id of the outermost run that contains the run of a directory."""
    return read_manifest(RunDirectory(outermost_run(root))).run_id


def _round(first: RunDirectory, number: int) -> RunDirectory:
    if number == 0:
        return first
    return RunDirectory(first.root.with_name(f"{first.root.name}.restart{number}"))


def remove_incomplete(root: Path) -> None:
    """Remove an incomplete directory of a process that was killed."""
    if root.is_dir():
        remove_tree(root)
    if os.path.lexists(root):
        raise FileError(f"cannot remove {root} completely")


RACY_S = 2.0
"""A folder that changed so recently may change again without another time."""


def mark_of(file: Path | str) -> str:
    """Return a text that changes when a file changes; "" without the file."""
    try:
        found = os.stat(file)  # noqa: PTH116 - also of a text, which is cheaper
    except OSError:
        return ""
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"


class KnownStates:
    """The states of a run and of its child runs in flight, by their folders.

    A journal is read on from its state `before`, as long as its last line and the checkpoint are
    the same. The usage of the run depends on the folders in `followed` too: those of children,
    also of those that may begin.
    """

    def __init__(self, before: Mapping[str, RestoredState] | None = None) -> None:
        self.before = {**(before or {})}
        self.states: dict[str, RestoredState] = {}
        self.followed: list[str] = []

    def read(self, run: RunDirectory) -> RestoredState:
        """Return the state of a run as its journal is now."""
        place, mark = str(run.root), mark_of(run.checkpoint)
        before, found = self.before.get(place), None
        if before and not has_last(run.events, before):
            before, _ = None, self.before.pop(place)
        if before and before.mark == mark:
            # An error is reported by the reading from the checkpoint on.
            with suppress(AttractorError):
                found = read_on(run.events, before)
        found = found or open_journal(run.events, run.checkpoint)
        self.states[place] = changed(found, mark=mark)
        return found


def used_by(directory: RunDirectory, state: RunState, known: KnownStates | None = None) -> Usage:
    """Return the usage of a run, with the usage of child runs whose stages are still running.

    The usage of an ended stage includes the usage of its child run.
    """
    known = known or KnownStates()
    flights = [walk.in_flight for walk in state.walks.values() if walk.in_flight]
    names = [stage_id(flight.node, flight.visit, flight.attempt) for flight in flights]
    used = state.used
    for name in names:
        first = child_directory(directory, name)
        rounds = [*rounds_of(first)]
        known.followed += [str(one.root) for one in (*rounds[-1:], _round(first, len(rounds)))]
        used = sum((_used(child, known) for child in rounds[-1:]), used)
    return used


def _used(child: RunDirectory, known: KnownStates) -> Usage:
    # Errors in the records of a child are reported for the child, not here.
    try:
        state = known.read(child).state
    except AttractorError:
        return NOTHING_USED
    return used_by(child, state, known)


LATEST = "latest"

SHOWN = 5

LONGEST_REFERENCE = 100


def find_run(reference: str, runs_dir: Path) -> Path:
    """Return the directory of a run, by id, beginning of the id, path, or `latest`.

    `RUN:CHILD` is the child run of a run in the folder CHILD, such as `build@1.1`.
    """
    if reference and is_run(RunDirectory(Path(reference))):
        return Path(reference).absolute()
    parent, colon, child = reference.rpartition(":")
    if colon:
        return _find_child(RunDirectory(find_run(parent, runs_dir)), child)
    names = run_names(runs_dir)
    if reference == LATEST:
        return _newest(runs_dir, names)
    found = _runs_among(runs_dir, match_names(reference, names))
    if len(found) > 1:
        raise ambiguous("run", reference, [run.name for run in found])
    if not found:
        # This refuses a folder without runs.
        _newest(runs_dir, names)
        raise _unknown(reference, [run.name for run in _runs_among(runs_dir, names)])
    return found[0]


def _find_child(parent: RunDirectory, name: str) -> Path:
    names = [child.name for child in list_folders(parent.children)]
    if name not in names:
        raise UnknownName(f"child of run {parent.root.name}", name, sorted(names))
    return parent.children / name


def _newest(runs_dir: Path, names: Sequence[str]) -> Path:
    """Return the newest run with a manifest, or the newest run."""
    for name in names:
        if RunDirectory(runs_dir / name).manifest.exists():
            return runs_dir / name
    folders = _runs_among(runs_dir, names)
    if not folders:
        raise NoRun(f"no run found in {runs_dir}", hint="start one: attractor run FILE")
    return folders[0]


def is_run(directory: RunDirectory) -> bool:
    """Return whether a directory is that of a run, maybe with lost files."""
    try:
        return directory.manifest.is_file() or directory.run.is_file()
    except OSError:  # such as a name that is too long for a file
        return False


def reference_of(root: Path, runs_dir: Path) -> str:
    """Return the name of a run for commands: the id if the run is in `runs_dir`, otherwise the
    quoted directory.
    """
    is_found = root.parent == runs_dir and is_run_id(root.name)
    return root.name if is_found else shlex.quote(str(root))


def latest_verdict(root: Path) -> bool | None:
    """Return the latest verdict of the gate about a run; None without a verdict.

    The verdict is only for display, because a decision evaluates the gate again.
    """
    report = latest_report(root)
    return report.flag("go") if report else None


def latest_report(root: Path) -> Fields | None:
    """Return the latest report of the gate about a run; None without one."""
    folders = RunDirectory(root).evaluation.glob("*/report.json")
    reports = {int(file.parent.name): file for file in folders if file.parent.name.isdecimal()}
    return read_document(reports[max(reports)]) if reports else None


def failed_rules(root: Path) -> Sequence[str]:
    """Return the rules because of which the gate said no-go last; none if it said go."""
    try:
        report = latest_report(root)
        return [reason.text("rule") for reason in report.inners("reasons")] if report else []
    except AttractorError:
        # The corrupt record is reported where it is read for its own sake.
        return []


def _unknown(reference: str, names: list[str]) -> UnknownName:
    """Return the error for an unknown run, with the names of the few most similar runs."""
    typed = reference.upper()
    nearest = sorted(names, key=lambda name: -len(os.path.commonprefix([typed, name])))
    name_typed = shorten(reference, LONGEST_REFERENCE)
    error = UnknownName("run", name_typed, [LATEST, *nearest[:SHOWN]])
    if len(names) > SHOWN:
        error.hint += f"; {len(names) - SHOWN} more: attractor runs"
    return error


def run_names(runs_dir: Path) -> list[str]:
    """Return the names of the entries of a folder of runs, newest run first."""
    # Run ids sort by time.
    return sorted(unsorted_run_names(runs_dir), reverse=True)


def unsorted_run_names(runs_dir: Path) -> list[str]:
    """Return the names of the entries of a folder of runs: sorting 100,000 takes 30 ms."""
    try:
        return os.listdir(runs_dir)  # noqa: PTH208 - 100,000 paths are slow
    except (FileNotFoundError, NotADirectoryError):
        return []


def list_folders(runs_dir: Path) -> list[Path]:
    """Return the directories of the runs in a folder, newest first."""
    return _runs_among(runs_dir, run_names(runs_dir))


def _runs_among(runs_dir: Path, names: Iterable[str]) -> list[Path]:
    # A directory that is just being made has neither file yet; one without a manifest is an error.
    return [runs_dir / name for name in names if is_run(RunDirectory(runs_dir / name))]


def run_root(run_id: str, runs_dir: Path) -> Path:
    """Return the directory for a run; a new runs folder gets a .gitignore."""
    if not runs_dir.exists():
        runs_dir.mkdir(parents=True, exist_ok=True)
        write_whole(runs_dir / ".gitignore", "*\n")
    return runs_dir / run_id


def restart_reference(root: Path, run_id: str, reference: str) -> str:
    """Return the name of a restart for commands; `reference` is the name of the run.

    The directory of the restart is beside that of the run.
    """
    return run_id if reference == root.name else shlex.quote(str(root.with_name(run_id)))


def last_restart(root: Path, state: RunState, runs_dir: Path) -> str:
    """Return the name of the newest restart of a run for commands, or an empty text."""
    if not state.restarted_as:
        return ""
    found = state.restarted_as
    while found:
        root = root.with_name(found)
        directory = RunDirectory(root)
        if not directory.manifest.is_file():
            break
        found = open_journal(directory.events, directory.checkpoint).state.restarted_as
    return reference_of(root, runs_dir)
