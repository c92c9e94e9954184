"""Edits by hand: each kind of file is found, named and restored; the edit is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.json import content_hash
from attractor.growth.apps.divergence import DivergenceKind, find_divergence, read_files, reconverge
from attractor.growth.apps.skeleton import GENERATED
from attractor.growth.development import DEVELOPMENT
from attractor.growth.lineage import DeployedStage, StageKind, write_stage
from attractor.growth.specification.files import write_spec
from tests.growth.apps.small_app import SPEC, write_small_app

BODY, NODE = "app/steps/weigh.py", "spec/nodes/step/weigh.json"
STAGE = "spec/lineage/v0.json"
KINDS = {
    "app/web.py": DivergenceKind.SKELETON,
    "app/templates/home.html": DivergenceKind.SKELETON,
    BODY: DivergenceKind.BODY,
    "app/generated.json": DivergenceKind.GENERATED,
    "app/own.py": DivergenceKind.UNKNOWN,
    NODE: DivergenceKind.SPEC,
    str(DEVELOPMENT): DivergenceKind.SPEC,
    STAGE: DivergenceKind.LINEAGE,
    "spec/nodes/step/new.json": DivergenceKind.UNKNOWN,
}


def grown_app(folder: Path) -> Path:
    write_spec(SPEC, folder)
    (folder / DEVELOPMENT).write_text("")
    (folder / "spec" / "lineage").mkdir()
    write_stage(DeployedStage("v0", StageKind.SEED, SPEC.spec_hash, "", ""), folder)
    return write_small_app(folder)


def edit(file: Path) -> None:
    file.write_text((file.read_text() if file.exists() else "") + "# edited\n")


def remove(file: Path) -> None:
    file.unlink(missing_ok=True)


@pytest.mark.parametrize("change", [edit, remove])
def test_each_edited_file_is_found_and_restored(tmp_path: Path, change: Callable[[Path], None]):
    app = grown_app(tmp_path)
    promoted = read_files(app)
    assert find_divergence(app, promoted=promoted) == []
    kinds = {k: one for k, one in KINDS.items() if change is edit or k in promoted}
    for path, kind in kinds.items():
        change(app / path)
        result = reconverge(app, promoted=promoted)
        assert [(one.path, one.kind) for one in result.restored] == [(path, kind)]
        assert read_files(app) == promoted
        if change is edit:
            assert result.incident
            assert (app / result.incident / path).read_text().endswith("# edited\n")


def test_without_a_promoted_tree_the_hashes_decide(tmp_path: Path):
    app = grown_app(tmp_path)
    before = read_files(app)
    edit(app / BODY)
    edit(app / "app/web.py")
    found = find_divergence(app)
    assert [(one.path, one.nodes) for one in found] == [(BODY, ("weigh",)), ("app/web.py", ())]
    result = reconverge(app)
    assert [one.path for one in result.refused] == [BODY]
    assert read_files(app)["app/web.py"] == before["app/web.py"]


def test_consistent_edit_of_body_and_record_is_found_by_the_promoted_tree(tmp_path: Path):
    promoted = read_files(grown_app(tmp_path))
    write_small_app(tmp_path, {"steps/weigh": "return {}"})
    assert find_divergence(tmp_path) == []
    paths = {one.path for one in find_divergence(tmp_path, promoted=promoted)}
    assert paths == {BODY, "app/generated.json"}


def test_specification_that_no_stage_describes_is_found(tmp_path: Path):
    app = grown_app(tmp_path)
    changed = SPEC.replace(SPEC["weigh"].with_fields(name="Weigh again"))
    write_spec(changed, app)
    assert DivergenceKind.SPEC in {one.kind for one in find_divergence(app)}


def test_symbolic_link_is_an_edit(tmp_path: Path):
    app = grown_app(tmp_path)
    promoted = read_files(app)
    (app / BODY).unlink()
    (app / BODY).symlink_to("/etc/passwd")
    result = reconverge(app, promoted=promoted)
    assert result.incident
    assert (app / result.incident / BODY).read_text() == "symbolic link to /etc/passwd\n"
    assert read_files(app) == promoted


def test_repository_with_a_specification_only_is_no_divergence(tmp_path: Path):
    write_spec(SPEC, tmp_path)
    assert find_divergence(tmp_path) == []


def test_skeleton_of_another_version_is_right_in_a_pinned_tree(tmp_path: Path):
    app = grown_app(tmp_path)
    file, record = app / "app/web.py", app / GENERATED
    ours = content_hash(file.read_bytes())
    edit(file)
    record.write_text(record.read_text().replace(ours, content_hash(file.read_bytes())))
    promoted = read_files(app)
    differs = [GENERATED, "app/web.py"]
    assert [one.path for one in find_divergence(app, promoted=promoted)] == differs
    assert [one.path for one in find_divergence(app)] == differs
    assert find_divergence(app, promoted=promoted, is_pinned=True) == []
    pin = content_hash(record.read_bytes())
    stage = DeployedStage("v0-2", StageKind.JUVENILE, SPEC.spec_hash, "", "", "v0", (), "v0", pin)
    write_stage(stage, app)
    assert find_divergence(app) == []
    promoted = read_files(app)
    edit(file)
    found = find_divergence(app)
    assert [(one.path, one.kind) for one in found] == [("app/web.py", DivergenceKind.SKELETON)]
    reconverge(app, promoted=promoted, is_pinned=True)
    assert read_files(app) == promoted
    record.write_text(record.read_text().replace('"skeleton"', '"body"'))
    assert find_divergence(app)
