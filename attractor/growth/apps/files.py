"""The content of files of an app, in its repository and in its releases."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from attractor.base.files import read_file, remove_tree

Files = Mapping[str, bytes]
"""The content of files by path, within a folder."""

COMPILED = "__pycache__"


def read_below(folder: Path, paths: Iterable[Path]) -> Files:
    """Return the content of all files of a folder that some paths name, by path within it."""
    contents = {one.relative_to(folder).as_posix(): content_of(one) for one in paths}
    return {path: content for path, content in contents.items() if content is not None}


def content_of(file: Path) -> bytes | None:
    """Return the content of a file; None for a folder, and without a file."""
    if file.is_symlink():
        return link_text(str(file.readlink()))
    return read_file(file) if file.is_file() else None


def link_text(target: str) -> bytes:
    """Return the text that stands for a symbolic link."""
    return f"symbolic link to {target}\n".encode(errors="surrogateescape")


def remove_compiled(folder: Path) -> None:
    """Remove compiled Python, which would be run in the place of its source."""
    for one in sorted(folder.rglob(COMPILED)):
        remove_tree(one)
