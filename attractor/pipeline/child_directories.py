"""Makes the directory of a child, within that of its parent."""

import re
import shutil
from pathlib import Path

from attractor.base.atomic_files import file_trouble, sync_folder
from attractor.base.ids import new_run_id
from attractor.engine.manifest import Manifest
from attractor.engine.restarts import require_none
from attractor.engine.run_directory import RunDirectory, create_run_directory
from attractor.engine.seams import Base
from attractor.language.folders import folder_name
from attractor.pipeline.knowing import known_in
from attractor.pipeline.options import RunOptions
from attractor.pipeline.source import open_pipeline
from attractor.pipeline.world import World

_STAGE = re.compile(r"(?P<node>.*)@(?P<attempt>[0-9]+\.[0-9]+)", re.DOTALL)


def child_directory(parent: RunDirectory, name: str) -> RunDirectory:
    """Return where the child of a name lies, whether it was made or not."""
    return RunDirectory(parent.children / child_folder(name))


def child_folder(name: str) -> str:
    """Return the folder of a child: that of its node, with the numbers of visit and attempt."""
    found = _STAGE.fullmatch(name)
    return f"{folder_name(found['node'])}@{found['attempt']}" if found else folder_name(name)


def make_child_directory(
    directory: RunDirectory, parent: Manifest, options: RunOptions, world: World, *, base: Base
) -> None:
    """Read the pipeline of a child from its file, and make the directory of its run."""
    pipeline = open_pipeline(str(options.file), inputs=options.inputs, known=known_in(world))
    require_none(pipeline.graph)
    now = world.clock.now()
    manifest = Manifest(
        run_id=new_run_id(now, world.randomness),
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=now,
        content_hash=pipeline.content_hash,
        base=base,
        parent=parent.run_id,
        options=options.to_record(),
        versions={"attractor": world.version},
        promises=parent.promises,
    )
    _clear(directory.root)
    create_run_directory(directory.root, manifest, pipeline.text, files=pipeline.files)
    # The folder of the children may be new as well.
    sync_folder(directory.root.parent.parent)


def _clear(root: Path) -> None:
    """Remove half a directory, whose maker was killed."""
    try:
        if root.exists():
            shutil.rmtree(root)
    except OSError as cause:
        raise file_trouble("remove", root, cause) from cause
