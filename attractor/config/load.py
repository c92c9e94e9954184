"""Loads the settings from their sources."""

import codecs
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import Never, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

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
    shown_value,
)
from attractor.config.errors import (
    BrokenFile,
    ConfigError,
    InvalidSetting,
    explain,
    not_a_table,
    raise_mistakes,
    unknown_setting,
)
from attractor.config.projects import ID_FILE, find_project_root, in_main_checkout, project_file
from attractor.config.schema import (
    DEFAULT,
    Configuration,
    Leaf,
    Model,
    Origin,
    OriginKind,
    default_values,
    is_table,
    leaves,
)
from attractor.config.settings import Settings
from attractor.config.user_folders import (
    INPUT_PREFIX,
    RESERVED_VARIABLES,
    VARIABLE_PREFIX,
    absolute,
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
    lines: KeyLines = field(default_factory=dict[KeyPath, int])

    @property
    def is_text(self) -> bool:
        """Whether values are texts to convert, as in variables and flags."""
        return self.origin.kind in (OriginKind.VARIABLE, OriginKind.FLAG)

    def origin_of(self, path: KeyPath) -> Origin:
        """Return the origin of a key, with the line in a file."""
        return Origin(self.origin.kind, self.origin.place, line_of(path, self.lines))


def read_file(file: Path, origin: Origin) -> Source:
    """Read a TOML file; a missing file sets nothing."""
    text = _text(file, origin)
    try:
        return Source(origin, file.parent, parse_toml(text), key_lines(text))
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


@dataclass(frozen=True)
class SourcedValue:
    """A setting's value from one source."""

    path: KeyPath
    value: object
    origin: Origin


def check(
    source: Source, model: type[BaseModel], *, home: str
) -> tuple[list[SourcedValue], list[ConfigError]]:
    """Split the values of a source into valid values and errors, sorted by line."""
    found: list[SourcedValue] = []
    mistakes: list[ConfigError] = []
    for leaf in leaves(model, source.values):
        outcome = _checked(leaf, source, model, home)
        if isinstance(outcome, SourcedValue):
            found.append(outcome)
        else:
            mistakes.extend(outcome)
    return found, sorted(mistakes, key=_line)


def _checked(
    leaf: Leaf, source: Source, model: type[BaseModel], home: str
) -> SourcedValue | list[ConfigError]:
    origin = source.origin_of(leaf.path)
    if leaf.shape is Never:
        return [unknown_setting(model, leaf.path, origin)]
    if is_table(leaf.shape) and leaf.value != {}:
        return [not_a_table(model, leaf.path, leaf.value, origin)]
    try:
        value = _placed(_validated(leaf, source), partial(absolute, base=source.base, home=home))
    except ValidationError as cause:
        return list(
            explain(
                cause, model=model, path=leaf.path, value=leaf.value, origin_of=source.origin_of
            )
        )
    except ValueError as cause:
        shown_leaf = f"{dotted(leaf.path)} = {shown_value(leaf.value)}"
        refused = InvalidSetting(f"{shown_leaf}: {cause}", origin=origin)
        refused.__cause__ = cause
        return [refused]
    return SourcedValue(leaf.path, value, origin)


def _validated(leaf: Leaf, source: Source) -> object:
    if source.origin.kind is OriginKind.DEFAULT or is_table(leaf.shape):
        return leaf.value
    adapter = TypeAdapter(cast(type[object], leaf.shape))
    if source.is_text and isinstance(leaf.value, str):
        value = adapter.validate_python(leaf.value)
    else:
        # Pydantic's strict JSON mode has the rules of TOML: a text is not a number, but may be a
        # path.
        value = adapter.validate_json(to_json(leaf.value), strict=True)
    if leaf.value == "" and isinstance(value, Path):
        raise ValueError("empty path; write . for the folder itself")
    return value


def _placed(value: object, place: Callable[[Path], Path]) -> object:
    """Make every path in a value absolute."""
    if isinstance(value, Path):
        return place(value)
    if isinstance(value, BaseModel):
        return value.model_copy(update={key: _placed(inner, place) for key, inner in value})
    if isinstance(value, dict):
        items = cast(dict[object, object], value).items()
        return {key: _placed(inner, place) for key, inner in items}
    if type(value) in (list, tuple, set, frozenset):
        rebuilt = cast(Callable[[Iterable[object]], object], type(value))
        return rebuilt(_placed(inner, place) for inner in cast(Iterable[object], value))
    return value


def _line(mistake: ConfigError) -> int:
    return (mistake.origin and mistake.origin.line) or 0


def load_configuration(
    *,
    start: Path,
    cwd: Path,
    environ: Mapping[str, str],
    flags: Sequence[str] = (),
    user_file: Path,
) -> Configuration[Settings]:
    """Load the settings of the project that contains a folder or pipeline file.

    In a linked worktree, the runs folder is that of the main checkout, unless the worktree has runs
    of another project.
    """
    root = find_project_root(cwd / start)
    found = load(
        Settings, root=root, cwd=cwd, environ=environ, flags=flags, user_file=cwd / user_file
    )
    own = found.settings.runs_dir
    runs_dir = in_main_checkout(own, root)
    if runs_dir == own or _id_in(own) not in ("", _id_in(runs_dir)):
        return found
    return replace(found, settings=found.settings.model_copy(update={"runs_dir": runs_dir}))


def _id_in(runs_dir: Path) -> str:
    with suppress(OSError, UnicodeError):
        return (runs_dir / ID_FILE).read_text().strip()
    return ""


def load(
    model: type[Model],
    *,
    root: Path,
    cwd: Path,
    environ: Mapping[str, str],
    flags: Sequence[str] = (),
    user_file: Path,
) -> Configuration[Model]:
    """Load a model of settings; folders and the user's file are absolute paths."""
    files = {OriginKind.USER: user_file, OriginKind.PROJECT: project_file(root)}
    readers: list[Callable[[], Source]] = [
        partial(Source, DEFAULT, root, default_values(model)),
        *(
            partial(read_file, file, Origin(kind, shown(file, cwd=cwd)))
            for kind, file in files.items()
        ),
        *(partial(read_variable, name, value, cwd=cwd) for name, value in set_variables(environ)),
        *(partial(read_flag, flag, cwd=cwd) for flag in flags),
    ]
    found = _merged(model, readers, home=environ.get("HOME", ""))
    settings = _built(model, found)
    paths = (leaf.path for leaf in leaves(model, settings))
    origins = {dotted(path): found[path].origin if path in found else DEFAULT for path in paths}
    return Configuration(settings, origins, root)


def _merged(
    model: type[BaseModel], readers: Iterable[Callable[[], Source]], *, home: str
) -> dict[KeyPath, SourcedValue]:
    merged: dict[KeyPath, SourcedValue] = {}
    mistakes: list[ConfigError] = []
    for read in readers:
        try:
            found, wrong = check(read(), model, home=home)
        except ConfigError as mistake:
            found, wrong = [], [mistake]
        merged |= {one.path: one for one in found}
        mistakes += wrong
    raise_mistakes(mistakes)
    return merged


def _built(model: type[Model], found: Mapping[KeyPath, SourcedValue]) -> Model:
    tree: dict[str | int, object] = {}
    for setting in found.values():
        *outer, last = setting.path
        node = tree
        for part in outer:
            node = cast(dict[str | int, object], node.setdefault(part, {}))
        # An empty table is a leaf, but must not override the values of other sources.
        node.setdefault(last, setting.value)
    try:
        return model.model_validate(tree)
    except ValidationError as cause:
        near = partial(_nearest_origin, found)
        raise_mistakes(list(explain(cause, model=model, path=(), value=tree, origin_of=near)))
        raise


def _nearest_origin(found: Mapping[KeyPath, SourcedValue], path: KeyPath) -> Origin | None:
    """Return the origin of a setting path, otherwise the origin of a neighbor in the same table."""
    lengths = range(len(path), 0, -1)
    set_near = (
        setting.origin
        for length in lengths
        for setting in found.values()
        if setting.path[:length] == path[:length] and setting.origin != DEFAULT
    )
    return next(set_near, None)
