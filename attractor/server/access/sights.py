"""When a person was first shown the page of a decision, in one session of a browser."""

from collections import OrderedDict
from datetime import datetime

from attractor.server.access.callers import Caller

MAX_PAGES = 10_000
"""The number of pages that are remembered; the oldest are forgotten first."""


class FirstSights:
    """The times at which sessions were first shown that a run waits for a decision.

    They are in memory only: after a restart, nothing is measured of pages shown before.
    """

    def __init__(self) -> None:
        self._first = OrderedDict[tuple[str, str], datetime]()

    def note(self, caller: Caller, run_id: str, now: datetime) -> None:
        """Remember the time, unless the session was shown this run before."""
        if not caller.is_session:
            return
        self._first.setdefault((caller.csrf, run_id), now)
        if len(self._first) > MAX_PAGES:
            self._first.popitem(last=False)

    def seconds(self, caller: Caller, run_id: str, now: datetime) -> float | None:
        """Return the seconds since the first sight; None if there was none."""
        first = self._first.get((caller.csrf, run_id)) if caller.is_session else None
        return None if first is None else max(0.0, (now - first).total_seconds())
