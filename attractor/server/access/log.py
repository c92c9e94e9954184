"""The log of requests: one line for each, without query, headers and bodies."""

from collections.abc import Callable
from datetime import datetime

from attractor.base.dataclasses import dataclass

LONGEST_PATH = 200


@dataclass(frozen=True)
class LoggedRequest:
    """A request in the log."""

    time: datetime
    caller: str
    """The caller, or the address of a sender without a valid proof."""

    method: str
    path: str
    """The path as sent, which has no control characters."""

    status: int
    ms: int
    reason: str = ""
    """The reason of a refusal or an error."""

    def __str__(self) -> str:
        time = self.time.isoformat(timespec="milliseconds")
        text = f"{time} {self.status} {self.method} {self.path} {self.ms} ms {self.caller}"
        # A line of the log begins with a time, also if a reason has several lines.
        reason = self.reason.replace("\n", "\n  ")
        return f"{text}: {reason}" if reason else text


Log = Callable[[LoggedRequest], None]
"""Writes a request to the log."""
