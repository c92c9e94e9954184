"""Dimensions: made clean, removed only if nothing is lost, undone after a kill."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import AttractorError, Refused, UsageError
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.pipeline.workspace.ports import ports_of
from attractor.records.request import RunRequest, read_request
from attractor.workspaces import worktrees
from attractor.workspaces.folders import lock_writer
from attractor.workspaces.preparation import Preparation
from attractor.worlds import dimensions
from attractor.worlds.dimensions import (
    DimensionView,
    add_dimension,
    diff_dimension,
    list_dimensions,
    remove_dimension,
)
from tests.pipeline.projects import adjusted, git, make_project, open_project
from tests.tables import table

Change = Callable[[Path, Path], None]
"""Changes a project and the folder of a dimension."""


def opened_in(folder: Path, **files: str) -> OpenProject:
    """Return a project in a repository, with a hidden scenario and an ignored file."""
    more = {"scenarios/one.toml": "hidden\n", ".gitignore": ".env\n", **files}
    project = make_project(folder / "project", **more)
    (project / ".env").write_text("KEY=1\n")
    return OpenProject(open_project(project))


def add(opened: OpenProject, name: str = "try", **more: object) -> Dimension:
    return asyncio.run(add_dimension(opened, name, **more))  # pyright: ignore


def remove(opened: OpenProject, dimension: Dimension, *, force: bool = False) -> Sequence[str]:
    return [*asyncio.run(remove_dimension(opened, dimension, force=force)).ignored]


def only_view(opened: OpenProject) -> DimensionView:
    [view] = asyncio.run(list_dimensions(opened))
    return view


def commit(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Change")


def marks(project: Path) -> list[str]:
    """Return what dimensions leave in a repository and beside it."""
    refs = git(project, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/attractor")
    worktrees = git(project, "worktree", "list", "--porcelain").count("worktree ")
    beside = sorted(one.name for one in project.parent.iterdir() if one.name.startswith("project"))
    return [*refs.splitlines(), str(worktrees), *beside]


def test_worktree_is_clean_without_scenarios_and_prepared(tmp_path: Path) -> None:
    opened = opened_in(tmp_path, **{".worktreeinclude": ".env\nreadme.txt\n"})
    made = add(opened)
    top = tmp_path / "project.worktrees" / "try"
    assert (made.folder, made.branch, made.base_branch) == (str(top), "attractor/try", "main")
    assert not (top / "scenarios").exists()
    assert git(top, "status", "--short") == ""
    assert (top / ".env").read_text() == "KEY=1\n"
    assert git(top.parent.parent / "project", "status", "--short") == ""
    commit(top, **{"new.txt": "new\n"})
    (top / "readme.txt").write_text("changed\n")
    assert only_view(opened).changed == 2
    diff = asyncio.run(diff_dimension(opened, made)).decode()
    assert ("+changed" in diff, "+new" in diff, "hidden" in diff) == (True, True, False)
    git(top, "switch", "--quiet", "--create", "other")
    assert only_view(opened).branch == "other"
    top.rename(tmp_path / "moved")
    assert only_view(opened).is_missing


@table(
    ("name", "more", "words"),
    [
        ("../up", {}, "invalid name"),
        ("a b", {}, "invalid name"),
        ("a/b", {}, "invalid name"),
        ("worktree", {}, "name of a kind"),
        ("isolated", {}, "name of a kind"),
        ("taken", {}, "branch attractor/taken already, checked out in"),
        ("x", {"ref": "nothing"}, "unknown commit"),
        ("x", {"at": Path("full")}, "no worktree of this repository"),
        ("x", {"at": Path("project/inside")}, "folder of this project"),
        ("x", {"at": Path("state/inside")}, "state folder"),
        ("x", {"at": Path("/var/tmp/dimension-x")}, "which machines clear"),
        ("x", {"kind": "directory", "at": Path("project")}, "no folder without git"),
        ("x", {"kind": "copy", "at": Path("new")}, "has no folder"),
        ("x", {"kind": "copy", "ref": "main"}, "for worktrees"),
        ("x", {"kind": "none"}, "no kind of a dimension"),
    ],
)
def test_refusal_leaves_nothing(
    tmp_path: Path, name: str, more: dict[str, object], words: str
) -> None:
    opened = opened_in(tmp_path / "here")
    folder = tmp_path / "here"
    (folder / "full").mkdir()
    git(folder / "project", "worktree", "add", "--quiet", "-b", "attractor/taken", "../held")
    before = marks(folder / "project")
    if isinstance(place := more.get("at"), Path):
        more = {**more, "at": folder / place}
    with pytest.raises(AttractorError) as refused:
        add(opened, name, **more)
    assert words in refused.value.message
    assert marks(folder / "project") == before
    assert DimensionRecords.of(opened).all() == []


def test_names_are_found_by_prefix_and_taken_once(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    add(opened, "first", kind="isolated")
    add(opened, "final", kind="copy")
    records = DimensionRecords.of(opened)
    assert records.find("fir").name == "first"
    with pytest.raises(UsageError, match="ambiguous dimension 'fi'"):
        records.find("fi")
    with pytest.raises(Refused, match="already"):
        add(opened, "first")
    assert [view.dimension.folder for view in asyncio.run(list_dimensions(opened))] == ["", ""]


def merged(project: Path, top: Path) -> None:
    commit(top, **{"new.txt": "new\n"})
    git(project, "merge", "--quiet", "--no-ff", "attractor/try")


def uncommitted(project: Path, top: Path) -> None:
    (top / "new.txt").write_text("new\n")


def unmerged(project: Path, top: Path) -> None:
    commit(top, **{"new.txt": "new\n"})


def replaced(project: Path, top: Path) -> None:
    (top / ".git").unlink()
    git(top, "init", "--quiet")


@table(
    ("change", "refusal"),
    [
        (merged, ""),
        (uncommitted, "uncommitted changes"),
        (unmerged, "commits on attractor/try only"),
        (replaced, "cannot be inspected"),
    ],
)
def test_removal_loses_nothing(tmp_path: Path, change: Change, refusal: str) -> None:
    opened = opened_in(tmp_path / "here")
    project = opened.project.root
    before, made = marks(project), add(opened)
    change(project, Path(made.folder))
    if refusal:
        with pytest.raises(Refused, match=refusal):
            remove(opened, made)
        assert Path(made.folder).is_dir()
        return
    remove(opened, made)
    assert marks(project) == before
    assert DimensionRecords.of(opened).all() == []


def test_forced_removal_keeps_a_snapshot_and_names_ignored_files(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    made = add(opened)
    top = Path(made.folder)
    unmerged(top, top)
    (top / "late.txt").write_text("late\n")
    (top / ".env").write_text("KEY=2\n")
    with lock_writer(top, opened.project.machine.state_dir, run_id="01R"):
        assert only_view(opened).holder
        with pytest.raises(Refused, match="run 01R"):
            remove(opened, made, force=True)
    assert remove(opened, made, force=True) == [".env"]
    assert not top.exists()
    refs = git(opened.project.root, "for-each-ref", "--format=%(refname)").split()
    [kept] = [ref for ref in refs if "removed" in ref]
    assert "refs/heads/attractor/try" not in refs
    assert git(opened.project.root, "show", f"{kept}:late.txt") == "late\n"
    assert git(opened.project.root, "show", f"{kept}:new.txt") == "new\n"
    git(opened.project.root, "update-ref", f"{worktrees.REMOVED_REFS}try/1000", "HEAD")
    asyncio.run(list_dimensions(opened))
    listed = git(opened.project.root, "for-each-ref", worktrees.REMOVED_REFS)
    assert (kept in listed, "try/1000" in listed) == (True, False)


def test_worktree_of_a_person_stays(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    project, top = opened.project.root, tmp_path / "mine"
    git(project, "worktree", "add", "--quiet", "-b", "side", str(top))
    made = add(opened, at=top)
    assert (made.branch, made.made_by_attractor) == ("side", False)
    (top / "new.txt").write_text("new\n")
    assert only_view(opened).changed == 1
    remove(opened, made)
    assert (top / "new.txt").exists()
    assert "refs/heads/side" in marks(project)


def test_directory_outside_of_git(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.txt").write_text("a\n")
    (project / "scenarios").mkdir()
    opened = OpenProject(open_project(project))
    made = add(opened, kind="directory")
    folder = Path(made.folder)
    assert sorted(one.name for one in folder.iterdir()) == ["a.txt"]
    assert only_view(opened).changed == 0
    (folder / "a.txt").write_text("b\n")
    assert "+b" in asyncio.run(diff_dimension(opened, made)).decode()
    with pytest.raises(Refused, match="1 file"):
        remove(opened, made)
    kept = asyncio.run(remove_dimension(opened, made, force=True)).kept
    assert not folder.exists()
    store = Path(kept.rpartition(" in ")[2])
    assert git(store, "--git-dir", str(store), "show", "refs/attractor/kept:a.txt") == "b\n"


def test_kill_leaves_nothing_without_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = opened_in(tmp_path)
    project, before = opened.project.root, marks(opened.project.root)
    calls, most = 0, 0
    ask = worktrees.run_git_as_owner

    class Killed(BaseException):
        """The end of the process."""

    async def killed(*arguments: str, **more: object) -> object:
        nonlocal calls
        calls += arguments[0] in ("worktree", "sparse-checkout", "checkout")
        if calls > most:
            raise Killed
        return await ask(*arguments, **more)  # pyright: ignore

    async def not_undone(*_: object, **__: object) -> None:
        """Leave everything: a killed process undoes nothing."""

    for number in range(3):
        calls, most = 0, number
        with monkeypatch.context() as patched:
            patched.setattr(worktrees, "run_git_as_owner", killed)
            patched.setattr(dimensions, "_undo", not_undone)
            with pytest.raises(Killed):
                add(opened)
        [record] = DimensionRecords.of(opened).all()
        assert record.state == "making"
        with pytest.raises(Refused, match="not ready"):
            asyncio.run(start_run(RunRequest(file=project / "x", workspace="try"), opened))
        assert asyncio.run(list_dimensions(opened)) == []
        assert marks(project) == before
    made = add(opened)
    with monkeypatch.context() as patched:
        patched.setattr(dimensions, "_undo", not_undone)
        remove(opened, made)
    assert asyncio.run(list_dimensions(opened)) == []
    assert marks(project) == before


def test_setup_and_teardown_know_the_ports(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    preparation = Preparation(setup="echo $WEB_PORT > .env")
    teardown = "echo the port $WEB_PORT; false"
    said: list[str] = []
    project = adjusted(
        opened.project,
        ports=("WEB_PORT",),
        preparation=preparation,
        teardown=teardown,
        tell=said.append,
    )
    opened = OpenProject(project)
    made = add(opened)
    folder = Path(made.folder)
    port = ports_of(folder, project)["WEB_PORT"]
    assert (folder / ".env").read_text() == f"{port}\n"
    remove(opened, made)
    assert f"the port {port}" in said[-1]


def test_run_names_its_dimension(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    made = add(opened)
    plain = RunRequest(
        file=opened.project.root / "pipeline.dot", backend="simulate", sandbox="none"
    )
    result = asyncio.run(start_run(replace(plain, workspace="tr"), opened))
    assert result.outcome is StageStatus.SUCCESS
    request = read_request(read_manifest(RunDirectory(result.directory)))
    assert (request.workspace, request.dimension) == ("worktree", "try")
    assert (Path(made.folder) / "made.txt").exists()
    assert not (opened.project.root / "made.txt").exists()
    assert result.directory.parent == opened.project.root / "runs"
    assert only_view(opened).last_run == result.run_id
    with pytest.raises(UsageError, match="unknown workspace 'trz'") as refused:
        asyncio.run(start_run(replace(plain, workspace="trz"), opened))
    assert refused.value.hint == "did you mean try?"
