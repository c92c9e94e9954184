"""Work of the server that is done for one key at a time, in threads, and again after pauses."""

import math
import time
from collections.abc import Callable
from threading import Thread

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.server.errors import TooManyProcesses

AGAIN_S, MOST_AGAIN_S = 5.0, 600.0
"""Work that failed is done again after this time, and later each time."""

Ended = Callable[[Exception | None], object]
"""Called after each try of some work, with its error if it failed."""


@dataclass
class _Wanted:
    do: Callable[[], object]
    ended: Ended
    at: float = 0.0
    tries: int = 0


class KeyedWork:
    """Does what is wanted until it succeeds, at most `at_once` at a time (default: all)."""

    def __init__(self, at_once: float = math.inf) -> None:
        self._at_once = at_once
        self._wanted: dict[str, _Wanted] = {}
        self._busy: dict[str, Thread] = {}

    def knows(self, key: str) -> bool:
        """Return whether work for a key is done now, or later."""
        return key in self._wanted or key in self._busy

    def want(self, key: str, do: Callable[[], object], ended: Ended = do_nothing) -> None:
        """Do this for a key instead of what was wanted before; what is being done ends first."""
        self._wanted[key] = _Wanted(do, ended)

    def look(self) -> None:
        """Begin what is due."""
        now = time.monotonic()
        for key, wanted in [*self._wanted.items()]:
            if wanted.at > now or key in self._busy or len(self._busy) >= self._at_once:
                continue
            del self._wanted[key]
            # It keeps no server from ending.
            self._busy[key] = Thread(target=self._do, args=(key, wanted), daemon=True)
            try:
                self._busy[key].start()
            except RuntimeError:
                # The machine has no room for a thread: a later look begins it.
                del self._busy[key]
                self._wanted.setdefault(key, wanted)
                raise

    def finish(self, patience_s: float) -> None:
        """Wait for what is being done."""
        until = time.monotonic() + patience_s
        for thread in [*self._busy.values()]:
            thread.join(max(0.0, until - time.monotonic()))

    def _do(self, key: str, wanted: _Wanted) -> None:
        try:
            wanted.do()
        except Exception as error:  # noqa: BLE001 - `ended` tells it, and other keys go on
            # A place for a process becomes free at any moment.
            wanted.tries = 0 if isinstance(error, TooManyProcesses) else wanted.tries + 1
            pause = min(MOST_AGAIN_S, AGAIN_S * 2 ** max(0, wanted.tries - 1))
            wanted.at = time.monotonic() + pause
            # What was wanted meanwhile has replaced it.
            self._wanted.setdefault(key, wanted)
            wanted.ended(error)
        else:
            wanted.ended(None)
        finally:
            del self._busy[key]
