"""A desire of a user: a goal in the words of the user, with limits and results (ruling G1)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attractor.base.errors import suggest
from attractor.base.json import Json, texts_in
from attractor.base.records import read_json
from attractor.growth.errors import InvalidDesire
from attractor.growth.plain_text import require_plain


class UserDesire(BaseModel):
    """A wish of a user for an app."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    goal: str = Field(min_length=1, description="the wish, in the user's words")
    constraints: tuple[str, ...] = Field(
        default=(), strict=False, description="limits on every solution"
    )
    trusted_sources: tuple[str, ...] = Field(
        default=(), strict=False, description="sources whose data the app may use"
    )
    outputs: tuple[str, ...] = Field(
        default=(), strict=False, description="results that the app makes"
    )
    cadence: str = Field(default="", description="how often the app works, such as daily")
    preferences: tuple[str, ...] = Field(default=(), strict=False, description="style and habits")

    def to_dict(self) -> dict[str, object]:
        """Return the desire as JSON, without empty fields."""
        return self.model_dump(mode="json", exclude_defaults=True)


class PlannerInput(BaseModel):
    """New desires for a specification, as the planner gets them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec_graph_id: str
    new_desires: tuple[UserDesire, ...]


def read_desire(value: object, *, place: str = "desire") -> UserDesire:
    """Read a new desire from JSON or YAML, or raise InvalidDesire with the first fault."""
    desire = parse_desire(value, place=place)
    for key, one in desire.to_dict().items():
        for text in texts_in(cast("Json", one)):
            require_plain(text, f"{place}.{key}", InvalidDesire)
    return desire


def parse_desire(value: object, *, place: str = "desire") -> UserDesire:
    """Parse a desire, also one that was stored before hidden text was refused."""
    if isinstance(value, str):
        value = {"goal": value}
    try:
        return UserDesire.model_validate(value)
    except ValidationError as cause:
        error = cause.errors(include_url=False)[0]
        key = str(error["loc"][0]) if error["loc"] else ""
        near = suggest(key, UserDesire.model_fields)
        hint = (
            f"did you mean {near}?"
            if near and near != key
            else "known: " + ", ".join(UserDesire.model_fields)
        )
        fault = error["msg"][:1].lower() + error["msg"][1:]
        raise InvalidDesire(f"{place}{f'.{key}' if key else ''}: {fault}", hint=hint) from cause


def read_desires(value: object) -> Sequence[UserDesire]:
    """Read one desire or a list of desires."""
    if not isinstance(value, list):
        return (read_desire(value),)
    items = cast("list[Any]", value)
    return tuple(read_desire(one, place=f"desire {i}") for i, one in enumerate(items, 1))


def read_desires_file(file: Path) -> Sequence[UserDesire]:
    """Read one desire or a list of desires from a JSON file."""
    return read_desires(read_json(file, InvalidDesire))


def read_planner_input(value: Mapping[str, Any]) -> PlannerInput:
    """Read `{"spec_graph_id": ..., "new_desires": [...]}`."""
    id_, desires = value.get("spec_graph_id"), value.get("new_desires")
    if set(value) != set(PlannerInput.model_fields) or not isinstance(id_, str):
        hint = 'write {"spec_graph_id": "...", "new_desires": [...]}'
        raise InvalidDesire("not an input of the planner", hint=hint)
    return PlannerInput(spec_graph_id=id_, new_desires=tuple(read_desires(desires)))
