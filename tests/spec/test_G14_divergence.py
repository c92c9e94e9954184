"""G14: edits by hand are found; skeletons are regenerated, promoted bytes restored, edits kept."""

import json
from pathlib import Path
from typing import cast

import pytest

from attractor.growth.api.plans import plan_proposal
from attractor.growth.api.specs import verify
from attractor.growth.apps.divergence import read_files
from attractor.growth.apps.skeleton import GENERATED
from attractor.growth.control_plane import ControlPlane
from attractor.growth.development import DEVELOPMENT
from attractor.growth.lineage import DeployedStage, StageKind, write_stage
from attractor.growth.plans.plan import read_proposal
from attractor.growth.specification.files import NODES, node_path, read_spec, write_spec
from attractor.growth.specification.graph import Relation
from tests import examples
from tests.examples import RUNBOOKS
from tests.growth.app import DEVELOPMENT_TEXT, make_app
from tests.growth.apps.small_app import SPEC, write_small_app
from tests.pipeline.projects import git

BODY, SKELETON, LINEAGE = "app/steps/weigh.py", "app/pipelines.py", "spec/lineage/v0.json"
NODE = node_path(SPEC["weigh"]).as_posix()
EDITED = {SKELETON: "skeleton", BODY: "body", NODE: "specification", LINEAGE: "lineage"}
KINDS = {**EDITED, GENERATED: "generated.json"}


@pytest.fixture
def app(tmp_path: Path) -> ControlPlane:
    """Make an app whose specification and code one commit with a decision promoted."""
    control_plane = make_app(tmp_path / "app", SPEC)
    folder = control_plane.repository
    (folder / "spec" / "lineage").mkdir()
    write_stage(DeployedStage("v0", StageKind.SEED, SPEC.spec_hash, "", ""), folder)
    write_small_app(folder)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Grow\n\nAttractor-Decision: 0123abcd")
    return control_plane


def test_each_kind_of_edited_file_is_found_and_its_bytes_are_restored(app: ControlPlane) -> None:
    folder = app.repository
    promoted = read_files(folder)
    assert verify(app)["divergences"] == []
    edits = {path: promoted[path] + b"\n" for path in KINDS}
    for path, content in edits.items():
        (folder / path).write_bytes(content)
    # A commit by hand is no promotion.
    git(folder, "commit", "--quiet", "--all", "--message", "Edit by hand")

    found = cast("list[dict[str, str]]", verify(app)["divergences"])
    assert {one["path"]: one["kind"] for one in found} == KINDS
    record = verify(app, reconverge=True)
    assert (record["restored"], record["refused"]) == (sorted(KINDS), [])
    assert read_files(folder) == promoted
    kept = folder / str(record["incident"])
    assert {path: (kept / path).read_bytes() for path in KINDS} == edits


def test_specification_edited_by_hand_becomes_a_plan_by_its_diff(app: ControlPlane) -> None:
    folder = app.repository
    rule = '[rules.rename]\ntests = ["names are short"]\n'
    (folder / DEVELOPMENT).write_text(DEVELOPMENT_TEXT + rule)
    git(folder, "commit", "--quiet", "--all", "--message", "Rule\n\nAttractor-Decision: 0123abce")
    weigh = SPEC["weigh"].with_fields(name="Weigh twice")
    gate = SPEC["phi_gate"].with_targets(Relation.GUARDS, [])
    write_spec(SPEC.replace(weigh, gate), folder)
    found = verify(app, reconverge=True)
    proposal = folder / str(found["incident"]) / "proposal.json"
    read = read_proposal(json.loads(proposal.read_text()))
    morphs = read.to_dict()["morphs"]
    made = plan_proposal(app, "HEAD", read)
    assert made["tests"] == ["names are short"]
    assert morphs == [{"type": "rename", "node": "weigh", "name": "Weigh twice"}]
    assert read_spec(folder).spec_hash == SPEC.spec_hash
    assert found["without_morph"] == ["changed step phi_gate.guards: allocate -> none"]


def test_development_is_what_a_person_committed_and_is_kept(app: ControlPlane) -> None:
    folder, rule = app.repository, '[rules.rename]\ntests = ["names are short"]\n'
    committed = DEVELOPMENT_TEXT + rule
    (folder / DEVELOPMENT).write_text(committed)
    git(folder, "commit", "--quiet", "--all", "--message", "Ask for a test")
    found = verify(app)
    assert (found["divergences"], found["kept"]) == ([], [DEVELOPMENT.as_posix()])
    (folder / DEVELOPMENT).write_text("")
    found = verify(app, reconverge=True)
    assert found["restored"] == [DEVELOPMENT.as_posix()]
    assert (folder / DEVELOPMENT).read_text() == committed


def test_body_is_refused_before_the_first_promotion(tmp_path: Path) -> None:
    control_plane = make_app(tmp_path / "app", SPEC)
    write_small_app(control_plane.repository)
    (control_plane.repository / BODY).write_text("")
    found = verify(control_plane, reconverge=True)
    assert (found["promoted"], found["refused"]) == ("", [BODY])


def test_invalid_file_of_a_node_is_restored(app: ControlPlane) -> None:
    (app.repository / NODE).write_text("{")
    (app.repository / NODES / "step" / "more.json").write_text("{")
    assert verify(app, reconverge=True)["refused"] == []
    assert read_spec(app.repository).spec_hash == SPEC.spec_hash


def test_runbook_restores_an_edited_app(app: ControlPlane) -> None:
    folder = app.repository
    weigh = SPEC["weigh"].with_fields(name="Weigh twice")
    write_spec(SPEC.replace(weigh), folder)
    (folder / BODY).write_text("")
    examples.play(RUNBOOKS / "an-edited-app.md", folder)
