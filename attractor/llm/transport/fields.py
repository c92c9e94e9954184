"""Reads fields of a provider's JSON by key and reports malformed ones."""

from collections.abc import Callable, Sequence

from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.errors import SDKError, ServerError

_HINT = "check the provider's base URL: does it speak this interface?"
Malformed = Callable[[str, str], SDKError]


def object_in(text: str) -> dict[str, Json]:
    """Return the JSON object a text is, or an empty one."""
    try:
        value = parse_json(text)
    except NotCanonical:
        return {}
    return value if isinstance(value, dict) else {}


def trouble_of_the_provider(provider: str, fault: str) -> SDKError:
    """Return the error of a whole answer that is not what it should be."""
    told = f"{provider} answered with what it never should: {fault}"
    return ServerError(told, provider=provider, status_code=200, hint=_HINT)


class Fields:
    """A JSON object of a provider's answer, every field checked when it is read."""

    def __init__(
        self,
        value: Json | JsonObject,
        *,
        provider: str,
        path: str = "the answer",
        malformed: Malformed = trouble_of_the_provider,
    ) -> None:
        self.provider = provider
        self.path = path
        self._malformed = malformed
        if not isinstance(value, dict):
            raise malformed(provider, f"{path} is not an object")
        self.raw: JsonObject = value

    def text(self, key: str) -> str:
        """Return a text that has to be there."""
        value = self.raw.get(key)
        if not isinstance(value, str):
            raise self.unlike(key, "a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        """Return a text, or None when there is none."""
        return None if self.raw.get(key) is None else self.text(key)

    def count_or_none(self, key: str) -> int | None:
        """Return a number of things, or None when there is none."""
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.unlike(key, "a count")
        return value

    def count(self, key: str) -> int:
        """Return a number of things, 0 when there is none."""
        return self.count_or_none(key) or 0

    def object(self, key: str) -> "Fields":
        """Return an object, an empty one when there is none."""
        value = self.raw.get(key)
        return self._inner({} if value is None else value, key)

    def objects(self, key: str) -> Sequence["Fields"]:
        """Return a list of objects that has to be there."""
        value = self.raw.get(key)
        if not isinstance(value, list):
            raise self.unlike(key, "a list")
        return [self._inner(one, f"{key}[{index}]") for index, one in enumerate(value)]

    def unlike(self, key: str, wanted: str) -> SDKError:
        """Return the error of a field that is not what it should be."""
        return self._malformed(self.provider, f"{self._at(key)} is not {wanted}")

    def _inner(self, value: Json, key: str) -> "Fields":
        return Fields(value, provider=self.provider, path=self._at(key), malformed=self._malformed)

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}"
