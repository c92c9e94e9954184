"""Writes the files that follow from the specification; a proposal of this run is applied first."""

from pathlib import Path
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Parts, Stage
from attractor.growth.apps.skeleton import write_app
from attractor.growth.crew.app_tree import open_tree, write_changes
from attractor.growth.crew.contract import fails_if_invalid
from attractor.growth.morph import apply_morphs
from attractor.growth.plans.plan import read_proposal
from attractor.growth.specification.files import write_spec

PROPOSAL = "planner.answer"


@dataclass(frozen=True)
class Skeleton:
    """Applies the planner's morphs of this run, if any, and generates the skeleton."""

    parts: Parts

    @fails_if_invalid
    async def execute(self, stage: Stage) -> Outcome:
        """Write new and changed files, and remove those of other nodes."""
        async with open_tree(stage) as tree:
            graph = tree.graph
            answer = stage.context.get(PROPOSAL)
            if isinstance(answer, dict):
                proposal = read_proposal(cast("dict[str, Any]", answer))
                graph = apply_morphs(graph, proposal.morphs)

            def change(folder: Path) -> None:
                write_spec(graph, folder)
                write_app(graph, folder)

            return success(await write_changes(stage, tree, change))


part = Skeleton
