"""Verifies an app: files that differ, and the plan that an edited specification becomes (G14).

The app is compared with the promoted tree: the files that a decision put into its branch.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json, canonical_json
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.growth.apps.divergence import (
    FOLDERS,
    Divergence,
    Reconvergence,
    find_divergence,
    read_files,
    reconverge as restore,
    spec_of_files,
)
from attractor.growth.apps.files import Files, link_text
from attractor.growth.development import DEVELOPMENT, parse_development
from attractor.growth.plans.hand_edits import HandEdits, morphs_of_edits
from attractor.growth.plans.plan import Proposal
from attractor.growth.specification.files import NODES
from attractor.growth.specification.graph import SpecGraph
from attractor.pipeline.project.project import Project
from attractor.workspaces.folders import scratch_folder
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import LINK
from attractor.workspaces.git.repository import Repository, open_repository

_TRAILERS = "^Attractor-(Decision|Rolled-Back): "


class PromotedTree(NamedTuple):
    """A promoted commit with its files of app and specification.

    `development.toml` is that of the checked-out commit: a person writes and commits it, no plan
    does. `has_new_development`: it is another one than that of the promoted commit.
    """

    commit: str
    files: Files
    has_new_development: bool


async def read_promoted(repository: Repository) -> PromotedTree | None:
    """Return the newest promoted commit of the checked-out branch; None without an app in one."""
    asked = ("log", "-1", "--format=%H", "--extended-regexp", f"--grep={_TRAILERS}", "HEAD")
    commit = (await repository.git.answer(*asked)).stdout.strip()
    files = dict(await read_commit(repository, commit)) if commit else {}
    nodes, rules = f"{NODES.as_posix()}/", DEVELOPMENT.as_posix()
    if not any(path.startswith(nodes) for path in files):
        return None
    before, now = files.pop(rules, None), (await read_commit(repository, "HEAD")).get(rules)
    if now is not None:
        files[rules] = now
    return PromotedTree(commit, files, has_new_development=before != now)


async def read_commit(repository: Repository, commit: str) -> Files:
    """Return the files of app and specification in a commit."""
    with scratch_folder() as folder:
        # Git writes nothing into the repository of the person.
        store = ObjectStore(
            folder / "git",
            object_format=repository.object_format,
            search_path=repository.git.search_path,
        )
        await store.create(borrow_from=repository.objects)
        prefixes = tuple(f"{repository.prefix}{one}/".encode() for one in FOLDERS)
        tree = await store.files_of(await repository.tree(commit))
        wanted = {path: entry for path, entry in tree.items() if path.startswith(prefixes)}
        contents = await store.with_blobs([one.id for one in wanted.values()], list)
    top = len(repository.prefix.encode())
    return {
        path[top:].decode(errors="surrogateescape"): (
            link_text(os.fsdecode(content)) if entry.mode == LINK else content
        )
        for (path, entry), content in zip(wanted.items(), contents, strict=True)
    }


PROPOSAL = "proposal.json"


@dataclass(frozen=True)
class Verification:
    """The files that differ, and the morphs of an edited specification."""

    promoted: str
    """The promoted commit that was compared; empty before the first promotion."""
    divergences: tuple[Divergence, ...]
    edits: HandEdits | None = None
    """The morphs of a specification that was edited by hand."""
    reconvergence: Reconvergence | None = None
    has_new_development: bool = False
    """Whether a person committed another `development.toml` since, which is right."""

    def to_dict(self) -> dict[str, Json]:
        """Return the verification as JSON."""
        edits, done = self.edits, self.reconvergence
        without = [one.describe() for one in edits.without_morph] if edits else []
        return {
            "promoted": self.promoted,
            "divergences": [divergence.to_dict() for divergence in self.divergences],
            "proposal": edits.proposal.to_dict() if edits and edits.proposal.morphs else None,
            "without_morph": list[Json](without),
            "incident": str(done.incident) if done and done.incident else "",
            "restored": [one.path for one in done.restored] if done else [],
            "refused": [one.path for one in done.refused] if done else [],
            "kept": [DEVELOPMENT.as_posix()] if self.has_new_development else [],
        }


async def verify_app(project: Project, *, reconverge: bool) -> Verification:
    """Compare the app of a project with its specification and its promoted tree."""
    folder = project.root
    repository = await open_repository(folder, search_path=project.machine.search_path)
    promoted = await read_promoted(repository)
    files = promoted.files if promoted else None
    # The commit message says that it was promoted; only the ledger knows.
    is_pinned = promoted is not None and _is_promoted(project, promoted.commit)
    found = tuple(find_divergence(folder, promoted=files, is_pinned=is_pinned))
    edits = _edits_of_spec(folder, files) if files else None
    verified = Verification(
        promoted.commit if promoted else "",
        found,
        edits,
        has_new_development=promoted is not None and promoted.has_new_development,
    )
    if not reconverge:
        return verified
    extra: dict[str, bytes] = {}
    if edits and edits.proposal.morphs:
        extra[PROPOSAL] = f"{canonical_json(edits.proposal.to_dict())}\n".encode()
    return replace(
        verified, reconvergence=restore(folder, promoted=files, is_pinned=is_pinned, extra=extra)
    )


def _is_promoted(project: Project, commit: str) -> bool:
    """Return whether the ledger has the promotion of a commit."""
    found = Ledger(project.machine.state_dir).mentioning(commit)
    return any(one.kind == LineKind.PROMOTED and one.data["commit"] == commit for one in found)


def _edits_of_spec(folder: Path, promoted: Files) -> HandEdits | None:
    """Return the edits of a specification; None without one, or if an edited file is invalid."""
    try:
        edited = spec_of_files(read_files(folder))
    except AttractorError:
        return None
    right = spec_of_files(promoted)
    if edited.spec_hash == right.spec_hash:
        return None
    edits = morphs_of_edits(right, edited)
    return replace(edits, proposal=_with_required_tests(edits.proposal, right, promoted))


def _with_required_tests(proposal: Proposal, base: SpecGraph, promoted: Files) -> Proposal:
    """Return a proposal with the tests that the rules require for its morphs."""
    text = promoted.get(DEVELOPMENT.as_posix())
    if text is None:
        return proposal
    development = parse_development(text.decode())
    known = [test.name for test in base.of_kind("acceptance_test")]
    tests: list[str] = []
    for morph in proposal.morphs:
        tests += development.missing_tests(morph, [*known, *tests])
    return replace(proposal, tests=tuple(tests))
