import asyncio
import json
import shutil
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.engine.run_folder.layout import RunDirectory
from attractor.environments.errors import NO_PORTS
from attractor.growth.api import plans
from attractor.growth.building import Build, build_plan
from attractor.growth.lineage import read_stages
from attractor.growth.simulation.report import Depth
from attractor.growth.specification.files import read_spec
from tests.growth.app import make_app
from tests.growth.deployment.living import make_living
from tests.growth.test_lineage import SMALL, plan_of
from tests.needs import needs_bubblewrap
from tests.pipeline.projects import git
from tests.without_namespaces import without_ports


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


@pytest.mark.usefixtures("landlock_allowed")
def test_growth_without_ports_is_refused_before_a_model_is_asked(tmp_path: Path) -> None:
    app = make_living(tmp_path / "app")
    app.plan({"type": "add_source", "name": "weather"})
    git_alone = tmp_path / "bin" / "git"
    git_alone.parent.mkdir()
    git_alone.symlink_to(shutil.which("git") or "")
    variables = {"HOME": str(tmp_path), "PATH": str(git_alone.parent)}
    desires = tmp_path / "desires.json"
    desires.write_text(json.dumps([{"goal": "Show the soil"}]))
    for words in (
        ("plan", app.plane.specs.save(app.plane.specs.of_repository()), "--desires", str(desires)),
        ("simulate", "latest", "--rehearse"),
    ):
        ended = without_ports("grow", *words, folder=app.folder, variables=variables)
        assert ended.stderr.splitlines()[-1].startswith(f"error: {NO_PORTS} (type 'apt-get install")
        assert ended.returncode == ExitCode.USAGE
    assert not [*app.plane.project.runs_dir.glob("*/manifest.json")]


@needs_bubblewrap
def test_run_in_a_sandbox_without_ports_is_begun_anew_where_there_is_a_better_one(
    tmp_path: Path,
) -> None:
    app = make_living(tmp_path / "app")
    plan = app.plan({"type": "add_source", "name": "weather"})
    first = app.rehearse(plan)
    file = RunDirectory(app.plane.project.runs_dir / first).manifest
    manifest = json.loads(file.read_text())
    assert (manifest["options"]["sandbox"], app.rehearse(plan)) == ("bubblewrap", first)
    manifest["options"]["sandbox"] = "landlock"
    manifest["promises"]["own_loopback"] = False
    file.write_text(json.dumps(manifest))
    plans.simulate(app.plane, plan.id, Depth.REHEARSAL)
    assert app.deploy(plan).run_id != first
