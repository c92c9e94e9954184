import asyncio
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.base.errors import ExitCode, FileError, ProcessNotStarted
from attractor.workspaces.errors import GitFailed, NotARepository, ObjectMissing
from attractor.workspaces.git.repository import Git, open_repository
from attractor.workspaces.result_tree import is_attributes, is_dot_git, is_modules
from tests.counts import count
from tests.tables import table
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


def test_repository_is_found_from_any_of_its_folders(project: Project, tmp_path: Path) -> None:
    folder = project.folder / "docs" / "two\nlines"
    folder.mkdir()
    repository = asyncio.run(open_repository(folder, search_path=SEARCH_PATH))
    assert repository.git.git_dir == project.folder / ".git"
    assert repository.prefix == "docs/two\nlines/"
    assert repository.objects == project.folder / ".git" / "objects"
    assert repository.object_format == "sha1"
    assert asyncio.run(repository.commit("main")) == project.head()
    assert asyncio.run(repository.ref("refs/heads/none")) == ""
    with pytest.raises(NotARepository, match="is not in a git repository") as refused:
        asyncio.run(open_repository(tmp_path, search_path=SEARCH_PATH))
    assert "git init" in refused.value.hint


@table(
    "name",
    [
        b".git",
        b".GIT",
        b".gIt",
        b"git~1",
        b"GIT~1",
        b".git.",
        b".git ...",
        b".git::$INDEX_ALLOCATION",
        b"x\\.git",
        b".git\\x",
        ".g\u200cit".encode(),
        ".Git\ufeff".encode(),
    ],
)
def test_git_is_known_in_every_disguise(name: bytes) -> None:
    assert is_dot_git(name)


@table(
    "name", [b".gitignore", b"git", b"x.git", b".gi", b".git~1", b"\xff.git", b"..git", b"digits"]
)
def test_other_names_are_let_alone(name: bytes) -> None:
    assert not is_dot_git(name)


_PIECES = st.lists(
    st.sampled_from(
        [".", "g", "i", "t", "git", ".git", "GIT", "~1", "~2", " ", ":", "\\", "x", "\u200c"]
    ),
    min_size=1,
    max_size=4,
).map("".join)


@settings(deadline=None, max_examples=count(ci=15, full=300))
@given(names=st.lists(_PIECES, min_size=1, max_size=20, unique=True))
def test_git_accepts_every_name_that_is_not_reserved(names: list[str]) -> None:
    kept = [name for name in names if not is_dot_git(name.encode()) and name not in (".", "..")]
    lines = "".join(f"100644 {'e' * 40}\t{name}\0" for name in kept)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
        off = ["-c", "core.protectHFS=true", "-c", "core.protectNTFS=true"]
        done = subprocess.run(
            ["git", *off, "update-index", "-z", "--index-info"],
            cwd=Path(folder),
            input=lines.encode(),
            capture_output=True,
        )
        assert done.stderr == b""
        assert done.returncode == 0


_LINKS = st.lists(
    st.sampled_from(
        [".gitmodules", ".GitModules", "gitmod", "gi7eba", "gi7", "g", "~1", "~4", "~5", "~10", " ",
         "000", "00000", ".", ":", "\\", "x", "\u200c", ".gitattributes", "gitatt", "gi7d29"]
    ),
    min_size=1,
    max_size=4,
).map("".join)  # fmt: skip


@settings(deadline=None, max_examples=count(ci=15, full=300))
@given(names=st.lists(_LINKS, min_size=1, max_size=20, unique=True))
def test_every_modules_or_attributes_file_of_git_is_found(names: list[str]) -> None:
    unknown = [one for one in names if not is_modules(one.encode()) and one not in (".", "..")]
    plain = [one for one in unknown if not is_attributes(one.encode())]
    with tempfile.TemporaryDirectory() as folder:
        # git rejects a link named .gitmodules, and reports a link named .gitattributes.
        assert "gitmodules" not in _offences(
            Path(folder, "a"), [f"120000 {one}" for one in unknown]
        )
        assert "gitattributes" not in _offences(
            Path(folder, "b"), [f"120000 {one}" for one in plain]
        )


@pytest.mark.parametrize("name", ["gitmodules", "gitattributes"])
def test_modules_and_attributes_are_known_as_git_knows_them(tmp_path: Path, name: str) -> None:
    short, hashed = name[:6], "gi7eba" if name == "gitmodules" else "gi7d29"
    disguises = [
        f".{name}", f".{name.upper()}", f"{short}~1", f"{short.upper()}~4", f"{hashed}~1",
        "~1000000", f"{hashed[:4]}~123", f".{name} .", f".{name}:x", f".git\u200c{name[3:]}",
        f"x\\.{name}",
    ]  # fmt: skip
    is_one, other = is_modules, is_attributes
    if name == "gitattributes":
        is_one, other = other, is_modules
    for number, disguise in enumerate(disguises):
        assert is_one(disguise.encode()), disguise
        assert other(disguise.encode()) == (disguise == "~1000000")
        if "\\" not in disguise:
            assert name in _offences(tmp_path / str(number), [f"120000 {disguise}"]), disguise
    for harmless in (name, f"x.{name}", f"{short}~5", f"{hashed}~0", f".{name}x", "~100", "g"):
        assert not is_one(harmless.encode()), harmless


def _offences(folder: Path, entries: list[str]) -> str:
    """Return git's complaints about a tree with some entries, all with the same content."""
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True)

    def run(*words: str, given: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=folder, input=given.encode(), capture_output=True
        )
        return (done.stdout + done.stderr).decode()

    blob = run("hash-object", "-w", "--stdin", given="x").strip()
    split = (entry.split(" ", 1) for entry in entries)
    lines = "".join(f"{mode} blob {blob}\t{name}\0" for mode, name in split)
    run("mktree", "-z", given=lines)
    return run("fsck", "--strict", given="").lower()
