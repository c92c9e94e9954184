"""Sets how often data is fetched or the app is deployed."""

from typing import Literal

from attractor.growth.morph import Morph, Touched, field_slot
from attractor.growth.specification.graph import SpecGraph


class SetCadence(Morph):
    """Sets how often data is fetched or the app is deployed."""

    organ = "actions"

    section: Literal["evidence_policy", "deployment"]
    cadence: str

    def in_words(self) -> str:
        """Return the change in words."""
        what = "Fetches data" if self.section == "evidence_policy" else "Works"
        return f"{what} in another rhythm: “{self.cadence}”."

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(writes=frozenset({field_slot("cadence", self.section)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        return graph.replace(graph[self.section].with_fields(cadence=self.cadence))


part = SetCadence
