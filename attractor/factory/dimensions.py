"""Dimensions: names for the folders of a project in which runs work, and their records.

A record is written before a folder is made, and removed after the folder is gone; until then it is
not ready. `attractor/worlds/dimensions.py` makes and removes dimensions.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName
from attractor.base.files import remove_file
from attractor.base.json import Json
from attractor.base.names import find_named
from attractor.base.records import write_fields
from attractor.factory.open_project import OpenProject, RecordFolder
from attractor.records.request import RunRequest
from attractor.workspaces.create.registry import workspace_registry

DIMENSIONS = "dimensions"


class DimensionState(StrEnum):
    """How far a dimension was made or removed."""

    MAKING = "making"
    READY = "ready"
    REMOVING = "removing"


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A dimension: its name, its kind of workspace, and its folder.

    An `isolated` or `copy` dimension has no folder. `top` is the folder of a worktree, which
    contains `folder`. `base` is the commit at which it was made, or the tree outside of Git, and
    `base_branch` the branch from which it was made. What a person made is never deleted.

    `origins` are the names and folders of the dimensions of which it is a copy. Runs that began
    there since `worked_since`, before it was made, count as its work.
    """

    name: str
    kind: str
    created: datetime
    folder: str = ""
    top: str = ""
    branch: str = ""
    base: str = ""
    base_branch: str = ""
    made_by_attractor: bool = True
    origins: Sequence[str] = ()
    worked_since: datetime | None = None
    state: DimensionState = DimensionState.MAKING

    @property
    def is_ready(self) -> bool:
        """Whether it has its files."""
        return self.state is DimensionState.READY

    @property
    def origins_of_copy(self) -> list[str]:
        """The origins of a dimension that is a copy of this one."""
        return [*filter(None, (*self.origins, self.name, self.folder))]

    def has_work_of(self, dimension: str, folder: str, began: datetime) -> bool:
        """Whether the work of a run, in a dimension or in a folder, is in its files."""
        places = {dimension, folder} - {""}
        if places & {self.name, self.folder}:
            return began >= self.created
        since = self.worked_since or self.created
        return bool(places & {*self.origins}) and since <= began < self.created

    def to_json(self) -> dict[str, Json]:
        """Return all fields, for the output of a command."""
        shown = write_fields(self, created="", state="", worked_since="")
        return {**shown, "created": self.created.isoformat()}


class DimensionRecords(RecordFolder[Dimension]):
    """The records of the dimensions of a project."""

    name = DIMENSIONS
    kind = Dimension

    def find(self, name: str) -> Dimension:
        """Return the dimension with a name, otherwise with the unique beginning of one."""
        elsewhere = [file.stem for file in self.folder.parent.parent.glob(f"*/{DIMENSIONS}/*.json")]
        return find_named(
            "dimension", name, self.all(), lambda one: [one.name], elsewhere=elsewhere
        )

    def write(self, dimension: Dimension) -> None:
        """Write the record of a dimension."""
        self._write(dimension.name, dimension)

    def remove(self, dimension: Dimension) -> None:
        """Remove the record of a dimension, and the remarks on it."""
        remove_file(self.remarks_file(dimension))
        remove_file(self.file(dimension.name))

    def remarks_file(self, dimension: Dimension) -> Path:
        """Return the file of the remarks on a dimension, which may be missing."""
        return self.file(dimension.name, "remarks")


def with_dimension(request: RunRequest, opened: OpenProject) -> RunRequest:
    """Return a request whose workspace is the kind of the named dimension, with its folder."""
    kinds, records = workspace_registry(), DimensionRecords.of(opened)
    if request.folder or request.dimension or request.workspace in kinds:
        return request
    try:
        dimension = records.find(request.workspace)
    except UnknownName as unknown:
        plain = [name for name in kinds if not kinds[name].needs_folder]
        raise UnknownName("workspace", request.workspace, [*plain, *unknown.known]) from None
    if not dimension.is_ready:
        raise Refused(
            f"the dimension {dimension.name} is not ready: it is {dimension.state}",
            hint="wait, or undo what was cut: attractor dimension list",
        )
    return replace(
        request, workspace=dimension.kind, folder=dimension.folder, dimension=dimension.name
    )
