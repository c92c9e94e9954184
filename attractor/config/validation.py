"""Checks settings with pydantic, which explains each mistake."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Never, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from attractor.base.dataclasses import dataclass
from attractor.base.toml import KeyPath, dotted, shown_value
from attractor.config.configuration import DEFAULT, Configuration, Origin, OriginKind
from attractor.config.errors import (
    ConfigError,
    InvalidSetting,
    explain,
    not_a_table,
    raise_mistakes,
    unknown_setting,
)
from attractor.config.schema import Leaf, default_values, is_table, leaves
from attractor.config.sources import Source
from attractor.config.tables import Model, Shape, model_of, unmodeled
from attractor.config.user_folders import absolute


@dataclass(frozen=True)
class SourcedValue:
    """A setting's value from one source."""

    path: KeyPath
    value: object
    origin: Origin


def check(
    source: Source, model: type[Shape], *, home: str
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
    leaf: Leaf, source: Source, model: type[Shape], home: str
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


def load_sources(
    model: type[Model], readers: Iterable[Callable[[], Source]], root: Path, *, home: str
) -> Configuration[Model]:
    """Load a model of settings from its sources, or raise the mistakes of all of them."""
    defaults = partial(Source, DEFAULT, root, default_values(model))
    found = _merged(model_of(model), [defaults, *readers], home=home)
    settings = _built(model_of(model), found)
    paths = (leaf.path for leaf in leaves(model, settings))
    origins = {dotted(path): found[path].origin if path in found else DEFAULT for path in paths}
    return Configuration(cast(Model, unmodeled(model, settings)), lambda: origins, root)


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


def _built(model: type[BaseModel], found: Mapping[KeyPath, SourcedValue]) -> BaseModel:
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
