"""Keeps the agents of a project as they were when a run began; resumes use these copies.

A copy lies in the state folder under the hash of its files, because agents can name secrets. The
time of its folder is the last time that a run began with it.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import VerificationError
from attractor.base.files import StoredFile, file_error, store_private_folder
from attractor.base.json import Json, canonical_json, content_hash
from attractor.config.projects import AGENT_FILE, AGENTS, PROFILES, PROMPT_FILE, PROMPT_SUFFIX
from attractor.pipeline.host.run_host import RunHost

_PATTERNS = (f"[!._]*/{AGENT_FILE}", f"[!._]*/{PROMPT_FILE}", f"{PROFILES}/*{PROMPT_SUFFIX}")


def pin_agents(host: RunHost) -> str:
    """Copy the agents of the project, unless a copy exists; return the hash of their files."""
    files = _read(host.project / AGENTS)
    digest = _hash(files)
    copy = host.agent_copies / digest
    try:
        os.utime(copy)
    except FileNotFoundError:
        store_private_folder(copy, (StoredFile(*one) for one in files.items()))
    return digest


def with_pinned_agents(host: RunHost, digest: str) -> RunHost:
    """Return the host with the agents that a run pinned, and verify their hash."""
    copy = host.agent_copies / digest
    if _hash(_read(copy)) != digest or not copy.is_dir():
        raise VerificationError(
            f"the agents that the run began with are missing or were changed in {copy}",
            hint="restore that folder from a backup, or start a new run",
        )
    return replace(host, pinned_agents=copy)


def are_agents_changed(host: RunHost, digest: str) -> bool:
    """Return whether the agents of the project differ from those that a run pinned."""
    return _hash(_read(host.project / AGENTS)) != digest


def _read(folder: Path) -> Mapping[str, bytes]:
    files = sorted(file for pattern in _PATTERNS for file in folder.glob(pattern))
    try:
        return {str(one.relative_to(folder)): one.read_bytes() for one in files}
    except OSError as cause:
        raise file_error("read", folder, cause) from cause


def _hash(files: Mapping[str, bytes]) -> str:
    hashes: dict[str, Json] = {name: content_hash(one) for name, one in files.items()}
    return content_hash(canonical_json(hashes).encode())
