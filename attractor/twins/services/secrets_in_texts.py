"""Hides in texts what its name says is secret: in JSON wherever it stands, and in addresses.

It works on the text and not on what is read from it, so that a mark before JSON, JSON in lines, in
a string of JSON or broken off, are all the same to it, and everything else stays as it was.
"""

import json
import re
from urllib.parse import quote, unquote

from attractor.twins.hidden_keys import HIDDEN
from attractor.twins.services.secret_names import is_secret_name

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
