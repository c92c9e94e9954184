"""Puts large values of a context aside, and brings them back whole when they are read.

What stands for one in the journal and the checkpoint is its hash and its size.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.engine.blobs import Blobs

FILE_BACKING_THRESHOLD = 100 * 1024
"""What is larger, in bytes of its JSON, lies in a file of its own (attractor-spec 5.5)."""

_HASH, _SIZE = "$artifact", "bytes"
_DIGEST = re.compile(r"[0-9a-f]{64}")
# As JSON, one sign is six bytes at most.
_SURELY_SMALL = FILE_BACKING_THRESHOLD // 6 - 1


@dataclass(frozen=True)
class Reference:
    """What stands for a large value."""

    hash: str
    size: int


ReadValue = Callable[[Json], Json]
"""Returns a value, or the whole of it when it is put aside."""


def as_it_is(value: Json) -> Json:
    """Return a value where none is put aside."""
    return value


def find_reference(value: Json) -> Reference | None:
    """Return the reference that a value is, if it is one."""
    match value:
        case {"$artifact": str(digest), "bytes": int(size)} if len(value) == len((_HASH, _SIZE)):
            return Reference(digest, size) if _DIGEST.fullmatch(digest) else None
        case _:
            return None


def put_aside(values: JsonObject, blobs: Blobs, *, but: Collection[str] = ()) -> dict[str, Json]:
    """Return values with references for the large ones, whose bytes are on the disk by then."""
    return {key: value if key in but else _put(value, blobs) for key, value in values.items()}


def read_whole(value: Json, blobs: Blobs) -> Json:
    """Return a value, or the whole of it when it is a reference."""
    reference = find_reference(value)
    return value if reference is None else parse_json(blobs.get(reference.hash))


class WholeValues(Mapping[str, Json]):
    """Values of which the large ones are read when they are asked for."""

    def __init__(self, values: JsonObject, blobs: Blobs) -> None:
        self._values = values
        self._blobs = blobs

    def __getitem__(self, key: str) -> Json:
        return read_whole(self._values[key], self._blobs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def reader(blobs: Blobs) -> ReadValue:
    """Return what reads values that may be put aside."""
    return partial(read_whole, blobs=blobs)


def _put(value: Json, blobs: Blobs) -> Json:
    # What only looks like a reference is put aside too: it comes back as what it was.
    if _is_surely_small(value) and find_reference(value) is None:
        return value
    content = canonical_json(value).encode()
    if len(content) <= FILE_BACKING_THRESHOLD and find_reference(value) is None:
        return value
    return {_HASH: blobs.put(content), _SIZE: len(content)}


def _is_surely_small(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) < _SURELY_SMALL
    return not isinstance(value, dict | list) or not value
