"""Errors of the configuration, all of them wrong usage (exit status 2).

UsageError
└── ConfigError              a mistake in the configuration
    ├── BrokenFile           a configuration file that cannot be read
    ├── UnknownSetting       an unknown key or variable
    ├── InvalidSetting       an invalid value
    └── SeveralMistakes      several of these, one line each
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from attractor.base.errors import UsageError, first_sentence, suggest
from attractor.base.toml import MOST_MISTAKES, KeyPath, dotted, explain_faults, shown_value
from attractor.config.configuration import Origin, OriginKind
from attractor.config.user_folders import RESERVED_VARIABLES, VARIABLE_PREFIX, variable_name

if TYPE_CHECKING:
    from pydantic import ValidationError

    from attractor.config.tables import Shape


class ConfigError(UsageError):
    """The configuration is invalid."""

    def __init__(self, message: str = "", *, hint: str = "", origin: Origin | None = None) -> None:
        self.origin = origin
        text = message or first_sentence(type(self))
        super().__init__(f"{origin.describe()}: {text}" if origin else text, hint=hint)

    @property
    def in_one_line(self) -> str:
        """The message with its hint, as one line."""
        return self.message if self.hint == type(self).hint else f"{self.message} ({self.hint})"


class BrokenFile(ConfigError):
    """This configuration file is unreadable."""

    hint = "fix the file, or remove it"


class UnknownSetting(ConfigError):
    """This setting is unknown."""


class InvalidSetting(ConfigError):
    """The value of a setting is invalid."""

    hint = "fix the value, or remove it to use the default"


class SeveralMistakes(ConfigError):
    """The configuration has several errors, each with a hint in its line."""

    def __init__(self, mistakes: Sequence[ConfigError]) -> None:
        self.mistakes = tuple(mistakes)
        lines = [mistake.in_one_line for mistake in mistakes[:MOST_MISTAKES]]
        if len(mistakes) > MOST_MISTAKES:
            lines.append(f"and {len(mistakes) - MOST_MISTAKES} more")
        super().__init__("\n".join(lines))


def raise_mistakes(mistakes: Sequence[ConfigError]) -> None:
    """Raise the errors found, if any: a single one or all together."""
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise SeveralMistakes(mistakes)


def unknown_setting(model: "type[Shape]", path: KeyPath, origin: Origin | None) -> ConfigError:
    """Return the error of an unknown key, with a suggestion."""
    is_variable = origin is not None and origin.kind is OriginKind.VARIABLE
    hint = _near_variable(model, path) if is_variable else _near_key(model, path)
    return UnknownSetting(f"unknown setting {dotted(path)}", hint=hint, origin=origin)


def not_a_table(
    model: "type[Shape]", path: KeyPath, value: object, origin: Origin | None
) -> ConfigError:
    """Return the error for a plain value where a section (a TOML table) is required."""
    # Imported here, because it imports pydantic, and most settings are valid.
    from attractor.config.schema import keys_at

    keys = [dotted((*path, key)) for key in keys_at(model, path)]
    hint = f"set {' or '.join(keys)}" if keys else ""
    message = f"{dotted(path)} = {shown_value(value)} should be a table"
    return InvalidSetting(message, hint=hint, origin=origin)


def explain(
    cause: "ValidationError",
    *,
    model: "type[Shape]",
    path: KeyPath,
    value: object,
    origin_of: Callable[[KeyPath], Origin | None],
) -> Iterator[ConfigError]:
    """Convert the faults that pydantic found in the value at a path to errors."""
    for mistake in explain_faults(cause.errors(include_url=False), value, at=path):
        origin = origin_of(mistake.path)
        if mistake.is_unknown_key:
            error = unknown_setting(model, mistake.path, origin)
        else:
            message = mistake.message if mistake.path else f"the settings: {mistake.message}"
            error = InvalidSetting(message, hint=mistake.hint, origin=origin)
        error.__cause__ = cause
        yield error


def _near_key(model: "type[Shape]", path: KeyPath) -> str:
    """Suggest a similar key of the same section, otherwise the same key of another section."""
    # Imported here, because it imports pydantic, and most settings are valid.
    from attractor.config.schema import keys_at, slots

    *outer, name = path
    siblings = keys_at(model, tuple(outer))
    known = [dotted(slot.path) for slot in slots(model) if slot.path[-1] == name]
    near = suggest(str(name), siblings)
    if near:
        known = [dotted((*outer, near))]
    if known:
        return f"did you mean {known[0]}?"
    return f"known: {', '.join(dotted((*outer, key)) for key in siblings)}" if siblings else ""


def _near_variable(model: "type[Shape]", path: KeyPath) -> str:
    """Suggest a similar variable."""
    # Imported here, because it imports pydantic, and most settings are valid.
    from attractor.config.schema import slots

    settings = [variable_name(slot.path) for slot in slots(model)]
    known = {name.removeprefix(VARIABLE_PREFIX): name for name in (*settings, *RESERVED_VARIABLES)}
    near = suggest("__".join(str(part) for part in path), known)
    return f"did you mean {known[near]}?" if near else f"known: {', '.join(settings)}"
