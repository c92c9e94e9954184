"""Says whether what a run keeps in the state folder is needed any more."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import AttractorError, UsageError
from attractor.base.ids import time_of
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import is_held
from attractor.engine.state.checkpoint import open_journal
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    AWAITING_DECISION,
    EVALUATING,
    RunStatus,
    Standing,
)

BEING_MADE = timedelta(hours=1)
"""So long nobody takes a run for lost whose directory is not there: it may be just being made."""

YET = " yet"
"""What the reason ends with when something is kept for its age alone."""


@dataclass(frozen=True)
class Whereabouts:
    """What is known of a run besides its store: where it may lie, and whether it was promoted.

    It is `known` when it was sealed that the run began; the first place is where that was.
    """

    places: Sequence[Path] = ()
    is_known: bool = False
    is_promoted: bool = False


@dataclass(frozen=True)
class Need:
    """Whether something is needed, and why or why not; `directory` is the run's, if it is there."""

    is_needed: bool
    why: str
    directory: Path | None = None


@dataclass(frozen=True)
class Rules:
    """What counts as not needed: only what is older, and also runs of projects that are gone."""

    now: datetime
    older_than: timedelta
    missing_projects: bool = False


def need_of(run_id: str, where: Whereabouts, rules: Rules) -> Need:
    """Say whether what a run keeps is needed."""
    directory = _find(run_id, where.places)
    if directory is None:
        return _lost(run_id, where, rules)
    try:
        if is_held(directory.lock):
            return Need(True, "a process is at work on it", directory.root)
        read_manifest(directory)
        found = open_journal(directory.events, directory.checkpoint)
    except AttractorError as trouble:
        return Need(True, f"its records cannot be believed: {trouble}", directory.root)
    standing = found.state.standing
    if why := _reason_to_keep(standing, where):
        return Need(True, why, directory.root)
    age = rules.now - datetime.fromtimestamp(directory.events.stat().st_mtime, UTC)
    return _by_age(f"it is {standing} for good", age, rules.older_than, directory.root)


def _reason_to_keep(standing: Standing, where: Whereabouts) -> str:
    if standing == AWAITING_DECISION:
        return "it waits for a decision"
    if standing == AWAITING_ANSWER:
        return "it waits for an answer"
    if standing == EVALUATING:
        return "nobody has judged it"
    if not standing.is_final:
        return "it can be resumed"
    if standing.status is RunStatus.APPROVED and not where.is_promoted:
        return "it was approved, and is to be promoted"
    return ""


def _lost(run_id: str, where: Whereabouts, rules: Rules) -> Need:
    """Judge a run whose directory is not there: it was removed, or all of its project was moved."""
    try:
        age = rules.now - time_of(run_id)
    except UsageError:
        return Need(True, "its name is no run's")
    if not where.is_known:
        why = "no run began with it"
    elif _is_there(where.places[0].parent) or rules.missing_projects:
        why = "its run directory is gone"
    else:
        told = f"its project is not where it was ({where.places[0]}): --missing-projects frees it"
        return Need(True, told)
    if age < BEING_MADE:
        # No other age that is asked for frees it.
        young = describe_duration(BEING_MADE)
        return Need(True, f"{why}, but it is younger than {young}: it may be just being made")
    return _by_age(why, age, rules.older_than)


def _is_there(runs_dir: Path) -> bool:
    """Tell whether the folder of the runs is there, or at least the project that it lay in."""
    return runs_dir.is_dir() or runs_dir.parent.is_dir()


def _by_age(why: str, age: timedelta, older_than: timedelta, root: Path | None = None) -> Need:
    # A clock that was set back makes nothing younger than new.
    if max(age, timedelta()) >= older_than:
        return Need(False, why, root)
    return Need(True, f"{why}, but not for {describe_duration(older_than)}{YET}", root)


def _find(run_id: str, places: Sequence[Path]) -> RunDirectory | None:
    for place in places:
        directory = RunDirectory(place)
        try:
            if directory.manifest.exists() and read_manifest(directory).run_id == run_id:
                return directory
            if directory.run.exists() and not directory.manifest.exists():
                # It lost its manifest, and nothing else of it.
                return directory
        except (AttractorError, OSError):
            # Something of a run is there: whoever cannot read it has no say over it.
            return directory
    return None
