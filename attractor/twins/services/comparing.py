"""Where two responses differ: in status, in headers that matter, and in JSON place by place."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.differences import Found, Missing, gaps
from attractor.twins.hidden_keys import HIDDEN
from attractor.twins.places import Place
from attractor.twins.services.json_paths import JsonPath, written_place
from attractor.twins.services.recordings import readable_body
from attractor.twins.services.responses import Response
from attractor.twins.services.service import Comparison
from attractor.twins.services.templates import as_text

_MISSING = "nothing"
_LONGEST_QUOTE = 80


@dataclass(frozen=True)
class Difference:
    """One place at which the twin and a recording say different things, each as text."""

    where: str
    recorded: str
    twin: str


def differences(recorded: Response, twin: Response, comparison: Comparison) -> Sequence[Difference]:
    """Return every place at which two responses differ and that counts."""
    return [
        *_of_status(recorded, twin),
        *_of_headers(recorded, twin, comparison.headers),
        *_of_bodies(body_of(recorded), body_of(twin), comparison),
    ]


def body_of(response: Response) -> Json:
    """Return a body as JSON, where it is some, else as text."""
    return readable_body(response.content)


def _of_status(recorded: Response, twin: Response) -> Iterator[Difference]:
    if recorded.status != twin.status:
        yield Difference("status", str(recorded.status), str(twin.status))


def _of_headers(recorded: Response, twin: Response, names: Sequence[str]) -> Iterator[Difference]:
    for name in names:
        one, other = (_header(response.headers, name.lower()) for response in (recorded, twin))
        # Who writes a recording by hand leaves headers out.
        if one is not None and one != other:
            yield Difference(f"header {name}", one, _MISSING if other is None else other)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    if value is None or name != "content-type":
        return value
    # In which letters it is written is no matter of the service.
    return value.partition(";")[0].strip().lower()


def _of_bodies(recorded: Json, twin: Json, comparison: Comparison) -> Iterator[Difference]:
    for gap in gaps(recorded, twin, partial(_is_alike, comparison)):
        yield Difference(written_place(gap.place), _quoted(gap.recorded), _quoted(gap.found))


def _is_alike(comparison: Comparison, place: Place, recorded: Found, twin: Found) -> bool:
    if _is_meant(comparison.ignore, place):
        return True
    if isinstance(recorded, dict | list) or _type(recorded) != _type(twin):
        return False
    # What was hidden when it was recorded is not known.
    if recorded == HIDDEN or _is_meant(comparison.types, place):
        return True
    if isinstance(recorded, float) and isinstance(twin, float):
        return math.isclose(recorded, twin)
    return recorded == twin


def _is_meant(paths: Sequence[JsonPath], place: Place) -> bool:
    return any(path.means(place) for path in paths)


def _type(value: Found) -> str:
    """Name the type as JSON has it: 1 and 1.0 are both numbers."""
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def _quoted(value: Found) -> str:
    if isinstance(value, Missing):
        return _MISSING
    text = as_text(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
