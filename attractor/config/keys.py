"""The variables that stand for settings."""

from attractor.base.toml import KeyPath

VARIABLE_PREFIX = "ATTRACTOR_"

RESERVED_VARIABLES = ("ATTRACTOR_STATUS_FILE", "ATTRACTOR_TOKEN")
"""Variables that have our prefix and set no setting."""

INPUT_PREFIX = "ATTRACTOR_INPUT_"
"""What variables begin with that give a run an input; they set no setting either."""


def variable_name(path: KeyPath) -> str:
    """Name the variable that sets a setting."""
    return VARIABLE_PREFIX + "__".join(str(part) for part in path).upper()


def path_of_variable(name: str) -> tuple[str, ...]:
    """Say which setting a variable sets; one that is not in upper case sets none there is."""
    bare = name.removeprefix(VARIABLE_PREFIX)
    # Keys are in lower case, so in upper case it stands for none, and is told as mistyped.
    path = bare.lower() if bare == bare.upper() else bare.upper()
    return tuple(path.split("__"))
