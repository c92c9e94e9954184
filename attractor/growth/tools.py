"""Tools of grown apps: skills and adapters, each with schemas of what goes in and what comes out.

Each is one file in `skills/` or `adapters/` that needs the standard library alone, so that it can
be copied into an app. A skill works on data. An adapter is a table of operations of a service; the
adapters were shown to work with the service twins in `scenarios/_twins/` only, never with a real
service.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from attractor.base.json import Json, JsonObject
from attractor.base.registry import Registry
from attractor.growth.errors import InvalidData
from attractor.growth.http_client import HttpClient, Operation
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


@cache
def adapters() -> Registry[dict[str, Operation]]:
    """Return the operations of all adapters by name."""
    return Registry("attractor.growth.adapters", dict, noun="adapter")  # pyright: ignore


def call_adapter(name: str, operation: str, given: JsonObject, *, url: str, token: str) -> Json:
    """Call an operation of a service, and check input and output against its schemas."""
    operations: Mapping[str, Operation] = adapters()[name]
    schemas = operations[operation]
    require(f"input of {name}.{operation}", dict(given), schemas.input_schema)
    answer: Json = HttpClient(url, token, operations).call(operation, given)
    require(f"output of {name}.{operation}", answer, schemas.output_schema)
    return answer


FOLDER = "tools"
_ROOM = Path(__file__).parent
_CLIENT = "http_client"


def names_of_tools() -> Collection[str]:
    """Return the names of all adapters and skills."""
    return [*adapters(), *skills()]


def vendored(names: Collection[str]) -> Mapping[str, str]:
    """Return the files of tools for an app, which needs nothing of Attractor."""
    files: dict[str, str] = {}
    for name in sorted(names):
        folder = "adapters" if name in adapters() else "skills"
        text = (_ROOM / folder / f"{name}.py").read_text("utf-8")
        files[f"{FOLDER}/{name}.py"] = text.replace("from attractor.growth.", f"from {FOLDER}.")
        if folder == "adapters":
            files[f"{FOLDER}/{_CLIENT}.py"] = (_ROOM / f"{_CLIENT}.py").read_text("utf-8")
    return {f"{FOLDER}/__init__.py": '"""Adapters and skills of this app."""\n', **files}
