"""What holds for a run because it is part of another one."""

from typing import Protocol


class Above(Protocol):
    """The runs that a run is part of."""

    def require_left(self) -> None:
        """Halt the walk where one of them has used up a budget, with all its parts."""
        ...

    def is_paused(self) -> bool:
        """Tell whether one of them is paused: then no stage of this run begins."""
        ...


class Alone:
    """A run that is part of nothing."""

    def require_left(self) -> None:
        """Let it go on."""

    def is_paused(self) -> bool:
        """Nobody above can be."""
        return False


ALONE = Alone()
