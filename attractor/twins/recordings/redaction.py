"""Hides keys in headers, queries and bodies."""

import json
from base64 import b64decode
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote_plus

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json

HIDDEN = "[hidden]"


# A key is a secret, also a key to a twin: somebody may have pointed the wrong client here.
_HEADERS = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "api-key", "proxy-authorization", "cookie"}
)


_QUERY = frozenset({"key", "api_key", "api-key", "access_token", "token"})


# What is shorter is no key, and would be found in the middle of words.
_SHORTEST = 6


_SCHEMES = frozenset({"basic", "bearer", "digest", "token"})


_NO_PASSWORDS = frozenset({"x-oauth-basic", "api_token"})


@dataclass(frozen=True)
class HiddenKeys:
    """The keys of one request, hidden wherever they occur."""

    values: Sequence[str]

    def hide(self, content: bytes) -> bytes:
        """Return some bytes without the keys."""
        for value in self.values:
            content = content.replace(value.encode(), HIDDEN.encode())
        return content

    def hide_text(self, text: str) -> str:
        """Return a text without the keys."""
        return self.hide(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def keys_of(headers: Mapping[str, str], query: str, names: Collection[str] = ()) -> HiddenKeys:
    """Return the keys a request comes with, in every way they may be written.

    More headers and parts of the query than those of every request hold one by these names.
    """
    said = [value for name, value in headers.items() if is_secret(name) or name in names]
    said += [value for name, value in parse_qsl(query) if name.lower() in _QUERY or name in names]
    # Behind the name of a scheme, or between the names of several cookies.
    words = [word for one in said for word in one.split() if word.lower() not in _SCHEMES]
    words = [word.strip(";") for word in words]
    # A key may itself end in such a sign, as what is written in base64 does.
    plain = {one for word in (*said, *words) for one in (word, word.partition("=")[2])}
    forms = {form for one in plain for form in (one, quote(one, safe=""), json.dumps(one)[1:-1])}
    keys = [one for one in forms if len(one) >= _SHORTEST]
    return HiddenKeys(sorted(keys, key=lambda one: (-len(one), one)))


def is_secret(header: str) -> bool:
    """Tell whether a header holds a key."""
    return header.lower() in _HEADERS


def without_keys(query: str, names: Collection[str] = ()) -> str:
    """Return a query without the keys in it; more parts of it hold one by these names."""

    def is_key(part: str) -> bool:
        name = unquote_plus(part.partition("=")[0])
        return name.lower() in _QUERY or name in names

    return "&".join(part for part in query.split("&") if not is_key(part))


def credentials_in(header_value: str) -> Sequence[str]:
    """Return what is secret in `Basic ...`: the password, and the user where that is the key."""
    scheme, _, encoded = header_value.strip().partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        decoded = b64decode(encoded.strip() + "==").decode("utf-8", "replace")
    except ValueError:
        return []
    user, _, password = decoded.partition(":")
    # Services that want one key alone take it as the user, with no password or a word for none.
    is_alone = len(password) < _SHORTEST or password in _NO_PASSWORDS
    said = (decoded, user if is_alone else "", password)
    return [one for one in said if len(one) >= _SHORTEST]


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
