import asyncio
import os
import socket
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.base.errors import FileError
from attractor.workspaces.checkouts import StageTree, write_run_branch
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import bring_commit, write_commit
from attractor.workspaces.git.objects import LooseObjects, object_id
from attractor.workspaces.result_tree import (
    LEAVE_OUT,
    attributes_with_programs,
    is_dot_git,
    refused_attributes,
)
from attractor.workspaces.snapshot import (
    DEEPEST,
    RACY_NS,
    CachedFile,
    SkippedPath,
    SkipReason,
    Snapshot,
    SnapshotRules,
    StatCache,
    cached_file,
    filesystem_time,
    load,
    save,
    take_snapshot,
)
from tests.counts import count
from tests.patience import PATIENCE_S
from tests.workspaces.projects import AUTHOR, RUN, Project, git, write

pytestmark = pytest.mark.anyio

NOTHING_IGNORED = SnapshotRules(IgnoreRules({}))


@dataclass(frozen=True)
class Place:
    """A folder to walk, and a store for its files."""

    folder: Path
    store: Path

    @classmethod
    def made(cls, below: Path) -> "Place":
        place = cls(below / "work", below / "store")
        place.folder.mkdir()
        git(below, "init", "-q", "--bare", "store")
        return place

    def take(
        self, rules: SnapshotRules = NOTHING_IGNORED, *, cache: StatCache | None = None
    ) -> Snapshot:
        objects = LooseObjects(self.store / "objects", "sha1")
        now_ns = filesystem_time(self.folder, self.store)
        return take_snapshot(self.folder, objects, rules, cache=cache or {}, now_ns=now_ns)

    def listed(self, tree: str) -> list[str]:
        listed = git(self.store, "ls-tree", "-r", "-z", "--name-only", tree)
        return listed.removesuffix("\0").split("\0")

    def tree_by_git(self) -> str:
        index = self.store / "an index"
        index.unlink(missing_ok=True)
        variables = {"GIT_DIR": str(self.store), "GIT_INDEX_FILE": str(index)}
        git(self.folder, "--work-tree=.", "add", "-A", "-f", variables=variables)
        return git(self.folder, "write-tree", variables=variables)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.made(tmp_path)


_NAMES = st.binary(min_size=1, max_size=6).filter(
    lambda name: (
        not set(name) & {0, ord("/")} and name not in (b".", b"..") and not is_dot_git(name)
    )
)
_CONTENTS = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=40)),
    st.tuples(st.just("program"), st.binary(max_size=40)),
    st.tuples(st.just("link"), _NAMES),
    st.tuples(st.just("empty folder"), st.just(b"")),
)
_TREES = st.dictionaries(
    st.lists(_NAMES, min_size=1, max_size=4).map(b"/".join), _CONTENTS, max_size=10
)


def build(folder: Path, tree: dict[bytes, tuple[str, bytes]]) -> None:
    for name, (kind, content) in tree.items():
        path = folder / os.fsdecode(name)
        # A path below a file, and a file at the path of a folder, are left out.
        with suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "link":
                path.symlink_to(os.fsdecode(content))
            elif kind == "empty folder":
                path.mkdir()
            elif not path.is_symlink():
                path.write_bytes(content)
                path.chmod(0o755 if kind == "program" else 0o600)


@settings(deadline=None, max_examples=count(ci=12, full=500))
@given(tree=_TREES)
def test_ids_are_those_of_git(tree: dict[bytes, tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as below:
        place = Place.made(Path(below))
        build(place.folder, tree)
        taken = place.take()
        assert taken.skipped == ()
        assert git(place.store, "cat-file", "-t", taken.tree) == "tree"
        git(place.store, "fsck", "--strict", "--no-dangling", taken.tree)
        assert taken.tree == place.tree_by_git()


def test_names_sort_as_git_sorts_them(place: Place) -> None:
    write(place.folder, {"a/x": "", "a.b": "", "a-b": "", "a0": "", "b": "", "B": ""})
    assert place.take().tree == place.tree_by_git()


def test_an_empty_folder_has_the_empty_tree(place: Place) -> None:
    (place.folder / "a/b").mkdir(parents=True)
    taken = place.take()
    assert taken.tree == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    assert git(place.store, "cat-file", "-t", taken.tree) == "tree"


def test_large_files_have_gits_ids(place: Place) -> None:
    write(place.folder, {"large": os.urandom(3_000_000), "again": b"x" * 2_000_000})
    taken = place.take()
    assert taken.tree == place.tree_by_git()
    assert not list(place.store.glob("objects/tmp_obj_*"))
    git(place.store, "fsck", "--strict", "--no-dangling", taken.tree)


def test_attributes_of_the_tree_change_no_file(place: Place) -> None:
    write(
        place.folder,
        {
            ".gitattributes": "*.txt eol=crlf filter=evil ident\n"
            "*.u working-tree-encoding=UTF-16\n",
            "a.txt": "one\r\ntwo\n$Id$\n",
            "b.u": "no UTF-16\n",
        },
    )
    taken = place.take()
    assert git(place.store, "cat-file", "blob", f"{taken.tree}:a.txt") == "one\r\ntwo\n$Id$"
    assert git(place.store, "cat-file", "blob", f"{taken.tree}:b.u") == "no UTF-16"


def test_git_folders_are_skipped(place: Place) -> None:
    for name in (".git", "nested/.git", ".GIT", "sub/.Git", "git~1", "more/.git.", "x/.g\u200cit"):
        write(place.folder, {f"{name}/config": "[core]\n\tfsmonitor = touch gotcha\n"})
    write(place.folder, {"nested/a": "a", "pointer/.git": "gitdir: /etc\n", "pointer/b": "b"})
    (place.folder / ".gitmodules").symlink_to("elsewhere")
    taken = place.take()
    assert place.listed(taken.tree) == ["nested/a", "pointer/b"]
    # The folder at the top is the agent's own repository, and is not reported.
    assert sorted(one.path for one in taken.skipped) == [
        ".GIT", ".gitmodules", "git~1", "more/.git.", "nested/.git", "pointer/.git", "sub/.Git",
        "x/.g\u200cit",
    ]  # fmt: skip
    assert {one.reason for one in taken.skipped} == {SkipReason.GIT}
    git(place.store, "fsck", "--strict", "--no-dangling", taken.tree)


def test_special_files_are_skipped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write(place.folder, {"file": "content"})
    os.mkfifo(place.folder / "fifo")
    monkeypatch.chdir(place.folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    taken = place.take()
    assert place.listed(taken.tree) == ["file"]
    assert sorted(one.path for one in taken.skipped) == ["fifo", "socket"]
    assert {one.reason for one in taken.skipped} == {SkipReason.SPECIAL}


def test_links_are_not_followed(place: Place) -> None:
    outside = place.store.parent / "outside"
    write(outside, {"secret": "secret"})
    (place.folder / "to folder").symlink_to(outside)
    (place.folder / "to file").symlink_to(outside / "secret")
    (place.folder / "to nothing").symlink_to("gone")
    taken = place.take()
    assert taken.tree == place.tree_by_git()
    assert git(place.store, "cat-file", "blob", f"{taken.tree}:to file") == f"{outside}/secret"


def test_linked_stage_folder_is_refused(place: Place) -> None:
    place.folder.rmdir()
    place.folder.symlink_to("/etc")
    with pytest.raises(FileError, match="cannot read"):
        place.take()


def test_names_that_are_not_unicode_are_kept(place: Place) -> None:
    write(place.folder, {os.fsdecode(b"\xff\n\\x"): "odd"})
    os.mkfifo(place.folder / os.fsdecode(b"\xfe"))
    taken = place.take()
    assert taken.tree == place.tree_by_git()
    assert taken.skipped == (SkippedPath("\\xfe", SkipReason.SPECIAL),)


def test_too_deep_folders_are_skipped(place: Place) -> None:
    write(place.folder, {"a": "a"})
    at = os.open(place.folder, os.O_RDONLY)
    for depth in range(DEEPEST + 5):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
        if depth in (DEEPEST - 1, DEEPEST):
            os.close(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=at))
    os.close(at)
    taken = place.take()
    assert place.listed(taken.tree) == ["a", "d/" * DEEPEST + "f"]
    assert taken.skipped == (SkippedPath("d/" * DEEPEST + "d", SkipReason.DEEP),)


def test_too_large_files_are_skipped(place: Place) -> None:
    write(place.folder, {"a": "a", "large": ""})
    os.truncate(place.folder / "large", 2**40)
    taken = place.take()
    assert place.listed(taken.tree) == ["a"]
    assert taken.skipped == (SkippedPath("large", SkipReason.LARGE),)


def test_only_changed_files_are_read_again(place: Place) -> None:
    write(place.folder, {"same": "same", "changed": "before", "gone": "gone", "mode": "mode"})
    first = place.take()
    assert set(first.cache) == {b"same", b"changed", b"gone", b"mode"}
    # Pretend that some time has passed.
    cache = {path: known._replace(checked_ns=2**62) for path, known in first.cache.items()}
    (place.folder / "gone").unlink()
    (place.folder / "mode").chmod(0o755)
    write(place.folder, {"changed": "after!", "new": "new"})
    second = place.take(cache=cache)
    assert set(second.cache) == {b"same", b"changed", b"mode", b"new"}
    assert second.cache[b"same"] is cache[b"same"]
    assert second.cache[b"changed"] != cache[b"changed"]
    assert second.tree == place.tree_by_git()


def test_change_right_after_a_snapshot_is_detected(place: Place) -> None:
    cache: StatCache = {}
    for number in range(100, 100 + count(ci=25, full=2000)):
        write(place.folder, {"file": str(number)})
        taken = place.take(cache=cache)
        cache = taken.cache
        assert taken.cache[b"file"].id == object_id("blob", str(number).encode(), "sha1")


def test_ignored_files_are_listed_and_not_in_the_tree(place: Place) -> None:
    rules = SnapshotRules(
        IgnoreRules({b"": b"*.log\nbuild/\n"}),
        files=frozenset({b"build/tracked", b"kept.log"}),
        folders=frozenset({b"build"}),
    )
    files = ("a", "x.log", "kept.log", "build/tracked", "build/made", "sub/build/a/b", "sub/c")
    write(place.folder, dict.fromkeys(files, ""))
    # Ignore rules of the workspace itself have no effect.
    write(place.folder, {".gitignore": "a\n!x.log\n"})
    taken = place.take(rules)
    assert place.listed(taken.tree) == [".gitignore", "a", "build/tracked", "kept.log", "sub/c"]
    assert sorted(taken.ignored) == ["build/made", "sub/build", "x.log"]


def test_caches_of_tools_are_left_out_unless_the_base_contains_them(place: Place) -> None:
    rules = SnapshotRules(
        IgnoreRules({}),
        files=frozenset({b"web/node_modules/tracked.js", b"old.pyc"}),
        folders=frozenset({b"web", b"web/node_modules"}),
        leave_out=IgnoreRules({}, [*LEAVE_OUT, "dist/", "!.venv/"]),
    )
    made = ("a.pyc", "d/__pycache__/x", ".pytest_cache/x", "node_modules/x", "dist/x")
    kept = (
        "d/a.py",
        "old.pyc",
        ".venv/x",
        "web/node_modules/new.js",
        "web/node_modules/tracked.js",
    )
    write(place.folder, dict.fromkeys([*made, *kept], ""))
    taken = place.take(rules)
    assert place.listed(taken.tree) == sorted(kept)
    left_out = [".pytest_cache", "a.pyc", "d/__pycache__", "dist", "node_modules"]
    assert sorted(taken.ignored) == left_out


def test_new_build_folders_are_left_out_beside_the_file_of_their_tool(place: Place) -> None:
    rules = SnapshotRules(
        IgnoreRules({b"": b"ignored/\n"}),
        folders=frozenset({b"old", b"old/target"}),
        build_folders=IgnoreRules({}, ["target/", "build/", "!/wanted/target/"]),
    )
    built = ("target/a", "maven/target/a", "gradle/build/a", "kotlin/build/a")
    kept = (
        *("Cargo.toml", "maven/pom.xml", "gradle/build.gradle", "kotlin/settings.gradle.kts"),
        # The base contains the folder, the settings keep it, and no file beside it says "build".
        *("old/Cargo.toml", "old/target/a", "wanted/Cargo.toml", "wanted/target/a"),
        *("docs/target/a", "build/a", "gradle/target/a", "bin/a", "dist/a", "out/a"),
        *("folder/Cargo.toml/a", "folder/target/a", "file/Cargo.toml", "file/target"),
    )
    write(
        place.folder, dict.fromkeys([*built, *kept, "ignored/Cargo.toml", "ignored/target/a"], "")
    )
    taken = place.take(rules)
    assert place.listed(taken.tree) == sorted(kept)
    assert sorted(taken.built) == ["gradle/build", "kotlin/build", "maven/target", "target"]
    assert sorted(taken.ignored) == sorted([*taken.built, "ignored"])


@contextmanager
def churning(folder: Path) -> Generator[None]:
    """Let a thread write, rename and remove files in a folder continuously."""
    over = threading.Event()

    def churn() -> None:
        number = 0
        while not over.is_set():
            number += 1
            path = folder / f"f{number % 7}"
            with suppress(OSError):
                path.write_bytes(b"x" * (number % 5000))
                path.rename(folder / f"g{number % 5}")
                (folder / f"h{number % 3}").symlink_to("gone")
                (folder / f"h{(number + 1) % 3}").unlink()
                (folder / f"d{number % 3}").mkdir()
                (folder / f"d{(number + 1) % 3}").rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=PATIENCE_S)


def test_snapshot_of_a_changing_folder_is_complete(place: Place) -> None:
    write(place.folder, {"steady": "steady"})
    with churning(place.folder):
        trees = {place.take().tree for _ in range(count(ci=20, full=500))}
    for tree in trees:
        assert "steady" in place.listed(tree)
    git(place.store, "fsck", "--strict", "--no-dangling", *trees)


_NUMBERS = st.integers(0, 2**63)
_SEEN = st.builds(
    CachedFile,
    _NUMBERS,
    _NUMBERS,
    _NUMBERS,
    _NUMBERS,
    _NUMBERS,
    _NUMBERS,
    st.binary(min_size=20, max_size=20),
)
_PATHS = st.binary(min_size=1).filter(lambda path: b"\0" not in path)


@given(cache=st.dictionaries(_PATHS, _SEEN))
def test_a_cache_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cache: dict[bytes, CachedFile]
) -> None:
    file = tmp_path_factory.getbasetemp() / "stats"
    save(cache, file)
    assert load(file) == cache


def test_a_lost_or_damaged_cache_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "stats"
    assert load(file) == {}
    save({b"a": CachedFile(1, 2, 3, 4, 5, 6, b"x" * 20)}, file)
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole.replace(b" a", b" b"), b"\0"):
        file.write_bytes(damaged)
        assert load(file) == {}


def test_cache_entry_is_valid_until_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    stat = file.stat()
    later = max(stat.st_mtime_ns, stat.st_ctime_ns) + RACY_NS + 1
    known = cached_file(stat, later, b"x" * 20)
    assert known.is_valid(file.stat())
    file.chmod(0o700)
    assert not known.is_valid(file.stat())


def test_racily_clean_file_is_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    stat = file.stat()
    moment = max(stat.st_mtime_ns, stat.st_ctime_ns)
    assert not cached_file(stat, moment + RACY_NS, b"").is_valid(stat)
    assert not cached_file(stat, moment - RACY_NS, b"").is_valid(stat)
    assert cached_file(stat, moment + RACY_NS + 1, b"").is_valid(stat)


def test_a_file_dated_back_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    stat = file.stat()
    known = cached_file(stat, filesystem_time(tmp_path, tmp_path) + 2 * RACY_NS, b"")
    while file.stat().st_ctime_ns == stat.st_ctime_ns:
        file.write_text("two")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file.stat().st_mtime_ns == stat.st_mtime_ns
    assert not known.is_valid(file.stat())


def test_filesystem_time_equals_file_times(tmp_path: Path) -> None:
    before = filesystem_time(tmp_path, tmp_path)
    (tmp_path / "file").write_text("content")
    written = (tmp_path / "file").stat().st_mtime_ns
    assert before <= written <= filesystem_time(tmp_path, tmp_path)


LONG = "x " * 1024 + "text\n"
PLANTED = [
    {".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch PLACE/ran\n'},
    {".gitmodules": '[submodule ".."]\n\tpath = x\n\turl = ./x\n'},
    {".gitmodules": '[submodule "x"]\n\tpath = x\n\tupdate = !touch PLACE/ran\n'},
    {".gitmodules/x": "a folder"},
    {".gitattributes": LONG},
    {"src/.GITATTRIBUTES": LONG},
    {".gitattributes/x": "a folder"},
]


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("strict", [False, True])
async def test_planted_git_files_do_not_prevent_the_run_branch(
    project: Project, tmp_path: Path, planted: dict[str, str], strict: bool
) -> None:
    for key in ("transfer", "fetch", "receive"):
        git(project.folder, "config", f"{key}.fsckObjects", str(strict).lower())
    workspace = await project.workspace()
    files = {name: text.replace("PLACE", str(tmp_path)) for name, text in planted.items()}
    write(workspace.folder, files | {"kept": "kept"})
    stage = StageTree("one", await workspace.snapshot("one"), AUTHOR)
    branch = await write_run_branch(
        await project.repository(),
        workspace.store,
        run_id=RUN,
        base=workspace.base,
        stages=[stage],
        excluded=workspace.excluded,
    )
    assert git(project.folder, "show", f"{branch.commit}:kept") == "kept"
    assert not (tmp_path / "ran").exists()


def offending(project: Project, files: dict[str, str], *links: str) -> list[str]:
    async def scene() -> list[str]:
        workspace = await project.workspace()
        write(workspace.folder, files)
        for link in links:
            (workspace.folder / link).symlink_to("todo.py")
        tree = await workspace.snapshot("one")
        return list(await refused_attributes(workspace.store, workspace.base.candidate, tree))

    return asyncio.run(scene())


def test_attributes_that_git_refuses_are_found(project: Project) -> None:
    files = {
        ".gitattributes": "* text\n" + LONG,
        "a/.gitattributes": "x" * 2047 + "\n" + "y" * 2047,
        "b/.GitAttributes": LONG,
        "c/.gitattributes/x": "a folder",
        "d/.gitattributes.md": LONG,
        "long.txt": LONG,
    }
    found = offending(project, files, "docs/.gitattributes")
    expected = [".gitattributes", "b/.GitAttributes", "c/.gitattributes/x", "docs/.gitattributes"]
    assert found == expected


async def test_git_attributes_of_the_project_are_ignored(project: Project) -> None:
    write(project.folder, {".gitattributes": LONG, "src/.gitattributes": LONG})
    project.commit("long attributes")
    workspace = await project.workspace()
    (workspace.folder / "src/.gitattributes").unlink()
    tree = await workspace.snapshot("one")
    base = workspace.base.candidate
    assert await refused_attributes(workspace.store, base, tree) == []


async def test_only_new_attribute_lines_may_run_no_program(project: Project) -> None:
    big = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    write(project.folder, {".gitattributes": big, "old/.gitattributes": big})
    project.commit("large files")
    workspace = await project.workspace()
    more = {".gitattributes": f"{big}*.png binary\n", "a/.gitattributes": "* text\n"}
    write(workspace.folder, more | {"b/.GitAttributes": big, "docs.md": big})
    (workspace.folder / "old/.gitattributes").unlink()
    tree = await workspace.snapshot("one")
    base = workspace.base.candidate
    assert await attributes_with_programs(workspace.store, base, tree) == ["b/.GitAttributes"]


async def test_commit_is_copied_completely(project: Project, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "other")
    workspace = await project.workspace()
    repository = await project.repository()
    tree = await workspace.snapshot("one")
    commit = write_commit(
        workspace.store.objects, tree=tree, parents=(), author=AUTHOR, message="all"
    )
    await bring_commit(commit, out_of=workspace.store.git, into=repository.git)
    commit = commit
    assert git(project.folder, "fsck", "--strict", "--no-dangling", commit) == ""
