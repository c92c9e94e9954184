"""Paths of routes, such as `/v1/customers/{id}`; `{rest...}` at the end takes all that is left."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import PlainValidator

_NAMED = re.compile(r"\{([A-Za-z_]\w*)(\.\.\.)?\}")


class PathPattern:
    """A path with names in it."""

    def __init__(self, written: str) -> None:
        self.written = written
        if not written.startswith("/") or "?" in written or "//" in written:
            raise ValueError("a path begins with / and has no query and no empty part")
        self._segments = written.strip("/").split("/")
        self._named = [_NAMED.fullmatch(one) for one in self._segments]
        for segment, named in zip(self._segments, self._named, strict=True):
            if not named and set(segment) & set("{}"):
                raise ValueError(f"{segment!r} has to be a name in braces, or a text without any")
        if any(one and one[2] for one in self._named[:-1]):
            raise ValueError("only the last part may take all that is left")
        if len(set(self.names)) < len(self.names):
            raise ValueError("one name stands twice in it")

    @property
    def names(self) -> Sequence[str]:
        """The names in it, in their order."""
        return [one[1] for one in self._named if one]

    @property
    def takes_the_rest(self) -> bool:
        """Whether its last part takes all that is left."""
        return bool(self._named[-1] and self._named[-1][2])

    def match(self, segments: Sequence[str]) -> Mapping[str, str] | None:
        """Return what a path says for each name, or nothing when it does not fit."""
        given = self._cut(segments)
        if len(given) != len(self._segments):
            return None
        found: dict[str, str] = {}
        for segment, named, one in zip(self._segments, self._named, given, strict=True):
            if named:
                found[named[1]] = one
            elif segment != one:
                return None
        # What is left may be nothing.
        named = self.names[:-1] if self.takes_the_rest else self.names
        return found if all(found[name] for name in named) else None

    def _cut(self, segments: Sequence[str]) -> list[str]:
        """Return as many parts as there are in the pattern, if there are enough."""
        kept = len(self._segments) - 1
        if not self.takes_the_rest or len(segments) <= kept:
            return _without_last_stroke(segments)
        return [*segments[:kept], "/".join(_without_last_stroke(segments[kept:]))]

    def covers(self, other: "PathPattern") -> bool:
        """Tell whether every path that fits the other one fits this one."""
        if other.takes_the_rest and not self.takes_the_rest:
            return False
        return self.match([_sample(one) for one in other._segments]) is not None


def _without_last_stroke(segments: Sequence[str]) -> list[str]:
    return [*segments[:-1]] if len(segments) > 1 and not segments[-1] else [*segments]


def _sample(segment: str) -> str:
    # No other segment is like this one, for braces stand around names alone.
    return f"{{{segment}}}" if segment.startswith("{") else segment


def _read(written: object) -> PathPattern:
    if not isinstance(written, str):
        raise ValueError("a path is a text such as '/v1/customers/{id}'")
    return PathPattern(written)


WrittenPattern = Annotated[PathPattern, PlainValidator(_read)]
