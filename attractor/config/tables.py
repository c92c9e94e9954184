"""The base of tables in TOML files that people write, and the names in them."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def require_name(name: str) -> str:
    """Return a name that a suite, a profile, a scenario or a step may have, or raise ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError("use lower-case letters, digits, - and _, but not - or _ first")
    return name


Name = Annotated[str, AfterValidator(require_name)]


class StrictTable(BaseModel):
    """A table that is immutable, and whose unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")
