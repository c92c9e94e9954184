"""Runs Git without hooks, filters or any other programs. Finds a person's repository.

A git directory, the configuration of the machine, variables and attributes of a tree can name
programs to run. All of them are disabled, because agents can change them, and only plumbing
commands that read no work tree are used.
"""

import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ProcessNotStarted
from attractor.base.processes import ExecResult, run_process
from attractor.workspaces.errors import (
    BranchMoved,
    GitFailed,
    NotARepository,
    ObjectMissing,
    UnknownCommit,
)

_DISABLED = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.autocrlf": "false",
    "core.sshCommand": "false",
    "diff.external": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # The author in reflogs.
    "user.name": "attractor",
    "user.email": "attractor@localhost",
    "protocol.allow": "never",
    "core.quotePath": "false",
    # Larger files are compared as a whole: a stage may create one that exceeds the memory.
    "core.bigFileThreshold": "16m",
    # The owner of the directory is irrelevant, since nothing in it is run.
    "safe.directory": "*",
}
_OPTIONS = (
    "--no-pager",
    "--no-optional-locks",
    "--no-replace-objects",
    "--literal-pathspecs",
    *(word for key, value in _DISABLED.items() for word in ("-c", f"{key}={value}")),
)
_DISABLED_FOR_OWNER = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.sshCommand": "false",
    "protocol.allow": "never",
}
_VARIABLES = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}
_TIMEOUT = timedelta(minutes=10)
_PATIENCE = timedelta(seconds=30)
_MISSING = ("bad object", "unable to find", "unable to read", "not a tree", "Not a valid object")
_SHELL_FOUND_NO_PROGRAM = 127
_READER_LEFT = 128 + signal.SIGPIPE
# Separates the paths in the output of git: a path may contain newlines, but no double slash.
_BETWEEN = "--//"


@dataclass(frozen=True)
class Git:
    """Runs git in a git directory; `search_path` is the PATH to find the program."""

    git_dir: Path
    search_path: str
    work_tree: Path | None = None

    def with_work_tree(self, work_tree: Path) -> "Git":
        """Return the same git directory with another work tree."""
        return replace(self, work_tree=work_tree)

    async def run(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run a command that must succeed; return the output without the last newline."""
        result = await self.answer(*arguments, stdin=stdin)
        self._check(result, arguments)
        return result.stdout.removesuffix("\n")

    async def answer(self, *arguments: str, stdin: bytes = b"") -> ExecResult:
        """Run a command that may fail."""
        return await self._run(arguments, stdin=stdin)

    async def run_to(self, output: Path, *arguments: str, stdin: bytes = b"") -> None:
        """Run a command and write its output to a file."""
        self._check(await self._run(arguments, stdin=stdin, output=output), arguments)

    async def run_up_to(self, most: int, output: Path, *arguments: str) -> None:
        """Run a command and write the first bytes of its output to a file."""
        # A plain pipe would hide its exit status.
        script = 'm=$1; shift; { { "$@"; echo $? >&3; } | head -c "$m" >"$0"; } 3>&1'
        shell = ("/bin/sh", "-c", script, str(output), str(most))
        result = await self._run(arguments, before=shell)
        status = int(result.stdout.strip() or result.exit_code or 1)
        code = 0 if status == _READER_LEFT else status
        self._check(replace(result, exit_code=result.exit_code or code), arguments)

    async def run_from(self, source: Path, *arguments: str) -> str:
        """Run a command with a file as input; return the output."""
        result = await self._run(arguments, stdin=source)
        self._check(result, arguments)
        return result.stdout.removesuffix("\n")

    async def _run(
        self,
        arguments: Sequence[str],
        *,
        before: Sequence[str] = (),
        stdin: bytes | Path = b"",
        output: Path | None = None,
    ) -> ExecResult:
        chosen = {"PATH": self.search_path, "GIT_DIR": str(self.git_dir)}
        if self.work_tree is not None:
            chosen["GIT_WORK_TREE"] = str(self.work_tree)
        return await run_process(
            [*before, "git", *_OPTIONS, *arguments],
            cwd=self.work_tree or self.git_dir,
            env=_VARIABLES | chosen,
            timeout=_TIMEOUT,
            stdin=stdin,
            output=output,
        )

    def _check(self, result: ExecResult, arguments: Sequence[str]) -> None:
        if result.exit_code == _SHELL_FOUND_NO_PROGRAM:
            raise ProcessNotStarted(
                "git was not started", hint="install git, or add its folder to the PATH"
            )
        if result.timed_out:
            raise GitFailed(f"git {arguments[0]} in {self.git_dir} exceeded {_TIMEOUT}")
        if result.exit_code != 0:
            reason = result.stderr.strip() or f"exit status {result.exit_code}"
            message = f"git {arguments[0]} in {self.git_dir} failed: {reason}"
            if any(words in reason for words in _MISSING):
                raise ObjectMissing(message)
            hint = "check that repository with `git fsck`"
            if "No space left" in reason:
                hint = "free some disk space, then try again"
            elif "Permission denied" in reason:
                hint = "fix the permissions of that folder, then try again"
            raise GitFailed(message, hint=hint)


async def find_git_dir(folder: Path, *, search_path: str) -> Path | None:
    """Return the git directory of a folder; None if the folder is outside of any repository."""
    found = await _rev_parse(folder, "--absolute-git-dir", search_path=search_path)
    return None if found is None else Path(found)


async def _rev_parse(folder: Path, *options: str, search_path: str) -> str | None:
    """Return properties of the repository of a folder; None outside of any repository."""
    result = await run_process(
        ["git", *_OPTIONS, "rev-parse", *options],
        cwd=folder,
        env=_VARIABLES | {"PATH": search_path},
        timeout=_TIMEOUT,
    )
    return result.stdout.removesuffix("\n") if result.exit_code == 0 else None


async def run_git_as_owner(
    *arguments: str,
    folder: Path,
    environ: Mapping[str, str],
    without: Collection[str] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
    places: Mapping[str, Path] = MappingProxyType({}),
    stdin: bytes = b"",
    output: Path | None = None,
    timeout: timedelta = _PATIENCE,
) -> ExecResult:
    """Run a command that only reads, with the configuration of the folder's owner.

    The configuration contains ignore rules. Programs in the configuration are disabled, and so are
    the settings in `without`. Both are disabled by variables, because the name of a setting can
    contain any character. `places` maps variables of git to files that a command may write. Output
    is written to the file `output`, if given.
    """
    own = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    own |= {name: str(place) for name, place in places.items()}
    settings = {**_DISABLED_FOR_OWNER, **settings, **dict.fromkeys(without, "")}
    variables = {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_TERMINAL_PROMPT": "0"}
    for number, (key, value) in enumerate(settings.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return await run_process(
        ["git", "--no-pager", "--no-optional-locks", *arguments],
        cwd=folder,
        env=own | variables,
        timeout=timeout,
        stdin=stdin,
        output=output,
    )


@dataclass(frozen=True)
class Repository:
    """A person's Git repository. Refs and objects are added; the work tree is not changed.

    `prefix` is the path of the project in the repository, with a slash at the end; "" at the top.
    """

    git: Git
    common_dir: Path
    object_format: str
    prefix: str = ""

    @property
    def objects(self) -> Path:
        """The objects folder of the repository."""
        return self.common_dir / "objects"

    async def commit(self, name: str) -> str:
        """Return the commit id of a name."""
        found = await self.git.answer(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
        if found.exit_code != 0:
            raise UnknownCommit(f"unknown commit {name!r} in {self.git.git_dir}")
        return found.stdout.strip()

    async def worktrees(self) -> Sequence[Path]:
        """Return the folders of all work trees, the main one first; none if it is the only one."""
        if not (self.common_dir / "worktrees").is_dir():
            return []
        return [*await self.checkouts()]

    async def checkouts(self) -> Mapping[Path, str]:
        """Return the folders of all work trees, the main one first, with their refs or ""."""
        listed = await self.git.run("worktree", "list", "--porcelain", "-z")
        found, folder = dict[Path, str](), Path()
        for name, _, value in (field.partition(" ") for field in listed.split("\0")):
            if name == "worktree":
                folder = Path(value)
                found[folder] = ""
            elif name == "branch":
                found[folder] = value
        return found

    async def tree(self, commit: str) -> str:
        """Return the id of a commit's tree."""
        return await self.git.run("rev-parse", "--verify", f"{commit}^{{tree}}")

    async def ref(self, name: str) -> str:
        """Return the commit id of a full ref name, or ""."""
        found = await self.git.answer("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return found.stdout.strip()

    async def checked_out_branch(self) -> str:
        """Return the branch of the work tree, or "" if none is checked out."""
        return (await self.git.answer("symbolic-ref", "--quiet", "--short", "HEAD")).stdout.strip()

    async def create_ref(self, name: str, commit: str) -> None:
        """Create a ref to a commit, unless the ref already points to this commit."""
        before = await self.ref(name)
        if before not in ("", commit):
            raise BranchMoved(
                f"{name} is already at {before[:12]}, not at {commit[:12]}",
                hint="rename or delete it, then try again",
            )
        await self.move_ref(name, before, commit)

    async def delete_ref(self, name: str) -> None:
        """Delete a ref, if it exists."""
        await self.git.run("update-ref", "-d", name)

    async def is_between(self, first: str, commit: str, last: str) -> bool:
        """Return whether a commit is between two commits, or equal to one of them."""
        for before, after in ((first, commit), (commit, last)):
            result = await self.git.answer("merge-base", "--is-ancestor", before, after)
            if result.exit_code:
                return False
        return True

    async def move_ref(self, name: str, before: str, commit: str) -> None:
        """Move or create a ref, unless the ref moved meanwhile."""
        await self.git.run("update-ref", name, commit, before or "0" * len(commit))


async def find_prefix(folder: Path, *, search_path: str) -> str:
    """Return the path of a folder in its repository, with a slash at the end; "" at the top, and
    outside of any repository.
    """
    return await _rev_parse(folder, "--show-prefix", search_path=search_path) or ""


async def open_repository(folder: Path, *, search_path: str) -> Repository:
    """Open the repository of a folder, which may be a subfolder of the repository."""
    options = (
        *("--show-object-format", _BETWEEN, "--absolute-git-dir", _BETWEEN, "--show-prefix"),
        *(_BETWEEN, "--path-format=absolute", "--git-common-dir"),
    )
    found = await _rev_parse(folder, *options, search_path=search_path)
    if found is None:
        raise NotARepository(f"{folder} is not in a git repository")
    object_format, git_dir, prefix, common_dir = found.split(f"\n{_BETWEEN}\n")
    return Repository(Git(Path(git_dir), search_path), Path(common_dir), object_format, prefix)
