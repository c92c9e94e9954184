"""Finds the project that a folder or file belongs to; it is asked at every start of a check."""

import os.path
from pathlib import Path

PROJECT_FILE = "attractor.toml"


def find_project_root(start: Path) -> Path:
    """Find the project a folder or file belongs to.

    It is the nearest folder upward with an `attractor.toml`, else with a `.git` (a folder, or the
    file of a worktree), else the folder itself. Links to folders are followed first, so that `..`
    leads where it says. Give an absolute path.
    """
    # Unlike their namesakes in pathlib, these two never raise, whatever may not be looked into.
    is_folder = os.path.isdir(start)  # noqa: PTH112
    folder = Path(os.path.realpath(start if is_folder else start.parent))
    return _nearest_with(PROJECT_FILE, folder) or _nearest_with(".git", folder) or folder


def _nearest_with(name: str, folder: Path) -> Path | None:
    # A link that leads nowhere counts: reading it then says so, instead of passing it over.
    candidates = (folder, *folder.parents)
    return next((one for one in candidates if os.path.lexists(one / name)), None)
