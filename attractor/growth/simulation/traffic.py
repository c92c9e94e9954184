"""Recorded traffic of an app: the state before, and requests with their responses (ruling G10).

A recording is a folder with `recording.json` (clock and seed), `traffic.jsonl` (one exchange a
line) and `state/<entity>.jsonl`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.files import read_text, write_whole
from attractor.base.json import canonical_json, content_hash, parse_json
from attractor.growth.errors import InvalidRecording
from attractor.growth.migration import KEY, State, read_state, state_text, write_state
from attractor.growth.specification.graph import SpecGraph

Model = TypeVar("Model", bound=BaseModel)

HEAD = "recording.json"
TRAFFIC = "traffic.jsonl"
STATE = "state"


class Request(BaseModel):
    """A request to an app."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str = Field(pattern="^/")
    body: JsonValue = None


class Response(BaseModel):
    """The response of an app; a page is text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int
    body: JsonValue = None


class Exchange(BaseModel):
    """A request with its response."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: Request
    response: Response


class Conditions(BaseModel):
    """The conditions that are equal in every replay of a recording."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clock: AwareDatetime
    seed: int = 0


@dataclass(frozen=True)
class Recording:
    """Recorded traffic, with the state that it began with."""

    name: str
    conditions: Conditions
    state: State
    exchanges: tuple[Exchange, ...]

    @property
    def requests(self) -> Sequence[Request]:
        """The requests in order."""
        return [exchange.request for exchange in self.exchanges]

    @property
    def traffic_hash(self) -> str:
        """The hash of conditions and exchanges."""
        lines = [self.conditions.model_dump_json(), *map(_line, self.exchanges)]
        return content_hash("\n".join(lines).encode())

    @property
    def state_hash(self) -> str:
        """The hash of the state."""
        return hash_of_state(self.state)

    def halves(self) -> tuple[Self, Self]:
        """Return two recordings, of the first and of the second half of the requests."""
        middle = (len(self.exchanges) + 1) // 2
        parts = (self.exchanges[:middle], self.exchanges[middle:])
        kind = type(self)
        first, second = (kind(self.name, self.conditions, self.state, part) for part in parts)
        return first, second


def hash_of_state(state: State) -> str:
    """Return the hash of all records."""
    texts = [f"{name}\n{state_text(records)}" for name, records in sorted(state.items())]
    return content_hash("\n".join(texts).encode())


def read_recording(folder: Path) -> Recording:
    """Read a recording, or raise InvalidRecording with the place of the first fault."""
    head = folder / HEAD
    conditions = _read(Conditions, read_text(head, InvalidRecording), str(head))
    file = folder / TRAFFIC
    lines = read_text(file, InvalidRecording).splitlines()
    exchanges = [_read(Exchange, one, f"{file}:{number}") for number, one in enumerate(lines, 1)]
    if not exchanges:
        raise InvalidRecording(f"{file} has no exchange", hint="record at least one request")
    return Recording(folder.name, conditions, read_state(folder / STATE), tuple(exchanges))


def read_recordings(folder: Path) -> Sequence[Recording]:
    """Read all recordings in a folder, in the order of their names."""
    return [read_recording(one.parent) for one in sorted(folder.glob(f"*/{HEAD}"))]


_TYPES: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def fits(recording: Recording, graph: SpecGraph) -> bool:
    """Return whether an app with a specification can begin with the state of a recording."""
    return all(
        entity in graph
        and all(
            name == KEY or value is None or _fits_field(graph, f"{entity}.{name}", value)
            for record in records
            for name, value in record.items()
        )
        for entity, records in recording.state.items()
        if records
    )


def _fits_field(graph: SpecGraph, id_: str, value: object) -> bool:
    if id_ not in graph:
        return False
    return isinstance(value, _TYPES.get(str(graph[id_].fields.get("type", "text")), (str,)))


def write_recording(recording: Recording, folder: Path) -> None:
    """Write a recording into a new folder."""
    write_state(recording.state, folder / STATE)
    write_whole(folder / TRAFFIC, "".join(f"{_line(one)}\n" for one in recording.exchanges))
    write_whole(folder / HEAD, f"{recording.conditions.model_dump_json()}\n")


def _line(exchange: Exchange) -> str:
    record: Mapping[str, JsonValue] = exchange.model_dump(mode="json", exclude_unset=True)
    return canonical_json(record)


def _read(model: type[Model], text: str, place: str) -> Model:
    try:
        return model.model_validate(parse_json(text))
    except NotCanonical as cause:
        raise InvalidRecording(f"{place}: {cause.message}") from cause
    except ValidationError as cause:
        error = cause.errors(include_url=False)[0]
        key = ".".join(str(one) for one in error["loc"])
        raise InvalidRecording(f"{place}: {key}: {error['msg'].lower()}") from cause
