"""Looks into a commit before a workspace of it is made: its files, and which paths belong to it."""

import tempfile
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.workspaces.ignores import IgnoreRules
from attractor.workspaces.repository import Repository
from attractor.workspaces.result_tree import LEFT_OUT, kept_of
from attractor.workspaces.snapshot import Rules

_IGNORES = b".gitignore"
_PLAIN_FILE = b"100"


@dataclass(frozen=True)
class Looked:
    """What a commit says: the rules for a workspace of it, and the paths of all its files."""

    rules: Rules
    files: Set[bytes]


async def look_into(
    repository: Repository, commit: str, *, left_out: Sequence[str] = LEFT_OUT
) -> Looked:
    """Read the files of a commit and what they say of those that git ignores."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "listed"
        await repository.git.run_to(listed, "ls-tree", "-r", "-z", "--full-tree", commit)
        files = dict(map(_parsed, listed.read_bytes().split(b"\0")[:-1]))
    texts = await _ignore_files(repository, files)
    rules = Rules(IgnoreRules(texts), kept=kept_of({}, left_out))
    return Looked(rules, files.keys())


async def _ignore_files(
    repository: Repository, files: Mapping[bytes, tuple[bytes, str]]
) -> dict[bytes, bytes]:
    texts: dict[bytes, bytes] = {}
    for path, (mode, name) in files.items():
        if path.rpartition(b"/")[2] == _IGNORES and mode.startswith(_PLAIN_FILE):
            text = await repository.git.run("cat-file", "blob", name)
            texts[path.removesuffix(_IGNORES)] = text.encode("utf-8", "surrogateescape")
    return texts


def _parsed(line: bytes) -> tuple[bytes, tuple[bytes, str]]:
    told, _, path = line.partition(b"\t")
    mode, _, name = told.split(b" ")
    return path, (mode, name.decode())
