"""The context of a run and its branches, and their places in the graph."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.state.attempts import MAIN


@dataclass(frozen=True)
class WalkPlace:
    """The place of the walk from the start, or of a branch, and its context.

    `branch` is empty for the walk from the start. `tree` is the tree of files after the last stage.
    """

    branch: str
    current_node: str
    next_node: str
    completed: Sequence[str]
    tree: str
    context: Mapping[str, Json]

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the place."""
        return write_fields(self, completed="completed_nodes")


@dataclass(frozen=True)
class RunContext:
    """The places of the walks of a run; the walk from the start is the first one."""

    run_id: str
    walks: Sequence[WalkPlace]

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record: the place of the walk from the start, with the branches."""
        first: dict[str, Json] = self.walks[0].to_record() if self.walks else {}
        branches: list[Json] = [walk.to_record() for walk in self.walks[1:]]
        return {"run_id": self.run_id, **first, "branches": branches}


def read_context(root: Path) -> RunContext:
    """Return the context of a run after its last completed stages; verify the journal."""
    directory = RunDirectory(root)
    state = open_journal(directory.events, directory.checkpoint).state
    walks = {
        key: walk.progress for key, walk in state.walks.items() if key == MAIN or not walk.is_over
    }
    places = [
        WalkPlace(
            key,
            progress.current_node,
            progress.next_node,
            progress.completed,
            progress.tree,
            progress.context,
        )
        for key, progress in walks.items()
    ]
    return RunContext(read_manifest(directory).run_id, places)
