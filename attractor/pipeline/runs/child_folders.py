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
    """Return the directory of a child, whether it exists or not."""
    return RunDirectory(parent.children / child_folder(name))


def child_folder(name: str) -> str:
    """Return the folder of a child: that of its node, with the numbers of visit and attempt."""
    found = _STAGE.fullmatch(name)
    return f"{folder_name(found['node'])}@{found['attempt']}" if found else folder_name(name)


def newest_round(first: RunDirectory) -> RunDirectory:
    """Return the directory of the newest restart of a child (default: the child)."""
    rounds = takewhile(lambda one: one.manifest.exists(), (_round(first, at) for at in count(1)))
    return next(iter(deque(rounds, maxlen=1)), first)


def next_round(first: RunDirectory, progress: Progress) -> RunDirectory:
    """Return the directory of the next restart of a child."""
    return _round(first, progress.restarts + 1)


def round_before(first: RunDirectory, manifest: Manifest) -> RunDirectory:
    """Return the directory of the run that a restart replaces."""
    return _round(first, manifest.restart - 1)


def whole_of(root: Path) -> str:
    """Return the id of the run that the run of a directory is part of."""
    return read_manifest(RunDirectory(root.parent.parent)).run_id


def _round(first: RunDirectory, number: int) -> RunDirectory:
    if number == 0:
        return first
    return RunDirectory(first.root.with_name(f"{first.root.name}.restart{number}"))


def clear_half_made(root: Path) -> None:
    """Remove an incomplete directory, whose process was killed."""
    try:
        if root.exists():
            shutil.rmtree(root)
    except OSError as cause:
        raise file_error("remove", root, cause) from cause
