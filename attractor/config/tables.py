"""The base of tables in TOML files that people write, and the names in them."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import to_json

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]*"
_NAME = re.compile(NAME_PATTERN)


def require_name(name: str) -> str:
    """Return a name that a suite, a profile, a scenario or a step may have, or raise ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError("use lower-case letters, digits, - and _, but not - or _ first")
    return name


LONGEST_NEW_NAME = 100
"""In characters: a name is a part of files and branches, which have other parts as well."""


def require_new_name(name: str) -> str:
    """Return a name for a new folder or branch, or raise ValueError; earlier ones may be longer."""
    if len(name) > LONGEST_NEW_NAME:
        raise ValueError(f"use at most {LONGEST_NEW_NAME} characters")
    return require_name(name)


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_Variable = Annotated[str, Field(json_schema_extra={"pattern": f"^{_VARIABLE.pattern}$"})]
_SECRET = re.compile(
    r"(?:.*_)?(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|AUTH)(?:_.*)?", re.IGNORECASE
)
_OF_SANDBOX = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR"}


def require_sandbox_variables(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return variables that a file may give a sandbox, or raise ValueError."""
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            raise ValueError(f"{name!r}: invalid variable")
        if name in _OF_SANDBOX or name.upper().startswith("ATTRACTOR_"):
            raise ValueError(f"{name} is set by the sandbox itself")
        if _SECRET.fullmatch(name):
            raise ValueError(f"{name} looks like a secret, which no file may contain: pass_env")
    return variables


SandboxVariables = Annotated[
    Mapping[_Variable, str],
    AfterValidator(require_sandbox_variables),
    Field(json_schema_extra={"additionalProperties": False}),
]

Name = Annotated[
    str,
    AfterValidator(require_name),
    Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"}),
]


class StrictTable(BaseModel):
    """A table that is immutable, and whose unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


M = TypeVar("M", bound=BaseModel)


def read_table(model: type[M], table: Mapping[str, object]) -> M:
    """Return the model of a table; no text is converted to a number, and no number to a switch."""
    found = model.model_validate(table)
    # Pydantic's strict JSON mode has the rules of TOML: a list may be a tuple.
    model.model_validate_json(to_json(table, inf_nan_mode="constants"), strict=True)
    return found
