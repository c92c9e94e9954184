"""What `attractor doctor` looks at: the machine, an examination of it, and a finding."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ProcessNotStarted
from attractor.base.processes import ExecResult, run_process
from attractor.config.schema import Configuration
from attractor.config.settings import Settings

PATIENCE = timedelta(seconds=10)


class Standing(StrEnum):
    """How a thing stands."""

    OK = "ok"
    MISSING = "missing"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; what is not well carries its remedy."""

    subject: str
    standing: Standing
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.standing is Standing.OK) == bool(self.remedy):
            raise ValueError(
                f"{self.subject}: a remedy belongs to what is not well, and only there"
            )


@dataclass(frozen=True)
class Machine:
    """The machine as this call sees it."""

    environ: Mapping[str, str]
    folder: Path
    configuration: Configuration[Settings]

    def find(self, program: str) -> str:
        """Return where a program lies on PATH, or nothing."""
        return shutil.which(program, path=self.environ.get("PATH", "")) or ""

    async def run(self, *argv: str) -> ExecResult:
        """Run a program for a few seconds at most."""
        return await run_process(argv, cwd=self.folder, env=self.environ, timeout=PATIENCE)

    async def version(self, *argv: str) -> str:
        """Return the first line a program prints of itself, or nothing when it does not answer."""
        try:
            result = await self.run(*argv)
        except ProcessNotStarted:
            return ""
        lines = (result.stdout.strip() or result.stderr.strip()).splitlines()
        return lines[0].strip() if lines and result.exit_code == 0 else ""


class Examination(Protocol):
    """Looks at one part of the machine."""

    async def __call__(self, machine: Machine) -> Sequence[Finding]:
        """Look, and say what was found."""
        ...


def ok(subject: str, found: str) -> Finding:
    """Report that a thing is well."""
    return Finding(subject, Standing.OK, found)


def missing(subject: str, found: str, *, remedy: str) -> Finding:
    """Report something that is not there and that some work needs."""
    return Finding(subject, Standing.MISSING, found, remedy)


def problem(subject: str, found: str, *, remedy: str) -> Finding:
    """Report something without which nothing works."""
    return Finding(subject, Standing.PROBLEM, found, remedy)
