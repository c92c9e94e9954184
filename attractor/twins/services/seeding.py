"""The state a service begins with: its collections with their records, and its values."""

from collections.abc import Mapping
from typing import cast

from pydantic import JsonValue

from attractor.base.json import Json
from attractor.twins.services.route import Collection
from attractor.twins.services.service import WrittenService
from attractor.twins.services.state import Records, State
from attractor.twins.services.templates import as_text
from attractor.twins.toml_mistakes import Mistakes


def collections_of(written: WrittenService) -> Mapping[str, Collection]:
    """Return the collections: those that are declared, and every list of tables in the state."""
    found = {name: Collection() for name, one in written.state.items() if _is_collection(one)}
    return found | written.collections


def seeded(
    written: WrittenService, collections: Mapping[str, Collection], mistakes: Mistakes
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


def _records(name: str, rows: list[dict[str, Json]], key: str, mistakes: Mistakes) -> Records:
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
