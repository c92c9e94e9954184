"""Hides keys: in headers, in the query, and wherever else somebody repeats one."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote_plus

from attractor.base.canonical import Json
from attractor.base.late_dataclass import dataclass

HIDDEN = "[hidden]"
# A key is a secret, also a key to a twin: somebody may have pointed the wrong client here.
_HEADERS = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "api-key", "proxy-authorization", "cookie"}
)
_QUERY = frozenset({"key", "api_key", "api-key", "access_token", "token"})
# As letters alone, however they are put together.
_MEMBERS = frozenset(
    {
        *("password", "passwd", "passphrase", "secret", "clientsecret", "privatekey", "apikey"),
        *("token", "accesstoken", "refreshtoken", "idtoken", "authtoken", "sessiontoken"),
    }
)
_NO_LETTERS = re.compile(r"[^a-z]")
_IN_A_QUERY = re.compile(r"(?P<before>[?&#])(?P<name>[^=&#\s<>]+)=(?P<value>[^&#\s<>]*)")
# What is shorter is no key, and would be found in the middle of words.
_SHORTEST = 6


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
    words = [part.strip(";") for one in said for part in one.split()]
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


def is_secret_member(name: str) -> bool:
    """Tell whether what a member of a table or a field of a form is called says it is secret."""
    return _NO_LETTERS.sub("", name.lower()) in _MEMBERS


def without_secrets(value: Json) -> Json:
    """Return a value of JSON with its secret members hidden."""
    if isinstance(value, list):
        return [without_secrets(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: HIDDEN if one and isinstance(one, str) and is_secret_member(name) else rest
        for name, one in value.items()
        for rest in [without_secrets(one)]
    }


def without_secrets_in_address(address: str) -> str:
    """Return an address, or several in a header, with the secrets in their queries hidden."""

    def hidden(found: re.Match[str]) -> str:
        is_key = found["name"].lower() in _QUERY or is_secret_member(found["name"])
        return f"{found['before']}{found['name']}={HIDDEN if is_key else found['value']}"

    return _IN_A_QUERY.sub(hidden, address)
