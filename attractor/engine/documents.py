"""The small JSON files of a run directory that people read too."""

import json
from pathlib import Path

from attractor.base.errors import NotCanonical
from attractor.base.files import file_trouble, write_whole
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.engine.errors import RecordBroken
from attractor.engine.fields import Fields

_WIDEST = 80
_encode = json.JSONEncoder(ensure_ascii=False).encode


def pretty_json(record: JsonObject, *, is_plain: bool = False) -> str:
    """Return a record as JSON that people can read; one known to be plain JSON is not checked."""
    # Checked first: json itself would write what no reader takes back.
    if not is_plain:
        canonical_json(record)
    members = ",\n".join(f"  {_encode(key)}: {_pretty(value)}" for key, value in record.items())
    return f"{{\n{members}\n}}\n" if members else "{}\n"


def _pretty(value: Json) -> str:
    """Write what fits on a line there, which is also quick; and what does not over several."""
    text = _encode(value)
    if len(text) <= _WIDEST or not isinstance(value, dict | list):
        return text
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  ")


def write_document(path: Path, record: JsonObject) -> None:
    """Put a record in place whole, and make it last."""
    write_whole(path, pretty_json(record))


def read_document(path: Path) -> Fields:
    """Read a record to be taken apart field by field."""
    try:
        content = path.read_bytes()
    except OSError as cause:
        raise file_trouble("read", path, cause) from cause
    try:
        return Fields(parse_json(content), str(path))
    except NotCanonical as cause:
        raise RecordBroken(f"{path} is {cause}") from cause
