"""Reads and writes JSON records; errors name the invalid field."""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NoReturn, TypeVar, get_args, get_origin

from attractor.base.errors import FileError, NotCanonical, UsageError
from attractor.base.files import file_error, read_file, write_whole
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.base.patterns import late_pattern
from attractor.base.records import read_fields, read_record
from attractor.engine.errors import RecordBroken

Word = TypeVar("Word", bound=StrEnum)
Record = TypeVar("Record")


class Fields:
    """The fields of a record; each method reads one field as one type."""

    def __init__(self, record: Json | JsonObject, what: str) -> None:
        self._what = what
        if not isinstance(record, Mapping):
            raise RecordBroken(f"{what} is not an object")
        self._record = record

    def all(self) -> JsonObject:
        """Return the record unchanged."""
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
        """Return a date and time."""
        text = self.text(name)
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            self._refuse(name, "a time")

    def word(self, name: str, kind: type[Word]) -> Word:
        """Return a member of a StrEnum."""
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
        """Return the members of an object unchanged."""
        value = self._record.get(name)
        return value if isinstance(value, dict) else self._refuse(name, "an object")

    def inner(self, name: str) -> "Fields":
        """Return an object as Fields."""
        if name not in self._record:
            self._refuse(name, "an object")
        return Fields(self._record[name], f"{self._what}.{name}")

    def inners(self, name: str) -> tuple["Fields", ...]:
        """Return a list of objects, each as Fields."""
        return tuple(
            Fields(one, f"{self._what}.{name}[{index}]")
            for index, one in enumerate(self.items(name))
        )

    def record(self, type_: type[Record], *others: str) -> Record:
        """Return the dataclass that `write_record` wrote, without other fields."""
        own = {name: value for name, value in self._record.items() if name not in others}
        try:
            return read_record(type_, own)
        except UsageError as fault:
            raise RecordBroken(f"{self._what}: {fault.message}") from fault

    def whole(self, type_: type[Record], *optional: str, **keys: str) -> Record:
        """Return the dataclass that `write_fields` wrote; see `read_fields`."""
        try:
            return read_fields(type_, self._record, *optional, **keys)
        except UsageError as fault:
            raise RecordBroken(f"{self._what}: {fault.message}") from fault

    def has(self, name: str) -> bool:
        """Return whether a field is present and not null."""
        return self._record.get(name) is not None

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        wanted = wanted if name in self._record else "there"
        raise RecordBroken(f"{self._what}: the field {name!r} must be {wanted}")


def read_known(type_: type[Record], record: JsonObject) -> Record:
    """Return a dataclass from the known fields of a record.

    A missing or invalid field has its default value, null, or an empty value.
    """
    # Without __init__, in half the time: all events are read in this way.
    known = object.__new__(type_)
    values = vars(known)
    for name, types, empty in _known_fields(type_):
        value = record.get(name)
        if isinstance(value, int) and float in types:
            value = float(value)
        values[name] = value if isinstance(value, types) else empty
    return known


@cache
def _known_fields(type_: Any) -> Sequence[tuple[str, tuple[type, ...], object]]:
    """Return name, types and empty value of each field."""
    found: list[tuple[str, tuple[type, ...], object]] = []
    for field in fields(type_):
        declared: Any = field.type
        choices = get_args(declared) if isinstance(declared, UnionType) else (declared,)
        types = tuple(get_origin(choice) or choice for choice in choices)
        default = None if field.default is MISSING else field.default
        is_empty = default is None and NoneType not in types
        found.append((field.name, types, types[0]() if is_empty else default))
    return found


_WIDEST = 80

_encode = json.JSONEncoder(ensure_ascii=False).encode


def pretty_json(record: JsonObject, *, is_plain: bool = False) -> str:
    """Return a record as readable JSON; `is_plain` skips the check for valid JSON."""
    # The json module would write NaN, which strict readers reject.
    if not is_plain:
        canonical_json(record)
    members = ",\n".join(f"  {_encode(key)}: {_pretty(value)}" for key, value in record.items())
    return f"{{\n{members}\n}}\n" if members else "{}\n"


def _pretty(value: Json) -> str:
    """Write a value in one line if it fits, otherwise in several lines."""
    text = _encode(value)
    if len(text) <= _WIDEST or not isinstance(value, dict | list):
        return text
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  ")


def write_document(path: Path, record: JsonObject) -> None:
    """Write a record durably to a file."""
    write_whole(path, pretty_json(record))


def read_document(path: Path) -> Fields:
    """Read a record, and return its fields."""
    content = read_file(path)
    try:
        return Fields(parse_json(content), str(path))
    except NotCanonical as cause:
        raise RecordBroken(f"{path} is {cause}") from cause


_NOT_JSON = "invalid JSON: "

_NOT_WRITTEN = "cannot write JSON: "

_STEP = r"(?:\[[^\]]*\]|\.\w+)"


# The first parts of a long path and the last part are enough to find a value.
_LONG_PATH = late_pattern(rf"({_STEP}{{8}}){_STEP}{{4,}}({_STEP})")

_TOO_LONG = "for integer string conversion"

DEEPEST = 80
"""The maximum depth of JSON from users.

Records contain such JSON at a greater depth, so their own maximum depth is higher.
"""

TOO_DEEP = "is nested too deeply"


def is_too_deep(value: Json) -> bool:
    """Return whether a value is nested too deeply for records."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _members(one)]
        if not level:
            return False
    return True


def describe_fault(fault: Exception, *, form: str = "JSON") -> str:
    """Return a fault as the end of a sentence about a file: `is invalid JSON: ...`."""
    message = str(fault)
    if isinstance(fault, RecursionError) or "recursion" in message:
        return TOO_DEEP
    if _TOO_LONG in message:
        return "contains a number with too many digits"
    if isinstance(fault, NotCanonical) and message.startswith(_NOT_WRITTEN):
        return f"holds {_LONG_PATH.sub(_shortened, message.removeprefix(_NOT_WRITTEN))}"
    return f"is invalid {form}: {message.removeprefix(_NOT_JSON)}"


def _members(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _shortened(path: re.Match[str]) -> str:
    return f"{path[1]}...{path[2]}"


LARGEST = 1 << 20


def read_untrusted(path: Path, *, largest: int = LARGEST) -> bytes:
    """Return the content of a file; raise an error for a link, a special or a too large file."""
    try:
        # Do not block on a FIFO: only an open file shows its type.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise FileError(f"cannot read {path}: it is not a regular file")
        content = opened.read(largest + 1)
    if len(content) > largest:
        raise FileError(f"cannot read {path}: it is larger than {largest} bytes")
    return content
