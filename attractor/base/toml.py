"""Dotted keys of TOML, and the line of each key in a text; `tomllib` returns no lines."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import cast

from attractor.base.dataclasses import dataclass

KeyPath = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
KEY_PATTERN = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"

_KEY = re.compile(KEY_PATTERN)
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """Write a path as in TOML: `output.color`, `hooks[0].command`."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        else:
            written += f"{'.' if written else ''}{_written(part)}"
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
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _written(part: str) -> str:
    if _BARE.fullmatch(part):
        return part
    inner = (f"\\{char}" if char in '"\\' else printable(char) for char in part)
    return f'"{"".join(inner)}"'


def _escaped(char: str) -> str:
    return f"\\U{ord(char):08X}"


KeyLines = Mapping[KeyPath, int]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_START = re.compile(rf"(?P<opening>\[?\[?)[ \t]*(?P<key>{KEY_PATTERN})[ \t]*(?:=|\]\]?)")
_VALUE_PART = re.compile(
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
