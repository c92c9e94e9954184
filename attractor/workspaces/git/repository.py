"""A person's repository: its location, commits and refs."""

from pathlib import Path

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
