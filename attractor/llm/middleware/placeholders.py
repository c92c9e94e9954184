"""Puts placeholders in the place of secrets in a request, and secrets in theirs in an answer."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

from attractor.base.canonical import Json, JsonObject

PLACEHOLDER = re.compile(r"\[secret-\d+\]")
_OPAQUE = frozenset({"signature", "thoughtSignature", "encrypted_content", "data"})
"""Where providers keep what nobody but them can read, in items of their own."""

Structured = str | JsonObject | Sequence[Json]


class Replacing:
    """Replaces the secrets of one request, and knows afterwards which placeholder stands for what.

    The same secret always has the same placeholder: a value that is known by its place among the
    known ones, one that was found by a pattern in the order of finding.
    """

    def __init__(self, values: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> None:
        self._forms = known_forms(values)
        self._patterns = patterns
        self._found: dict[str, str] = {}
        self._known = len(values)
        self.places = 0
        self.secrets: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for form, (placeholder, value) in self._forms.items():
            if form in text:
                self.places += text.count(form)
                self.secrets[placeholder] = value
                text = text.replace(form, placeholder)
        for pattern in self._patterns:
            text = pattern.sub(self._stand_in, text)
        return text

    def json(self, value: Json) -> Json:
        """Return a value of JSON without secrets, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.json(one) for key, one in value.items()}
        return [self.json(one) for one in value] if isinstance(value, list | tuple) else value

    def structured(self, value: Structured) -> Structured:
        """Return a text, an object or a list without secrets."""
        return cast(Structured, self.json(cast(Json, value)))

    def item(self, value: Json) -> Json:
        """Return a provider's own item without secrets; what it has sealed stays as it is."""
        if isinstance(value, Mapping):
            return {key: one if key in _OPAQUE else self.item(one) for key, one in value.items()}
        return [self.item(one) for one in value] if isinstance(value, list) else self.json(value)

    def finds(self, text: str) -> bool:
        """Tell whether a text holds a secret."""
        return any(form in text for form in self._forms) or any(
            pattern.search(text) for pattern in self._patterns
        )

    def _stand_in(self, match: re.Match[str]) -> str:
        secret = match[0]
        if not secret:
            return ""
        if secret not in self._found:
            self._found[secret] = _placeholder(self._known + len(self._found) + 1)
        placeholder = self._found[secret]
        self.secrets[placeholder] = secret
        self.places += 1
        return placeholder


class Restoring:
    """Puts secrets back where a model repeats their placeholders."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets

    def text(self, text: str) -> str:
        """Return a text with its secrets."""
        return PLACEHOLDER.sub(lambda found: self._secrets.get(found[0], found[0]), text)

    def written(self, text: str) -> str:
        """Return a text of JSON with its secrets, each as JSON writes it."""
        return PLACEHOLDER.sub(lambda found: escaped(self._secrets.get(found[0], found[0])), text)

    def json(self, value: Json) -> Json:
        """Return a value of JSON with its secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.json(one) for key, one in value.items()}
        return [self.json(one) for one in value] if isinstance(value, list) else value

    def arguments(self, arguments: JsonObject | str) -> JsonObject | str:
        """Return the arguments of a tool call with their secrets."""
        if isinstance(arguments, str):
            return self.written(arguments)
        return cast(JsonObject, self.json(dict(arguments)))


def known_forms(values: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """Return each form of each value with its placeholder, the longest first."""
    found: dict[str, tuple[str, str]] = {}
    for number, value in enumerate(values, 1):
        for form in (value, escaped(value), json.dumps(value)[1:-1]):
            found.setdefault(form, (_placeholder(number), value))
    # A secret may begin with another one.
    return dict(sorted(found.items(), key=lambda one: -len(one[0])))


def escaped(text: str) -> str:
    """Return a text as JSON writes it, without its quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _placeholder(number: int) -> str:
    return f"[secret-{number}]"
