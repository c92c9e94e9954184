"""The recorded state of an app: canonical JSON lines, one file an entity (ruling G11)."""

from collections.abc import Mapping
from pathlib import Path

from attractor.base.errors import FileError
from attractor.base.files import file_error, read_regular, write_whole
from attractor.base.json import Json, NotCanonical, canonical_json, parse_json
from attractor.growth.errors import InvalidState

Record = Mapping[str, Json]
State = Mapping[str, tuple[Record, ...]]
"""The records of each entity, by its id."""

KEY = "id"
"""The key of every record, which no morph changes."""


def state_text(records: tuple[Record, ...]) -> str:
    """Return the records of an entity as canonical JSON lines."""
    return "".join(f"{canonical_json(dict(one))}\n" for one in records)


def parse_records(text: str, *, place: str) -> tuple[Record, ...]:
    """Read canonical JSON lines, or raise InvalidState."""
    records: list[Record] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line and number == text.count("\n") + 1:
            break
        try:
            record = parse_json(line)
        except NotCanonical as cause:
            raise InvalidState(f"{place}:{number}: {cause.message}") from cause
        if not isinstance(record, dict) or not isinstance(record.get(KEY), str):
            raise InvalidState(f"{place}:{number}: a record is an object with a text {KEY!r}")
        if canonical_json(record) != line:
            raise InvalidState(f"{place}:{number}: not canonical", hint="sort the keys")
        records.append(record)
    return tuple(records)


def read_state(folder: Path) -> State:
    """Read the state of an app from `<entity>.jsonl` files."""
    state: dict[str, tuple[Record, ...]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        try:
            text = read_regular(file).decode()
        except UnicodeDecodeError as cause:
            raise InvalidState(f"{file} is not UTF-8") from cause
        except OSError as cause:
            raise file_error("read", file, cause) from cause
        state[file.stem] = parse_records(text, place=file.name)
    return state


def write_state(state: State, folder: Path) -> None:
    """Write the state of an app into an empty folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileError(f"{folder} is not empty")
    except OSError as cause:
        raise file_error("write", folder, cause) from cause
    for entity, records in state.items():
        write_whole(folder / f"{entity}.jsonl", state_text(records))
