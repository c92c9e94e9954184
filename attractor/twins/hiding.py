"""Hides keys in JSON: in any text and name, however they are escaped, also cut up over several.

Who streams a key that somebody repeated streams it in pieces: each is in an event of its own, at
the same place of it. What is at one place of the events is therefore looked through as one text.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.twins.hidden_keys import HIDDEN, HiddenKeys

_DATA = b"data:"
_Place = tuple[str | int, ...]


@dataclass(frozen=True)
class _Text:
    """A text in a document, and where it is in it."""

    document: int
    holder: dict[str, Json] | list[Json]
    at: str | int
    text: str

    def replace(self, text: str) -> None:
        self.holder[self.at] = text  # pyright: ignore[reportArgumentType, reportCallIssue]


def hide_in_body(content: bytes, keys: HiddenKeys) -> bytes:
    """Return a body without the keys; it stays byte for byte as it is where it has none."""
    value = _parsed(content)
    if value is not None:
        (hidden,) = hide_in_documents([value], keys)
        if hidden != value:
            content = _written(hidden)
    return keys.hide(content)


def hide_in_events(events: Sequence[bytes], keys: HiddenKeys) -> Sequence[bytes]:
    """Return the events of a stream without the keys; one that has none stays as it is."""
    values = [_parsed(_data_of(event)) for event in events]
    hidden = hide_in_documents(values, keys)
    return [
        keys.hide(event if told == value else _with_data(event, _written(told)))
        for event, value, told in zip(events, values, hidden, strict=True)
    ]


def hide_in_documents(documents: Sequence[Json], keys: HiddenKeys) -> list[Json]:
    """Return documents that follow one another without the keys."""
    hidden = [_without(one, keys) for one in documents]
    places: dict[_Place, list[_Text]] = defaultdict(list)
    for number, document in enumerate(hidden):
        for place, text in _texts(number, document):
            places[place].append(text)
    for texts in places.values():
        if len(texts) > 1:
            _hide_across(texts, keys)
    return hidden


def _hide_across(texts: Sequence[_Text], keys: HiddenKeys) -> None:
    whole = "".join(one.text for one in texts)
    gone: dict[int, str] = {}
    for value in keys.values:
        begin = whole.find(value)
        while begin >= 0:
            gone |= dict.fromkeys(range(begin, begin + len(value)), "")
            gone[begin] = HIDDEN
            begin = whole.find(value, begin + len(value))
    start = 0
    for one in texts if gone else ():
        letters = [gone.get(start + index, letter) for index, letter in enumerate(one.text)]
        one.replace("".join(letters))
        start += len(one.text)


def _texts(document: int, value: Json, place: _Place = ()) -> Iterator[tuple[_Place, _Text]]:
    if isinstance(value, str) or not isinstance(value, dict | list):
        return
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for at, one in inner:
        if isinstance(one, str):
            yield (*place, at), _Text(document, value, at, one)
        else:
            yield from _texts(document, one, (*place, at))


def _without(value: Json, keys: HiddenKeys) -> Json:
    if isinstance(value, str):
        return keys.hide_text(value)
    if isinstance(value, list):
        return [_without(one, keys) for one in value]
    if isinstance(value, Mapping):
        told: JsonObject = value
        return {keys.hide_text(name): _without(one, keys) for name, one in told.items()}
    return value


def _parsed(content: bytes) -> Json:
    try:
        return parse_json(content)
    except NotCanonical:
        return None


def _written(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _data_of(event: bytes) -> bytes:
    lines = event.splitlines()
    return b"\n".join(one.removeprefix(_DATA).strip() for one in lines if one.startswith(_DATA))


def _with_data(event: bytes, data: bytes) -> bytes:
    """Put other data into an event, in the place of the first line of it."""
    lines: list[bytes] = []
    is_told = False
    for line in event.splitlines(keepends=True):
        if not line.startswith(_DATA):
            lines.append(line)
        elif not is_told:
            is_told = True
            end = line[len(line.rstrip(b"\r\n")) :]
            lines.append(_DATA + b" " + data + end)
    return b"".join(lines)
