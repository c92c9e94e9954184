"""Skills: small pieces of work on data, with a schema of what goes in and what comes out.

Each skill is one file in `skills/` that needs the standard library alone, so that it can be copied
into an app.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

from attractor.base.json import Json, JsonObject
from attractor.base.registry import Registry
from attractor.growth.errors import InvalidData
from attractor.llm.json_schema import find_faults

Ask = Callable[[str], str]
"""Type of a function that asks a model, and returns the text of its answer."""


class Skill(Protocol):
    """A skill; both schemas are JSON Schemas of objects."""

    @property
    def input_schema(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    def output_schema(self) -> Mapping[str, Any]: ...  # noqa: D102

    def run(self, given: Mapping[str, Any], ask: Ask | None = None) -> dict[str, Any]:
        """Do the work; without `ask`, by rules alone."""
        ...


@cache
def skills() -> Registry[Skill]:
    """Return all skills by name."""
    return Registry("attractor.growth.skills", Skill, noun="skill")


def run_skill(name: str, given: JsonObject, ask: Ask | None = None) -> JsonObject:
    """Run a skill, and check input and output against its schemas."""
    skill = skills()[name]
    require(f"input of {name}", dict(given), skill.input_schema)
    result: dict[str, Json] = skill.run(given, ask)
    require(f"output of {name}", result, skill.output_schema)
    return result


def require(place: str, value: Json, schema: Mapping[str, Any]) -> None:
    """Raise InvalidData unless a value matches a schema."""
    faults = find_faults(value, dict(schema))
    if faults:
        raise InvalidData(f"{place}: {faults[0]}")
