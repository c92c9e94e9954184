"""What a project allows and asks for when its runs are judged."""

from pydantic import BaseModel, ConfigDict, Field


class Profile(BaseModel):
    """The policy that a run is judged by; a run keeps the revision it began with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    revision: int = Field(default=1, ge=1)
    allow_unverified_isolation: bool = False
