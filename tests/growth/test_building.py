import asyncio
from pathlib import Path

from attractor.growth.building import Build, build_plan
from attractor.growth.lineage import read_stages
from attractor.growth.specification.files import read_spec
from tests.growth.app import make_app
from tests.growth.test_lineage import SMALL, plan_of
from tests.pipeline.projects import git


def test_plan_commit_is_kept_until_the_branch_moves(tmp_path: Path) -> None:
    plane = make_app(tmp_path / "app")
    (tmp_path / "app" / "notes.txt").write_text("not committed\n")
    plan = plan_of(SMALL)

    def build() -> Build:
        return asyncio.run(build_plan(plane.project, tmp_path / "plan", plan, branch="main"))

    first = build()
    assert build() == first
    assert git(plane.repository, "rev-parse", "main", f"{first.commit}^").split() == [
        first.tip,
        first.tip,
    ]
    changed = git(plane.repository, "diff", "--name-only", first.tip, first.commit).split()
    assert changed == [
        "spec/lineage/v0.json",
        "spec/nodes/section/evidence_policy.json",
        "spec/nodes/source/new.json",
    ]
    assert git(plane.repository, "status", "--porcelain") == "?? notes.txt\n"
    assert git(plane.repository, "worktree", "list").count("\n") == 1
    git(plane.repository, "switch", "--quiet", "--detach", first.commit)
    assert read_spec(plane.repository).spec_hash == plan.result.spec_hash
    assert [one.plan["plan_id"] for one in read_stages(plane.repository)] == [plan.id]
    git(plane.repository, "switch", "--quiet", "main")
    git(plane.repository, "commit", "--quiet", "--allow-empty", "--message", "On")
    assert build().commit != first.commit


def test_goal_of_a_run_names_what_is_lost(tmp_path: Path) -> None:
    plane = make_app(tmp_path / "app")
    plan = plan_of({"type": "drop_entity", "entity": "block", "erase": "true"})
    build = asyncio.run(build_plan(plane.project, tmp_path / "plan", plan, branch="main"))
    lost = "without entity block, its records are erased for good"
    assert build.goal == f"Grow to v0 (irreversible: {lost})"
