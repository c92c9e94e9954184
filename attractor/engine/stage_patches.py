"""Leaves in the folder of a stage what it changed: `diff.patch`."""

from attractor.base.errors import AttractorError, FileTrouble
from attractor.base.files import write_whole
from attractor.base.json import Json
from attractor.engine.attempt_folders import history_folder
from attractor.engine.events import Place
from attractor.engine.lines import Line
from attractor.engine.patches import MOST_NAMED, make_patch, written
from attractor.engine.seams import TreeId
from attractor.engine.stage_files import in_folder

DIFF = "diff.patch"

PATCH_LEFT_OUT = "PatchLeftOut"
"""The kind emitted when `diff.patch` does not have all that a stage changed."""


async def leave_patch(line: Line, place: Place, until: TreeId) -> None:
    """Write what a visit changed into the folder of its last attempt; nothing if it changed none.

    It stands there before the journal has the stage, so that no stage that counts is without it.
    Trouble with git is told and holds nobody up: the trees have it all.
    """
    since = line.progress.tree
    if not since or until == since:
        return
    try:
        patch = await make_patch(line.workspace, since, until)
    except FileTrouble:
        raise
    except AttractorError as trouble:
        line.run.emit(PATCH_LEFT_OUT, {"why": str(trouble), "paths": [], "count": 0}, place=place)
        return
    if patch.left_out:
        paths: list[Json] = list(patch.left_out[:MOST_NAMED])
        told: dict[str, Json] = {"why": "too long", "paths": paths, "count": len(patch.left_out)}
        line.run.emit(PATCH_LEFT_OUT, told, place=place)
    if content := written(patch, line.run.redactor).content:
        _write(line, place, content)


def _write(line: Line, place: Place, content: bytes) -> None:
    node, visit = place.node or "", place.visit or 1
    folder = line.run.directory.stage(node)
    if line.run.state.is_aside(line.key, node, visit):
        folder = history_folder(folder, visit, place.attempt or 1)
    write_whole(in_folder(folder, DIFF), content, sync=False)
