"""A service, as a file declares it.

The state a service begins with: its collections with their records, and its values.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

from pydantic import AfterValidator, Field, JsonValue

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, canonical_json
from attractor.base.toml_errors import TomlMistakes
from attractor.twins.exchange.answer import ScriptTable
from attractor.twins.services.authentication import Authentication
from attractor.twins.services.faults import Trouble
from attractor.twins.services.json_path import JsonPathField
from attractor.twins.services.response import Response, WrittenHeaders, json_response
from attractor.twins.services.route import Collection, Route
from attractor.twins.services.state import Limit, Records, State, WrittenClock
from attractor.twins.services.templates import JsonTemplate, Names, Template, TextTemplate, as_text

ERROR_NAMES = frozenset({"message", "code", "status"})
"""What the shape of errors may name besides."""
PLACE_NAMES = frozenset({"url", "port", "key", "name"})
"""What the variables for clients may name, and nothing else."""

_ERROR = Template({"error": {"code": "{{ code }}", "message": "{{ message }}"}})


class ErrorShape(ScriptTable):
    """How the service says that it refuses a request."""

    headers: WrittenHeaders = {}
    json_: JsonTemplate | None = Field(default=None, alias="json")

    def written(self, status: int, names: Names) -> Response:
        """Write it with these names."""
        headers = {name: one.text(names) for name, one in self.headers.items()}
        return json_response((self.json_ or _ERROR).value(names), status, headers)


class Comparison(ScriptTable):
    """What counts when the twin is held against recordings."""

    ignore: Annotated[tuple[JsonPathField, ...], Field(strict=False)] = ()
    types: Annotated[tuple[JsonPathField, ...], Field(strict=False)] = ()
    headers: Annotated[tuple[str, ...], Field(strict=False)] = ("content-type",)


def _of_json(state: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        canonical_json(cast("Json", state))
    except NotCanonical as cause:
        raise ValueError(cause.message) from cause
    return state


class WrittenService(ScriptTable):
    """What a file says about a service, but for its routes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    summary: str = ""
    seed: int = 0
    environ: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], TextTemplate] = {}
    clock: WrittenClock = WrittenClock()
    auth: Authentication | None = None
    errors: ErrorShape = ErrorShape()
    limit: Limit | None = None
    faults: Annotated[tuple[Trouble, ...], Field(strict=False)] = ()
    state: Annotated[dict[str, JsonValue], AfterValidator(_of_json)] = {}
    collections: dict[str, Collection] = {}
    check: Comparison = Comparison()


@dataclass(frozen=True)
class Service:
    """A service that is ready to be stood in for."""

    written: WrittenService
    routes: Sequence[Route]
    state: State
    folder: Path

    @property
    def name(self) -> str:
        """Its name."""
        return self.written.name


def collections_of(written: WrittenService) -> Mapping[str, Collection]:
    """Return the collections: those that are declared, and every list of tables in the state."""
    found = {name: Collection() for name, one in written.state.items() if _is_collection(one)}
    return found | written.collections


def seeded(
    written: WrittenService, collections: Mapping[str, Collection], mistakes: TomlMistakes
) -> State:
    """Return the state to begin with, or note which records cannot be told apart."""
    values = {
        name: cast("Json", one) for name, one in written.state.items() if name not in collections
    }
    state = State(written.seed, values=values)
    for name, collection in collections.items():
        rows = written.state.get(name, [])
        if not _is_collection(rows):
            mistakes.add(["state", name], "a collection is a list of tables")
            continue
        found = cast("list[dict[str, Json]]", rows)
        state.collections[name] = _records(name, found, collection.key, mistakes)
    return state


def _records(name: str, rows: list[dict[str, Json]], key: str, mistakes: TomlMistakes) -> Records:
    records: Records = {}
    for number, row in enumerate(rows):
        at = ("state", name, number)
        if key not in row:
            mistakes.add(at, f"a record of {name} needs {key!r}, which tells it apart")
        elif as_text(row[key]) in records:
            mistakes.add((*at, key), f"another record has the {key} {as_text(row[key])!r} too")
        else:
            records[as_text(row[key])] = row
    return records


def _is_collection(value: JsonValue) -> bool:
    """An empty list is a collection without records."""
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
