"""A request to a service, as its routes see it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from urllib.parse import parse_qsl, unquote, urlsplit

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, parse_json

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class ServiceRequest:
    """What a client sent; `target` is the path with the query, as it was sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes = b""

    @cached_property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]

    @cached_property
    def segments(self) -> Sequence[str]:
        """What stands between the strokes of the path, and an empty text behind the last one."""
        parts = [unquote(one) for one in self.path.strip("/").split("/")]
        return [*parts, ""] if any(parts) and self.path.endswith("/") else parts

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query; of a name that comes twice, the last value."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def body(self) -> Json:
        """The body: a form as a table of texts, else as JSON, else as text; nothing is null."""
        if not self.content:
            return None
        text = self.content.decode("utf-8", "replace")
        if media_type(self.headers) == FORM:
            return dict(parse_qsl(text, keep_blank_values=True))
        try:
            return parse_json(self.content)
        except NotCanonical:
            return text


def media_type(headers: Mapping[str, str]) -> str:
    """Return what a body is said to be, without a word about its letters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
