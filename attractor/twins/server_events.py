"""Events of a stream as a server sends them, and the pieces in which words come."""

import json
import re
from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject

_WORDS_A_PIECE = 3
_LETTERS_A_PIECE = 12
_WORDS = re.compile(rf"\s*(?:\S+\s*){{1,{_WORDS_A_PIECE}}}|\s+")


@dataclass(frozen=True)
class ServerEvent:
    """One event: its data, its name where the provider gives one, and how its lines end.

    A text stands in the place of the data where a provider sends one that is no JSON.
    """

    data: JsonObject
    name: str = ""
    line_end: str = "\n"
    text: str | None = None

    def encoded(self, text: str | None = None) -> bytes:
        """Return its bytes, with another text in the place of its data if there is one."""
        lines = [f"event: {self.name}"] if self.name else []
        said = self.text if text is None else text
        written = json_text(self.data) if said is None else said
        # A line's end inside a text would end the data, so each line says that it is some.
        lines += [f"data: {line}" for line in re.split(r"\r\n|\r|\n", written)]
        return "".join(line + self.line_end for line in [*lines, ""]).encode()


def json_text(value: JsonObject) -> str:
    """Return how a provider writes JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def in_words(text: str) -> Sequence[str]:
    """Cut a text into pieces of a few words; together they are the text."""
    return _WORDS.findall(text)


def in_letters(text: str) -> Sequence[str]:
    """Cut a text into pieces of a few letters, words or not; together they are the text."""
    starts = range(0, len(text), _LETTERS_A_PIECE)
    return [text[start : start + _LETTERS_A_PIECE] for start in starts]


def text_at(record: JsonObject, key: str) -> str:
    """Return the text a record has at a key, or an empty one."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def record_at(record: JsonObject, key: str) -> JsonObject:
    """Return the record a record has at a key, or an empty one."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def records_at(record: JsonObject, key: str) -> Sequence[JsonObject]:
    """Return the records a record has in a list at a key."""
    value = record.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
