"""Tells whether a person's work tree holds what is not committed, and runs nothing of theirs."""

from collections.abc import Mapping
from pathlib import Path

from attractor.workspaces.git import ask_as_owner

_FILTERS = r"^filter\..*\.(clean|smudge|process|required)$"


async def has_uncommitted(folder: Path, *, environ: Mapping[str, str]) -> bool:
    """Tell whether something in a work tree is not committed; what its owner ignores is not.

    A file that goes through a filter and was touched since counts as changed: without running the
    filter nobody can tell.
    """
    filters = await ask_as_owner(
        "config", "-z", "--name-only", "--get-regexp", _FILTERS, folder=folder, environ=environ
    )
    # In submodules other configurations hold, so nobody looks into them.
    told = await ask_as_owner(
        "status", "--porcelain", "--ignore-submodules=dirty",
        folder=folder,
        environ=environ,
        without=set(filters.stdout.split("\0")) - {""},
    )  # fmt: skip
    return told.exit_code == 0 and bool(told.stdout)
