"""Hides keys: in headers, in the query, and wherever else somebody repeats one."""

import json
from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote_plus

from attractor.base.dataclasses import dataclass

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
