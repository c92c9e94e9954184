"""The declaration of a service in its file, and its initial state."""

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
from attractor.twins.services.faults import FaultRule
from attractor.twins.services.json_path import JsonPathField
from attractor.twins.services.response import HeaderTemplates, ServiceResponse, json_response
from attractor.twins.services.route import CollectionTable, Route
from attractor.twins.services.state import ClockTable, RateLimit, Records, ServiceState
from attractor.twins.services.templates import JsonTemplate, Names, Template, TextTemplate, as_text

ERROR_NAMES = frozenset({"message", "code", "status"})
"""Further names in expressions of [errors] and [auth]."""
ENVIRON_NAMES = frozenset({"url", "port", "key", "name"})
"""The only names in expressions of [environ]."""

_ERROR = Template({"error": {"code": "{{ code }}", "message": "{{ message }}"}})


class ErrorFormat(ScriptTable):
    """The format of the service's errors."""

    headers: HeaderTemplates = {}
    json_: JsonTemplate | None = Field(default=None, alias="json")

    def render(self, status: int, names: Names) -> ServiceResponse:
        """Return an error response with these names."""
        headers = {name: value.text(names) for name, value in self.headers.items()}
        return json_response((self.json_ or _ERROR).value(names), status, headers)


class CheckSettings(ScriptTable):
    """Settings for comparing the twin with recordings."""

    ignore: Annotated[tuple[JsonPathField, ...], Field(strict=False)] = ()
    types: Annotated[tuple[JsonPathField, ...], Field(strict=False)] = ()
    headers: Annotated[tuple[str, ...], Field(strict=False)] = ("content-type",)


def _of_json(state: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        canonical_json(cast("Json", state))
    except NotCanonical as cause:
        raise ValueError(cause.message) from cause
    return state


class ServiceTable(ScriptTable):
    """The keys of a service except its routes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    summary: str = ""
    seed: int = 0
    environ: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], TextTemplate] = {}
    clock: ClockTable = ClockTable()
    auth: Authentication | None = None
    errors: ErrorFormat = ErrorFormat()
    limit: RateLimit | None = None
    faults: Annotated[tuple[FaultRule, ...], Field(strict=False)] = ()
    state: Annotated[dict[str, JsonValue], AfterValidator(_of_json)] = {}
    collections: dict[str, CollectionTable] = {}
    check: CheckSettings = CheckSettings()


@dataclass(frozen=True)
class Service:
    """A service with its routes and its initial state."""

    table: ServiceTable
    routes: Sequence[Route]
    state: ServiceState
    folder: Path

    @property
    def name(self) -> str:
        """The name of the service."""
        return self.table.name


def declared_collections(table: ServiceTable) -> Mapping[str, CollectionTable]:
    """Return the declared collections, and every list of tables in the state."""
    found = {
        name: CollectionTable() for name, value in table.state.items() if _is_collection(value)
    }
    return found | table.collections


def initial_state(
    table: ServiceTable, collections: Mapping[str, CollectionTable], mistakes: TomlMistakes
) -> ServiceState:
    """Return the initial state, and add records without a unique key to the mistakes."""
    values = {
        name: cast("Json", value) for name, value in table.state.items() if name not in collections
    }
    state = ServiceState(table.seed, values=values)
    for name, collection in collections.items():
        rows = table.state.get(name, [])
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
            mistakes.add(at, f"a record of {name} has no {key!r}, the key of the collection")
        elif as_text(row[key]) in records:
            mistakes.add((*at, key), f"duplicate {key} {as_text(row[key])!r}")
        else:
            records[as_text(row[key])] = row
    return records


def _is_collection(value: JsonValue) -> bool:
    """Return whether a value is a list of tables, or empty."""
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)
