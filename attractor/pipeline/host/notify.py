"""How people are notified of a waiting question."""

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Notify:
    """How people are told: by a command, by an address that is sent JSON, or both.

    Whoever is asked has some time before others are told. The command runs in the folder, with
    these variables.
    """

    command: str = ""
    url: str = ""
    after: timedelta = timedelta(minutes=1)
    time_limit: timedelta = timedelta(seconds=30)
    folder: Path = Path()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def ways(self) -> tuple[str, ...]:
        """The names of the messengers that are wanted."""
        wanted = {"command": self.command.strip(), "url": self.url}
        return tuple(name for name, value in wanted.items() if value)
