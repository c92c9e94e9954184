"""Tools of grown apps: skills and adapters, each with schemas of its input and output.

Each is one file in `skills/` or `adapters/` that needs the standard library alone, so that it can
be copied into an app. A skill works on data. An adapter is a table of operations of a service; the
adapters were shown to work with the service twins in `scenarios/_twins/` only, never with a real
service.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from pprint import pformat
from typing import Any, Protocol

from attractor.base.registry import Registry
from attractor.growth.declared_adapter import adapters
from attractor.growth.http_client import Operation

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


ADAPTERS = "app/adapters"
"""The folder of an app with the adapters that its steps declare."""
_PACKAGE = Path(__file__).parent
CLIENT = "http_client"


def copied_skills(names: Collection[str]) -> Mapping[str, str]:
    """Return the files of skills for an app, which needs nothing of Attractor."""
    files = {f"tools/{name}.py": _text(f"skills/{name}.py") for name in sorted(names)}
    return {"tools/__init__.py": '"""Skills of this app."""\n', **files}


def copied_adapters(names: Collection[str]) -> Mapping[str, str]:
    """Return the files of shipped adapters for an app, with the client of all; none without names.

    A declared adapter among the names is left out: `adapter_text` writes it.
    """
    sources = {name: f"adapters/{name}.py" for name in sorted(names) if name in adapters()}
    if names:
        sources |= {"__init__": "adapters/__init__.py", CLIENT: f"{CLIENT}.py"}
    return {
        f"{ADAPTERS}/{name}.py": _text(source).replace("attractor.growth.", "app.adapters.")
        for name, source in sources.items()
    }


def copied_limits() -> Mapping[str, str]:
    """Return the file of limits of records for an app."""
    return {"app/limit_rules.py": _text("limit_rules.py")}


def adapter_text(name: str, operations: Mapping[str, Operation]) -> str:
    """Return the file of a declared adapter for an app."""
    written = {key: tuple(one[:4]) for key, one in operations.items()}
    return (
        f'"""Operations of the service {name}, as the specification declares them."""\n\n'
        "from app.adapters.http_client import Operation\n\n"
        f"_OPERATIONS = {pformat(written, width=96, sort_dicts=False)}\n\n"
        "part = {name: Operation(*one) for name, one in _OPERATIONS.items()}\n"
    )


def _text(path: str) -> str:
    return (_PACKAGE / path).read_text("utf-8")
