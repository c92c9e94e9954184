"""Bodies without what is secret in them, be they JSON, text or parts of a form.

Which names of members, fields and parts of addresses say that what they hold is secret.

Hides in texts what its name says is secret: in JSON wherever it stands, and in addresses.

It works on the text and not on what is read from it, so that a mark before JSON, JSON in lines, in
a string of JSON or broken off, are all the same to it, and everything else stays as it was.

Finds a key in a text in every way it may be written there: plain, `%2D`, or JSON's `\\u002d`.
"""

import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote, unquote

from attractor.twins.recordings.redaction import HIDDEN

# Anywhere in a name, whatever the case and whatever stands between the letters.
_WORDS = (
    *("password", "passwd", "passphrase", "passcode", "secret", "credential", "apikey"),
    *("privatekey", "accesskey", "signingkey", "encryptionkey", "authorization", "signature"),
    *("assertion", "session", "cookie"),
)
_TOKEN = "token"
# Such a token is a place in a list, which the next request has to name.
_OF_PAGES = ("page", "next", "continuation")
# These are also parts of other words, as in `design`.
_WHOLE = frozenset({"sig", "jwt", "otp", "pwd", "auth"})
_NO_LETTERS = re.compile(r"[^a-z]")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_secret_name(name: str) -> bool:
    """Tell whether a name says so, such as `secretKey`, `new_password` or `X-Amz-Signature`."""
    letters = _NO_LETTERS.sub("", name.lower())
    if any(word in letters for word in _WORDS):
        return True
    if _TOKEN in letters:
        return not any(word in letters for word in _OF_PAGES)
    return any(part.lower() in _WHOLE for part in _PART.findall(name))


_STRING = re.compile(r'"((?:[^"\\\r\n]|\\.)*)"')
_COLON = re.compile(r"\s*:")
_ASSIGNED = re.compile(r"([\w.-]+)\s*=\s*\Z")
_IN_AN_ADDRESS = re.compile(
    r"(?P<before>^|[?&#;,\s\"'(\[{<\\])"
    r"(?P<name>[^=&#?;,\s\"'<>(){}\\]{1,100})="
    r"(?P<value>[^&#\s\"'<>\\]+)",
    re.MULTILINE,
)
_USER = re.compile(r"://[^/?#\s@\"'<>\\]+@")
_WORTH_A_LOOK = re.compile(r'["=]|://')
_HOLDS_MORE = re.compile(r"[=\\]|://")
_EMPTY = '""'
_BEHIND_A_MARK = "?&#"
_KEY = "key"


def without_secrets_in_text(text: str) -> str:
    """Return a text with the secrets hidden that are called so in it."""
    if not _WORTH_A_LOOK.search(text):
        return text
    text = _USER.sub(f"://{HIDDEN}@", text)
    return _in_strings(_IN_AN_ADDRESS.sub(_part, text))


def _part(found: re.Match[str]) -> str:
    """Return a part of an address; its value may be an address too, written as a part of one."""
    before, name, value = found["before"], found["name"], found["value"]
    plain = unquote(name)
    if is_secret_name(plain) or (before in _BEHIND_A_MARK and before and plain.lower() == _KEY):
        return f"{before}{name}={HIDDEN}"
    inner = unquote(value)
    hidden = without_secrets_in_text(inner) if inner != value else inner
    return f"{before}{name}={value if hidden == inner else quote(hidden, safe='')}"


def _in_strings(text: str) -> str:
    """Go through the strings of JSON; a name holds for what follows it, also for a whole list."""
    parts: list[str] = []
    at, is_secret = 0, False
    for found in _STRING.finditer(text):
        gap = text[at : found.start()]
        assigned = _ASSIGNED.search(gap[-100:]) if "=" in gap else None
        if assigned:
            is_secret = is_secret_name(assigned[1])
        elif "{" in gap or "}" in gap:
            is_secret = False
        at = found.end()
        is_name = bool(_COLON.match(text, at))
        parts += [gap, _string(found[0], is_secret=is_secret and not is_name)]
        if is_name or assigned:
            is_secret = is_name and is_secret_name(_read(found[0]) or "")
    return "".join([*parts, text[at:]])


def _string(written: str, *, is_secret: bool) -> str:
    if is_secret and written != _EMPTY:
        return f'"{HIDDEN}"'
    plain = _read(written) if _HOLDS_MORE.search(written) else None
    if plain is None:
        return written
    hidden = without_secrets_in_text(plain)
    return written if hidden == plain else json.dumps(hidden, ensure_ascii=written.isascii())


def _read(written: str) -> str | None:
    try:
        return json.loads(written, strict=False)
    except ValueError:
        return None


_BOUNDARY = re.compile(r'multipart/.*;\s*boundary=(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_NAME = re.compile(r'[;\s]name\*?=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))', re.IGNORECASE)
_HEAD_ENDS = re.compile(r"\r?\n\r?\n")
_LAST_LINE = re.compile(r"\r?\n\Z")


def hidden_body(content: bytes, content_type: str, without_keys: Callable[[str], str]) -> bytes:
    """Return a body with its keys hidden, and with what its names say is secret."""
    text, letters = _decoded(content)
    boundary = _BOUNDARY.match(content_type.strip())
    text = without_keys(text)
    if boundary:
        text = _parts(text, f"--{boundary[1] or boundary[2]}")
    else:
        text = without_secrets_in_text(text)
    return text.encode(letters, "surrogateescape")


def _decoded(content: bytes) -> tuple[str, str]:
    """Return a body as text, and how to make bytes of it again; what is no text comes back too."""
    for mark, letters in ((BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be")):
        if content.startswith(mark):
            try:
                return content.decode(letters), letters
            except UnicodeDecodeError:
                break
    return content.decode("utf-8", "surrogateescape"), "utf-8"


def _parts(text: str, boundary: str) -> str:
    return boundary.join(_hidden_bodies_part(one) for one in text.split(boundary))


def _hidden_bodies_part(part: str) -> str:
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


# A quote, a stroke and a backslash stand behind as many backslashes as there is JSON in JSON.
_ESCAPED = '"/\\'
_MARKS = re.compile(r"[%\\+]")


class KeyFinder:
    """Hides keys wherever they occur."""

    def __init__(self, keys: Iterable[str]) -> None:
        # The longest first, for one may begin another.
        self._keys = sorted({*keys} - {""}, key=lambda one: (-len(one), one))
        self._patterns: Sequence[re.Pattern[str]] | None = None

    def hide(self, text: str) -> str:
        """Return a text without the keys."""
        for key in self._keys:
            text = text.replace(key, HIDDEN)
        # Most texts have nothing in them that could stand for something else.
        if not _MARKS.search(text):
            return text
        if self._patterns is None:
            self._patterns = [re.compile(_written(key)) for key in self._keys]
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return text


def _written(key: str) -> str:
    return "".join(_forms(one) for one in key)


def _forms(character: str) -> str:
    """Return what matches a character in a text, in an address, and in JSON."""
    behind = r"\\*" if character in _ESCAPED else ""
    forms = [
        behind + re.escape(character),
        "".join(rf"%(?:25)*{_hex(one)}" for one in character.encode("utf-8", "surrogatepass")),
        _in_json(character),
        *([r"\+"] if character == " " else []),
    ]
    return f"(?:{'|'.join(forms)})"


def _in_json(character: str) -> str:
    pair = character.encode("utf-16-be", "surrogatepass")
    units = [pair[at : at + 2] for at in range(0, len(pair), 2)]
    return "".join(rf"\\\\*u{_hex(unit[0])}{_hex(unit[1])}" for unit in units)


def _hex(byte: int) -> str:
    digits = f"{byte:02x}"
    return "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in digits)
