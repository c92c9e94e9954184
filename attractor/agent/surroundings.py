"""What a model is told about the place it works in (§6.3, §6.4)."""

from datetime import date

from attractor.base.dataclasses import dataclass
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import NotSupported

_TIMEOUT_MS = 5_000
_MARK = "---\n"
_SURVEY = " && echo --- && ".join(
    (
        "git rev-parse --show-prefix",
        "(git symbolic-ref --short -q HEAD || echo '(no branch)')",
        "git --no-optional-locks status --porcelain | wc -l",
        "git log -n 5 --format=%s",
    )
)


@dataclass(frozen=True)
class GitState:
    """A repository at the beginning of a session."""

    branch: str
    changed_files: int
    recent_commits: tuple[str, ...] = ()
    depth: int = 0


@dataclass(frozen=True)
class Surroundings:
    """The place, the day and the model."""

    working_directory: str
    platform: str
    os_version: str
    today: date
    model: str
    git: GitState | None = None

    def block(self) -> str:
        """Return the block of the system prompt that says all this."""
        lines = [
            f"Working directory: {self.working_directory}",
            f"Is git repository: {'true' if self.git else 'false'}",
            *_git_lines(self.git),
            f"Platform: {self.platform}",
            f"OS version: {self.os_version}",
            f"Today's date: {self.today.isoformat()}",
            f"Model: {self.model}",
        ]
        return "\n".join(["<environment>", *lines, "</environment>"])


async def survey(environment: ExecutionEnvironment, *, today: date, model: str) -> Surroundings:
    """Look around once, at the beginning."""
    return Surroundings(
        working_directory=environment.working_directory(),
        platform=environment.platform(),
        os_version=environment.os_version(),
        today=today,
        model=model,
        git=await _survey_git(environment),
    )


async def _survey_git(environment: ExecutionEnvironment) -> GitState | None:
    try:
        result = await environment.exec_command(_SURVEY, timeout_ms=_TIMEOUT_MS)
    except NotSupported:
        # A place without commands has no git for the model either.
        return None
    return _read_survey(result.stdout)


def _read_survey(printed: str) -> GitState | None:
    sections = printed.split(_MARK, 3)
    if len(sections) < 4 or not sections[2].strip().isdecimal():
        return None
    prefix, branch, changed, commits = sections
    return GitState(
        branch=branch.strip(),
        changed_files=int(changed),
        recent_commits=tuple(commits.splitlines()),
        depth=prefix.strip().count("/"),
    )


def _git_lines(git: GitState | None) -> list[str]:
    if git is None:
        return []
    commits = [f"  {subject}" for subject in git.recent_commits]
    return [
        f"Git branch: {git.branch}",
        f"Changed files: {git.changed_files}",
        *(["Recent commits:", *commits] if commits else []),
    ]
