"""Runs a pipeline at given times."""

from attractor.base.cron import InvalidCron, parse_cron
from attractor.growth.errors import InvalidMorph
from attractor.growth.morph import Morph, Risk, Touched, add_child, new_node, started
from attractor.growth.specification.graph import Relation, SpecGraph, slug


class AddSchedule(Morph):
    """Runs a pipeline at given times, such as `0 8 * * mon`."""

    organ = "workflows"
    risk = Risk.MEDIUM
    sentence = "Does {runs} by itself at set times: {name}."

    name: str
    runs: str
    when: str

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write the pipeline and the slot of the schedule."""
        return Touched(frozenset({self._runs(graph)}), frozenset({slug(self.name)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        try:
            parse_cron(self.when)
        except InvalidCron as cause:
            hint = "write minute, hour, day, month, weekday"
            raise InvalidMorph(f"add_schedule: {cause}", hint=hint) from cause
        schedule = new_node(graph, self.name, "schedule", when=self.when)
        runs = schedule.with_targets(Relation.RUNS, [self._runs(graph)])
        return add_child(graph, "deployment", runs)

    def _runs(self, graph: SpecGraph) -> str:
        return started(graph, self.runs)


part = AddSchedule
