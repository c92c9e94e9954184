"""Repeats work of the server in a thread of its own, and tells its faults."""

from collections.abc import Callable
from threading import Event, Thread

from attractor.base.errors import AttractorError


class Repeated:
    """Calls `look` again and again until it is stopped, and then `end`.

    A fault ends nothing. It is told once for as long as it stays the same.
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
        """End after the present look; processes and threads that it started go on."""
        self._stopped.set()
        self._thread.join(10)

    def _run(self) -> None:
        told = ""
        while not self._stopped.wait(self._every_s):
            fault = self._fault()
            if fault and fault != told:
                self._tell(f"{self._name}: {fault}")
            told = fault
        self._end()

    def _fault(self) -> str:
        """Look once; return the fault, or an empty text."""
        try:
            self._look()
        except AttractorError as error:
            return error.in_one_line
        except Exception as error:  # noqa: BLE001 - it is told, and the server goes on
            return f"internal error: {error!r}"
        return ""
