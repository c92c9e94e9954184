"""Build folders, such as `target` of Cargo: a branch begins with a copy of its parent's."""

import fcntl
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from attractor.base.amounts import format_size
from attractor.base.files import walk_tree
from attractor.workspaces.result_tree import BUILD_FOLDERS
from attractor.workspaces.setup.cache import (
    CLONE,
    carry,
    exists_without_links,
    is_plain_entry,
    mentions_path,
)

LARGEST = 1 << 30
"""The largest total size of copies, where the file system cannot share blocks."""


def copy_build_folders(
    source: Path, ignored: Sequence[str], folder: Path, *, has_same_path: bool
) -> str:
    """Copy ignored build folders of a workspace into a branch; return a message if too large.

    Files in a build folder can contain the path of the workspace: without `has_same_path`, such a
    folder is not copied, because commands of the branch would use files of the workspace.
    """
    paths = [
        path
        for path in sorted(ignored)
        if _is_build_folder(source, path)
        and not exists_without_links(folder, path)
        and (has_same_path or not mentions_path(source, [path], str(source)))
    ]
    size = sum(_size(source / path) for path in paths)
    if size > LARGEST and not _can_share_blocks(source, folder):
        names = ", ".join(paths)
        return (
            f"Branches begin without {names} ({format_size(size)}): more than "
            f"{format_size(LARGEST)} is not copied, unless carry of [workspace] names it."
        )
    carry(source, paths, folder)
    return ""


def _is_build_folder(source: Path, path: str) -> bool:
    at = PurePosixPath(path)
    files = [str(at.with_name(name)) for name in BUILD_FOLDERS.get(at.name, ())]
    return is_plain_entry(source, path) and any(is_plain_entry(source, file) for file in files)


def _size(folder: Path) -> int:
    found = [entry.status() for entry in walk_tree(folder)]
    return sum(status.st_size for status in found if stat.S_ISREG(status.st_mode))


def _can_share_blocks(source: Path, folder: Path) -> bool:
    try:
        with ExitStack() as files:
            one, other = (
                files.enter_context(
                    os.fdopen(os.open(at, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600))
                )
                for at in (source, folder)
            )
            fcntl.ioctl(other, CLONE, one.fileno())
    except (AttributeError, OSError):  # not Linux, or a file system without shared blocks
        return False
    return True
