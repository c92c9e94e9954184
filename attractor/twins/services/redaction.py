"""Hides secrets in bodies, addresses and forms.

A secret is the value of a secret name, such as `password`, or an API key of the request. The text
is searched without parsing it as a whole. Therefore secrets are also found in JSON after a byte
order mark, in JSON lines, in a JSON string and in truncated JSON. All other text is unchanged.
"""

import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote, unquote

from attractor.twins.recordings.redaction import HIDDEN

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


# Nested JSON escapes a quote, a slash and a backslash repeatedly.
_ESCAPED = '"/\\'
_MARKS = re.compile(r"[%\\+]")


class KeyFinder:
    """Hides API keys in a text, in any encoding: plain, `%2D`, or JSON's `\\u002d`."""

    def __init__(self, keys: Iterable[str]) -> None:
        # The longest first: a key may begin with another key.
        self._keys = sorted({*keys} - {""}, key=lambda key: (-len(key), key))
        self._patterns: Sequence[re.Pattern[str]] | None = None

    def hide(self, text: str) -> str:
        """Return a text without the API keys."""
        for key in self._keys:
            text = text.replace(key, HIDDEN)
        # Most texts contain no encoded character.
        if not _MARKS.search(text):
            return text
        if self._patterns is None:
            self._patterns = [re.compile("".join(map(_forms, key))) for key in self._keys]
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return text


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
