"""Where the run directories of children and of their restarts lie."""

import re
import shutil
from collections import deque
from itertools import count, takewhile
from pathlib import Path

from attractor.base.files import file_error
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    read_manifest,
)
from attractor.engine.state.progress import Progress
from attractor.language.graph.graph import folder_name

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


def clear_half_made(root: Path) -> None:
    """Remove half a directory, whose maker was killed."""
    try:
        if root.exists():
            shutil.rmtree(root)
    except OSError as cause:
        raise file_error("remove", root, cause) from cause
