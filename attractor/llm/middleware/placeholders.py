"""Puts placeholders in the place of secrets in a request, and secrets in theirs in an answer."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import cast

from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.middleware.secret_finding import Finder, escaped, unescaped

PLACEHOLDER = re.compile(r"\[secret-(x*)\d+\]")
_OPAQUE = frozenset({"signature", "thoughtSignature", "encrypted_content", "data"})
"""Where providers keep what nobody but them can read, in items of their own."""
_WRITTEN = "arguments"
"""Where they keep JSON as a text."""

Structured = str | JsonObject | Sequence[Json]
_Change = Callable[[str], str]


class Replacing:
    """Replaces the secrets of one request, and knows afterwards which placeholder stands for what.

    The same secret always has the same placeholder: a value that is known by its place among the
    known ones, one that was found by a pattern in the order of finding. `mark` stands in them all.
    """

    def __init__(self, finder: Finder, mark: str = "") -> None:
        self._finder = finder
        self._mark = mark
        self._found: dict[str, int] = {}
        self._literal: dict[str, str] = {}
        self.places = 0
        self.secrets: dict[str, str] = {}

    @property
    def is_mistakable(self) -> bool:
        """Whether a text held, as words of its own, what stands for a secret."""
        return not self._literal.keys().isdisjoint(self.secrets)

    @property
    def free_mark(self) -> str:
        """A mark that no such word has; for the same texts it is the same."""
        taken = set(self._literal.values())
        return next("x" * length for length in count(1) if "x" * length not in taken)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        self._literal |= {found[0]: found[1] for found in PLACEHOLDER.finditer(text)}
        return self.unrestored(text)

    def unrestored(self, text: str) -> str:
        """Return a text of a model's that was never restored: placeholders in there are ours."""
        pieces, at = list[str](), 0
        # All are found in the text as it came: nothing is replaced in what was put in.
        for begin, end in self._finder.spans(text):
            pieces += text[at:begin], self._stand_in(text[begin:end])
            at = end
        return "".join([*pieces, text[at:]])

    def written(self, text: str) -> str:
        """Return a text of JSON without secrets: they are looked for in what it says."""
        return _written(text, self.text)

    def structured(self, value: Structured) -> Structured:
        """Return a text, an object or a list without secrets, keys included."""
        return cast(Structured, _changed(cast(Json, value), self.text))

    def object(self, value: JsonObject) -> JsonObject:
        """Return an object without secrets, keys included."""
        return cast(JsonObject, _changed(dict(value), self.text))

    def item(self, value: Json, key: str = "") -> Json:
        """Return a provider's own item without secrets; what it has sealed stays as it is."""
        if key in _OPAQUE:
            return value
        if isinstance(value, Mapping):
            return {name: self.item(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self.item(one) for one in value]
        if key == _WRITTEN and isinstance(value, str):
            return _written(value, self.unrestored)
        return _changed(value, self.unrestored)

    def finds(self, text: str) -> bool:
        """Tell whether a text holds a secret."""
        return bool(self._finder.spans(text))

    def _stand_in(self, found: str) -> str:
        self.places += 1
        said, known = unescaped(found), self._finder.values
        number = self._finder.forms.get(found) or self._finder.forms.get(said)
        if number is not None:
            found = said = known[number - 1]
        else:
            number = self._found.setdefault(said, len(known) + len(self._found) + 1)
        placeholder = f"[secret-{self._mark}{number}]"
        # Where it stands only as JSON writes it, it comes back as it stands.
        if found == said or placeholder not in self.secrets:
            self.secrets[placeholder] = found
        return placeholder


class Restoring:
    """Puts secrets back where a model repeats their placeholders.

    With `is_json` what it says is JSON, so that each is put in as JSON writes it.
    """

    def __init__(self, secrets: Mapping[str, str], *, is_json: bool = False) -> None:
        self._secrets = secrets
        self._is_json = is_json

    def text(self, text: str) -> str:
        """Return a text that a model says with its secrets."""
        return self.written(text) if self._is_json else self._plain(text)

    def written(self, text: str) -> str:
        """Return a text of JSON with its secrets, each as JSON writes it."""
        return PLACEHOLDER.sub(lambda found: escaped(self._secrets.get(found[0], found[0])), text)

    def arguments(self, arguments: JsonObject | str) -> JsonObject | str:
        """Return the arguments of a tool call with their secrets."""
        if isinstance(arguments, str):
            return self.written(arguments)
        return cast(JsonObject, _changed(dict(arguments), self._plain))

    def begun(self, text: str) -> int:
        """Return where in a text a placeholder begins that may go on in the next piece."""
        begin = text.rfind("[")
        end = text[begin:]
        is_begun = begin >= 0 and any(one.startswith(end) for one in self._secrets if one != end)
        return begin if is_begun else len(text)

    def _plain(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda found: self._secrets.get(found[0], found[0]), text)


def _changed(value: Json, change: _Change) -> Json:
    """Return a value of JSON with each of its texts changed, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): _changed(one, change) for key, one in value.items()}
    return [_changed(one, change) for one in value] if isinstance(value, list | tuple) else value


def _written(text: str, change: _Change) -> str:
    try:
        value = parse_json(text)
    except NotCanonical:
        return change(text)
    changed = _changed(value, change)
    # Unchanged it may still hold what some pattern finds in how it is written.
    return change(text) if changed == value else json.dumps(changed, ensure_ascii=False)
