"""The errors of the configuration, all of them wrong usage (exit code 2).

UsageError
└── ConfigError              a mistake in the configuration
    ├── BrokenFile           a configuration file that cannot be read
    ├── UnknownSetting       a key or variable that is no setting
    ├── InvalidSetting       a value that its setting does not take
    └── SeveralMistakes      more than one of these, a line each

Says what is wrong with a value, in a sentence that names the setting and its origin.
"""

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import cast

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from attractor.base.errors import UsageError, first_sentence, suggest
from attractor.base.toml import KeyPath, dotted, printable
from attractor.config.schema import Origin, OriginKind, keys_at, slots
from attractor.config.settings import HIDDEN
from attractor.config.user_folders import RESERVED_VARIABLES, VARIABLE_PREFIX, variable_name

MOST_TOLD = 10
"""How many mistakes are told one by one."""


class ConfigError(UsageError):
    """There is a mistake in the configuration."""

    def __init__(self, message: str = "", *, hint: str = "", origin: Origin | None = None) -> None:
        self.origin = origin
        said = message or first_sentence(type(self))
        super().__init__(f"{origin.describe()}: {said}" if origin else said, hint=hint)

    @property
    def in_one_line(self) -> str:
        """The message, and a hint of its own, in one line."""
        return self.message if self.hint == type(self).hint else f"{self.message} ({self.hint})"


class BrokenFile(ConfigError):
    """This configuration file cannot be read."""

    hint = "mend the file, or take it away to go on without it"


class UnknownSetting(ConfigError):
    """There is no such setting."""


class InvalidSetting(ConfigError):
    """A setting does not take this value."""

    hint = "mend the value, or take it away to get the default"


class SeveralMistakes(ConfigError):
    """There are several mistakes in the configuration, each with a hint in its line."""

    def __init__(self, mistakes: Sequence[ConfigError]) -> None:
        self.mistakes = tuple(mistakes)
        lines = [mistake.in_one_line for mistake in mistakes[:MOST_TOLD]]
        if len(mistakes) > MOST_TOLD:
            lines.append(f"and {len(mistakes) - MOST_TOLD} more")
        super().__init__("\n".join(lines))


def raise_mistakes(mistakes: Sequence[ConfigError]) -> None:
    """Raise what was found wrong, if anything was: the one mistake, or all of them together."""
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise SeveralMistakes(mistakes)


_CHOICE = re.compile(r"'([^']*)'")


def unknown_setting(model: type[BaseModel], path: KeyPath, origin: Origin | None) -> ConfigError:
    """Say that a key is no setting, and which one was probably meant."""
    is_variable = origin is not None and origin.kind is OriginKind.VARIABLE
    hint = _near_variable(model, path) if is_variable else _near_key(model, path)
    return UnknownSetting(f"unknown setting {dotted(path)}", hint=hint, origin=origin)


def not_a_table(
    model: type[BaseModel], path: KeyPath, value: object, origin: Origin | None
) -> ConfigError:
    """Say that a section got a plain value."""
    keys = [dotted((*path, key)) for key in keys_at(model, path)]
    hint = f"set {' or '.join(keys)}" if keys else ""
    message = f"{dotted(path)} = {shown_value(value)} should be a table"
    return InvalidSetting(message, hint=hint, origin=origin)


def explain(
    cause: ValidationError,
    *,
    model: type[BaseModel],
    path: KeyPath,
    value: object,
    origin_of: Callable[[KeyPath], Origin | None],
) -> Iterator[ConfigError]:
    """Turn what pydantic says about the value at a path into errors of ours."""
    for error in cause.errors(include_url=False):
        where = (*path, *_steps(error, value))
        origin = origin_of(where)
        if error["type"] == "extra_forbidden":
            found: ConfigError = unknown_setting(model, where, origin)
        elif error["type"] == "missing":
            hint = f"give {dotted(where)} a value"
            found = InvalidSetting(f"{dotted(where)} is not set", hint=hint, origin=origin)
        else:
            found = InvalidSetting(_sentence(error, where), hint=_choice(error), origin=origin)
        found.__cause__ = cause
        yield found


def shown_value(value: object) -> str:
    """Write a value in one short line, nearly as TOML does."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = 60
    plain = value.value if isinstance(value, Enum) else value
    return brief.repr(str(plain) if isinstance(plain, Path | SecretStr) else plain)


def _sentence(error: ErrorDetails, where: KeyPath) -> str:
    if error["type"] == HIDDEN:
        return f"{dotted(where)}: {error['msg']}"
    said = printable(error["msg"]).removeprefix("Value error, ").replace("an object", "a table")
    if where and error["type"] == "value_error" and isinstance(error["input"], dict):
        # What does not go together in a table is named there; all the rest is in order.
        return f"{dotted(where)}: {said}"
    subject = f"{dotted(where)} = {shown_value(error['input'])}" if where else "the settings"
    demand = said.removeprefix("Input ")
    return f"{subject}: {said}" if demand == said else f"{subject} {demand}"


def _choice(error: ErrorDetails) -> str:
    """Suggest one of the choices, or how to write a list as a text."""
    value = error["input"]
    if error["type"] in ("list_type", "tuple_type", "set_type", "frozen_set_type"):
        return 'write a list, such as ["a", "b"]'
    choices = _CHOICE.findall(str(error.get("ctx", {}).get("expected", "")))
    near = suggest(value, choices) if isinstance(value, str) else ""
    return f"did you mean {near}?" if near else ""


def _steps(error: ErrorDetails, value: object) -> Iterator[str | int]:
    """Yield what of an error's place is in the value; pydantic also names members of unions."""
    for step in error["loc"]:
        if _has(value, step):
            value = cast(Mapping[str | int, object], value)[step]
            yield step
    if error["type"] == "missing":
        yield error["loc"][-1]


def _has(value: object, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int)


def _near_key(model: type[BaseModel], path: KeyPath) -> str:
    """Suggest a key of the same section, else the same key of another one."""
    *outer, name = path
    siblings = keys_at(model, tuple(outer))
    known = [dotted(slot.path) for slot in slots(model) if slot.path[-1] == name]
    near = suggest(str(name), siblings)
    if near:
        known = [dotted((*outer, near))]
    if known:
        return f"did you mean {known[0]}?"
    return f"known: {', '.join(dotted((*outer, key)) for key in siblings)}" if siblings else ""


def _near_variable(model: type[BaseModel], path: KeyPath) -> str:
    """Suggest a variable for a setting, or one that is not for a setting."""
    settings = [variable_name(slot.path) for slot in slots(model)]
    known = {name.removeprefix(VARIABLE_PREFIX): name for name in (*settings, *RESERVED_VARIABLES)}
    near = suggest("__".join(str(part) for part in path), known)
    return f"did you mean {known[near]}?" if near else f"known: {', '.join(settings)}"
