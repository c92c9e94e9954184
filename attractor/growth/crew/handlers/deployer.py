"""Records the artifact of a build: stage, specification and hash of the app; it never decides."""

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, content_hash
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Parts, Stage
from attractor.growth.crew.app_tree import AppTree, open_tree
from attractor.growth.crew.contract import fails_if_invalid


@dataclass(frozen=True)
class Deployer:
    """Describes the subject of a decision; a person decides, and `grow deploy` continues."""

    parts: Parts

    @fails_if_invalid
    async def execute(self, stage: Stage) -> Outcome:
        """Leave the artifact in the context."""
        async with open_tree(stage) as tree:
            artifact = artifact_of(tree)
            updates: dict[str, Json] = {"deployer.artifact": artifact}
            notes = f"app {str(artifact['app_hash'])[:12]} of stage {artifact['stage'] or 'none'}"
            return success(f"{notes}; a person decides: attractor grow deploy", **updates)


def artifact_of(tree: AppTree) -> dict[str, Json]:
    """Return the record of the artifact."""
    files = sorted(path for path in (tree.folder / "app").rglob("*") if path.is_file())
    lines = [f"{content_hash(file.read_bytes())} {file.relative_to(tree.folder)}" for file in files]
    newest = tree.stage
    return {
        "stage": newest.stage if newest else "",
        "spec_hash": tree.graph.spec_hash,
        "plan_hash": newest.plan_hash if newest else "",
        "migration_hash": newest.migration_hash if newest else "",
        "app_hash": content_hash("\n".join(lines).encode()),
        "files": len(files),
    }


part = Deployer
