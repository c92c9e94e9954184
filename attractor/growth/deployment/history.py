"""The lineage of an app, with the run, decision and tree of each stage from the ledger (G13)."""

from collections.abc import Mapping

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.growth.lineage import LINEAGE, DeployedStage, in_order, parse_stage
from attractor.pipeline.project.project import Project
from attractor.workspaces.git.repository import Repository, open_repository


@dataclass(frozen=True)
class StageHistory:
    """A stage with its plan commit; run, decision and trees are empty before its promotion."""

    stage: DeployedStage
    plan_commit: str
    run_id: str = ""
    commit: str = ""
    promoted_at: str = ""
    decision: str = ""
    decided_by: str = ""
    rationale: str = ""
    tree: str = ""

    def to_dict(self) -> dict[str, Json]:
        """Return the JSON record."""
        return {**self.stage.to_dict(), **write_fields(self, stage="")}


async def read_history(project: Project) -> list[StageHistory]:
    """Return the stages of all branches, parents before children."""
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    found = await _stages(repository)
    entries = list(Ledger(project.machine.state_dir).entries())
    promoted = {str(one.data["base"]): one for one in entries if one.kind == LineKind.PROMOTED}
    decided = {entry.run_id: entry for entry in entries if entry.kind == LineKind.DECIDED}
    ordered = in_order(stage for stage, _ in found.values())
    return [_history(*found[one.stage], promoted, decided) for one in ordered]


async def _stages(repository: Repository) -> Mapping[str, tuple[DeployedStage, str]]:
    """Return the stages of the branches of people, each with the commit that added it."""
    folder = f"{repository.prefix}{LINEAGE}"
    log = await repository.git.run(
        *("log", "--diff-filter=A", "--format=commit %H", "--name-only", "--no-renames"),
        *("--exclude=attractor/*", "--branches", "--", folder),
    )
    found: dict[str, tuple[DeployedStage, str]] = {}
    commit = ""
    for line in log.splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif line:
            text = await repository.git.run("cat-file", "blob", f"{commit}:{line}")
            stage = parse_stage(text, place=line.removeprefix(repository.prefix))
            # The newest commit comes first: after a revert, another one adds the stage again.
            found.setdefault(stage.stage, (stage, commit))
    return found


def _history(
    stage: DeployedStage,
    plan_commit: str,
    promoted: Mapping[str, LedgerEntry],
    decided: Mapping[str, LedgerEntry],
) -> StageHistory:
    promotion = promoted.get(plan_commit)
    if promotion is None:
        return StageHistory(stage, plan_commit)
    decision = decided[promotion.run_id]
    return StageHistory(
        stage=stage,
        plan_commit=plan_commit,
        run_id=promotion.run_id,
        commit=str(promotion.data["commit"]),
        promoted_at=promotion.time,
        decision=decision.head.hash,
        decided_by=str(decision.data["by"]),
        rationale=str(decision.data["rationale"]),
        tree=str(decision.data["result_tree"]),
    )
