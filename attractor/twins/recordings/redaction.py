"""Hides API keys in headers, queries and bodies.

The provider can stream an API key in pieces, in several events. Therefore the texts at the same
location in all events are searched as one text.
"""

import json
from base64 import b64decode
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from urllib.parse import parse_qsl, quote, unquote_plus

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json

HIDDEN = "[hidden]"


# Keys sent to a twin are hidden too, because a client may send a real key.
_HEADERS = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "api-key", "proxy-authorization", "cookie"}
)


_QUERY = frozenset({"key", "api_key", "api-key", "access_token", "token"})


# A shorter text would also match in the middle of words.
_MIN_LENGTH = 6
_SCHEMES = frozenset({"basic", "bearer", "digest", "token"})
_PLACEHOLDER_PASSWORDS = frozenset({"x-oauth-basic", "api_token"})


@dataclass(frozen=True)
class RequestKeys:
    """The API keys in one request."""

    values: Sequence[str]

    def hide(self, content: bytes) -> bytes:
        """Return bytes without the API keys."""
        for value in self.values:
            content = content.replace(value.encode(), HIDDEN.encode())
        return content

    def hide_text(self, text: str) -> str:
        """Return a text without the API keys."""
        return self.hide(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def request_keys(
    headers: Mapping[str, str], query: str, names: Collection[str] = ()
) -> RequestKeys:
    """Return the API keys in a request, in every encoding.

    `names` are further headers and query parameters that contain an API key.
    """
    values = [value for name, value in headers.items() if is_secret_header(name) or name in names]
    values += [value for name, value in parse_qsl(query) if name.lower() in _QUERY or name in names]
    # The key follows the name of a scheme, or is one of several cookies.
    words = [word for value in values for word in value.split() if word.lower() not in _SCHEMES]
    words = [word.strip(";") for word in words]
    # A key in base64 may end with = itself.
    plain = {key for word in (*values, *words) for key in (word, word.partition("=")[2])}
    forms = {form for key in plain for form in (key, quote(key, safe=""), json.dumps(key)[1:-1])}
    keys = [key for key in forms if len(key) >= _MIN_LENGTH]
    return RequestKeys(sorted(keys, key=lambda key: (-len(key), key)))


def is_secret_header(header: str) -> bool:
    """Return whether a header contains an API key."""
    return header.lower() in _HEADERS


def query_without_keys(query: str, names: Collection[str] = ()) -> str:
    """Return a query without API keys; `names` are further parameters that contain an API key."""

    def is_key(part: str) -> bool:
        name = unquote_plus(part.partition("=")[0])
        return name.lower() in _QUERY or name in names

    return "&".join(part for part in query.split("&") if not is_key(part))


def credentials_in(header_value: str) -> Sequence[str]:
    """Return the secrets in `Basic ...`: the password, and a user name that is the API key."""
    scheme, _, encoded = header_value.strip().partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        decoded = b64decode(encoded.strip() + "==").decode("utf-8", "replace")
    except ValueError:
        return []
    user, _, password = decoded.partition(":")
    # Services with a single key expect it as the user, with no password or a placeholder.
    is_only_user = len(password) < _MIN_LENGTH or password in _PLACEHOLDER_PASSWORDS
    values = (decoded, user if is_only_user else "", password)
    return [value for value in values if len(value) >= _MIN_LENGTH]


_DATA = b"data:"
_Location = tuple[str | int, ...]


@dataclass(frozen=True)
class _Text:
    """A text in a document, with the location of the text."""

    document: int
    holder: dict[str, Json] | list[Json]
    at: str | int
    text: str

    def replace(self, text: str) -> None:
        self.holder[self.at] = text  # pyright: ignore[reportArgumentType, reportCallIssue]


def hide_in_body(content: bytes, keys: RequestKeys) -> bytes:
    """Return a body without the API keys.

    A body that contains no API key is returned byte for byte.
    """
    value = _parsed(content)
    if value is not None:
        (hidden,) = hide_in_documents([value], keys)
        if hidden != value:
            content = _encoded(hidden)
    return keys.hide(content)


def hide_in_events(events: Sequence[bytes], keys: RequestKeys) -> Sequence[bytes]:
    """Return the events of a stream without the API keys.

    An event that contains no API key is unchanged.
    """
    values = [_parsed(_data_of(event)) for event in events]
    hidden = hide_in_documents(values, keys)
    return [
        keys.hide(event if new == value else _with_data(event, _encoded(new)))
        for event, value, new in zip(events, values, hidden, strict=True)
    ]


def hide_in_documents(documents: Sequence[Json], keys: RequestKeys) -> list[Json]:
    """Return consecutive documents without the API keys."""
    # First across documents: a document may contain a part of a key that is a key too.
    hidden = deepcopy([*documents])
    places: dict[_Location, list[_Text]] = defaultdict(list)
    for number, document in enumerate(hidden):
        for place, text in _texts(number, document):
            places[place].append(text)
    for texts in places.values():
        if len(texts) > 1:
            _hide_across(texts, keys)
    return [_without(document, keys) for document in hidden]


def _hide_across(texts: Sequence[_Text], keys: RequestKeys) -> None:
    whole = "".join(piece.text for piece in texts)
    changes: dict[int, str] = {}
    for value in keys.values:
        begin = whole.find(value)
        while begin >= 0:
            changes.setdefault(begin, HIDDEN)
            for index in range(begin, begin + len(value)):
                changes.setdefault(index, "")
            begin = whole.find(value, begin + len(value))
    start = 0
    for piece in texts if changes else ():
        letters = [changes.get(start + index, letter) for index, letter in enumerate(piece.text)]
        piece.replace("".join(letters))
        start += len(piece.text)


def _texts(document: int, value: Json, place: _Location = ()) -> Iterator[tuple[_Location, _Text]]:
    if isinstance(value, str) or not isinstance(value, dict | list):
        return
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for at, member in inner:
        if isinstance(member, str):
            yield (*place, at), _Text(document, value, at, member)
        else:
            yield from _texts(document, member, (*place, at))


def _without(value: Json, keys: RequestKeys) -> Json:
    if isinstance(value, str):
        return keys.hide_text(value)
    if isinstance(value, list):
        return [_without(item, keys) for item in value]
    if isinstance(value, Mapping):
        members: JsonObject = value
        return {keys.hide_text(name): _without(member, keys) for name, member in members.items()}
    return value


def _parsed(content: bytes) -> Json:
    try:
        return parse_json(content)
    except NotCanonical:
        return None


def _encoded(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _data_of(event: bytes) -> bytes:
    lines = event.splitlines()
    return b"\n".join(line.removeprefix(_DATA).strip() for line in lines if line.startswith(_DATA))


def _with_data(event: bytes, data: bytes) -> bytes:
    """Replace the data of an event."""
    lines: list[bytes] = []
    is_replaced = False
    for line in event.splitlines(keepends=True):
        if not line.startswith(_DATA):
            lines.append(line)
        elif not is_replaced:
            is_replaced = True
            end = line[len(line.rstrip(b"\r\n")) :]
            lines.append(_DATA + b" " + data + end)
    return b"".join(lines)
