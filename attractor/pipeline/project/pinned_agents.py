"""Keeps the agents of a project as they were when a run began; resumes use these copies.

A copy lies in the state folder under the hash of its files, because agents can name secrets. The
time of its folder is the last time that a run began with it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import StoredFile, file_error, store_private_folder
from attractor.base.json import Json, canonical_json, content_hash
from attractor.config.projects import AGENT_FILE, PROFILES, PROMPT_FILE, PROMPT_SUFFIX
from attractor.pipeline.project.machine import Machine
from attractor.pipeline.project.project import Project

_PATTERNS = (f"[!._]*/{AGENT_FILE}", f"[!._]*/{PROMPT_FILE}", f"{PROFILES}/*{PROMPT_SUFFIX}")


@dataclass(frozen=True)
class PinnedAgents:
    """The agents of a run: the files of the project's agents, and their hash."""

    files: Mapping[str, bytes]
    digest: str

    def keep(self, machine: Machine) -> None:
        """Copy the files into the state folder, unless a copy exists."""
        copy = machine.agent_copies / self.digest
        try:
            os.utime(copy)
        except FileNotFoundError:
            store_private_folder(copy, (StoredFile(*one) for one in self.files.items()))


def read_agents(project: Project) -> PinnedAgents:
    """Return the agents that the project has now."""
    files = _read(project.agents_folder)
    return PinnedAgents(files, _hash(files))


def keep_agents(folder: Path, machine: Machine) -> None:
    """Copy agents that another machine brought into the state folder, unless a copy exists."""
    files = _read(folder)
    PinnedAgents(files, _hash(files)).keep(machine)


def find_pinned_agents(machine: Machine, digest: str) -> Path:
    """Return the folder of the agents that a run pinned, and verify their hash."""
    copy = machine.agent_copies / digest
    if _hash(_read(copy)) != digest or not copy.is_dir():
        raise VerificationError(
            f"the agents that the run began with are missing or were changed in {copy}",
            hint="restore that folder from a backup, or start a new run",
        )
    return copy


def _read(folder: Path) -> Mapping[str, bytes]:
    files = sorted(file for pattern in _PATTERNS for file in folder.glob(pattern))
    try:
        return {str(one.relative_to(folder)): one.read_bytes() for one in files}
    except OSError as cause:
        raise file_error("read", folder, cause) from cause


def _hash(files: Mapping[str, bytes]) -> str:
    hashes: dict[str, Json] = {name: content_hash(one) for name, one in files.items()}
    return content_hash(canonical_json(hashes).encode())
