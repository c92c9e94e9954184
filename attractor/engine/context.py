"""The context of a run; large values are stored as files."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from threading import RLock

from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.engine.storage.artifacts import FILE_BACKING_THRESHOLD, Blobs
from attractor.engine.truncation import Reference, find_reference, text_of

# In JSON, a character has at most six bytes.
_SURELY_SMALL = FILE_BACKING_THRESHOLD // 6 - 1

ReadValue = Callable[[Json], Json]
"""Type of a function that returns a value, or, for a reference, the value behind the reference."""


def unchanged(value: Json) -> Json:
    """Return the value itself: a `ReadValue` for contexts without references."""
    return value


def store_large_values(
    values: JsonObject, blobs: Blobs, *, but: Collection[str] = ()
) -> dict[str, Json]:
    """Store large values as blobs; return all values, with references in place of large values."""
    return {key: value if key in but else _put(value, blobs) for key, value in values.items()}


def resolve_reference(value: Json, blobs: Blobs) -> Json:
    """Return a value; for a reference, return the value in the blob."""
    reference = find_reference(value)
    return value if reference is None else parse_json(blobs.get(reference.hash))


class ResolvedValues(Mapping[str, Json]):
    """A mapping that, for a reference, returns the value behind the reference."""

    def __init__(self, values: JsonObject, blobs: Blobs) -> None:
        self._values = values
        self._blobs = blobs

    def __getitem__(self, key: str) -> Json:
        return resolve_reference(self._values[key], self._blobs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def reader(blobs: Blobs) -> ReadValue:
    """Return a function that replaces a reference by its value in these blobs."""
    return partial(resolve_reference, blobs=blobs)


def _put(value: Json, blobs: Blobs) -> Json:
    # A value of a handler that looks like a reference is stored as a blob too: reading returns it
    # unchanged.
    if _is_surely_small(value) and find_reference(value) is None:
        return value
    content = canonical_json(value).encode()
    if len(content) <= FILE_BACKING_THRESHOLD and find_reference(value) is None:
        return value
    return Reference(blobs.put(content), len(content)).to_json()


def _is_surely_small(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) < _SURELY_SMALL
    return not isinstance(value, dict | list) or not value


class Context:
    """A key-value store that is safe for threads. A branch works on a clone.

    Values are copied on the way in and out: only `set` and `apply_updates` change the store, so the
    writes of a stage are known and recorded. Large values are read on demand.
    """

    def __init__(
        self, values: Mapping[str, Json] | None = None, *, read: ReadValue = unchanged
    ) -> None:
        self._read = read
        self._values: dict[str, Json] = dict(values or {})
        self._written: dict[str, Json] = {}
        self._own: set[str] = set()
        self._logs: list[str] = []
        self._lock = RLock()

    def set(self, key: str, value: Json) -> None:
        """Set one key."""
        self.apply_updates({key: value})

    def get(self, key: str, default: Json = None) -> Json:
        """Return the value of a key, or the default."""
        with self._lock:
            return _copied(self._whole(key, self._values.get(key, default)))

    def get_string(self, key: str, default: str = "") -> str:
        """Return the value of a key as text: `true`, `3`, or JSON for lists and objects."""
        value = self.get(key)
        return default if value is None else text_of(value)

    def append_log(self, entry: str) -> None:
        """Append a line to the log of the run."""
        with self._lock:
            self._logs.append(str(entry))

    def logs(self) -> tuple[str, ...]:
        """Return the lines that were appended to the log."""
        with self._lock:
            return tuple(self._logs)

    def snapshot(self) -> dict[str, Json]:
        """Return a deep copy of every value."""
        with self._lock:
            return {key: _copied(self._whole(key, value)) for key, value in self._values.items()}

    def written(self) -> dict[str, Json]:
        """Return a deep copy of the values that were set since the creation of the context."""
        with self._lock:
            return deep_copy(self._written)

    def clone(self) -> "Context":
        """Return an independent context with the same values and log."""
        with self._lock:
            twin = Context(deep_copy(self._values), read=self._read)
            twin._logs = list(self._logs)
            twin._own = set(self._own)
            return twin

    def apply_updates(self, updates: Mapping[str, Json]) -> None:
        """Set all keys of the updates."""
        copied = deep_copy(updates)
        # Fail here for invalid JSON: here the stage that set the value is known.
        canonical_json(copied)
        with self._lock:
            self._values.update(copied)
            self._written.update(copied)
            self._own.update(copied)

    def _whole(self, key: str, value: Json) -> Json:
        # Values set in this context are never references, even if they look like one.
        return value if key in self._own else self._read(value)


def deep_copy(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return a deep copy of values."""
    return {key: _copied(value) for key, value in values.items()}


def _copied(value: Json) -> Json:
    """Return a deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value
