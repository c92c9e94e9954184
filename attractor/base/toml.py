"""Formats mistakes in TOML files (file and line, key, fault and fix), and leaves keys out of them.

`tomllib` returns no lines, so the line of each dotted key is searched in the text.

Settings, suites, scripts and service twins are checked by pydantic. `base` does not import
pydantic, but reads the dictionaries that `ValidationError.errors()` returns.
"""

import re
import reprlib
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError, suggest
from attractor.base.patterns import late_pattern

KeyPath = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
KEY_PATTERN = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"

_KEY = late_pattern(KEY_PATTERN)
_BARE = late_pattern(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """Write a path as in TOML: `output.color`, `hooks[0].command`."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
            continue
        if not _BARE.fullmatch(part):
            inner = (f"\\{char}" if char in '"\\' else printable(char) for char in part)
            part = f'"{"".join(inner)}"'
        written += f"{'.' if written else ''}{part}"
    return written


def read_key(text: str) -> tuple[str, ...]:
    """Parse a dotted key with quoted parts, or raise ValueError."""
    key = text.strip()
    if not _KEY.fullmatch(key):
        raise ValueError(f"{text!r} is not a key")
    node: object = tomllib.loads(f"{key} = 0")
    path: list[str] = []
    while isinstance(node, dict):
        [(part, node)] = cast(dict[str, object], node).items()
        path.append(part)
    return tuple(path)


def printable(text: str) -> str:
    """Escape unprintable characters."""
    return "".join(char if char.isprintable() else f"\\U{ord(char):08X}" for char in text)


KeyLines = Mapping[KeyPath, int]

_BLANK = late_pattern(r"(?:[ \t\r\n]|#[^\n]*)*")
_START = late_pattern(rf"(?P<opening>\[?\[?)[ \t]*(?P<key>{KEY_PATTERN})[ \t]*(?:=|\]\]?)")
_VALUE_PART = late_pattern(
    r'"{3}(?:[^\\]|\\.)*?"{3,5}'
    r"|'{3}.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|(?P<open>[\[{])|(?P<close>[\]}])|(?P<end>\n)"
    r"|[^\"'\#\[\]{}\n]+",
    re.DOTALL,
)


@dataclass(frozen=True)
class _Start:
    """The start of a statement: a table's header, or a key with its `=`."""

    line: int
    opening: str
    key: KeyPath


def key_lines(text: str) -> KeyLines:
    """Map every key and table of a valid TOML text to its line.

    An element of an array of tables has its index as key. Keys inside an inline value have no line
    of their own; `line_of` returns the line of the key with the value.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for start in _starts(text):
        path = (*table, *start.key)
        if start.opening:
            path = table = _opened(start, counts)
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], start.line)
    return lines


def without_keys(text: str, keys: Collection[KeyPath]) -> str:
    """Return a valid TOML text without some keys and tables, and all that is below them.

    Keys inside an inline value stay.
    """
    lines, starts = text.split("\n"), [*_starts(text)]
    ends = [*(start.line - 1 for start in starts), len(lines)]
    kept = lines[: ends[0]]
    table: KeyPath = ()
    for start, end in zip(starts, ends[1:], strict=True):
        path = (*table, *start.key)
        if start.opening:
            path = table = start.key
        if not any(path[: len(key)] == key for key in keys):
            kept += lines[start.line - 1 : end]
    return "\n".join(kept)


def line_of(path: KeyPath, lines: KeyLines) -> int | None:
    """Return the line of a key, otherwise the line of the innermost table around the key."""
    prefixes = (path[:length] for length in range(len(path), 0, -1))
    return next((lines[prefix] for prefix in prefixes if prefix in lines), None)


def _starts(text: str) -> Iterator[_Start]:
    line, counted = 1, 0
    position = _end_of_blank(text, 0)
    while start := _START.match(text, position):
        line, counted = line + text.count("\n", counted, position), position
        yield _Start(line, start["opening"], read_key(start["key"]))
        end = start.end() if start["opening"] else _end_of_value(text, start.end())
        position = _end_of_blank(text, end)


def _opened(header: _Start, counts: dict[KeyPath, int]) -> KeyPath:
    """Return the table of a header; for an array of tables, the table of its last element."""
    path: KeyPath = ()
    for part in header.key[:-1]:
        path = _last_element((*path, part), counts)
    path = (*path, header.key[-1])
    if header.opening == "[[":
        counts[path] = counts.get(path, 0) + 1
    return _last_element(path, counts)


def _last_element(path: KeyPath, counts: Mapping[KeyPath, int]) -> KeyPath:
    return (*path, counts[path] - 1) if path in counts else path


def _end_of_blank(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _end_of_value(text: str, position: int) -> int:
    depth = 0
    while part := _VALUE_PART.match(text, position):
        depth += bool(part["open"]) - bool(part["close"])
        position = part.end()
        if part["end"] and not depth:
            break
    return position


MOST_MISTAKES = 10
"""The maximum number of listed mistakes of one file."""
HIDDEN_VALUE = "hidden_value"
"""The type of a fault whose value is not shown, because it may be a secret."""

Fault = Mapping[str, Any]
"""One entry of a pydantic `ValidationError.errors()`."""

_POSITION = late_pattern(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
# How tomllib begins its messages about a duplicate key or table.
_DUPLICATE = ("Cannot declare", "Cannot overwrite", "Cannot mutate", "Cannot redefine", "Duplicate")
# How tomllib begins its other messages, with the fix.
_FIXES = {
    "Expected '='": "write KEY = VALUE",
    "Expected ']' at": "close the name of the table with ]",
    "Expected ']]' at": "close the name of the table with ]]",
    "Invalid initial character for a key": "write KEY = VALUE; a key with other characters than "
    "letters, digits, - and _ needs quotes",
    "Invalid statement": "write KEY = VALUE, or [TABLE]",
    "Unterminated string": "close the text with a quote",
    'Expected "\'"': "close the text with '",
    "Expected \"'''\"": "close the text with '''",
    "Illegal character '\\n'": "close the text with a quote in its line; a text of several lines "
    'needs """ around it',
    "Unescaped '\\'": "write \\\\ for a backslash, or put the text in single quotes",
    "Unclosed array": "separate the values by commas, and close the list with ]; text needs quotes",
    "Unclosed inline table": "separate the entries by commas, and close the table with }",
    "Expected newline": "write one KEY = VALUE in each line; text needs quotes",
}
_TEXT_NEEDS_QUOTES = "text needs quotes"
_WORDS = {"True": "write true", "False": "write false", "yes": "write true", "no": "write false"}
_NOTHING = frozenset({"None", "null", "nil"})
_WORD = late_pattern(r"\w+")
_NUMBER = late_pattern(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_CHOICE = late_pattern(r"'([^']*)'")
_DEMAND = "Input should be "
# TOML has only tables and lists, whatever pydantic converts them to.
_NOUNS = {
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
}


@dataclass(frozen=True)
class TomlMistake:
    """One mistake: the key, a message that names the key, and the fix."""

    path: KeyPath
    message: str
    hint: str = ""
    is_unknown_key: bool = False

    @property
    def in_one_line(self) -> str:
        """The message with the fix in parentheses."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidToml(ValueError):
    """A text that is not valid TOML."""

    def __init__(
        self, message: str, *, line: int | None = None, column: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.hint = hint

    def at(self, source: str) -> str:
        """Return the message with file, line and column."""
        position = "".join(f":{number}" for number in (self.line, self.column) if number)
        return f"{source}{position}: {self.message}"


class TomlMistakes:
    """Collects the mistakes of one file and raises them together."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._mistakes: list[TomlMistake] = []

    def __bool__(self) -> bool:
        return bool(self._mistakes)

    def add(self, path: Iterable[str | int], message: str, hint: str = "") -> None:
        """Add a mistake at a key."""
        key = tuple(path)
        self._mistakes.append(
            TomlMistake(key, f"{dotted(key)}: {message}" if key else message, hint)
        )

    def extend(self, mistakes: Iterable[TomlMistake]) -> None:
        """Add mistakes whose messages name their keys."""
        self._mistakes += mistakes

    def lines(self) -> list[str]:
        """Return one line per mistake, with file, line and fix, and the number of unlisted
        mistakes.
        """
        lines = [f"{place}: {one.in_one_line}" for place, one in self._places()[:MOST_MISTAKES]]
        others = len(self._mistakes) - len(lines)
        return [*lines, f"and {others} more"] if others else lines

    def error(self, kind: type[UsageError]) -> UsageError:
        """Return an error about all mistakes; the fix of a single mistake is its hint."""
        if len(self._mistakes) > 1:
            return kind("\n".join(self.lines()))
        [(place, mistake)] = self._places()
        return kind(f"{place}: {mistake.message}", hint=mistake.hint)

    def _places(self) -> list[tuple[str, TomlMistake]]:
        lines = key_lines(self._text)
        numbered = [(line_of(mistake.path, lines) or 0, mistake) for mistake in self._mistakes]
        numbered.sort(key=lambda pair: pair[0])
        return [
            (f"{self._source}:{number}" if number else self._source, mistake)
            for number, mistake in numbered
        ]


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML, or raise InvalidToml with the position."""
    try:
        return tomllib.loads(text)
    except RecursionError as cause:
        raise InvalidToml("values are nested too deeply") from cause
    except ValueError as cause:
        raise _invalid(str(cause), text) from cause


def explain_faults(
    faults: Sequence[Fault],
    value: object,
    *,
    at: KeyPath = (),
    known: Callable[[Fault], Collection[str]] = lambda _: (),
    ignored_steps: Collection[str] = (),
) -> list[TomlMistake]:
    """Convert pydantic's faults of a value to mistakes, without duplicates.

    A value that matches no member of a union is compared with the most similar member. A mistyped
    key is not also reported as missing. `known` returns the keys to suggest for an unknown key, and
    `ignored_steps` are the parts of locations that are not keys, such as tags of unions.
    """
    # In a list with invalid entries, pydantic counts only the valid ones.
    counted = [fault for fault in faults if fault["type"] != "too_short" or not fault["input"]]
    readings = [_read(fault, value, at, known, ignored_steps) for fault in counted]
    merged = _resembling(readings)
    mistyped = {
        (*reading.path[:-1], suggest(str(reading.path[-1]), reading.known))
        for reading in merged
        if reading.kind == "extra_forbidden"
    }
    return [
        _mistake(reading)
        for reading in merged
        if reading.kind != "missing" or reading.path not in mistyped
    ]


def shown_value(value: object) -> str:
    """Return a value as one short line, similar to TOML."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = 60
    plain = value.value if isinstance(value, Enum) else value
    is_plain = isinstance(plain, str | int | float | list | tuple | dict | set | frozenset)
    return brief.repr(plain if is_plain else str(plain))


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return a hint with the nearest known name, or with all names."""
    near = suggest(name, known)
    if near:
        return f"did you mean {near}?"
    return f"known: {', '.join(known)}" if known else ""


@dataclass(frozen=True)
class _Reading:
    """A fault at a key of the value; in a union, also the member of the union."""

    kind: str
    path: KeyPath
    said: str
    input: object
    expected: str
    known: Collection[str] = ()
    fork: KeyPath = ()
    member: str | int = ""
    depth: int = 0

    @property
    def is_other_type(self) -> bool:
        """Whether the value does not resemble this member of the union at all."""
        is_type_fault = self.kind.endswith("_type") or self.kind in ("literal_error", "enum")
        return self.depth < 2 and is_type_fault


def _read(
    fault: Fault,
    value: Any,
    at: KeyPath,
    known: Callable[[Fault], Collection[str]],
    ignored: Collection[str],
) -> _Reading:
    """Return a location without the steps that are not keys: types, and names of validators."""
    steps = tuple(step for step in fault["loc"] if step not in ignored)
    kind: str = fault["type"]
    walked = steps[:-1] if kind == "missing" else steps
    path: list[str | int] = []
    fork: tuple[KeyPath, str | int, int] | None = None
    for number, step in enumerate(walked):
        if _contains(value, step):
            path.append(step)
            value = value[step]
        elif fork is None:
            fork = (tuple(path), step, len(steps) - number)
    if kind == "missing":
        path.append(steps[-1])
    said = printable(fault["msg"]).removeprefix("Value error, ")
    if kind in _NOUNS:
        said = _DEMAND + _NOUNS[kind]
    expected = str(fault.get("ctx", {}).get("expected", ""))
    place, member, depth = fork or ((), "", 0)
    return _Reading(
        kind=kind,
        path=(*at, *path),
        said=said,
        input=fault["input"],
        expected=expected,
        known=known(fault) if kind == "extra_forbidden" else (),
        fork=place,
        member=member,
        depth=depth,
    )


def _contains(value: Any, step: str | int) -> bool:
    if isinstance(step, int):
        # A script in Python may contain tuples where TOML has lists.
        return isinstance(value, list | tuple) and step < len(cast("Sequence[object]", value))
    return isinstance(value, dict) and step in value


def _resembling(readings: Sequence[_Reading]) -> list[_Reading]:
    unions: dict[object, dict[str | int, list[_Reading]]] = {}
    for number, reading in enumerate(readings):
        place = ("union", reading.fork) if reading.depth else number
        unions.setdefault(place, {}).setdefault(reading.member, []).append(reading)
    return [reading for members in unions.values() for reading in _nearest(list(members.values()))]


def _nearest(members: Sequence[Sequence[_Reading]]) -> Sequence[_Reading]:
    resembling = [member for member in members if not all(fault.is_other_type for fault in member)]
    if resembling:
        return min(resembling, key=len)
    first, *others = [fault for member in members for fault in member]
    alternatives = [first.said, *(one.said.removeprefix(_DEMAND) for one in others)]
    return [replace(first, said=" or ".join(dict.fromkeys(alternatives)))]


def _mistake(reading: _Reading) -> TomlMistake:
    key = dotted(reading.path)
    if reading.kind == "extra_forbidden":
        hint = did_you_mean(str(reading.path[-1]), reading.known)
        return TomlMistake(reading.path, f"unknown key {key}", hint, is_unknown_key=True)
    if reading.kind == "missing":
        return TomlMistake(reading.path, f"{key} is missing", f"set {key}")
    if reading.kind == "too_short":
        return TomlMistake(reading.path, f"{key} is empty", "add at least one entry")
    if not reading.path:
        return TomlMistake((), reading.said)
    if reading.said.startswith(_DEMAND):
        demand = reading.said.removeprefix("Input ")
        message = f"{key} = {shown_value(reading.input)} {demand}"
    elif reading.kind == HIDDEN_VALUE or isinstance(reading.input, dict | list):
        message = f"{key}: {reading.said}"
    else:
        message = f"{key} = {shown_value(reading.input)}: {reading.said}"
    return TomlMistake(reading.path, message, _choice(reading))


def _choice(reading: _Reading) -> str:
    demand = reading.said.removeprefix(_DEMAND).split(" or ")[0]
    if demand == "a list":
        return 'write a list, such as ["a", "b"]'
    if demand == "a valid string" and isinstance(reading.input, bool | int | float):
        return f'{_TEXT_NEEDS_QUOTES}: "{shown_value(reading.input)}"'
    if demand in ("a valid integer", "a valid number") and isinstance(reading.input, str):
        return "remove the quotes" if _NUMBER.fullmatch(reading.input) else ""
    if demand == "a valid boolean" and isinstance(reading.input, str | int):
        return "write true or false, without quotes"
    choices = _CHOICE.findall(reading.expected)
    near = suggest(reading.input, choices) if isinstance(reading.input, str) else ""
    return f"did you mean {near}?" if near else ""


def _invalid(message: str, text: str) -> InvalidToml:
    found = _POSITION.search(message)
    if found is None:
        return InvalidToml(f"invalid TOML: {message}")
    if found["line"]:
        line, column = int(found["line"]), int(found["column"])
    else:
        end = text.rstrip()
        line, column = end.count("\n") + 1, len(end) - end.rfind("\n")
    if message.startswith(_DUPLICATE):
        hint = "remove one of the two"
        return InvalidToml("duplicate key or table", line=line, column=column, hint=hint)
    hint = _fix(message, text.split("\n")[line - 1][column - 1 :])
    return InvalidToml(
        f"invalid TOML: {message[: found.start()]}", line=line, column=column, hint=hint
    )


def _fix(message: str, rest: str) -> str:
    """Return the fix of a syntax error, by the rest of its line."""
    if not message.startswith("Invalid value"):
        return next((fix for start, fix in _FIXES.items() if message.startswith(start)), "")
    word = _WORD.match(rest)
    if not rest.strip() or rest[0] in "#,]}":
        return "write a value"
    if word and word[0] in _NOTHING:
        return "remove the key: TOML has no empty value"
    return _WORDS.get(word[0], _TEXT_NEEDS_QUOTES) if word else _TEXT_NEEDS_QUOTES
