"""What stages of one run share: keys and JSON values, and the run's log (attractor-spec 5.1)."""

from collections.abc import Mapping
from threading import RLock

from attractor.base.json import Json, canonical_json
from attractor.engine.large_values import ReadValue, as_it_is


class Context:
    """A key-value store that threads may share; a branch works on a clone.

    Values go in and come out as copies: only `set` and `apply_updates` change what it holds, so
    what a stage wrote is known and can be recorded. A large value that was put aside is read when
    it is asked for.
    """

    def __init__(
        self, values: Mapping[str, Json] | None = None, *, read: ReadValue = as_it_is
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
        """Return what a key holds, or the default."""
        with self._lock:
            return _own(self._whole(key, self._values.get(key, default)))

    def get_string(self, key: str, default: str = "") -> str:
        """Return what a key holds as text: `true`, `3`, or JSON for lists and tables."""
        value = self.get(key)
        return default if value is None else text_of(value)

    def append_log(self, entry: str) -> None:
        """Add a line to the run's log."""
        with self._lock:
            self._logs.append(str(entry))

    def logs(self) -> tuple[str, ...]:
        """Return the lines that were added to the run's log."""
        with self._lock:
            return tuple(self._logs)

    def snapshot(self) -> dict[str, Json]:
        """Return a deep copy of every value."""
        with self._lock:
            return {key: _own(self._whole(key, value)) for key, value in self._values.items()}

    def written(self) -> dict[str, Json]:
        """Return a deep copy of what was set since the context was made."""
        with self._lock:
            return own_values(self._written)

    def clone(self) -> "Context":
        """Return a context of its own with the same values and log."""
        with self._lock:
            twin = Context(own_values(self._values), read=self._read)
            twin._logs = list(self._logs)
            twin._own = set(self._own)
            return twin

    def apply_updates(self, updates: Mapping[str, Json]) -> None:
        """Set every key of the updates."""
        own = own_values(updates)
        # Refused here, where it came from, and not when the stage is to be recorded.
        canonical_json(own)
        with self._lock:
            self._values.update(own)
            self._written.update(own)
            self._own.update(own)

    def _whole(self, key: str, value: Json) -> Json:
        # What was set here is whole, whatever it looks like.
        return value if key in self._own else self._read(value)


def text_of(value: Json) -> str:
    """Return a value as text: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else canonical_json(value)


def own_values(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return values that nobody else can change."""
    return {key: _own(value) for key, value in values.items()}


def _own(value: Json) -> Json:
    """Return a copy of a value; JSON nests in lists and objects only, so this is all of it."""
    if isinstance(value, dict):
        return {key: _own(one) for key, one in value.items()}
    return [_own(one) for one in value] if isinstance(value, list) else value
