"""Folders of the user, and the names of variables for settings."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from platformdirs import user_config_path, user_state_path

from attractor.base.errors import UsageError
from attractor.base.toml import KeyPath

_APPLICATION = "attractor"
_LONGEST_NAME, _LONGEST_PATH = 255, 4095


def user_config_file() -> Path:
    """Return the path of the user's configuration file, which may be missing."""
    return _place(user_config_path) / "config.toml"


def default_state_dir() -> Path:
    """`attractor` in the user's state folder, such as `~/.local/state/attractor`."""
    return _place(user_state_path)


def absolute(path: Path, *, base: Path, home: str) -> Path:
    """Return an absolute path, relative to `base`; `~` is replaced by `home`."""
    first = path.parts[0] if path.parts else ""
    if "\0" in str(path):
        raise ValueError("invalid path: it contains a NUL character")
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ValueError(f"path too long: more than {_LONGEST_PATH} bytes")
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise ValueError(f"path too long: a name has more than {_LONGEST_NAME} bytes")
    if not first.startswith("~"):
        return base / path
    if first != "~":
        raise ValueError(f"only ~ itself is supported, not {first}: write the path in full")
    if not home:
        raise ValueError("cannot resolve ~: HOME is not set")
    return base.joinpath(home, *path.parts[1:])


def shown(file: Path, *, cwd: Path) -> str:
    """Return a file name for people: relative within the current folder, otherwise absolute."""
    return str(file.relative_to(cwd) if file.is_relative_to(cwd) else file)


def _place(find: Callable[[str], Path]) -> Path:
    try:
        return find(_APPLICATION)
    except RuntimeError as cause:
        raise UsageError("cannot find the home folder", hint="set HOME") from cause


VARIABLE_PREFIX = "ATTRACTOR_"

TOKEN_VARIABLE = "ATTRACTOR_TOKEN"
"""The token that proves who decides."""

OPERATOR_VARIABLE = "ATTRACTOR_OPERATOR"
"""The name of the person for whom a command acts, set by a server (default: the user's name)."""

STARTED_BY_VARIABLE = "ATTRACTOR_STARTED_BY"
"""The kind of the server for which a process starts runs, such as `mcp`."""

RESERVED_VARIABLES = (
    *("ATTRACTOR_STATUS_FILE", "ATTRACTOR_IDEMPOTENCY_KEY"),
    *(TOKEN_VARIABLE, OPERATOR_VARIABLE, STARTED_BY_VARIABLE),
)
"""Variables that begin with `ATTRACTOR_`, but are not settings."""


def without_token(environ: Mapping[str, str], *more: str) -> dict[str, str]:
    """Return the variables without the token of a person, and without some more."""
    return {name: one for name, one in environ.items() if name not in (TOKEN_VARIABLE, *more)}


INPUT_PREFIX = "ATTRACTOR_INPUT_"
"""Prefix of variables for run inputs; these variables are not settings."""


def variable_name(path: KeyPath) -> str:
    """Return the variable of a setting."""
    return VARIABLE_PREFIX + "__".join(str(part) for part in path).upper()


def path_of_variable(name: str) -> tuple[str, ...]:
    """Return the path of the setting that a variable sets.

    A variable that is not upper case matches no setting.
    """
    bare = name.removeprefix(VARIABLE_PREFIX)
    # Keys are lower case: an upper-case path matches none and is reported as unknown.
    path = bare.lower() if bare == bare.upper() else bare.upper()
    return tuple(path.split("__"))
