import asyncio
import os
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, FileError, ProcessNotStarted
from attractor.workspaces.errors import GitFailed, NotARepository, ObjectMissing
from attractor.workspaces.git.git import Git
from attractor.workspaces.git.repository import open_repository
from tests.workspaces.projects import SEARCH_PATH, Project


def git_of(project: Project) -> Git:
    return Git(project.folder / ".git", SEARCH_PATH)


def test_git_ignores_machine_variables_and_configuration(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[core]\n\tabbrev = 33\n[user]\n\tname = Home\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "nowhere"))
    git = git_of(project)
    assert asyncio.run(git.run("config", "core.hooksPath")) == "/dev/null"
    assert asyncio.run(git.run("config", "user.name")) == "attractor"
    assert asyncio.run(git.answer("config", "core.abbrev")).exit_code == 1
    assert asyncio.run(git.run("rev-parse", "HEAD"))


def test_replace_refs_are_ignored(project: Project) -> None:
    real = project.head("HEAD:todo.py")
    git = git_of(project)
    other = asyncio.run(git.run("hash-object", "-w", "--stdin", stdin=b"forged"))
    asyncio.run(git.run("update-ref", f"refs/replace/{real}", other))
    assert asyncio.run(git.run("cat-file", "blob", real)) == "print('todo')"


def test_output_goes_into_a_file_byte_for_byte(project: Project, tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    git = git_of(project)
    source, output = tmp_path / "a 'source'", tmp_path / "an $output"
    source.write_bytes(content)
    name = asyncio.run(git.run_from(source, "hash-object", "-w", "--no-filters", "--stdin"))
    asyncio.run(git.run_to(output, "cat-file", "blob", name))
    assert output.read_bytes() == content


def test_output_is_limited(project: Project, tmp_path: Path) -> None:
    content, output = os.urandom(3_000_000), tmp_path / "an $output"
    (tmp_path / "source").write_bytes(content)
    git = git_of(project)
    name = asyncio.run(git.run_from(tmp_path / "source", "hash-object", "-w", "--stdin"))
    for most in (0, 1, 2_999_999, 3_000_000, 3_000_001):
        asyncio.run(git.run_up_to(most, output, "cat-file", "blob", name))
        assert output.read_bytes() == content[:most]
    with pytest.raises(ObjectMissing):
        asyncio.run(git.run_up_to(9, output, "diff-tree", "1" * 40, "2" * 40))
    with pytest.raises(GitFailed):
        asyncio.run(git.run_up_to(9, tmp_path / "no" / "folder", "cat-file", "blob", name))
    lost = Git(git.git_dir, str(tmp_path))
    with pytest.raises(ProcessNotStarted):
        asyncio.run(lost.run_up_to(9, output, "cat-file", "blob", name))


def test_git_failure_has_command_folder_and_hint(project: Project, tmp_path: Path) -> None:
    git = git_of(project)
    with pytest.raises(GitFailed, match=r"git update-ref in .*project/\.git failed: .*") as failed:
        asyncio.run(git.run("update-ref", "no good name..", "HEAD"))
    assert failed.value.exit_code == ExitCode.UNFINISHED
    assert failed.value.hint
    with pytest.raises(FileError, match="cannot write .*/no/folder: No such file"):
        asyncio.run(git.run_to(tmp_path / "no" / "folder", "rev-parse", "HEAD"))
    with pytest.raises(ObjectMissing) as missing:
        asyncio.run(git.run("diff-tree", "1" * 40, "2" * 40))
    assert missing.value.exit_code == ExitCode.BROKEN


def test_full_disk_is_reported(project: Project) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(GitFailed, match="No space left") as full:
        asyncio.run(git_of(project).run_to(Path("/dev/full"), "cat-file", "-p", "HEAD"))
    assert "free some disk space" in full.value.hint


def test_missing_git_is_reported(project: Project, tmp_path: Path) -> None:
    git = Git(project.folder / ".git", str(tmp_path))
    for call in (git.run("version"), git.run_to(tmp_path / "x", "version")):
        with pytest.raises(ProcessNotStarted) as missing:
            asyncio.run(call)
        assert "install it" in missing.value.hint


def test_a_repository_is_found_from_any_folder_of_it(project: Project, tmp_path: Path) -> None:
    repository = asyncio.run(open_repository(project.folder / "docs", search_path=SEARCH_PATH))
    assert repository.git.git_dir == project.folder / ".git"
    assert repository.objects == project.folder / ".git" / "objects"
    assert repository.object_format == "sha1"
    assert asyncio.run(repository.commit("main")) == project.head()
    assert asyncio.run(repository.ref("refs/heads/none")) == ""
    with pytest.raises(NotARepository, match="is not in a git repository") as refused:
        asyncio.run(open_repository(tmp_path, search_path=SEARCH_PATH))
    assert "git init" in refused.value.hint
