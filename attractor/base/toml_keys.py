"""Reads and writes keys of TOML: dotted, and quoted where they have to be."""

import re
import tomllib
from typing import cast

KeyPath = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
KEY_PATTERN = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"

_KEY = re.compile(KEY_PATTERN)
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """Write a path as people write it in TOML: `output.color`, `hooks[0].command`."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        else:
            written += f"{'.' if written else ''}{_written(part)}"
    return written


def read_key(text: str) -> tuple[str, ...]:
    """Read a dotted key, quoted parts included, or raise ValueError."""
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
    """Write a text on one line, whatever is in it."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _written(part: str) -> str:
    if _BARE.fullmatch(part):
        return part
    inner = (f"\\{char}" if char in '"\\' else printable(char) for char in part)
    return f'"{"".join(inner)}"'


def _escaped(char: str) -> str:
    return f"\\U{ord(char):08X}"
