"""The sources of settings: files, variables and flags."""

import codecs
import stat
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import cast

from attractor.base.dataclasses import dataclass
from attractor.base.toml import (
    InvalidToml,
    KeyLines,
    KeyPath,
    dotted,
    key_lines,
    line_of,
    parse_toml,
    read_key,
)
from attractor.config.configuration import Origin, OriginKind
from attractor.config.errors import BrokenFile, InvalidSetting
from attractor.config.projects import project_file
from attractor.config.user_folders import (
    INPUT_PREFIX,
    RESERVED_VARIABLES,
    VARIABLE_PREFIX,
    path_of_variable,
    shown,
)

MOST_BYTES = 1_000_000
"""Maximum size of a configuration file."""


@dataclass(frozen=True)
class Source:
    """One file, variable or flag, with its values and the base folder of relative paths."""

    origin: Origin
    base: Path
    values: Mapping[str, object]
    text: str = ""

    @property
    def is_text(self) -> bool:
        """Whether values are texts to convert, as in variables and flags."""
        return self.origin.kind in (OriginKind.VARIABLE, OriginKind.FLAG)

    def origin_of(self, path: KeyPath) -> Origin:
        """Return the origin of a key, with the line in a file."""
        return Origin(self.origin.kind, self.origin.place, line_of(path, self._lines))

    @cached_property
    def _lines(self) -> KeyLines:
        return key_lines(self.text)


def read_file(file: Path, origin: Origin) -> Source:
    """Read a TOML file; a missing file sets nothing."""
    text = _text(file, origin)
    try:
        return Source(origin, file.parent, parse_toml(text), text)
    except InvalidToml as cause:
        place = Origin(origin.kind, origin.place, cause.line, cause.column)
        raise BrokenFile(cause.message, hint=cause.hint, origin=place) from cause


def read_variable(name: str, value: str, *, cwd: Path) -> Source:
    """Read one variable, such as `ATTRACTOR_OUTPUT__COLOR`."""
    origin = Origin(OriginKind.VARIABLE, name)
    return Source(origin, cwd, _nested(path_of_variable(name), _value(value, origin)))


def read_flag(flag: str, *, cwd: Path) -> Source:
    """Read one `KEY=VALUE`, such as `output.color=never`."""
    origin = Origin(OriginKind.FLAG, flag)
    key, equals, value = flag.partition("=")
    try:
        path = read_key(key)
    except ValueError as cause:
        message = f"invalid setting key {key!r}"
        hint = "write KEY=VALUE, such as output.color=never"
        raise InvalidSetting(message, hint=hint, origin=origin) from cause
    if not equals:
        hint = f"write KEY=VALUE, such as {dotted(path)}=VALUE"
        raise InvalidSetting("missing = after the key", hint=hint, origin=origin)
    return Source(origin, cwd, _nested(path, _value(value, origin)))


def set_variables(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the variables of settings by name, sections first; empty variables are ignored."""
    ours = (name for name in sorted(environ) if name.startswith(VARIABLE_PREFIX))
    return [
        (name, environ[name])
        for name in ours
        if name not in RESERVED_VARIABLES and not name.startswith(INPUT_PREFIX) and environ[name]
    ]


def _text(file: Path, origin: Origin) -> str:
    try:
        data = _data(file, origin)
    except (FileNotFoundError, NotADirectoryError) as cause:
        if file.is_symlink():
            raise BrokenFile("is a broken link", origin=origin) from cause
        return ""
    except OSError as cause:
        raise BrokenFile(f"cannot be read: {cause.strerror}", origin=origin) from cause
    if data.startswith(codecs.BOM_UTF8):
        hint = "save it as UTF-8 without a byte order mark"
        raise BrokenFile("starts with a byte order mark", hint=hint, origin=_at(origin, 1, 1))
    try:
        return data.decode()
    except UnicodeDecodeError as cause:
        before = data[: cause.start].decode()
        message = f"not UTF-8: byte 0x{data[cause.start]:02x}"
        hint = "save it as UTF-8"
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise BrokenFile(message, hint=hint, origin=_at(origin, line, column)) from cause


def _data(file: Path, origin: Origin) -> bytes:
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        # Reading a pipe or device could block forever.
        raise BrokenFile("is not a regular file", origin=origin)
    with file.open("rb") as opened:
        data = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        hint = "check that it is the configuration file"
        raise BrokenFile(f"is longer than {MOST_BYTES:,} bytes", hint=hint, origin=origin)
    return data


def _value(text: str, origin: Origin) -> object:
    """Parse a text that starts like a TOML list or table; return other texts unchanged."""
    if not text.startswith(("[", "{")):
        return text
    try:
        values = parse_toml(f"value = {text}")
        if len(values) > 1:
            raise InvalidToml("unexpected text after the value")
    except InvalidToml as cause:
        message = f"a value that starts with {text[0]} is parsed as TOML: {cause.message}"
        hint = 'write it as TOML, such as ["a", "b"] or {a = "b"}'
        raise InvalidSetting(message, hint=hint, origin=origin) from cause
    return cast(object, values["value"])


def _nested(path: tuple[str, ...], value: object) -> dict[str, object]:
    *outer, last = path
    nested = {last: value}
    for part in reversed(outer):
        nested = {part: cast(object, nested)}
    return nested


def _at(origin: Origin, line: int, column: int) -> Origin:
    return Origin(origin.kind, origin.place, line, column)


def source_readers(
    *, root: Path, cwd: Path, environ: Mapping[str, str], flags: Sequence[str], user_file: Path
) -> list[Callable[[], Source]]:
    """Return a reader of each source in order: a later source overrides an earlier one."""
    files = {OriginKind.USER: user_file, OriginKind.PROJECT: project_file(root)}
    return [
        *(
            partial(read_file, file, Origin(kind, shown(file, cwd=cwd)))
            for kind, file in files.items()
        ),
        *(partial(read_variable, name, value, cwd=cwd) for name, value in set_variables(environ)),
        *(partial(read_flag, flag, cwd=cwd) for flag in flags),
    ]
