"""Ruling R14: faults of the workspace are found before the run exists."""

import asyncio
from pathlib import Path

import pytest

from attractor.language.diagnostics import NotRunnable
from attractor.workspaces.create import from_folder
from tests.pipeline.projects import make_project, open_project, start
from tests.pipeline.test_boot import BRANCHES, IGNORED, go, options, prepared_world


def test_R14_all_workspace_faults_are_reported_together(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", BRANCHES, **IGNORED)
    opened = prepared_world(
        project,
        carry=("modules", "readme.txt", "scenarios", "../out"),
        carry_read_only=("modules", "deps", "pipeline.dot"),
        setup="true",
        setup_files=("lokc",),
    )
    with pytest.raises(NotRunnable) as refused:
        go(opened)
    text = str(refused.value)
    assert "'modules' in carry of [workspace] of attractor.toml: it does not exist" in text
    assert "'readme.txt' in carry of [workspace] of attractor.toml: git does not ignore it" in text
    assert "'scenarios' in carry of [workspace] of attractor.toml: agents have no access" in text
    assert "'../out' in carry of [workspace] of attractor.toml: it is not a plain path" in text
    assert (
        "'modules' in carry_read_only of [workspace] of attractor.toml: it is listed twice" in text
    )
    assert (
        "'deps' in carry_read_only of [workspace] of attractor.toml: it is not a file or folder"
        in text
    )
    assert (
        "'pipeline.dot' in carry_read_only of [workspace] of attractor.toml: git does not ignore it"
        in text
    )
    assert "no file of the last commit matches 'lokc'" in text
    assert not (project / "runs").exists()
    plain = options(opened, "none")
    assert asyncio.run(start(plain, opened)).run_id


def test_R14_too_large_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_folder, "MOST_FILES", 2)
    project = tmp_path / "plain"
    project.mkdir()
    for name in ("one", "two"):
        (project / name).write_text(name)
    requires = 'requires="no-such-program-anywhere"'
    (project / "pipeline.dot").write_text(
        BRANCHES.replace("digraph branches {", f"digraph branches {{ {requires}")
    )
    with pytest.raises(NotRunnable) as refused:
        go(open_project(project))
    assert "more than 2 files" in str(refused.value)
    assert "no-such-program-anywhere" in str(refused.value)
    assert not (project / "runs").exists()
    assert not (tmp_path / "state").exists()
