"""Repeats work of the server in a thread of its own, and reports its faults."""

from collections.abc import Callable
from threading import Event, Thread

from attractor.base.errors import words_of


class Repeated:
    """Calls `look` every `every_s` seconds until it is stopped, and then `end`.

    The work continues after a fault, which is reported once for as long as it stays the same.
    """

    def __init__(
        self,
        name: str,
        look: Callable[[], None],
        tell: Callable[[str], None],
        *,
        every_s: float,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._look = look
        self._tell = tell
        self._every_s = every_s
        self._end = end
        self._stopped = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current look; processes and threads that it started continue."""
        self._stopped.set()
        self._thread.join(10)

    def _run(self) -> None:
        reported = ""
        try:
            while not self._stopped.wait(self._every_s):
                fault = self._fault()
                if fault and fault != reported:
                    self._tell(f"{self._name}: {fault}")
                reported = fault
        finally:
            self._end()

    def _fault(self) -> str:
        """Look once; return the fault, or an empty text."""
        try:
            self._look()
        except Exception as error:  # noqa: BLE001 - report it, and continue
            return words_of(error)
        return ""
