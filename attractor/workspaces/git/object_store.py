"""The object store of a run: writes, reads and copies its snapshots and commits."""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import (
    file_error,
    make_private_folder,
    make_tree_private,
    sync_folder,
    write_whole,
)
from attractor.base.patterns import late_pattern
from attractor.engine.storage.secrets import QUOTE
from attractor.workspaces.errors import ObjectMissing
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.objects import (
    FOLDER,
    FlatTree,
    LooseObjects,
    TreeChange,
    TreeEntry,
    folders_above,
    text_of,
    write_tree,
)
from attractor.workspaces.git.repository import Git

_Result = TypeVar("_Result")
_SCRATCH = "scratch-"
_BLOCK = 1 << 20
_EXACT = ("-r", "--no-renames", "--no-ext-diff", "--no-textconv")

_KEPT_TREES = 2
"""The number of listed trees that a store keeps: a run lists its base tree again and again."""

_COMPARED = 100
"""The number of trees that one git process compares: each may differ in many files."""


@dataclass(frozen=True)
class ChangedFile:
    """A changed file and the numbers of added and deleted lines, which a binary file lacks.

    A file below a new folder has the path of the topmost new folder, and its size in bytes.
    """

    path: str
    added: int | None
    deleted: int | None
    is_new: bool = False
    new_folder: str = ""
    size: int = 0


class ObjectStore:
    """A git directory in the state folder, which no agent can reach."""

    def __init__(self, folder: Path, *, object_format: str, search_path: str) -> None:
        self.folder = folder
        self.object_format = object_format
        self.git = Git(folder, search_path)
        self.objects = LooseObjects(folder / "objects", object_format)
        self._listed: dict[str, FlatTree] = {}

    async def create(self, *, borrow_from: Path | None = None) -> None:
        """Create the git directory; the folder `borrow_from` must not be removed later."""
        make_private_folder(self.folder)
        await self.git.run(
            "init", "--quiet", "--bare", "--template=", f"--object-format={self.object_format}"
        )
        if borrow_from is not None:
            self.borrow(borrow_from)
        # Git creates repositories that everybody can read.
        make_tree_private(self.folder)

    def borrow(self, borrow_from: Path) -> None:
        """Borrow objects from the current folder of a repository.

        The repository may have been moved.
        """
        alternates = self.folder / "objects" / "info" / "alternates"
        line = f"{borrow_from}\n".encode(errors="surrogateescape")
        if not alternates.exists() or alternates.read_bytes() != line:
            alternates.parent.mkdir(exist_ok=True)
            write_whole(alternates, line, mode=0o600)

    async def output_of(self, git: Git, *arguments: str, stdin: bytes = b"") -> bytes:
        """Return the output of git as bytes: paths need not be Unicode."""
        with self._scratch() as output:
            await git.run_to(output, *arguments, stdin=stdin)
            return output.read_bytes()

    async def files_of(self, tree: str) -> FlatTree:
        """Return the files of a tree, and record that the objects of this tree exist."""
        if tree not in self._listed:
            output = await self.output_of(
                self.git, "ls-tree", "-r", "-t", "-z", "--full-tree", tree
            )
            entries = dict(map(_parse_entry, _split(output)))
            self.objects.know(entry.id for entry in entries.values())
            self.objects.know([bytes.fromhex(tree)])
            files = {path: entry for path, entry in entries.items() if entry.mode != FOLDER}
            self._listed[tree] = files
            for oldest in list(self._listed)[:-_KEPT_TREES]:
                del self._listed[oldest]
        return self._listed[tree]

    async def index_of(self, git: Git) -> FlatTree:
        """Return the index of another repository; unmerged entries have the mode 0."""
        listed = await self.output_of(git, "ls-files", "--stage", "-z")
        return dict(map(_parse_staged, _split(listed)))

    async def changes(self, since: str, until: str) -> Sequence[TreeChange]:
        """Return the paths that differ between two trees, sorted."""
        return (await self.changes_to([until], since))[until]

    async def changes_to(
        self, trees: Collection[str], since: str
    ) -> Mapping[str, Sequence[TreeChange]]:
        """Return the paths in which each of some trees differs from a tree, sorted."""
        found: dict[str, list[TreeChange]] = {tree: [] for tree in trees}
        others = [tree for tree in found if tree != since]
        for at in range(0, len(others), _COMPARED):
            await self._compare(since, others[at : at + _COMPARED], found)
        return found

    async def _compare(
        self, since: str, trees: Sequence[str], found: Mapping[str, list[TreeChange]]
    ) -> None:
        asked = "".join(f"{since} {tree}\n" for tree in trees).encode()
        arguments = ("diff-tree", "--stdin", *_EXACT, "-z", "--raw", "--no-abbrev")
        output = await self.output_of(self.git, *arguments, stdin=asked)
        # Git prints each pair of trees, a newline, and the changes, each with two NULs.
        words, printed = iter(output.split(b"\0")), list[str]()
        for word in words:
            *pairs, line = word.split(b"\n")
            printed += [pair.decode().rpartition(" ")[2] for pair in pairs]
            if line:
                found[printed[-1]].append(_parse_change(line, next(words)))
        # It skips a missing tree without an error.
        if missing := set(trees).difference(printed):
            trees_missing = ", ".join(sorted(missing))
            raise ObjectMissing(f"{self.folder} lacks the tree {since} or {trees_missing}")

    async def changed_files(self, since: str, until: str) -> Sequence[ChangedFile]:
        """Return the files that differ between two trees, with the numbers of lines, sorted."""
        if since == until:
            return []
        arguments = ("diff-tree", *_EXACT, "-t", "-z", "--raw", "--no-abbrev", "--numstat")
        words = iter(_split(await self.output_of(self.git, *arguments, since, until)))
        new: dict[bytes, TreeEntry] = {}
        new_folders: set[bytes] = set()
        lines: dict[bytes, tuple[int, int] | tuple[None, None]] = {}
        for word in words:
            # Git prints all modes, then all numbers.
            if word.startswith(b":"):
                change = _parse_change(word, next(words))
                if change.before is None and change.after is not None:
                    if change.after.mode == FOLDER:
                        new_folders.add(change.path)
                    else:
                        new[change.path] = change.after
            else:
                added, deleted, path = word.split(b"\t", 2)
                lines[path] = (None, None) if added == b"-" else (int(added), int(deleted))
        above = {path: [*filter(new_folders.__contains__, folders_above(path))] for path in new}
        topmost = {path: folders[-1] for path, folders in above.items() if folders}
        found = await self._sizes([new[path].id for path in topmost])
        sizes = dict(zip(topmost, found, strict=True))
        return [
            ChangedFile(
                text_of(path),
                *counts,
                is_new=path in new,
                new_folder=text_of(topmost.get(path, b"")),
                size=sizes.get(path, 0),
            )
            for path, counts in lines.items()
        ]

    async def _sizes(self, ids: Sequence[bytes]) -> Sequence[int]:
        """Return the sizes of objects; a commit of a submodule, which the store lacks, has none."""
        if not ids:
            return []
        asked = b"".join(b"%s\n" % name.hex().encode() for name in ids)
        arguments = ("cat-file", "--batch-check=%(objectsize)")
        listed = (await self.output_of(self.git, *arguments, stdin=asked)).splitlines()
        return [int(size) if size.isdigit() else 0 for size in listed]

    async def write_patch(
        self, since: str, until: str, patch: Path, *, clean: Callable[[bytes], bytes]
    ) -> bool:
        """Write a patch between two trees in the format of `git apply`.

        `clean` redacts blocks of lines. If any block changes, all lines are quoted, so that the
        patch cannot be applied. Return whether the patch can be applied.
        """
        arguments = ("diff-tree", *_EXACT, "-p", "--binary", "--full-index", since, until)
        with self._scratch() as output:
            await self.git.run_to(output, *arguments)
            return await in_thread(partial(_copy_blocks, output, patch, clean))

    async def patch(self, since: str, until: str, *, most: int) -> str:
        """Return a readable patch between two trees, cut after `most` bytes."""
        if since == until:
            return ""
        with self._scratch() as output:
            arguments = ("diff-tree", *_EXACT, "-p", since, until)
            await self.git.run_up_to(most + 1, output, *arguments)
            content = await in_thread(output.read_bytes)
        if len(content) > most:
            whole_lines = content[: content.rfind(b"\n", 0, most) + 1]
            content = whole_lines + b"[cut here: the patch has more than %d bytes]\n" % most
        return content.decode("utf-8", "backslashreplace")

    async def diff(self, since: str, until: str, *, most: int, binary: bool) -> bytes:
        """Return the first bytes of a patch between two trees, in the format of `git apply`.

        Without `binary`, the patch only names binary files that differ.
        """
        if since == until:
            return b""
        forms = ("--binary",) if binary else ()
        with self._scratch() as output:
            arguments = ("diff-tree", *_EXACT, "-p", "--full-index", *forms, since, until)
            await self.git.run_up_to(most, output, *arguments)
            return await in_thread(output.read_bytes)

    async def with_blobs(
        self, ids: Sequence[bytes], use: Callable[[Iterator[bytes]], _Result]
    ) -> _Result:
        """Pass the contents of blobs, in order, to a function in a thread."""
        if not ids:
            return await in_thread(partial(use, iter(())))
        with self._scratch() as output:
            asked = b"".join(b"%s\n" % name.hex().encode() for name in ids)
            await self.git.run_to(output, "cat-file", "--batch", stdin=asked)
            with output.open("rb") as file:
                return await in_thread(lambda: use(_read_blobs(file)))

    def remove_abandoned_files(self) -> None:
        """Remove files of killed processes; no other process may be using the store."""
        for scratch in self.folder.glob(f"{_SCRATCH}*"):
            shutil.rmtree(scratch, ignore_errors=True)
        self.objects.remove_abandoned_files()

    @contextmanager
    def empty_folder(self) -> Generator[Path]:
        """Create an empty folder; after the block, remove this folder."""
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self.folder) as folder:
            yield Path(folder)

    @contextmanager
    def _scratch(self) -> Generator[Path]:
        with self.empty_folder() as folder:
            yield folder / "output"


def _copy_blocks(source: Path, to: Path, clean: Callable[[bytes], bytes]) -> bool:
    """Copy a patch in blocks of lines; return whether every block is unchanged."""
    try:
        with source.open("rb") as file:
            is_clean = all(clean(block) == block for block in _blocks(file))
        with source.open("rb") as file, to.open("wb") as copied:
            for block in _blocks(file):
                if not is_clean:
                    block = b"".join(QUOTE + line for line in BytesIO(clean(block)))
                copied.write(block)
    except OSError as cause:
        raise file_error("write", to, cause) from cause
    return is_clean


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while lines := file.readlines(_BLOCK):
        yield b"".join(lines)


def _split(listed: bytes) -> list[bytes]:
    return listed.split(b"\0")[:-1]


def _parse_entry(line: bytes) -> tuple[bytes, TreeEntry]:
    fields, _, path = line.partition(b"\t")
    mode, _, object_id = fields.split(b" ")
    return path, _entry(mode, object_id)


def _parse_staged(line: bytes) -> tuple[bytes, TreeEntry]:
    fields, _, path = line.partition(b"\t")
    mode, object_id, stage = fields.split(b" ")
    return path, _entry(mode if stage == b"0" else b"0", object_id)


def _parse_change(line: bytes, path: bytes) -> TreeChange:
    before_mode, after_mode, before, after, _ = line.removeprefix(b":").split(b" ")
    return TreeChange(
        path,
        _entry(before_mode, before) if int(before_mode) else None,
        _entry(after_mode, after) if int(after_mode) else None,
    )


def _entry(mode: bytes, object_id: bytes) -> TreeEntry:
    return TreeEntry(int(mode, 8), bytes.fromhex(object_id.decode()))


def _read_blobs(file: BinaryIO) -> Iterator[bytes]:
    while header := file.readline():
        name, _, rest = header.rstrip(b"\n").partition(b" ")
        if not rest.startswith(b"blob "):
            raise ObjectMissing(f"{name.decode()} is {rest.decode()}, not a blob")
        content = file.read(int(rest.removeprefix(b"blob ")))
        file.read(1)
        yield content


_LOOSE = late_pattern(r"[0-9a-f]{2}/[0-9a-f]{38,62}")
# An index last: git uses a pack as soon as it has an index.
_PACKED = ("pack-*.pack", "pack-*.rev", "pack-*.idx")


async def share_objects(out_of: ObjectStore, into: ObjectStore, *, tree: str) -> None:
    """Share the objects of a store with another; the tree must be complete."""
    await in_thread(partial(_share, out_of.objects.folder, into.objects.folder))
    result = await into.git.answer("rev-list", "--objects", "--quiet", tree)
    if result.exit_code:
        raise ObjectMissing(f"{out_of.folder} lacks objects of the tree {tree}: {result.stderr}")


def _share(out_of: Path, into: Path) -> None:
    try:
        folders = {into}
        for path in _objects(out_of):
            target = into / path.relative_to(out_of)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            folders.add(target.parent)
            _link(path, target)
        for folder in folders:
            sync_folder(folder)
    except OSError as cause:
        raise file_error("share objects of", out_of, cause) from cause


def _objects(folder: Path) -> Iterator[Path]:
    for path in folder.glob("[0-9a-f][0-9a-f]/*"):
        if _LOOSE.fullmatch(str(path.relative_to(folder))):
            yield path
    for kind in _PACKED:
        yield from (folder / "pack").glob(kind)


def _link(path: Path, target: Path) -> None:
    with suppress(FileExistsError):
        try:
            os.link(path, target)
        except FileNotFoundError:  # its writer renamed it meanwhile
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links, or with too many
            shutil.copy2(path, target)


@dataclass(frozen=True)
class Author:
    """The author of a commit, with the time of the commit."""

    name: str
    email: str
    at: datetime

    @classmethod
    def attractor(cls, at: datetime) -> "Author":
        """Return Attractor as the author of a commit."""
        return cls("Attractor", "attractor@localhost", at)

    def written(self) -> str:
        """Return the author line of a commit."""
        if self.at.tzinfo is None:
            raise UsageError(f"missing time zone in the time of a commit: {self.at.isoformat()}")
        # Without characters that would break the line.
        name, email = (
            "".join(
                letter for letter in text if letter.isprintable() and letter not in "<>"
            ).strip()
            for text in (self.name, self.email)
        )
        return f"{name} <{email}> {int(self.at.timestamp())} {self.at:%z}"


def write_commit(
    objects: LooseObjects, *, tree: str, parents: tuple[str, ...], author: Author, message: str
) -> str:
    """Store a commit and return its id."""
    lines = [
        f"tree {tree}",
        *(f"parent {parent}" for parent in parents),
        f"author {author.written()}",
        f"committer {author.written()}",
        "",
        message.replace("\0", "").strip("\n"),
        "",
    ]
    return objects.write("commit", "\n".join(lines).encode("utf-8", "backslashreplace")).hex()


def as_trailers(values: Iterable[tuple[str, str]]) -> str:
    """Return the trailers of a commit message, one line for each value."""
    trailers: list[str] = []
    for name, value in values:
        # Joined lines, so that a value stays one trailer.
        text = "".join(letter if letter.isprintable() else " " for letter in value)
        trailers.append(f"{name}: {' '.join(text.split())}")
    return "\n".join(trailers)


async def bring_commit(commit: str, *, out_of: Git, into: Git, without: str = "") -> None:
    """Copy a commit with its objects as one pack, except for the objects of an older commit."""
    wanted = f"{commit}\n^{without}\n" if without else f"{commit}\n"
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=out_of.git_dir) as folder:
        pack = Path(folder) / "pack"
        await out_of.run_to(
            pack, "pack-objects", "--revs", "--stdout", "--quiet", stdin=wanted.encode()
        )
        # Not strict: storing a file runs nothing, and the gate checks its content. A file that a
        # strict git refuses would stop the run forever.
        await into.run_from(pack, "index-pack", "--stdin")


_BRANCH = "main"
_AGENT = "[user]\n\tname = agent\n\temail = agent@localhost\n[gc]\n\tauto = 0\n"


async def create_agent_repository(
    folder: Path, store: ObjectStore, files: FlatTree, author: Author
) -> None:
    """Create a `.git` for agents in a folder, with one commit of its files.

    This repository is never opened again, because agents can change it.
    """
    tree = (await in_thread(partial(write_tree, store.objects, files))).hex()
    commit = write_commit(
        store.objects, tree=tree, parents=(), author=author, message="The project"
    )
    git_dir = folder / ".git"
    git_dir.mkdir()
    git = Git(git_dir, store.git.search_path, work_tree=folder)
    await git.run(
        "init", "--quiet", "--template=", f"--initial-branch={_BRANCH}",
        f"--object-format={store.object_format}",
    )  # fmt: skip
    await bring_commit(commit, out_of=store.git, into=git)
    with (git_dir / "config").open("a") as config:
        config.write(_AGENT)
    write_whole(git_dir / "refs" / "heads" / _BRANCH, f"{commit}\n")
    await git.run("read-tree", commit)
