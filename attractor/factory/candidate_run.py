"""The facts of a run, read without locking the run: state, suite and profile."""

from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.files import read_regular
from attractor.base.hash_chain import GENESIS, ChainHead
from attractor.base.json import content_hash
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import AWAITING_ANSWER, EVALUATING, RunState, RunStatus
from attractor.pipeline.source.read import find_accepted

if TYPE_CHECKING:
    pass


SUITE_DRAFT = "suite_draft"
"""The pipeline of a run that drafts a suite, and the name of its file, which no project has."""


DRAFTS = "suite_drafts"
"""The folder in the state folder with the runs that draft suites, by the ids of their projects."""


def before_a_decision(status: RunStatus, name: str) -> str:
    """Return the next command on the way to a decision, for a run that has no decision."""
    if status == EVALUATING:
        return f"evaluate it first: attractor evaluate {name}"
    if status == AWAITING_ANSWER:
        return f"answer its questions first: attractor answer {name}"
    if status.is_final:
        return f"only a run that waits for a decision can be judged; see: attractor diagnose {name}"
    return f"continue it first: attractor resume {name}"


@dataclass(frozen=True)
class CandidateRun:
    """The manifest and the state of a run at one moment."""

    directory: RunDirectory
    manifest: Manifest
    state: RunState
    head: ChainHead = GENESIS

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.manifest.run_id

    @property
    def drafts_suite(self) -> bool:
        """Whether the run drafts a suite: its files are no candidate, and as secret as holdouts."""
        name, file = self.manifest.pipeline, Path(str(self.manifest.options["file"])).name
        return (name, file) == (SUITE_DRAFT, f"{SUITE_DRAFT}.dot")

    @property
    def tree(self) -> str:
        """The current tree, or "" before the first stage."""
        return self.state.progress.tree if self.state.progress else ""

    @property
    def cost_usd(self) -> float:
        """The cost of the stages so far."""
        return self.state.used.cost_usd

    @property
    def pipeline_hash(self) -> str:
        """The hash of the pipeline that the run uses: a person may have accepted a change."""
        accepted = find_accepted(self.directory)
        return accepted.new if accepted else self.manifest.content_hash

    def manifest_hash(self) -> str:
        """Return the hash of the manifest file."""
        return content_hash(read_regular(self.directory.manifest))


def lineage_of(run: CandidateRun) -> list[str]:
    """Return the ids of a run and of the runs that it continues: restarts, forks and rebases."""
    found, root, parent = [run.run_id], run.directory.root, run.manifest.parent
    while parent and parent not in found:
        found.append(parent)
        before = _manifest_of(root.with_name(parent))
        parent = before.parent if before else ""
    return found


def restarted_in(root: Path) -> list[str]:
    """Return the ids of a run and of the runs that it continues after restarts."""
    found, manifest = [root.name], _manifest_of(root)
    while manifest and manifest.restart and manifest.parent not in found:
        found.append(manifest.parent)
        manifest = _manifest_of(root.with_name(manifest.parent))
    return found


def _manifest_of(root: Path) -> Manifest | None:
    """Return the manifest of a run; None if it is gone or damaged."""
    try:
        return read_manifest(RunDirectory(root))
    except (AttractorError, OSError):
        return None


def facts_of(run: OpenRun) -> CandidateRun:
    """Return the facts of a run that this process has locked."""
    return CandidateRun(run.directory, run.manifest, run.state, run.events.head)


def read_candidate_run(root: Path) -> CandidateRun:
    """Read the facts of a run that another process may have locked."""
    directory = RunDirectory(root)
    found = open_journal(directory.events, directory.checkpoint)
    return CandidateRun(directory, read_manifest(directory), found.state, found.head)
