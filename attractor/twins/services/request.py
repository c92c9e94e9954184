"""A request to a service, as its routes see it."""

from collections.abc import Mapping
from functools import cached_property
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, parse_json

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class ServiceRequest:
    """A request of a client; `target` is the path with the query, as sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes = b""

    @cached_property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]

    @cached_property
    def canonical_path(self) -> str:
        """The path with every segment encoded alike, without extra slashes at its ends."""
        path = self.path.strip("/")
        canonical = "/".join(quote(unquote(segment), safe="") for segment in path.split("/"))
        return f"/{canonical}/" if path and self.path.endswith("/") else f"/{canonical}"

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query; the last value of a repeated name."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def body(self) -> Json:
        """The body: a form as an object of texts, else JSON, else text; null if empty."""
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
    """Return the media type of a body, without its character set."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
