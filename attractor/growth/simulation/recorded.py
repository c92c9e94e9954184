"""Takes the recording of a running app over, without values of persons and secrets.

The app records among its own state. Values of fields that the specification flags as `pii` become
pseudonyms, the same for equal values, so that a replay still finds the records. Of responses only
the status is kept: a panel may show any value. Queries and other bodies are left out.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from pydantic import JsonValue, ValidationError

from attractor.base.errors import AttractorError
from attractor.base.files import make_private_folder, read_regular, remove_tree
from attractor.base.json import canonical_json, parse_json
from attractor.growth.migration import KEY, State, read_state
from attractor.growth.simulation.traffic import (
    HEAD,
    STATE,
    TRAFFIC,
    Conditions,
    Exchange,
    Recording,
    Request,
    Response,
    write_recording,
)
from attractor.growth.specification.graph import SpecGraph

KEPT = 3
"""The number of recordings of the running app that are kept."""
_PREFIX = "running-"
_DATA = re.compile(r"/data/(?P<entity>[^/?]+)(/(?P<id>[^?]+))?(\?.*)?")

Redact = Callable[[str], str]
Record = Mapping[str, JsonValue]


def take_over(
    recorded: Path, recordings: Path, graph: SpecGraph, *, now: datetime, redact: Redact
) -> str:
    """Move the recording of an app to the others; return its name, or "" without a request."""
    # The app wrote it: a link could lead to files that the app may not read.
    if recorded.is_symlink() or (recorded / STATE).is_symlink() or not (recorded / HEAD).is_file():
        return ""
    conditions = Conditions.model_validate_json(read_regular(recorded / HEAD))
    state, exchanges = read_state(recorded / STATE), tuple(_exchanges(recorded / TRAFFIC))
    remove_tree(recorded)
    if not exchanges:
        return ""
    name = f"{_PREFIX}{now:%Y%m%d-%H%M%S}"
    changed = _Pseudonyms(graph, redact).apply(Recording(name, conditions, state, exchanges))
    make_private_folder(recordings / name)
    write_recording(changed, recordings / name)
    for path in sorted(recordings.glob(f"{_PREFIX}*"))[:-KEPT]:
        remove_tree(path)
    return name


def _exchanges(file: Path) -> Iterator[Exchange]:
    """Yield the complete exchanges; a killed app leaves half a line."""
    for line in read_regular(file).decode(errors="replace").splitlines():
        try:
            yield Exchange.model_validate(parse_json(line))
        except (AttractorError, ValidationError):
            continue


def with_pseudonyms(state: State, graph: SpecGraph, redact: Redact) -> State:
    """Return a state without values of persons and secrets; equal values stay equal."""
    return _Pseudonyms(graph, redact).of_state(state)


class _Pseudonyms:
    """Replaces the flagged values of a recording."""

    def __init__(self, graph: SpecGraph, redact: Redact) -> None:
        self._redact = redact
        names = {flag.name.casefold() for flag in graph.of_kind("pii_flag")}
        self._types: dict[str, str] = {}
        self._keys: dict[str, list[str]] = {}
        for entity in graph.of_kind("entity"):
            for field in graph.children(entity.id, "field"):
                name = field.id.partition(".")[2]
                if field.fields.get("key") == "true":
                    self._keys.setdefault(entity.id, []).append(name)
                is_named = {name.casefold(), field.id.casefold()} & names
                if field.fields.get("pii") == "true" or is_named:
                    self._types[field.id] = str(field.fields.get("type", "text"))
        self._numbers: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def apply(self, recording: Recording) -> Recording:
        requests = [exchange.request for exchange in recording.exchanges]
        bodies = [(entity, one) for each in requests for entity, one in _records(each)]
        state = self.of_state(recording.state, bodies)
        exchanges = tuple(
            Exchange(
                request=self._request(exchange.request),
                response=Response(status=exchange.response.status),
            )
            for exchange in recording.exchanges
        )
        return Recording(recording.name, recording.conditions, state, exchanges)

    def of_state(self, state: State, bodies: Sequence[tuple[str, Record]] = ()) -> State:
        """Return the state; values that are flagged in `bodies` are replaced in it, too."""
        held = [(entity, one) for entity, all_ in state.items() for one in all_]
        # Twice: a value of one record may be flagged in a later one.
        for entity, one in [*held, *bodies] * 2:
            self._record(entity, one)
        return {
            entity: tuple(
                sorted(
                    (self._clean(self._record(entity, record)) for record in records),
                    key=lambda one: str(one[KEY]),
                )
            )
            for entity, records in state.items()
        }

    def _request(self, request: Request) -> Request:
        found = _DATA.fullmatch(request.path)
        if found is None:
            path = self._redact(request.path.partition("?")[0])
            return Request(method=request.method, path=path)
        entity, id_ = found["entity"], found["id"] or ""
        flagged = any(f"{entity}.{one}" in self._types for one in self._keys.get(entity, []))
        new = self._ids.get((entity, id_), "unknown" if flagged else id_)
        path = self._redact(f"/data/{entity}" + (f"/{new}" if id_ else ""))
        records = [self._clean(self._record(entity, one)) for _, one in _records(request)]
        if not records:
            return Request(method=request.method, path=path)
        body: JsonValue = [*records] if isinstance(request.body, list) else records[0]
        return Request(method=request.method, path=path, body=body)

    def _record(self, entity: str, record: Record) -> dict[str, JsonValue]:
        new = {name: self._value(f"{entity}.{name}", value) for name, value in record.items()}
        if self._keys.get(entity) and KEY in new:
            new[KEY] = "-".join(str(new.get(key)) for key in self._keys[entity])
        if KEY in record:
            self._ids[entity, str(record[KEY])] = str(new[KEY])
        return new

    def _value(self, field: str, value: JsonValue) -> JsonValue:
        type_ = self._types.get(field)
        if type_ is None or value is None:
            return self._texts.get(value, value) if isinstance(value, str) else value
        number = self._numbers.setdefault(canonical_json(value), len(self._numbers) + 1)
        match type_:
            case "integer" | "number":
                return number
            case "boolean":
                return False
            case "date":
                return str(date(2000, 1, 1) + timedelta(days=number))
            case _:
                return self._texts.setdefault(str(value), f"person-{number:04}")

    def _clean(self, record: Record) -> dict[str, JsonValue]:
        return {
            name: self._redact(one) if isinstance(one, str) else one for name, one in record.items()
        }


def _records(request: Request) -> Iterator[tuple[str, Record]]:
    """Yield the records in a request, each with its entity."""
    found = _DATA.fullmatch(request.path)
    bodies = request.body if isinstance(request.body, list) else [request.body]
    for body in bodies if found else ():
        if found and isinstance(body, dict):
            yield found["entity"], body
