"""A person's repository: its location, commits and refs."""

from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.workspaces.errors import BranchMoved, NotARepository, UnknownCommit
from attractor.workspaces.git.git import Git, find_git_dir


@dataclass(frozen=True)
class Repository:
    """A person's git repository, which gets refs and objects; its work tree is not changed."""

    git: Git
    common_dir: Path
    object_format: str

    @property
    def objects(self) -> Path:
        """The folder of its objects."""
        return self.common_dir / "objects"

    async def commit(self, name: str) -> str:
        """Return the commit id of a name."""
        found = await self.git.answer(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
        if found.exit_code != 0:
            raise UnknownCommit(f"unknown commit {name!r} in {self.git.git_dir}")
        return found.stdout.strip()

    async def tree(self, commit: str) -> str:
        """Return the id of a commit's tree."""
        return await self.git.run("rev-parse", "--verify", f"{commit}^{{tree}}")

    async def ref(self, name: str) -> str:
        """Return the commit id of a full ref name, or ""."""
        found = await self.git.answer("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return found.stdout.strip()

    async def create_ref(self, name: str, commit: str) -> None:
        """Create a ref, unless it already points to the commit."""
        before = await self.ref(name)
        if before not in ("", commit):
            raise BranchMoved(
                f"{name} is already at {before[:12]}, not at {commit[:12]}",
                hint="rename or delete it, then try again",
            )
        await self.move_ref(name, before, commit)

    async def is_between(self, first: str, commit: str, last: str) -> bool:
        """Return whether a commit is between two commits, or equal to one of them."""
        for before, after in ((first, commit), (commit, last)):
            result = await self.git.answer("merge-base", "--is-ancestor", before, after)
            if result.exit_code:
                return False
        return True

    async def move_ref(self, name: str, before: str, commit: str) -> None:
        """Move or create a ref, if it did not move meanwhile."""
        await self.git.run("update-ref", name, commit, before or "0" * len(commit))


async def open_repository(folder: Path, *, search_path: str) -> Repository:
    """Open the repository of a folder."""
    git_dir = await find_git_dir(folder, search_path=search_path)
    if git_dir is None:
        raise NotARepository(f"{folder} is not in a git repository")
    git = Git(git_dir, search_path)
    options = ("--path-format=absolute", "--show-object-format", "--git-common-dir")
    # The folder is last, because only a folder can contain a newline.
    object_format, _, common_dir = (await git.run("rev-parse", *options)).partition("\n")
    return Repository(git, Path(common_dir), object_format)
