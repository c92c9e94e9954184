"""What the commands at work in a run print, line by line, for whoever follows its journal."""

from collections.abc import Iterator, Sequence

from attractor.base.events import Event
from attractor.cli.live.folding import fold
from attractor.cli.live.tails import Tails
from attractor.cli.live.view import StageKey, View
from attractor.cli.live.wording import name_of
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.stage.stage_files import MOST_LINES

LEFT_OUT = "..."
"""Stands for lines that came and went between two looks."""

_ROOM = " " * 10
"""As wide as the time before an event."""


class PrintedLines:
    """Tells what is new in the last lines of the stages at work, as far as the events tell those.

    Only those of one node are told where one is named.
    """

    def __init__(self, directory: RunDirectory, node: str = "") -> None:
        self._directory = directory
        self._node = node
        self._view = View()
        self._tails = Tails()
        self._told: dict[tuple[StageKey, int], tuple[str, ...]] = {}

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        self._tails.know(event.run_id, self._directory.root)
        self._view = fold(self._view, event)

    def more(self) -> Iterator[str]:
        """Yield the lines that were printed since they were asked for last."""
        before, self._told = self._told, {}
        for key, row in self._view.at_work.items():
            if self._node not in ("", row.node):
                continue
            lines = self._tails.lines(key[0], row, MOST_LINES)
            attempt = (key, row.attempt)
            self._told[attempt] = lines
            for line in new_lines(before.get(attempt, ()), lines):
                yield f"{_ROOM}{name_of(row)} | {line}"


def new_lines(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """Return what came to the end of an output of which only the last lines are seen."""
    if not before:
        return now
    longest = min(len(before), len(now))
    overlap = next((n for n in range(longest, 0, -1) if before[-n:] == now[:n]), 0)
    fresh = now[overlap:]
    return fresh if overlap or not fresh else [LEFT_OUT, *fresh]
