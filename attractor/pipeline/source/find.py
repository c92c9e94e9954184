"""Finds the pipeline files in a folder."""

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from attractor.base.files import walk_paths

PIPELINE_ENDINGS = (".dot", ".gv")
_PASSED_OVER = frozenset({"runs", "node_modules", "venv", "__pycache__"})


def is_pipeline_name(name: str) -> bool:
    """Return whether a folder search includes this file name."""
    return name.endswith(PIPELINE_ENDINGS) and not name.startswith(".")


def find_pipeline_files(
    folder: str, onerror: Callable[[OSError], object], *, hidden: Collection[str] = ()
) -> Iterator[str]:
    """Yield the pipeline files of a folder and of folders in it, except hidden ones, by name."""
    for place, folders, files in walk_paths(folder, onerror=onerror):
        folders[:] = sorted(
            one for one in folders if _is_searched(one) and f"{place}/{one}" not in hidden
        )
        for name in sorted(files):
            file = os.path.normpath(Path(place, name))
            if is_pipeline_name(name) and _is_file(file):
                yield file


def _is_file(file: str) -> bool:
    # Reading a pipe would block; a broken link is reported when it is opened.
    return os.path.isfile(file) or os.path.islink(file)  # noqa: PTH113, PTH114


def _is_searched(folder: str) -> bool:
    return not folder.startswith(".") and folder not in _PASSED_OVER
