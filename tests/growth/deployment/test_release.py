import asyncio
from pathlib import Path

from attractor.growth.deployment.deploy import write_tree
from attractor.growth.deployment.release import ReleaseRecord, Releases
from tests.growth.app import make_app
from tests.pipeline.projects import git


def released(folder: Path, *stages: str) -> Releases:
    """Release stages one after another, each with a state."""
    releases = Releases(folder)
    for stage in stages:
        current = releases.current
        follows = current.record.stage if current else ""
        new = releases.begin(ReleaseRecord(stage, run_id="R", follows=follows))
        (new.state / "state.sqlite").write_text(stage)
        releases.complete(new, {"residue of": stage})
        releases.switch(stage)
    return releases


def test_switch_changes_code_and_state_together(tmp_path: Path) -> None:
    releases = released(tmp_path, "v0", "v0-2")
    current = releases.current
    assert current
    assert current.folder == tmp_path / "v0-2"
    assert (tmp_path / "current").readlink() == Path("v0-2")
    assert current.residue == {"residue of": "v0-2"}
    assert [one.record.stage for one in releases.before("v0-2")] == ["v0"]


def test_incomplete_release_is_made_again(tmp_path: Path) -> None:
    releases = released(tmp_path, "v0")
    begun = releases.begin(ReleaseRecord("v0-2", run_id="R"))
    (begun.tree / "half").write_text("written")
    again = releases.begin(ReleaseRecord("v0-2", run_id="R"))
    assert list(again.tree.iterdir()) == []
    # A complete release of a deployment that was killed before its switch is replaced.
    releases.complete(again, None)
    releases.complete(releases.begin(ReleaseRecord("v0-2", run_id="S")), None)
    assert releases.open("v0-2").record.run_id == "S"
    assert releases.current
    assert releases.current.record.stage == "v0"


def test_erased_records_survive_in_no_earlier_release(tmp_path: Path) -> None:
    releases = released(tmp_path, "v0", "v0-2", "v0-3")
    releases.forget_before("v0-3")
    kept = sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*.sqlite"))
    assert kept == ["current/state/state.sqlite", "v0-3/state/state.sqlite"][-len(kept) :]
    assert list(tmp_path.rglob("residue.json")) == []
    assert [one.record.stage for one in releases.before("v0-3")] == ["v0-2", "v0"]


def test_release_contains_copied_tools(tmp_path: Path) -> None:
    control_plane = make_app(tmp_path / "app")
    tool = control_plane.repository / "tools" / "checklist.py"
    tool.parent.mkdir()
    tool.write_text("part = None\n")
    git(control_plane.repository, "add", "--all")
    git(control_plane.repository, "commit", "--quiet", "--message", "Add a tool")
    asyncio.run(write_tree(control_plane.project, "HEAD", tmp_path / "tree"))
    assert (tmp_path / "tree" / "tools" / "checklist.py").read_text() == "part = None\n"
