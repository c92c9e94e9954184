"""Checks what one source sets against the model, value by value."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Never, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from attractor.base.dataclasses import dataclass
from attractor.base.toml import KeyPath, dotted
from attractor.config.errors import ConfigError, InvalidSetting
from attractor.config.explanations import explain, not_a_table, shown_value, unknown_setting
from attractor.config.origins import Origin, OriginKind
from attractor.config.places import absolute
from attractor.config.shapes import Leaf, is_table, leaves
from attractor.config.sources import Source


@dataclass(frozen=True)
class Found:
    """A value that one source gives a setting."""

    path: KeyPath
    value: object
    origin: Origin


def check(
    source: Source, model: type[BaseModel], *, home: str
) -> tuple[list[Found], list[ConfigError]]:
    """Sort what a source sets into good values and mistakes, the mistakes by line."""
    found: list[Found] = []
    mistakes: list[ConfigError] = []
    for leaf in leaves(model, source.values):
        outcome = _checked(leaf, source, model, home)
        if isinstance(outcome, Found):
            found.append(outcome)
        else:
            mistakes.extend(outcome)
    return found, sorted(mistakes, key=_line)


def _checked(
    leaf: Leaf, source: Source, model: type[BaseModel], home: str
) -> Found | list[ConfigError]:
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
    return Found(leaf.path, value, origin)


def _validated(leaf: Leaf, source: Source) -> object:
    if source.origin.kind is OriginKind.DEFAULT or is_table(leaf.shape):
        return leaf.value
    adapter = TypeAdapter(cast(type[object], leaf.shape))
    if source.is_text and isinstance(leaf.value, str):
        value = adapter.validate_python(leaf.value)
    else:
        # TOML has JSON's types and a date: a text is no number and a truth is no number, but a
        # text may be a path. That is what pydantic holds JSON to when it is strict.
        value = adapter.validate_json(to_json(leaf.value), strict=True)
    if leaf.value == "" and isinstance(value, Path):
        raise ValueError("no path is empty; write . for the folder itself")
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
