"""Hides secrets in headers, addresses, bodies and forms.

A secret is an API key of the request, in any encoding, or the value of a secret name, such as
`password`.

The provider can stream an API key in pieces, in several events. Therefore the texts at the same
location in all events are searched as one text. For the values of secret names, a text is searched
without parsing it as a whole. Therefore they are also found in JSON after a byte order mark, in
JSON lines, in a JSON string and in truncated JSON. All other text is unchanged.
"""

import json
import re
from base64 import b64decode
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, parse_json

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


# Nested JSON escapes a quote, a slash and a backslash repeatedly.
_ESCAPED = '"/\\'
_MARKS = re.compile(r"[%\\+]")


class ApiKeys:
    """Hides API keys in any encoding: plain, `%2D`, or JSON's `\\u002d`."""

    def __init__(self, keys: Iterable[str]) -> None:
        # The longest first: a key may begin with another key.
        self.values = sorted({*keys} - {""}, key=lambda key: (-len(key), key))
        self._patterns: Sequence[re.Pattern[str]] | None = None

    def text(self, text: str) -> str:
        """Return a text without the API keys."""
        for key in self.values:
            text = text.replace(key, HIDDEN)
        # Most texts contain no encoded character.
        if not _MARKS.search(text):
            return text
        if self._patterns is None:
            self._patterns = [re.compile("".join(map(_forms, key))) for key in self.values]
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return text

    def content(self, content: bytes) -> bytes:
        """Return bytes without the API keys."""
        text = content.decode("utf-8", "surrogateescape")
        return self.text(text).encode("utf-8", "surrogateescape")

    def json(self, value: Json) -> Json:
        """Return a JSON value without the API keys, also in the names of members."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            return {self.text(name): self.json(member) for name, member in value.items()}
        return value


def _forms(character: str) -> str:
    """Return a pattern for a character: plain, in an address, and in JSON."""
    backslashes = r"\\*" if character in _ESCAPED else ""
    pair = character.encode("utf-16-be", "surrogatepass")
    units = [pair[at : at + 2] for at in range(0, len(pair), 2)]
    forms = [
        backslashes + re.escape(character),
        "".join(rf"%(?:25)*{_hex(byte)}" for byte in character.encode("utf-8", "surrogatepass")),
        "".join(rf"\\\\*u{_hex(unit[0])}{_hex(unit[1])}" for unit in units),
        *([r"\+"] if character == " " else []),
    ]
    return f"(?:{'|'.join(forms)})"


def _hex(byte: int) -> str:
    digits = f"{byte:02x}"
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def request_keys(headers: Mapping[str, str], query: str, names: Collection[str] = ()) -> ApiKeys:
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
    return ApiKeys(key for key in forms if len(key) >= _MIN_LENGTH)


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


def hide_in_body(content: bytes, keys: ApiKeys) -> bytes:
    """Return a body without the API keys.

    A body that contains no API key is returned byte for byte.
    """
    value = _parsed(content)
    if value is not None:
        (hidden,) = hide_in_documents([value], keys)
        if hidden != value:
            content = _encoded(hidden)
    return keys.content(content)


def hide_in_events(events: Sequence[bytes], keys: ApiKeys) -> Sequence[bytes]:
    """Return the events of a stream without the API keys.

    An event that contains no API key is unchanged.
    """
    values = [_parsed(_data_of(event)) for event in events]
    hidden = hide_in_documents(values, keys)
    return [
        keys.content(event if new == value else _with_data(event, _encoded(new)))
        for event, value, new in zip(events, values, hidden, strict=True)
    ]


def hide_in_documents(documents: Sequence[Json], keys: ApiKeys) -> list[Json]:
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
    return [keys.json(document) for document in hidden]


def _hide_across(texts: Sequence[_Text], keys: ApiKeys) -> None:
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


# Secret anywhere in a name, in any case and with any separators.
_WORDS = (
    *("password", "passwd", "passphrase", "passcode", "secret", "credential", "apikey"),
    *("privatekey", "accesskey", "signingkey", "encryptionkey", "authorization", "signature"),
    *("assertion", "session", "cookie"),
)
_TOKEN = "token"
# A page token is a position in a list, not a secret.
_PAGE_WORDS = ("page", "next", "continuation")
# Secret only as whole words: `design` contains `sig`.
_WHOLE_WORDS = frozenset({"sig", "jwt", "otp", "pwd", "auth"})
_NON_LETTERS = re.compile(r"[^a-z]")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_secret_name(name: str) -> bool:
    """Return whether a name is secret, such as `secretKey` or `X-Amz-Signature`."""
    letters = _NON_LETTERS.sub("", name.lower())
    if any(word in letters for word in _WORDS):
        return True
    if _TOKEN in letters:
        return not any(word in letters for word in _PAGE_WORDS)
    return any(part.lower() in _WHOLE_WORDS for part in _PART.findall(name))


_STRING = re.compile(r'"((?:[^"\\\r\n]|\\.)*)"')
_COLON = re.compile(r"\s*:")
_ASSIGNED = re.compile(r"([\w.-]+)\s*=\s*\Z")
_PARAMETER = re.compile(
    r"(?P<before>^|[?&#;,\s\"'(\[{<\\])"
    r"(?P<name>[^=&#?;,\s\"'<>(){}\\]{1,100})="
    r"(?P<value>[^&#\s\"'<>\\]+)",
    re.MULTILINE,
)
_USER = re.compile(r"://[^/?#\s@\"'<>\\]+@")
_MAY_HAVE_SECRETS = re.compile(r'["=]|://')
_MAY_BE_NESTED = re.compile(r"[=\\]|://")
_EMPTY = '""'
_QUERY_MARKS = "?&#"
_KEY = "key"


def without_secrets_in_text(text: str) -> str:
    """Return a text without the values of secret names."""
    if not _MAY_HAVE_SECRETS.search(text):
        return text
    text = _USER.sub(f"://{HIDDEN}@", text)
    return _in_strings(_PARAMETER.sub(_hidden_parameter, text))


def _hidden_parameter(found: re.Match[str]) -> str:
    """Return a parameter of an address.

    The value of the parameter can be another, encoded address.
    """
    before, name, value = found["before"], found["name"], found["value"]
    plain = unquote(name)
    if is_secret_name(plain) or (before in _QUERY_MARKS and before and plain.lower() == _KEY):
        return f"{before}{name}={HIDDEN}"
    inner = unquote(value)
    hidden = without_secrets_in_text(inner) if inner != value else inner
    return f"{before}{name}={value if hidden == inner else quote(hidden, safe='')}"


def _in_strings(text: str) -> str:
    """Hide JSON strings after a secret name, also strings in a list."""
    parts: list[str] = []
    at, is_secret_header = 0, False
    for found in _STRING.finditer(text):
        gap = text[at : found.start()]
        assigned = _ASSIGNED.search(gap[-100:]) if "=" in gap else None
        if assigned:
            is_secret_header = is_secret_name(assigned[1])
        elif "{" in gap or "}" in gap:
            is_secret_header = False
        at = found.end()
        is_name = bool(_COLON.match(text, at))
        parts += [gap, _string(found[0], is_secret_header=is_secret_header and not is_name)]
        if is_name or assigned:
            is_secret_header = is_name and is_secret_name(_read(found[0]) or "")
    return "".join([*parts, text[at:]])


def _string(quoted: str, *, is_secret_header: bool) -> str:
    if is_secret_header and quoted != _EMPTY:
        return f'"{HIDDEN}"'
    plain = _read(quoted) if _MAY_BE_NESTED.search(quoted) else None
    if plain is None:
        return quoted
    hidden = without_secrets_in_text(plain)
    return quoted if hidden == plain else json.dumps(hidden, ensure_ascii=quoted.isascii())


def _read(quoted: str) -> str | None:
    try:
        return json.loads(quoted, strict=False)
    except ValueError:
        return None


_BOUNDARY = re.compile(r'multipart/.*;\s*boundary=(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_NAME = re.compile(r'[;\s]name\*?=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))', re.IGNORECASE)
_HEAD_ENDS = re.compile(r"\r?\n\r?\n")
_LAST_LINE = re.compile(r"\r?\n\Z")


def hidden_body(content: bytes, content_type: str, without_keys: Callable[[str], str]) -> bytes:
    """Return a body without API keys and without the values of secret names."""
    text, encoding = _decoded(content)
    found = _BOUNDARY.match(content_type.strip())
    text = without_keys(text)
    if found:
        boundary = f"--{found[1] or found[2]}"
        text = boundary.join(map(_hidden_part, text.split(boundary)))
    else:
        text = without_secrets_in_text(text)
    return text.encode(encoding, "surrogateescape")


def _decoded(content: bytes) -> tuple[str, str]:
    """Return a body as text and its encoding; bytes that are not text survive."""
    for mark, encoding in ((BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be")):
        if content.startswith(mark):
            try:
                return content.decode(encoding), encoding
            except UnicodeDecodeError:
                break
    return content.decode("utf-8", "surrogateescape"), "utf-8"


def _hidden_part(part: str) -> str:
    ends = _HEAD_ENDS.search(part)
    if ends is None:
        return part
    head, value = part[: ends.start()], part[ends.end() :]
    last = _LAST_LINE.search(value)
    tail = last[0] if last else ""
    value = value.removesuffix(tail)
    named = _NAME.search(head)
    if value and named and is_secret_name(named[1] or named[2]):
        value = HIDDEN
    else:
        value = without_secrets_in_text(value)
    return f"{head}{ends[0]}{value}{tail}"
