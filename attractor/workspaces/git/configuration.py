"""Keeps the id of a project in the configuration of its repository.

`git clean` leaves the configuration, a moved repository keeps it, linked worktrees share it, and
clones do not get it. The files of the repository are found without Git, because commands that need
the id start often, and most repositories have none.
"""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern

_ID = late_pattern("[0-9a-f]{32}")
_TIMEOUT_S = 30
_NOT_STARTED = 127


@dataclass(frozen=True)
class ProjectConfiguration:
    """The place of a project's id in a repository: `attractor.project`, or, for a project in a
    folder of the repository, `attractor.FOLDER.project`.

    `top` is the checked out folder. `is_linked` means that it is a linked worktree.
    """

    common_dir: Path
    folder: str
    search_path: str
    top: Path = Path()
    is_linked: bool = False

    def project_id(self) -> str:
        """Return the id, or ""."""
        with suppress(OSError):
            if b"[attractor" in self._file.read_bytes().lower():
                found = self._git("--get", self._key).stdout.strip()
                return found if _ID.fullmatch(found) else ""
        return ""

    def keep(self, project_id: str) -> str:
        """Write the id, unless it is there; return the reason if it cannot be written, else "".

        In a linked worktree, the id of the main one stays. If the folder of the project was
        renamed, the id moves along.
        """
        before = self.project_id()
        if before == project_id or (before and self.is_linked):
            return ""
        same = ("--name-only", "--get-regexp", r"^attractor\.(.*\.)?project$", f"^{project_id}$")
        written = self._git("--replace-all", self._key, project_id)
        for key in self._git(*same).stdout.splitlines():
            folder = key.removeprefix("attractor.").removesuffix("project").removesuffix(".")
            if not (self.top / folder).is_dir():
                self._git("--unset-all", key)
        return written.stderr.strip() if written.returncode else ""

    @property
    def _file(self) -> Path:
        return self.common_dir / "config"

    @property
    def _key(self) -> str:
        return f"attractor.{self.folder}.project" if self.folder else "attractor.project"

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command: Sequence[str] = ("git", "config", "--file", str(self._file), *arguments)
        own = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C"}
        try:
            return subprocess.run(
                command,
                env={"PATH": self.search_path, **own},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as fault:
            return subprocess.CompletedProcess(command, _NOT_STARTED, "", str(fault))


def find_configuration(project: Path, *, search_path: str) -> ProjectConfiguration | None:
    """Return the place of the id of the project in a folder; None outside of any repository."""
    project = project.resolve()
    with suppress(OSError, UnicodeError):
        for top in (project, *project.parents):
            git_dir = top / ".git"
            if git_dir.is_file():
                # Of a linked worktree or a submodule.
                git_dir = top / git_dir.read_text().removeprefix("gitdir:").strip()
            shared = git_dir / "commondir"
            is_linked = shared.is_file()
            common_dir = git_dir / shared.read_text().strip() if is_linked else git_dir
            if (common_dir / "config").is_file():
                folder = "" if top == project else project.relative_to(top).as_posix()
                return ProjectConfiguration(
                    common_dir.resolve(), folder, search_path, top, is_linked
                )
    return None
