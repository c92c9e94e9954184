"""The repository of a person: where its parts lie, and what it names.

Knows every name that some file system, or git itself, takes for `.git` or a file of git's.
"""

import re
from pathlib import Path
from re import Pattern

from attractor.base.dataclasses import dataclass
from attractor.workspaces.errors import BranchMoved, NotARepository, UnknownCommit
from attractor.workspaces.git.git import Git, find_git_dir


@dataclass(frozen=True)
class Repository:
    """A git repository that we read, and give refs and objects to; its files stay untouched."""

    git: Git
    common_dir: Path
    object_format: str

    @property
    def objects(self) -> Path:
        """Where its objects lie."""
        return self.common_dir / "objects"

    async def commit(self, name: str) -> str:
        """Return the id of the commit that a name stands for."""
        found = await self.git.answer(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
        if found.exit_code != 0:
            raise UnknownCommit(f"{name!r} names no commit of {self.git.git_dir}")
        return found.stdout.strip()

    async def tree(self, commit: str) -> str:
        """Return the id of a commit's tree."""
        return await self.git.run("rev-parse", "--verify", f"{commit}^{{tree}}")

    async def ref(self, name: str) -> str:
        """Return the id a full ref name points to, or nothing when there is no such ref."""
        found = await self.git.answer("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return found.stdout.strip()

    async def create_ref(self, name: str, commit: str) -> None:
        """Let a new ref point to a commit; one that does already is left alone."""
        before = await self.ref(name)
        if before not in ("", commit):
            raise BranchMoved(
                f"{name} stands at {before[:12]} already, not at {commit[:12]}",
                hint="rename or delete it, then try again",
            )
        await self.move_ref(name, before, commit)

    async def is_between(self, first: str, commit: str, last: str) -> bool:
        """Tell whether a commit came after one and before another, or is one of them."""
        for before, after in ((first, commit), (commit, last)):
            told = await self.git.answer("merge-base", "--is-ancestor", before, after)
            if told.exit_code:
                return False
        return True

    async def move_ref(self, name: str, before: str, commit: str) -> None:
        """Let a ref point to another commit, or be made; only if it still is where it was."""
        await self.git.run("update-ref", name, commit, before or "0" * len(commit))


async def open_repository(folder: Path, *, search_path: str) -> Repository:
    """Find the repository that a folder belongs to."""
    git_dir = await find_git_dir(folder, search_path=search_path)
    if git_dir is None:
        raise NotARepository(f"{folder} is in no git repository")
    git = Git(git_dir, search_path)
    asked = ("--path-format=absolute", "--show-object-format", "--git-common-dir")
    # The folder comes last, and alone may hold the end of a line.
    object_format, _, common_dir = (await git.run("rev-parse", *asked)).partition("\n")
    return Repository(git, Path(common_dir), object_format)


# What macOS does not see in a name.
_UNSEEN = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)


def is_dot_git(name: bytes) -> bool:
    """Say whether a name is `.git` in any case or disguise; git refuses a tree that holds one."""
    # Every file of a workspace is asked about: most names end here.
    if name.isascii() and b"git" not in name.lower():
        return False
    return any(_is_dot_git_on_windows(part) for part in _as_seen(name).split("\\"))


def _as_seen(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").translate(_UNSEEN).lower()


def _is_dot_git_on_windows(part: str) -> bool:
    return part.partition(":")[0].rstrip(" .") in (".git", "git~1")


def is_modules(name: bytes) -> bool:
    """Say whether git takes a name for `.gitmodules`, in any case or disguise."""
    return _is_one_of_gits(name, _MODULES)


def is_attributes(name: bytes) -> bool:
    """Say whether git takes a name for `.gitattributes`, in any case or disguise."""
    return _is_one_of_gits(name, _ATTRIBUTES)


def _is_one_of_gits(name: bytes, wanted: Pattern[str]) -> bool:
    # As above: most names end here.
    if name.isascii() and b"\\" not in name and not name.lower().startswith((b".git", b"g", b"~")):
        return False
    return any(wanted.fullmatch(part) for part in _as_seen(name).split("\\"))


def _name_pattern(name: str, hashed: str) -> Pattern[str]:
    """Return what matches a name with its short ones on Windows; the second is made by hashing."""
    short = [f"{hashed[:kept]}~[1-9][0-9]{{{6 - kept}}}" for kept in range(7)]
    names = [re.escape(f".{name}"), f"{name[:6]}~[1-4]", *short]
    return re.compile(f"(?:{'|'.join(names)})[ .]*(?::.*)?", re.DOTALL)


_MODULES = _name_pattern("gitmodules", "gi7eba")
_ATTRIBUTES = _name_pattern("gitattributes", "gi7d29")
