"""Replaces the values of secrets in everything that is written.

A value is also replaced in its base64, percent-encoded and JSON form.
"""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from urllib.parse import quote, quote_plus

from attractor.base.json import Json, JsonObject

PLACEHOLDER = "***"


SHORTEST = 8


_encode = json.JSONEncoder(ensure_ascii=False).encode


_NAME = re.compile(r".*_(?:KEY|TOKEN|SECRET|PASSWORD)", re.IGNORECASE)


class Redactor:
    """Replaces secrets in texts and JSON, and also unpaired surrogates, which no file can contain.

    `words` are never replaced, because they are part of records.
    """

    def __init__(self, secrets: Collection[str] = (), *, words: Collection[str] = ()) -> None:
        texts = {text for secret in secrets for text in texts_of(secret)}.difference(words)
        forms = {form for text in texts for form in _forms(text) if len(form) >= SHORTEST}
        # The longest first: one secret may begin with another.
        sought = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, sought))) if sought else None
        written = [json.dumps(form, ensure_ascii=False)[1:-1] for form in sought]
        self._written = re.compile("|".join(map(re.escape, written))) if sought else None

    @classmethod
    def of_environment(
        cls,
        environ: Mapping[str, str],
        *,
        names: Collection[str] = (),
        more: Collection[str] = (),
        words: Collection[str] = (),
    ) -> "Redactor":
        """Make a redactor from environment variables whose names indicate secrets, and from
        additional names and values.
        """
        named = [value for name, value in environ.items() if is_secret_name(name) or name in names]
        return cls([*named, *more], words=words)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode()
        return self._pattern.sub(PLACEHOLDER, text) if self._pattern else text

    def json(self, value: Json) -> Json:
        """Return a JSON value without secrets, also in member names."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self.members(value)
        return [self.json(one) for one in value] if isinstance(value, list) else value

    def members(self, record: JsonObject) -> dict[str, Json]:
        """Return a JSON object without secrets, as a deep copy."""
        return {self.text(key): self.json(value) for key, value in record.items()}

    def clean(self, record: dict[str, Json]) -> dict[str, Json]:
        """Return a JSON object without secrets; an object that contains no secret is not copied."""
        return record if self._is_clean(record) else self.members(record)

    def _is_clean(self, record: JsonObject) -> bool:
        try:
            written = _encode(record)
            written.encode()
        except (TypeError, ValueError, RecursionError):
            return False
        return not self.finds_in(written)

    def finds(self, text: str) -> bool:
        """Return whether a text contains a secret."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def finds_in(self, written: str) -> bool:
        """Return whether JSON text contains a secret."""
        return self._written is not None and self._written.search(written) is not None


def is_secret_name(name: str) -> bool:
    """Return whether the name of a variable indicates a secret."""
    return _NAME.fullmatch(name) is not None


def texts_of(secret: str) -> frozenset[str]:
    """Return the texts to search for: a secret, and each line of a multi-line secret."""
    texts = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
    return frozenset(text for text in texts if len(text) >= SHORTEST)


def _forms(text: str) -> Iterator[str]:
    """Yield a text in each of its encodings."""
    yield text
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield json.dumps(text)[1:-1]
    yield from _url_forms(text)
    yield from _base64_forms(text.encode("utf-8", "surrogateescape"))


def _url_forms(text: str) -> Iterator[str]:
    for quoted in (
        quote(text, safe="", errors="surrogateescape"),
        quote(text, errors="surrogateescape"),
        quote_plus(text, errors="surrogateescape"),
    ):
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda escape: escape[0].lower(), quoted)


def _base64_forms(secret: bytes) -> Iterator[str]:
    """Yield the parts of a text's base64 form that do not depend on surrounding text."""
    encoders: tuple[Callable[[bytes], bytes], ...] = (b64encode, urlsafe_b64encode)
    for encode in encoders:
        for before in range(3):
            encoded = encode(bytes(before) + secret).decode().rstrip("=")
            begin = (0, 2, 3)[before]
            end = len(encoded) - (1 if (before + len(secret)) % 3 else 0)
            yield encoded[begin:end]
