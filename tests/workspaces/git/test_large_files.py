"""A workspace contains the files of submodules and of Git LFS; its trees are those of Git."""

import asyncio
import hashlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.workspaces.create.isolated import create_isolated
from attractor.workspaces.result_tree import result_trees
from attractor.workspaces.tracked_folder import TrackedFolder
from attractor.workspaces.uncommitted import LfsPointer, read_pointer
from tests.workspaces.projects import (
    AUTHOR,
    RUN,
    Project,
    contents,
    environment,
    everything,
    git,
    write,
)

pytestmark = pytest.mark.anyio

IMAGE = b"\0an image " * 300_000
LIBRARY = {"vendor/lib/lib.c": b"int x;\n", "vendor/lib/deep/inner/inner.c": b"int y;\n"}


def pointer(content: bytes) -> str:
    oid = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"


def keep_large(git_dir: Path, content: bytes) -> Path:
    """Store a content as git LFS does."""
    oid = hashlib.sha256(content).hexdigest()
    write(git_dir / "lfs" / "objects", {f"{oid[:2]}/{oid[2:4]}/{oid}": content})
    return git_dir / "lfs" / "objects" / oid[:2] / oid[2:4] / oid


def repository(folder: Path, files: dict[str, str]) -> Path:
    write(folder, files)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def add_submodule(folder: Path, source: Path, path: str) -> None:
    git(folder, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source), path)
    git(folder, "commit", "-q", "-a", "-m", f"with {path}")


@pytest.fixture
def library(project: Project) -> Path:
    """Give the project a submodule that has a submodule itself."""
    below = project.state.parent
    inner = repository(below / "inner", {"inner.c": "int y;\n"})
    library = repository(below / "lib", {"lib.c": "int x;\n"})
    add_submodule(library, inner, "deep/inner")
    add_submodule(project.folder, library, "vendor/lib")
    git(
        project.folder, "-c", "protocol.file.allow=always",
        "submodule", "--quiet", "update", "--init", "--recursive",
    )  # fmt: skip
    assert git(project.folder, "status", "--porcelain") == ""
    return library


@pytest.fixture
def image(project: Project) -> Path:
    """Give the project a large file, and a pointer without its content."""
    write(
        project.folder,
        {
            ".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\nplain.png -filter\n",
            "docs/.gitattributes": '"an [ab].dat" filter=lfs\n',
            "image.png": pointer(IMAGE),
            "docs/an a.dat": pointer(IMAGE),
            "docs/lost.png": pointer(b"lost"),
            "plain.png": pointer(IMAGE),
            "text.txt": pointer(IMAGE),
            "raw.png": "not a pointer",
        },
    )
    project.commit("large files")
    return keep_large(project.folder / ".git", IMAGE)


async def workspace_of(project: Project, messages: list[str] | None = None) -> TrackedFolder:
    return await create_isolated(
        await project.repository(),
        state=project.state,
        run_id=RUN,
        commit="HEAD",
        author=AUTHOR,
        environment=environment,
        on_snapshot=project.hear,
        tell=(messages if messages is not None else []).append,
    )


def library_in(folder: Path) -> dict[str, bytes]:
    return {
        name: content for name, content in contents(folder).items() if name.startswith("vendor/")
    }


async def test_submodules_are_checked_out(project: Project, library: Path, tmp_path: Path) -> None:
    write(project.folder / "vendor/lib", {"lib.c": "int changed;\n"})
    git(project.folder / "vendor/lib", "commit", "-q", "-a", "-m", "newer, and not in the project")
    before = everything(project.folder)
    messages: list[str] = []
    workspace = await workspace_of(project, messages)
    base = workspace.base
    assert library_in(workspace.folder) == LIBRARY | {
        "vendor/lib/.gitmodules": (library / ".gitmodules").read_bytes()
    }
    assert await workspace.snapshot("untouched") == base.candidate
    assert project.snapshots[-1][1].skipped == ()
    fork = await workspace.fork("a", base.candidate)
    assert contents(fork.folder) == contents(workspace.folder)
    assert git(fork.folder, "status", "--porcelain") == ""
    assert await fork.snapshot("untouched") == base.candidate
    await workspace.export(base.candidate, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(workspace.folder)
    assert git(workspace.folder, "status", "--porcelain") == ""
    names = git(workspace.store.folder, "ls-tree", "-r", "--name-only", base.candidate)
    assert "vendor" not in names
    await workspace.close()
    again = await project.workspace_again()
    assert await again.snapshot("again") == base.candidate
    assert library_in((await again.fork("b", base.candidate)).folder) == library_in(fork.folder)
    assert messages == []
    shutil.rmtree(project.folder / ".git/refs/attractor")
    assert everything(project.folder) == before


async def test_submodule_changes_are_reported(project: Project, library: Path) -> None:
    workspace = await workspace_of(project)
    inside = workspace.folder / "vendor/lib"
    write(inside, {"lib.c": "mine", "new": "new", "more/x": "x"})
    (inside / "deep/inner/inner.c").unlink()
    assert await workspace.snapshot("changed") == workspace.base.candidate
    [(_, taken)] = project.snapshots
    assert sorted(one.path for one in taken.skipped) == [
        "vendor/lib/lib.c", "vendor/lib/more", "vendor/lib/new",
    ]  # fmt: skip
    # Changes outside the submodule are kept, and the result has the old commit of the submodule.
    write(workspace.folder, {"todo.py": "mine"})
    tree = await workspace.snapshot("more")
    [result] = await result_trees(
        workspace.store, workspace.base, [tree], excluded=workspace.excluded
    )
    wanted = git(project.folder, "rev-parse", "HEAD:vendor/lib")
    store = workspace.store.folder
    assert git(store, "rev-parse", f"{result.tree}:vendor/lib") == wanted
    shutil.rmtree(inside)
    write(workspace.folder, {"vendor/lib": "a file in its place"})
    assert await workspace.snapshot("worse") == tree


def test_missing_submodule_is_reported(project: Project, library: Path) -> None:
    shutil.rmtree(project.folder / ".git/modules/vendor/lib/modules")
    messages: list[str] = []
    workspace = asyncio.run(workspace_of(project, messages))
    assert set(library_in(workspace.folder)) == {"vendor/lib/lib.c", "vendor/lib/.gitmodules"}
    [words] = messages
    assert words.startswith("The run works without the submodule vendor/lib/deep/inner: ")
    assert "git submodule update --init" in words


@pytest.mark.parametrize("name", ["../../../elsewhere", "/somewhere"])
def test_outside_submodule_name_is_rejected(project: Project, library: Path, name: str) -> None:
    elsewhere = project.state.parent / "elsewhere"
    shutil.move(project.folder / ".git/modules/vendor/lib", elsewhere)
    lines = f'[submodule "{name}"]\n\tpath = vendor/lib\n\turl = {library}\n'
    write(project.folder, {".gitmodules": lines})
    (project.folder / "vendor/lib/.git").unlink()
    git(project.folder, "add", ".gitmodules")
    git(project.folder, "commit", "-q", "-m", "led astray")
    messages: list[str] = []
    workspace = asyncio.run(workspace_of(project, messages))
    assert library_in(workspace.folder) == {}
    assert "without the submodule vendor/lib:" in messages[0]


def test_submodules_of_hidden_folders_stay_hidden(project: Project, library: Path) -> None:
    add_submodule(project.folder, library, "scenarios/lib")
    messages: list[str] = []
    workspace = asyncio.run(workspace_of(project, messages))
    assert not (workspace.folder / "scenarios").exists()
    assert messages == []


async def test_large_files_are_checked_out(project: Project, image: Path, tmp_path: Path) -> None:
    before = everything(project.folder)
    messages: list[str] = []
    workspace = await workspace_of(project, messages)
    base = workspace.base
    found = contents(workspace.folder)
    assert found["image.png"] == found["docs/an a.dat"] == IMAGE
    for name in ("plain.png", "text.txt"):
        assert found[name] == pointer(IMAGE).encode()
    assert found["docs/lost.png"] == pointer(b"lost").encode()
    assert await workspace.snapshot("untouched") == base.candidate
    store = workspace.store.folder
    assert git(store, "cat-file", "blob", f"{base.candidate}:image.png") == pointer(
        IMAGE
    ).removesuffix("\n")
    assert git(workspace.folder, "status", "--porcelain") == ""
    # Rewritten with the same content, it is still the same file.
    (workspace.folder / "image.png").write_bytes(IMAGE)
    assert await workspace.snapshot("the same") == base.candidate
    (workspace.folder / "image.png").unlink()
    await workspace.restore(base.candidate)
    fork = await workspace.fork("a", base.candidate)
    assert contents(fork.folder) == found
    assert await fork.snapshot("untouched") == base.candidate
    await workspace.export(base.candidate, tmp_path / "copy")
    assert contents(tmp_path / "copy") == found
    image.rename(tmp_path / "elsewhere")
    again = await project.workspace_again()
    assert contents((await again.fork("b", base.candidate)).folder) == found
    [words] = messages
    assert words.endswith("only pointers: docs/lost.png. Fetch them with `git lfs pull`.")
    (tmp_path / "elsewhere").rename(image)
    shutil.rmtree(project.folder / ".git/refs/attractor")
    assert everything(project.folder) == before


async def test_changed_large_file_is_kept(project: Project, image: Path) -> None:
    workspace = await workspace_of(project)
    shutil.copy(workspace.folder / "image.png", workspace.folder / "copy.bin")
    (workspace.folder / "image.png").write_bytes(b"another image")
    (workspace.folder / "docs/an a.dat").chmod(0o755)
    tree = await workspace.snapshot("changed")
    before = contents(workspace.folder)
    assert await workspace.changed(workspace.base.candidate, tree) == [
        "copy.bin", "docs/an a.dat", "image.png",
    ]  # fmt: skip
    store = workspace.store.folder
    assert git(store, "cat-file", "blob", f"{tree}:image.png") == "another image"
    assert git(store, "cat-file", "blob", f"{tree}:docs/an a.dat").startswith("version")
    await workspace.restore(workspace.base.candidate)
    assert await workspace.snapshot("back") == workspace.base.candidate
    await workspace.restore(tree)
    assert contents(workspace.folder) == before
    assert await workspace.snapshot("again") == tree


async def test_large_files_of_a_submodule_are_checked_out(project: Project, library: Path) -> None:
    inside = project.folder / "vendor/lib"
    write(inside, {".gitattributes": "*.png filter=lfs\n", "a.png": pointer(IMAGE), "b.png": ""})
    write(inside, {"b.png": pointer(b"lost")})
    git(inside, "add", "-A")
    git(inside, "commit", "-q", "-m", "large files")
    git(project.folder, "commit", "-q", "-a", "-m", "newer")
    keep_large(project.folder / ".git/modules/vendor/lib", IMAGE)
    messages: list[str] = []
    workspace = await workspace_of(project, messages)
    assert (workspace.folder / "vendor/lib/a.png").read_bytes() == IMAGE
    assert await workspace.snapshot("untouched") == workspace.base.candidate
    assert project.snapshots[-1][1].skipped == ()
    assert "only pointers: vendor/lib/b.png." in messages[0]


def test_incomplete_large_file_counts_as_missing(project: Project, image: Path) -> None:
    image.write_bytes(IMAGE[:-1])
    messages: list[str] = []
    workspace = asyncio.run(workspace_of(project, messages))
    assert contents(workspace.folder)["image.png"] == pointer(IMAGE).encode()
    assert "docs/an a.dat, docs/lost.png, image.png" in messages[0]


@given(size=st.integers(0, 10**15 - 1), oid=st.binary(min_size=32, max_size=32))
def test_a_pointer_is_read(size: int, oid: bytes) -> None:
    head = "version https://git-lfs.github.com/spec/v1\n"
    tail = f"oid sha256:{oid.hex()}\nsize {size}\n"
    assert read_pointer((head + tail).encode()) == LfsPointer(oid.hex(), size)
    extension = "ext-0-foo sha256:x\n"
    assert read_pointer((head + extension + tail).encode()) == LfsPointer(oid.hex(), size)
    assert read_pointer((head + tail).encode()[:-1]) is None
    assert read_pointer(tail.encode()) is None
    assert read_pointer((head + tail).encode() + b"x" * 1024) is None
