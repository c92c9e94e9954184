"""Runs git: the only place that does, and nothing but git runs.

A git directory can name programs (hooks, fsmonitor, filters, text converters, external diffs), and
so can the machine's configuration, variables and the attributes of a tree. None of them is to run
when we look at what an agent left: each is switched off, and only plumbing that reads no work tree
is used.
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
from attractor.workspaces.errors import GitFailed, ObjectMissing

_OFF = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.autocrlf": "false",
    "core.sshCommand": "false",
    "diff.external": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Who the reflogs say moved a branch.
    "user.name": "attractor",
    "user.email": "attractor@localhost",
    "protocol.allow": "never",
    "core.quotePath": "false",
    # A larger file is compared as a whole: a stage may leave one that fits into no memory.
    "core.bigFileThreshold": "16m",
    # Who owns the directory decides nothing when nothing in it is run.
    "safe.directory": "*",
}
_OPTIONS = (
    "--no-pager",
    "--no-optional-locks",
    "--no-replace-objects",
    "--literal-pathspecs",
    *(word for key, value in _OFF.items() for word in ("-c", f"{key}={value}")),
)
_LOOKING = {
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


@dataclass(frozen=True)
class Git:
    """git over one git directory; `search_path` is the PATH it is sought on."""

    git_dir: Path
    search_path: str
    work_tree: Path | None = None

    def with_work_tree(self, work_tree: Path) -> "Git":
        """Return the same git over other files."""
        return replace(self, work_tree=work_tree)

    async def run(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run a command that must succeed, and return what it prints, without the last newline."""
        result = await self.answer(*arguments, stdin=stdin)
        self._check(result, arguments)
        return result.stdout.removesuffix("\n")

    async def answer(self, *arguments: str, stdin: bytes = b"") -> ExecResult:
        """Run a command that may fail, and return how it ended."""
        return await self._run(arguments, stdin=stdin)

    async def run_to(self, output: Path, *arguments: str, stdin: bytes = b"") -> None:
        """Run a command and put what it prints into a file, byte for byte."""
        self._check(await self._run(arguments, stdin=stdin, output=output), arguments)

    async def run_up_to(self, most: int, output: Path, *arguments: str) -> None:
        """Run a command and put the first bytes that it prints into a file; then it may end."""
        # The pipe would hide how it ended.
        script = 'm=$1; shift; { { "$@"; echo $? >&3; } | head -c "$m" >"$0"; } 3>&1'
        shell = ("/bin/sh", "-c", script, str(output), str(most))
        result = await self._run(arguments, before=shell)
        told = int(result.stdout.strip() or result.exit_code or 1)
        code = 0 if told == _READER_LEFT else told
        self._check(replace(result, exit_code=result.exit_code or code), arguments)

    async def run_from(self, source: Path, *arguments: str) -> str:
        """Run a command that reads a file, and return what it prints."""
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
        return await run_process(
            [*before, "git", *_OPTIONS, *arguments],
            cwd=self.work_tree or self.git_dir,
            env=self._variables(),
            timeout=_TIMEOUT,
            stdin=stdin,
            output=output,
        )

    def _variables(self) -> Mapping[str, str]:
        chosen = {"PATH": self.search_path, "GIT_DIR": str(self.git_dir)}
        if self.work_tree is not None:
            chosen["GIT_WORK_TREE"] = str(self.work_tree)
        return _VARIABLES | chosen

    def _check(self, result: ExecResult, arguments: Sequence[str]) -> None:
        if result.exit_code == _SHELL_FOUND_NO_PROGRAM:
            raise ProcessNotStarted(
                "git was not started", hint="no folder of the PATH has it: install it"
            )
        if result.timed_out:
            raise GitFailed(f"git {arguments[0]} in {self.git_dir} took over {_TIMEOUT}")
        if result.exit_code != 0:
            why = result.stderr.strip() or f"it ended with {result.exit_code}"
            said = f"git {arguments[0]} in {self.git_dir} failed: {why}"
            if any(words in why for words in _MISSING):
                raise ObjectMissing(said)
            raise GitFailed(said, hint=_remedy(why))


async def find_git_dir(folder: Path, *, search_path: str) -> Path | None:
    """Return the git directory that a folder belongs to, if it belongs to one."""
    told = await run_process(
        ["git", *_OPTIONS, "rev-parse", "--absolute-git-dir"],
        cwd=folder,
        env=_VARIABLES | {"PATH": search_path},
        timeout=_TIMEOUT,
    )
    return Path(told.stdout.removesuffix("\n")) if told.exit_code == 0 else None


async def ask_as_owner(
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
    """Run a command that only looks, by the configuration of the folder's owner.

    That says which files are the owner's own affair. What it names to run is off, and so are the
    keys in `without`: they are told in variables, as a key can have any letter in it. What it
    writes all the same goes to the `places` that git's variables name. What it prints goes into
    the file `output`, byte for byte, when there is one.
    """
    own = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    own |= {name: str(place) for name, place in places.items()}
    settings = {**_LOOKING, **settings, **dict.fromkeys(without, "")}
    told = {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_TERMINAL_PROMPT": "0"}
    for number, (key, value) in enumerate(settings.items()):
        told |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return await run_process(
        ["git", "--no-pager", "--no-optional-locks", *arguments],
        cwd=folder,
        env=own | told,
        timeout=timeout,
        stdin=stdin,
        output=output,
    )


def _remedy(why: str) -> str:
    if "No space left" in why:
        return "free space on this disk, then try again"
    if "Permission denied" in why:
        return "get permission for that folder, then try again"
    return "look at that repository with `git fsck`"
