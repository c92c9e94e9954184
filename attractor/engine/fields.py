"""Reads a record back field by field, and says which field is not what was written."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NoReturn, TypeVar

from attractor.base.json import Json, JsonObject
from attractor.engine.errors import RecordBroken

Word = TypeVar("Word", bound=StrEnum)


class Fields:
    """The members of a record, each read as one type."""

    def __init__(self, record: Json | JsonObject, what: str) -> None:
        self._what = what
        if not isinstance(record, Mapping):
            raise RecordBroken(f"{what} is not an object")
        self._record = record

    def all(self) -> JsonObject:
        """Return the record as it is."""
        return self._record

    def text(self, name: str) -> str:
        """Return a text."""
        value = self._record.get(name)
        return value if isinstance(value, str) else self._refuse(name, "a text")

    def number(self, name: str) -> int:
        """Return a whole number."""
        value = self._record.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse(name, "a whole number")
        return value

    def real(self, name: str) -> float:
        """Return a number."""
        value = self._record.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._refuse(name, "a number")
        return float(value)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._record.get(name)
        return value if isinstance(value, bool) else self._refuse(name, "true or false")

    def time(self, name: str) -> datetime:
        """Return a moment."""
        text = self.text(name)
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            self._refuse(name, "a time")

    def word(self, name: str, kind: type[Word]) -> Word:
        """Return one of a set of words."""
        text = self.text(name)
        try:
            return kind(text)
        except ValueError:
            self._refuse(name, f"one of {', '.join(kind)}")

    def items(self, name: str) -> list[Json]:
        """Return a list."""
        value = self._record.get(name)
        return value if isinstance(value, list) else self._refuse(name, "a list")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        found = self.items(name)
        texts = tuple(one for one in found if isinstance(one, str))
        return texts if len(texts) == len(found) else self._refuse(name, "a list of texts")

    def members(self, name: str) -> dict[str, Json]:
        """Return an object as it is."""
        value = self._record.get(name)
        return value if isinstance(value, dict) else self._refuse(name, "an object")

    def inner(self, name: str) -> "Fields":
        """Return an object to be read field by field."""
        if name not in self._record:
            self._refuse(name, "an object")
        return Fields(self._record[name], f"{self._what}.{name}")

    def inners(self, name: str) -> tuple["Fields", ...]:
        """Return a list of objects to be read field by field."""
        return tuple(
            Fields(one, f"{self._what}.{name}[{index}]")
            for index, one in enumerate(self.items(name))
        )

    def has(self, name: str) -> bool:
        """Tell whether a field is there and holds something."""
        return self._record.get(name) is not None

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        wanted = wanted if name in self._record else "there"
        raise RecordBroken(f"{self._what}: the field {name!r} must be {wanted}")
