"""Keeps the agents of a project as they were when a run began; resumes use these copies.

A copy lies in the state folder under the hash of its files, because agents can name secrets. The
time of its folder is the last time that a run began with it.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import StoredFile, file_error, store_private_folder
from attractor.base.json import Json, canonical_json, content_hash
from attractor.config.projects import AGENT_FILE, AGENTS, PROFILES, PROMPT_FILE, PROMPT_SUFFIX
from attractor.pipeline.host.run_host import RunHost

_PATTERNS = (f"[!._]*/{AGENT_FILE}", f"[!._]*/{PROMPT_FILE}", f"{PROFILES}/*{PROMPT_SUFFIX}")


@dataclass(frozen=True)
class PinnedAgents:
    """The agents of a run: the files of the project's agents, and their hash."""

    files: Mapping[str, bytes]
    digest: str

    def keep(self, host: RunHost) -> None:
        """Copy the files into the state folder, unless a copy exists."""
        copy = host.agent_copies / self.digest
        try:
            os.utime(copy)
        except FileNotFoundError:
            store_private_folder(copy, (StoredFile(*one) for one in self.files.items()))


def read_agents(host: RunHost) -> PinnedAgents:
    """Return the agents that the project has now."""
    files = _read(host.project / AGENTS)
    return PinnedAgents(files, _hash(files))


def with_pinned_agents(host: RunHost, digest: str) -> RunHost:
    """Return the host with the agents that a run pinned, and verify their hash."""
    copy = host.agent_copies / digest
    if _hash(_read(copy)) != digest or not copy.is_dir():
        raise VerificationError(
            f"the agents that the run began with are missing or were changed in {copy}",
            hint="restore that folder from a backup, or start a new run",
        )
    return replace(host, pinned_agents=copy)


def _read(folder: Path) -> Mapping[str, bytes]:
    files = sorted(file for pattern in _PATTERNS for file in folder.glob(pattern))
    try:
        return {str(one.relative_to(folder)): one.read_bytes() for one in files}
    except OSError as cause:
        raise file_error("read", folder, cause) from cause


def _hash(files: Mapping[str, bytes]) -> str:
    hashes: dict[str, Json] = {name: content_hash(one) for name, one in files.items()}
    return content_hash(canonical_json(hashes).encode())
