"""Compares the tree with its specification: generated files, open bodies, and the change itself."""

from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Parts, Stage
from attractor.growth.apps.divergence import find_divergence
from attractor.growth.crew.app_tree import open_tree
from attractor.growth.crew.contract import fails_if_invalid, refused
from attractor.growth.crew.handlers.safety import spec_at_start
from attractor.growth.specification.difference import compare_specs

DIFF_FILE = "diff.txt"


@dataclass(frozen=True)
class Verify:
    """Fails if the app diverges from its specification, or if a body is still open."""

    parts: Parts

    @fails_if_invalid
    async def execute(self, stage: Stage) -> Outcome:
        """Write the difference of the specifications, and judge the files."""
        async with open_tree(stage) as tree:
            before = await spec_at_start(stage)
            changes = compare_specs(before, tree.graph) if before else ()
            stage.files.write(DIFF_FILE, "".join(f"{change.describe()}\n" for change in changes))
            faults = [f"{one.path}: {one.kind}" for one in find_divergence(tree.folder)]
            if faults:
                return refused("the app diverges from its specification", faults)
            return success(f"{len(changes)} changes of the specification, no divergence")


part = Verify
