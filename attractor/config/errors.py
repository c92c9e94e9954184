"""The errors of the configuration, all of them wrong usage (exit code 2).

UsageError
└── ConfigError              a mistake in the configuration
    ├── BrokenFile           a configuration file that cannot be read
    ├── UnknownSetting       a key or variable that is no setting
    ├── InvalidSetting       a value that its setting does not take
    └── SeveralMistakes      more than one of these, a line each
"""

from collections.abc import Sequence

from attractor.base.errors import UsageError, first_sentence
from attractor.config.origins import Origin

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
