"""Reads fields of a provider's JSON by name and reports malformed fields."""

from collections.abc import Callable, Sequence

from attractor.base.json import Json, JsonObject
from attractor.llm.errors import SDKError, ServerError, StreamError

_HINT = "check the provider's base URL: does the server speak this interface?"


def malformed_answer(provider: str, fault: str) -> SDKError:
    """Return the error of a malformed answer."""
    message = f"malformed answer of {provider}: {fault}"
    return ServerError(message, provider=provider, status_code=200, hint=_HINT)


def malformed_stream(provider: str, fault: str) -> SDKError:
    """Return the error of a malformed stream."""
    return StreamError(f"malformed stream of {provider}: {fault}")


class Fields:
    """A JSON object of a provider whose fields are checked when they are read."""

    def __init__(
        self,
        value: Json | JsonObject,
        *,
        provider: str,
        path: str = "the answer",
        malformed: Callable[[str, str], SDKError] = malformed_answer,
    ) -> None:
        self.provider = provider
        self.path = path
        self._malformed = malformed
        if not isinstance(value, dict):
            raise malformed(provider, f"{path} is not an object")
        self.raw: JsonObject = value

    def text(self, key: str) -> str:
        """Return a required text."""
        value = self.raw.get(key)
        if not isinstance(value, str):
            raise self.error(key, "a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        """Return an optional text."""
        return None if self.raw.get(key) is None else self.text(key)

    def count_or_none(self, key: str) -> int | None:
        """Return an optional number of 0 or more."""
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(key, "a count")
        return value

    def count(self, key: str) -> int:
        """Return a number of 0 or more (default: 0)."""
        return self.count_or_none(key) or 0

    def object(self, key: str) -> "Fields":
        """Return an object (default: empty)."""
        value = self.raw.get(key)
        return self._inner({} if value is None else value, key)

    def objects(self, key: str) -> Sequence["Fields"]:
        """Return a required list of objects."""
        value = self.raw.get(key)
        if not isinstance(value, list):
            raise self.error(key, "a list")
        return [self._inner(item, f"{key}[{index}]") for index, item in enumerate(value)]

    def objects_or_none(self, key: str) -> Sequence["Fields"]:
        """Return a list of objects (default: empty)."""
        return () if self.raw.get(key) is None else self.objects(key)

    def without(self, key: str) -> dict[str, Json]:
        """Return all fields that are set, except one."""
        return {
            name: value for name, value in self.raw.items() if name != key and value is not None
        }

    def error(self, key: str, expected: str) -> SDKError:
        """Return the error of a malformed field."""
        return self._malformed(self.provider, f"{self.path}.{key} is not {expected}")

    def _inner(self, value: Json, key: str) -> "Fields":
        path = f"{self.path}.{key}"
        return Fields(value, provider=self.provider, path=path, malformed=self._malformed)


def stream_fields(value: Json | JsonObject, *, provider: str, path: str = "the answer") -> Fields:
    """Return the fields of an object from a stream."""
    return Fields(value, provider=provider, path=path, malformed=malformed_stream)
