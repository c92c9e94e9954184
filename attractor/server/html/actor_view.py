"""What the page of an actor shows besides its records: its changes, and its stage at work."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.stage.patch import clean_patch
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.language.drawing.run_overlay import StageState
from attractor.pipeline.workspace.diffs import parse_diff
from attractor.records.timeline import read_stages
from attractor.records.transcript import TranscriptEntry, read_last
from attractor.server.html.changes import Changes, changes_in
from attractor.server.html.stage_output import last_lines
from attractor.server.service import Service
from attractor.worlds.dimensions import diff_dimension
from attractor.worlds.remarks import Remark, Remarks
from attractor.worlds.status import ActorView

_MOST_ENTRIES = 8


@dataclass(frozen=True)
class StageTail:
    """The end of the conversation of a stage at work, or of its output."""

    stage: str
    entries: Sequence[TranscriptEntry] = ()
    lines: Sequence[str] = ()


def read_tails(actor: ActorView) -> Sequence[StageTail]:
    """Return the ends of the stages at work."""
    stages = read_stages(actor.run.directory) if actor.run else ()
    at_work = [one for one in stages if one.state is StageState.RUNNING]
    return [
        StageTail(one.id, entries)
        if one.folder and (entries := read_last(one.folder, _MOST_ENTRIES))
        else StageTail(one.id, lines=last_lines(one))
        for one in at_work
    ]


@dataclass(frozen=True)
class ReviewedChanges:
    """The changes in the dimension of an actor, and the remarks on them.

    `top` begins the paths of a diff that lie in the folder of the dimension.
    """

    changes: Changes = Changes()
    remarks: Sequence[Remark] = ()
    top: str = ""

    def path_of(self, file: str) -> str:
        """Return the path of a changed file in the folder of the dimension; "" for one outside."""
        return file.removeprefix(self.top) if file.startswith(self.top) else ""

    def remarks_at(self, path: str) -> Mapping[int, Sequence[Remark]]:
        """Return the remarks on a file by line, without stale ones."""
        here = (one for one in self.remarks if one.file == path and not one.is_stale)
        # They are sorted by line.
        return {line: list(found) for line, found in groupby(here, lambda one: one.line)}


def read_reviewed(service: Service, name: str) -> ReviewedChanges | None:
    """Return the changes and the remarks in the dimension with a name; None without one."""
    opened = service.opened
    dimension = {one.name: one for one in DimensionRecords.of(opened).all()}.get(name)
    if dimension is None or not dimension.folder:
        return None
    remarks = Remarks(opened, dimension).read()
    try:
        diff = asyncio.run(diff_dimension(opened, dimension))
    except AttractorError as refused:
        return ReviewedChanges(Changes(refused=refused.message, hint=refused.hint), remarks)
    found = parse_diff(clean_patch(diff, service.project.redactor))
    return ReviewedChanges(changes_in(found), remarks, _top_of(dimension))


def _top_of(dimension: Dimension) -> str:
    inside = Path(dimension.folder).relative_to(dimension.top) if dimension.top else Path()
    return f"{inside}/" if inside.parts else ""
