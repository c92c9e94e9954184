"""Reads what needs a person in all projects, at the moment of asking.

So a row that is settled anywhere is gone everywhere.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from attractor.attention.causes import grouped
from attractor.attention.rows import AttentionRow
from attractor.attention.snoozing import read_snoozed
from attractor.attention.source import Look, sources
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, words_of
from attractor.base.names import find_named
from attractor.factory.history.index import RunIndex, RunQuery
from attractor.factory.project import ProjectFolder, list_project_folders
from attractor.pipeline.status import PlainWord
from attractor.records.summary import RunOverview
from attractor.worlds.actors import list_actors
from attractor.worlds.status import ActorView, KnownJournals, read_actors


@dataclass(frozen=True)
class Attention:
    """What needs a person now, the oldest first; what is left out, and what cannot be read."""

    rows: Sequence[AttentionRow]
    asleep: Sequence[AttentionRow]
    troubles: Sequence[str]


def read_attention(
    state: Path,
    now: datetime,
    environ: Mapping[str, str],
    *,
    reaches: Callable[[str], bool] = lambda project_id: True,
    views: Sequence[ActorView] | None = None,
    known: KnownJournals | None = None,
    only_known: bool = False,
) -> Attention:
    """Return what needs a person in all projects of a state folder, without what is snoozed.

    The settings of a project are read with `environ`. `reaches` says which projects are read, by
    their ids; `views` has their actors, if they are read already; `known` are the parts of journals
    that were read before. With `only_known`, runs that the index does not have yet are left out.
    """
    troubles = list[str]()
    if views is None:
        actors = [one for one in list_actors(state) if reaches(one.project.project_id)]
        known = known or KnownJournals(RunIndex(state).overview)
        views = read_actors(actors, troubles.append, known)
    projects = [one for one in list_project_folders(state) if reaches(one.project_id)]
    runs = _read_runs(state, projects, troubles.append, only_known=only_known)
    rows = list[AttentionRow]()
    for project in projects:
        own = [view for view in views if view.folder.project.project_id == project.project_id]
        look = Look(project, state, now, environ, own, runs.get(project.project_id, ()))
        rows += _rows_of(look, troubles.append)
    awake, asleep = rows, list[AttentionRow]()
    try:
        snoozed = read_snoozed(state, now)
        asleep = [row for row in rows if row.id in snoozed]
        awake = [row for row in rows if row.id not in snoozed]
        awake, asleep = grouped(awake, state), grouped(asleep, state)
    except AttractorError as fault:
        troubles.append(f"causes of failures, or what is snoozed, cannot be read: {fault.message}")
    awake.sort(key=lambda row: row.since)
    return Attention(awake, asleep, troubles)


def _read_runs(
    state: Path,
    projects: Sequence[ProjectFolder],
    tell: Callable[[str], None],
    *,
    only_known: bool,
) -> Mapping[str, Sequence[RunOverview]]:
    """Return the runs that need a person, as the list of runs finds them, by project."""
    query, found = RunQuery(status=PlainWord.NEEDS_YOU), dict[str, Sequence[RunOverview]]()
    try:
        with RunIndex(state).opened() as index:
            for project in (one for one in projects if one.has_runs):
                try:
                    read = index.known if only_known else index.runs
                    found[project.project_id] = read(project.runs_dir, query)
                except AttractorError as fault:
                    tell(f"the runs of {project.root} cannot be read: {fault.message}")
    except AttractorError as fault:
        tell(f"the runs of the projects cannot be read: {fault.message}")
    return found


def _rows_of(look: Look, tell: Callable[[str], None]) -> Iterator[AttentionRow]:
    """Yield the rows of a project; a source that cannot be read hides no other."""
    for name, source in sources().items():
        try:
            yield from source.rows_of(look)
        except (AttractorError, OSError) as fault:
            what = name.replace("_", " ")
            tell(f"the {what} of {look.project.root} cannot be read: {words_of(fault)}")


def find_rows(name: str, rows: Sequence[AttentionRow]) -> Sequence[AttentionRow]:
    """Return the rows with one name in one project; `PROJECT/NAME` names the folder of it.

    A run is found by its id, and by the title of its row.
    The tasks of a common cause have names of their own. Its row is found by its whole name.
    """

    def names_of(row: AttentionRow) -> Sequence[str]:
        names, place = (row.title, row.name), row.project.root
        return (*names, *(f"{place.name}/{name}" for name in names), f"{place}/{row.name}")

    each = [one for row in rows for one in (row, *row.rows) if not one.rows or name == one.name]
    by_place = {names_of(row)[-1]: row for row in each}
    found = names_of(find_named("row of attention", name, by_place.values(), names_of))[-1]
    return [row for row in each if names_of(row)[-1] == found]
