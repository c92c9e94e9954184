"""Finds the directories of the runs of a state folder, and the runs whose result is promoted."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.storage.json_files import Fields
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.pipeline.garbage import Whereabouts


class RunLocations:
    """The directories of the runs of a state folder, from the ledger."""

    def __init__(self, ledger: Ledger, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._begun: dict[str, Path] = {}
        self._approved: set[str] = set()
        promotions: set[tuple[str, str]] = set()
        rebased: list[str] = []
        for entry in ledger.entries():
            if entry.kind == LineKind.CREATED:
                place = Fields(entry.data, "ledger: created").text("directory")
                self._begun[entry.run_id] = Path(place)
            elif entry.kind == LineKind.DECIDED and entry.data["verdict"] == DecisionKind.APPROVED:
                self._approved.add(entry.run_id)
            elif entry.kind == LineKind.PROMOTED:
                promotions.add((entry.run_id, str(entry.data["branch"])))
                rebased.append(str(entry.data["rebased_from"]))
            elif entry.kind == LineKind.ROLLED_BACK:
                promotions.discard((entry.run_id, str(entry.data["branch"])))
        self._promoted = {run_id for run_id, _ in promotions}
        # A rebased result replaces the result of the other run, which may be rebased, too.
        for replaced in rebased:
            while replaced and replaced not in self._promoted:
                self._promoted.add(replaced)
                replaced = self._rebased_from(replaced)

    @property
    def run_ids(self) -> Collection[str]:
        """The runs in the ledger."""
        return self._begun.keys()

    def __call__(self, run_id: str) -> Whereabouts:
        """Return the location of a run."""
        return Whereabouts(
            places=self._places(run_id),
            is_known=run_id in self._begun,
            is_promoted=run_id in self._promoted,
            is_approved=run_id in self._approved,
        )

    def _places(self, run_id: str) -> tuple[Path, ...]:
        begun, here = self._begun.get(run_id), self._runs_dir / run_id
        return (begun, here) if begun else (here,)

    def _rebased_from(self, run_id: str) -> str:
        """Return the run that a run was rebased from, if the directory of the run is readable."""
        for place in self._places(run_id):
            with suppress(AttractorError):
                return read_manifest(RunDirectory(place)).rebased_from
        return ""
