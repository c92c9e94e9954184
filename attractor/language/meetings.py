"""Finds where branches meet (ruling R6).

They meet at the nearest fan-in that all of them can come to, unless all must pass another node
before it; that one it is then. A way that leads back to before the branches leads to none.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

from attractor.language.graph import Graph
from attractor.language.ways import Dominance, Following, dominance, sources

FAN_IN = "parallel.fan_in"

# How many steps are taken for each node and edge of a graph, all its forks together. Where branches
# are so tangled that this is not enough, the forks that are left meet where all ways do.
_MOST_STEPS = 20


class Meetings:
    """The meetings of one graph, each looked for when it is asked for."""

    def __init__(self, graph: Graph, following: Following, from_start: Dominance) -> None:
        self._following = following
        self._from_start = from_start
        self._exit = graph.exits[0].id
        self._fan_ins = {one.id for one in graph.of_type(FAN_IN)}
        self._to_exit: Dominance = dominance(self._exit, sources(graph))
        self._steps_left = _MOST_STEPS * (len(graph.nodes) + len(graph.edges))

    def find(self, node: str, begins: Sequence[str]) -> str:
        """Return where the branches of a node meet, which begin at some others; else nothing."""
        # The one node behind a fork of one branch is no meeting.
        last = self._to_exit.above.get(node, "") if len(begins) > 1 else self._exit
        if not all(self._to_exit.covers(self._exit, one) for one in begins):
            last = ""
        ends = {last, self._exit}

        def is_end(one: str) -> bool:
            return one in ends or self._from_start.covers(one, node)

        return self._nearest_fan_in(begins, is_end) or last

    def is_on_every_way(self, meeting: str, node: str) -> bool:
        """Tell whether every way from a node to the exit comes to a meeting."""
        return self._to_exit.covers(meeting, node)

    def _nearest_fan_in(self, begins: Sequence[str], is_end: Callable[[str], bool]) -> str:
        """Go on in all branches step by step, until all of them have come to one fan-in."""
        seen = {one: {one} for one in begins}
        fronts: dict[str, list[str]] = {one: [one] for one in begins}
        times = Counter[str]()
        while fronts and self._steps_left > 0:
            for one in filter(self._fan_ins.__contains__, chain.from_iterable(fronts.values())):
                times[one] += 1
                if times[one] == len(begins):
                    return one
            steps = {one: self._step(front, is_end, seen[one]) for one, front in fronts.items()}
            ended = [one for one, front in steps.items() if not front]
            if any(self._fan_ins.isdisjoint(seen[one]) for one in ended):
                return ""
            fronts = {one: front for one, front in steps.items() if front}
        return ""

    def _step(
        self, front: Sequence[str], is_end: Callable[[str], bool], seen: set[str]
    ) -> list[str]:
        following: list[str] = []
        for one in front:
            for target in () if is_end(one) else self._following(one):
                self._steps_left -= 1
                if target not in seen:
                    seen.add(target)
                    following.append(target)
        return following
