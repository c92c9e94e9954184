""""""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from attractor.workspaces.uncommitted import has_uncommitted
from tests.workspaces.projects import SEARCH_PATH, Project, git, write


def is_dirty(project: Project, **environ: str) -> bool:
    variables = {"PATH": SEARCH_PATH, "HOME": str(project.state), **environ}
    return asyncio.run(has_uncommitted(project.folder, environ=variables))


def test_uncommitted_changes_are_detected(project: Project) -> None:
    assert not is_dirty(project)
    write(project.folder, {"x.log": "ignored"})
    assert not is_dirty(project)
    write(project.folder, {"new": "new"})
    assert is_dirty(project)
    (project.folder / "new").unlink()
    write(project.folder, {"todo.py": "mine"})
    assert is_dirty(project)


def test_globally_ignored_files_are_not_uncommitted(project: Project) -> None:
    write(project.state, {".gitconfig": "[core]\n\texcludesFile = ~/mine\n", "mine": ".DS_Store\n"})
    write(project.folder, {".DS_Store": "x"})
    assert not is_dirty(project)


def test_hidden_files_are_not_uncommitted(project: Project) -> None:
    write(project.folder, {"scenarios/todo/suite.lock.json": "{}", "runs/1/manifest.json": "{}"})
    assert not is_dirty(project)


def test_outside_git_nothing_is_uncommitted(tmp_path: Path) -> None:
    environ = {"PATH": SEARCH_PATH, "HOME": str(tmp_path)}
    assert not asyncio.run(has_uncommitted(tmp_path, environ=environ))


@pytest.mark.parametrize("name", ["trap", "a.b=c", "Trap"])
@pytest.mark.parametrize("kind", ["clean", "process"])
def test_no_filters_or_hooks_run(project: Project, tmp_path: Path, name: str, kind: str) -> None:
    write(project.folder, {".gitattributes": f"*.py filter={name}\n"})
    project.commit("attributes")
    trap = f"touch {tmp_path}/ran-filter; cat"
    sub = project.folder / "lib"
    git(project.folder, "init", "-q", "lib")
    write(sub, {"x": "x", ".gitattributes": "x filter=below\n"})
    git(sub, "add", "-A")
    git(sub, "commit", "-q", "-m", "first")
    git(project.folder, "add", "lib")
    git(project.folder, "commit", "-q", "-m", "with a submodule")
    for folder, driver in ((project.folder, name), (sub, "below")):
        config = folder / ".git/config"
        lines = f'[filter "{driver}"]\n\t{kind} = "{trap}"\n\trequired = true\n'
        config.write_text(config.read_text() + lines)
        git(folder, "config", "core.fsmonitor", f"touch {tmp_path}/ran-fsmonitor")
        git(folder, "config", "core.untrackedCache", "true")
        hook = folder / ".git/hooks/post-index-change"
        write(hook.parent, {hook.name: f"#!/bin/sh\ntouch {tmp_path}/ran-hook\n"})
        hook.chmod(0o755)
    # Only the times differ: git has to read the files, and would update its index.
    for file in (project.folder / "todo.py", sub / "x"):
        os.utime(file, (1, 1))
    index = (project.folder / ".git/index").read_bytes()
    assert not is_dirty(project)
    assert list(tmp_path.glob("ran-*")) == []
    assert (project.folder / ".git/index").read_bytes() == index
    write(project.folder, {"todo.py": "print('done')\n"})
    assert is_dirty(project)
    # The trap works.
    subprocess.run(["git", "status"], cwd=project.folder, capture_output=True)
    assert (tmp_path / "ran-filter").exists()
