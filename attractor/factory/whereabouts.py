"""Knows from the ledger where each run lies, and which were promoted."""

from pathlib import Path

from attractor.engine.json_files import Fields
from attractor.factory.evaluating import CREATED
from attractor.factory.ledger import Ledger
from attractor.factory.promoting import PROMOTED
from attractor.pipeline.garbage import Whereabouts


class RunPlaces:
    """Where the runs of a state folder lie: where they began, or in the project at hand."""

    def __init__(self, ledger: Ledger, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._begun: dict[str, Path] = {}
        self._promoted: set[str] = set()
        for entry in ledger.entries():
            if entry.kind == CREATED:
                place = Fields(entry.data, "ledger: created").text("directory")
                self._begun[entry.run_id] = Path(place)
            elif entry.kind == PROMOTED:
                self._promoted.add(entry.run_id)

    def __call__(self, run_id: str) -> Whereabouts:
        """Return what is known of a run."""
        begun = self._begun.get(run_id)
        here = self._runs_dir / run_id
        return Whereabouts(
            places=(begun, here) if begun else (here,),
            is_known=begun is not None,
            is_promoted=run_id in self._promoted,
        )
