"""Makes the directory of a child, within that of its parent."""

import re
import shutil
from collections import deque
from itertools import count, takewhile
from pathlib import Path

from attractor.base.files import file_trouble, sync_folder
from attractor.base.ids import new_run_id
from attractor.engine.errors import NotRunnable
from attractor.engine.interfaces import Base
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    create_run_directory,
    read_manifest,
)
from attractor.engine.state.progress import Progress
from attractor.language.diagnostics import error
from attractor.language.graph.builder import folder_name
from attractor.pipeline.knowing import known_in
from attractor.pipeline.options import RunOptions
from attractor.pipeline.source import PipelineSource, open_pipeline
from attractor.pipeline.told_secrets import find_told_secrets
from attractor.pipeline.withheld import kept_record
from attractor.pipeline.world import World

_STAGE = re.compile(r"(?P<node>.*)@(?P<attempt>[0-9]+\.[0-9]+)", re.DOTALL)


def child_directory(parent: RunDirectory, name: str) -> RunDirectory:
    """Return where the child of a name lies, whether it was made or not."""
    return RunDirectory(parent.children / child_folder(name))


def child_folder(name: str) -> str:
    """Return the folder of a child: that of its node, with the numbers of visit and attempt."""
    found = _STAGE.fullmatch(name)
    return f"{folder_name(found['node'])}@{found['attempt']}" if found else folder_name(name)


def newest_round(first: RunDirectory) -> RunDirectory:
    """Return where the last run lies that goes on in place of a child; without one, the child."""
    rounds = takewhile(lambda one: one.manifest.exists(), (_round(first, at) for at in count(1)))
    return next(iter(deque(rounds, maxlen=1)), first)


def next_round(first: RunDirectory, progress: Progress) -> RunDirectory:
    """Return where the run is to lie that goes on in place of one that has come so far."""
    return _round(first, progress.restarts + 1)


def round_before(first: RunDirectory, manifest: Manifest) -> RunDirectory:
    """Return where the run lies that another one goes on in place of."""
    return _round(first, manifest.restart - 1)


def whole_of(root: Path) -> str:
    """Return the id of the run that the run of a directory is part of."""
    return read_manifest(RunDirectory(root.parent.parent)).run_id


def _round(first: RunDirectory, number: int) -> RunDirectory:
    if number == 0:
        return first
    return RunDirectory(first.root.with_name(f"{first.root.name}.restart{number}"))


def make_child_directory(
    directory: RunDirectory, parent: Manifest, options: RunOptions, world: World, *, base: Base
) -> None:
    """Read the pipeline of a child from its file, and make the directory of its run."""
    pipeline = open_pipeline(str(options.file), inputs=options.inputs, known=known_in(world))
    _require_no_secrets(pipeline, world)
    now = world.clock.now()
    manifest = Manifest(
        run_id=new_run_id(now, world.randomness),
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=now,
        content_hash=pipeline.content_hash,
        base=base,
        parent=parent.run_id,
        options=kept_record(options, world.redactor),
        versions={"attractor": world.version},
        promises=parent.promises,
    )
    clear_half_made(directory.root)
    create_run_directory(
        directory.root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        redactor=world.redactor,
    )
    # The folder of the children may be new as well.
    sync_folder(directory.root.parent.parent)


def _require_no_secrets(pipeline: PipelineSource, world: World) -> None:
    """Refuse what was written since the run began: a secret in it, or one that it would show."""
    faults = [*find_told_secrets(pipeline, world.redactor, world.environ)]
    for name, value in pipeline.shown.items():
        if value in world.secrets:
            told = f"the input {name} is given a secret, and is not declared as one"
            faults.append(error(told, pipeline.graph.span, fix=f"declare {name}:secret"))
    if faults:
        raise NotRunnable(pipeline.graph.name, faults)


def clear_half_made(root: Path) -> None:
    """Remove half a directory, whose maker was killed."""
    try:
        if root.exists():
            shutil.rmtree(root)
    except OSError as cause:
        raise file_trouble("remove", root, cause) from cause
