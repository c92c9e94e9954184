"""Trouble of a twin that none of its clients can be told of."""

from collections.abc import Callable

from attractor.base.errors import AttractorError


class Complaints:
    """Remembers such trouble, and tells whoever wants to hear."""

    def __init__(self, hears: Callable[[AttractorError], None] | None = None) -> None:
        self.troubles: list[AttractorError] = []
        self._hears = hears

    def has_done(self, act: Callable[[], object]) -> bool:
        """Do something, and tell whether it could be done."""
        try:
            act()
        except AttractorError as error:
            self.troubles.append(error)
            if self._hears:
                self._hears(error)
            return False
        return True
