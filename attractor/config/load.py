"""Loads settings from defaults, the user's file, the project file, variables and flags.

A later source overrides an earlier one, value by value. Errors of all sources are collected and
raised together, including errors in overridden values.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Never, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from attractor.base.dataclasses import dataclass
from attractor.base.toml import KeyPath, dotted
from attractor.base.toml_errors import shown_value
from attractor.config.errors import (
    ConfigError,
    InvalidSetting,
    explain,
    not_a_table,
    raise_mistakes,
    unknown_setting,
)
from attractor.config.projects import PROJECT_FILE, find_project_root
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
from attractor.config.sources import Source, read_file, read_flag, read_variable, set_variables
from attractor.config.user_folders import absolute, shown


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
        return [_refused(leaf, origin, cause)]
    return SourcedValue(leaf.path, value, origin)


def _validated(leaf: Leaf, source: Source) -> object:
    if source.origin.kind is OriginKind.DEFAULT or is_table(leaf.shape):
        return leaf.value
    adapter = TypeAdapter(cast(type[object], leaf.shape))
    if source.is_text and isinstance(leaf.value, str):
        value = adapter.validate_python(leaf.value)
    else:
        # Strict JSON is as strict as TOML: a text is not a number, but may be a path.
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


def _refused(leaf: Leaf, origin: Origin, cause: ValueError) -> ConfigError:
    refused = InvalidSetting(
        f"{dotted(leaf.path)} = {shown_value(leaf.value)}: {cause}", origin=origin
    )
    refused.__cause__ = cause
    return refused


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
    """Load the settings of the project that contains a folder or pipeline file."""
    root = find_project_root(cwd / start)
    return load(
        Settings, root=root, cwd=cwd, environ=environ, flags=flags, user_file=cwd / user_file
    )


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
    files = {OriginKind.USER: user_file, OriginKind.PROJECT: root / PROJECT_FILE}
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
    return Configuration(settings, _origins(settings, found), root)


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
    tree = _tree(found.values())
    try:
        return model.model_validate(tree)
    except ValidationError as cause:
        near = partial(_nearest_origin, found)
        raise_mistakes(list(explain(cause, model=model, path=(), value=tree, origin_of=near)))
        raise


def _tree(found: Iterable[SourcedValue]) -> dict[str | int, object]:
    tree: dict[str | int, object] = {}
    for one in found:
        *outer, last = one.path
        node = tree
        for part in outer:
            node = cast(dict[str | int, object], node.setdefault(part, {}))
        # An empty table is a leaf, but must not replace the values of other sources.
        node.setdefault(last, one.value)
    return tree


def _nearest_origin(found: Mapping[KeyPath, SourcedValue], path: KeyPath) -> Origin | None:
    """Return the origin of a path, otherwise of a neighbor in the same table."""
    lengths = range(len(path), 0, -1)
    set_near = (
        one.origin
        for length in lengths
        for one in found.values()
        if one.path[:length] == path[:length] and one.origin != DEFAULT
    )
    return next(set_near, None)


def _origins(settings: BaseModel, found: Mapping[KeyPath, SourcedValue]) -> dict[str, Origin]:
    paths = (leaf.path for leaf in leaves(type(settings), settings))
    return {dotted(path): found[path].origin if path in found else DEFAULT for path in paths}
