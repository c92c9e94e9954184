"""Finds the folders and files of the user; imports nothing heavy."""

import os
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_config_path, user_state_path

from attractor.base.errors import UsageError

_APPLICATION = "attractor"
_LONGEST_NAME, _LONGEST_PATH = 255, 4095


def user_config_file() -> Path:
    """Return the user's own configuration file, which need not be there."""
    return _place(user_config_path) / "config.toml"


def default_state_dir() -> Path:
    """`attractor` in the user's state folder, such as `~/.local/state/attractor`."""
    return _place(user_state_path)


def absolute(path: Path, *, base: Path, home: str) -> Path:
    """Make a path absolute from the folder it is written in; `~` is the home handed in."""
    first = path.parts[0] if path.parts else ""
    _refuse_impossible(path)
    if not first.startswith("~"):
        return base / path
    if first != "~":
        raise ValueError(f"only ~ itself stands for a folder, {first} does not: write it in full")
    if not home:
        raise ValueError("HOME is not set, so ~ stands for no folder")
    return base.joinpath(home, *path.parts[1:])


def shown(file: Path, *, cwd: Path) -> str:
    """Write a file's name for people standing in a folder: short below it, else in full."""
    return str(file.relative_to(cwd) if file.is_relative_to(cwd) else file)


def _refuse_impossible(path: Path) -> None:
    if "\0" in str(path):
        raise ValueError("no path holds a NUL character")
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ValueError(f"no path is longer than {_LONGEST_PATH} bytes")
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise ValueError(f"no name in a path is longer than {_LONGEST_NAME} bytes")


def _place(find: Callable[[str], Path]) -> Path:
    try:
        return find(_APPLICATION)
    except RuntimeError as cause:
        raise UsageError(
            "nothing says where the home folder is", hint="set HOME to a folder"
        ) from cause
