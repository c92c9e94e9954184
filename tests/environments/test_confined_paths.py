"""Links and races do not lead out of the working folder."""

import os
import shutil
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from attractor.environments import files
from attractor.environments.confined_paths import ConfinedFolder, FileIdentity, file_identity
from attractor.environments.environment import ExecutionEnvironment, GrepOptions
from attractor.environments.errors import FileMissing, FileUnusable, NotText, PathOutside
from tests.counts import count
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "secret").write_text("hidden")
    return folder


@pytest.fixture
def inside(workspace: Path) -> ConfinedFolder:
    return ConfinedFolder(workspace, (str(workspace), "/workspace"))


def read(inside: ConfinedFolder, path: str) -> str:
    return files.read_text(inside, path, offset=None, limit=None)


@pytest.fixture
def planted(workspace: Path, outside: Path) -> tuple[str, ...]:
    """Paths in the workspace that lead through links to a file outside."""
    (workspace / "a").mkdir()
    links = {
        "a/file": str(outside / "secret"),
        "a/link": str(outside),
        "a/relative": "../../outside",
        "chain": "a/link",
        "a/proc": f"/proc/self/root{outside}",
    }
    for name, target in links.items():
        (workspace / name).symlink_to(target)
    return ("a/file", *(f"{name}/secret" for name in links if name != "a/file"))


async def test_links_outside_are_refused(
    shell: ExecutionEnvironment, planted: tuple[str, ...]
) -> None:
    for path in planted:
        for doing in (
            shell.read_file(path),
            shell.read_bytes(path, limit=9),
            shell.write_file(path, "planted"),
            shell.file_exists(path),
            shell.list_directory(path),
            shell.glob("*", path),
            shell.grep("hidden", path, GrepOptions()),
            shell.exec_command("true", timeout_ms=1000, working_dir=path),
            shell.write_file(f"{path}/new/file", "planted"),
        ):
            with pytest.raises(PathOutside, match="through a link") as caught:
                await doing
            assert "outside/" not in caught.value.message
    assert await shell.grep("hidden", ".", GrepOptions()) == ""


async def test_nothing_outside_was_made_changed_or_removed(
    shell: ExecutionEnvironment, planted: tuple[str, ...], outside: Path
) -> None:
    for path in planted:
        with suppress(FileUnusable):
            await shell.delete_file(path)
        with suppress(FileUnusable):
            await shell.write_file(path, "planted")
    assert await shell.grep("hidden", ".", GrepOptions()) == ""
    assert sorted(file.name for file in outside.iterdir()) == ["deep", "secret"]
    assert (outside / "secret").read_text() == "hidden"


def test_walks_do_not_enter_links(inside: ConfinedFolder, workspace: Path, outside: Path) -> None:
    (workspace / "folder").symlink_to(outside)
    (workspace / "file").symlink_to(outside / "secret")
    entries = files.list_directory(inside, ".", depth=9)
    assert [(entry.name, entry.is_dir, entry.size) for entry in entries] == [
        ("file", False, None),
        ("folder", False, None),
    ]
    assert files.glob(inside, "**", ".") == []


def test_a_link_that_stays_inside_is_followed(inside: ConfinedFolder, workspace: Path) -> None:
    (workspace / "real/deep").mkdir(parents=True)
    (workspace / "real/file").write_text("text")
    (workspace / "by-folder").symlink_to("real")
    (workspace / "real/deep/up").symlink_to("../file")
    (workspace / "absolute").symlink_to("/workspace/real/./deep/../file")
    (workspace / "named").symlink_to(workspace / "by-folder/deep/up")
    (workspace / "new").symlink_to("real/made/later")
    for path in ("by-folder/file", "real/deep/up", "absolute", "named", "by-folder/deep/up"):
        assert read(inside, path) == "text", path
    files.write_data(inside, "absolute", "changed")
    assert (workspace / "real/file").read_text() == "changed"
    assert (workspace / "absolute").is_symlink()
    (workspace / "real/made").mkdir()
    files.write_data(inside, "new", "made")
    assert (workspace / "real/made/later").read_text() == "made"
    files.delete(inside, "named")
    assert (workspace / "real/file").exists()


def test_circular_links_are_an_error(inside: ConfinedFolder, workspace: Path) -> None:
    (workspace / "a").symlink_to("b")
    (workspace / "b").symlink_to("a")
    (workspace / "self").symlink_to("self/self")
    for path in ("a", "a/x", "self", "self/x"):
        with pytest.raises(FileUnusable, match="symbolic links"):
            read(inside, path)


def test_too_deep_path_is_refused(inside: ConfinedFolder, workspace: Path) -> None:
    before = list(Path("/dev/fd").iterdir())
    with pytest.raises(FileUnusable, match="too many folders deep"):
        files.write_data(inside, "/".join("d" * 1000), "text")
    with pytest.raises(FileMissing):
        read(inside, "no/such")
    assert len(list(Path("/dev/fd").iterdir())) == len(before)


def test_a_null_character_is_refused(inside: ConfinedFolder) -> None:
    with pytest.raises(FileUnusable, match="null"):
        read(inside, "a\0b")


class Swapper:
    """Replaces a folder or file by a link and back, as fast as possible, until stopped."""

    def __init__(self, folder: Path, target: Path) -> None:
        self._folder, self._target = folder, target
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._swap)

    def __enter__(self) -> "Swapper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=PATIENCE_S)

    def _swap(self) -> None:
        kept = self._folder.with_name("kept")
        while not self._stopped.is_set():
            self._folder.rename(kept)
            # Meanwhile, the tools may create the folder again.
            with suppress(FileExistsError):
                self._folder.symlink_to(self._target)
            while kept.exists():
                if self._folder.is_symlink():
                    self._folder.unlink()
                with suppress(OSError):
                    kept.rename(self._folder)
                    break
                shutil.rmtree(self._folder, ignore_errors=True)


@pytest.mark.parametrize(("swapped", "name"), [("", "file"), ("", "deep/file"), ("file", "file")])
def test_racing_links_do_not_lead_outside(
    inside: ConfinedFolder, workspace: Path, outside: Path, swapped: str, name: str
) -> None:
    for root, text in ((workspace / "a", "open"), (outside, "hidden")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    path = f"a/{name}"
    doings: list[Callable[[], object]] = [
        lambda: read(inside, path),
        lambda: files.write_data(inside, path, "open"),
        lambda: files.write_data(inside, f"{path}-new", "open"),
        lambda: files.delete(inside, f"{path}-new"),
        lambda: files.glob(inside, "**", "."),
        lambda: [entry.name for entry in files.list_directory(inside, "a", depth=3)],
    ]
    before = sorted(outside.rglob("*"))
    done = refused = 0
    with Swapper(workspace / "a" / swapped, outside / swapped):
        for attempt in range(count(ci=1000, full=100_000)):
            try:
                found = doings[attempt % len(doings)]()
            except FileUnusable:
                refused += 1
            else:
                done += 1
                assert "hidden" not in str(found)
                assert "secret" not in str(found)
    assert done > 0
    assert refused > 0
    assert (outside / name).read_text() == "hidden"
    assert sorted(outside.rglob("*")) == before


def test_file_replaced_by_a_link_is_not_followed(
    inside: ConfinedFolder, workspace: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "secret").write_text("open")
    look = os.readlink

    def look_then_swap(name: str, *, dir_fd: int | None = None) -> str:
        try:
            return look(name, dir_fd=dir_fd)
        finally:
            (workspace / "secret").unlink(missing_ok=True)
            (workspace / "secret").symlink_to(outside / "secret")

    monkeypatch.setattr(os, "readlink", look_then_swap)
    with pytest.raises(FileUnusable, match="symbolic links"):
        read(inside, "secret")
    (workspace / "secret").unlink()
    with pytest.raises(NotText):
        files.write_data(inside, "secret", "planted")
    assert (outside / "secret").read_text() == "hidden"


def test_folder_replaced_by_a_link_is_not_entered(
    inside: ConfinedFolder, workspace: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "folder").mkdir()
    look = os.stat

    def look_then_swap(
        name: str, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> os.stat_result:
        found = look(name, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        if name == "folder" and stat.S_ISDIR(found.st_mode):
            (workspace / "folder").rmdir()
            (workspace / "folder").symlink_to(outside)
        return found

    monkeypatch.setattr(os, "stat", look_then_swap)
    found = files.list_directory(inside, ".", depth=5)
    assert [entry.name for entry in found] == ["folder"]


def mounted(workspace: Path, project: Path, *names: str, hidden: str = "") -> ConfinedFolder:
    """Mount files or folders of a project in place of files or folders of a workspace."""
    known = {file_identity((workspace / name).lstat()): project / name for name in names}
    closed = {file_identity((project / hidden).lstat())} if hidden else set[FileIdentity]()
    return ConfinedFolder(workspace, ("/workspace",), known, closed)


def test_mounted_files_are_readable_and_not_writable(workspace: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (workspace / "modules").mkdir()
    (workspace / "file").touch()
    (project / "modules/key").mkdir(parents=True)
    (project / "modules/key/secret").touch()
    for name in ("modules/one", "file"):
        (project / name).write_text(name)
    inside = mounted(workspace, project, "modules", "file", hidden="modules/key")
    assert read(inside, "modules/one") == "modules/one"
    assert read(inside, "file") == "file"
    names = [entry.name for entry in files.list_directory(inside, ".", depth=3)]
    assert names == ["file", "modules", "modules/key", "modules/one"]
    with pytest.raises(FileUnusable, match="is hidden"):
        read(inside, "modules/key/secret")
    for path in ("modules/one", "modules/new/deep", "file", "modules/key/secret"):
        with pytest.raises(FileUnusable) as refused:
            files.write_data(inside, path, "changed")
        assert str(project) not in refused.value.message
    for path in ("modules/one", "file", "modules"):
        with pytest.raises(FileUnusable, match="read-only"):
            files.delete(inside, path)
    assert sorted(one.name for one in (project / "modules").iterdir()) == ["key", "one"]
    assert list((workspace / "modules").iterdir()) == []


def test_racing_folder_swaps_do_not_write_to_a_mount(workspace: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (workspace / "modules").mkdir()
    (workspace / "other").mkdir()
    (project / "modules").mkdir(parents=True)
    inside = mounted(workspace, project, "modules")
    stopped = threading.Event()

    def swap() -> None:
        while not stopped.is_set():
            for old, new in (("modules", "x"), ("other", "modules"), ("x", "other")):
                with suppress(OSError):  # the writer has created a folder with that name
                    (workspace / old).rename(workspace / new)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for number in range(count(ci=200, full=3000)):
            with suppress(FileUnusable):
                files.write_data(inside, f"modules/new{number}/file", "ours")
    finally:
        stopped.set()
        swapping.join()
    assert list((project / "modules").iterdir()) == []
