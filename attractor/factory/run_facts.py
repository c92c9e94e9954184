"""What is known of a run without holding it, so that whoever only asks disturbs nobody."""

from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.hash_chain import GENESIS, Head
from attractor.base.json import content_hash
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.checkpoint import open_journal
from attractor.engine.state.run_state import RunState


@dataclass(frozen=True)
class RunFacts:
    """A run as it is at one moment."""

    directory: RunDirectory
    manifest: Manifest
    state: RunState
    head: Head = GENESIS

    @property
    def run_id(self) -> str:
        """Which run it is."""
        return self.manifest.run_id

    @property
    def tree(self) -> str:
        """The tree it has come to; nothing before its walk began."""
        return self.state.progress.tree if self.state.progress else ""

    def manifest_hash(self) -> str:
        """Return the hash of the manifest as it lies there."""
        return content_hash(self.directory.manifest.read_bytes())


def facts_of(run: OpenRun) -> RunFacts:
    """Return what is known of a run that we hold."""
    return RunFacts(run.directory, run.manifest, run.state, run.events.head)


def read_facts(root: Path) -> RunFacts:
    """Read what is known of a run that somebody else may be holding."""
    directory = RunDirectory(root)
    found = open_journal(directory.events, directory.checkpoint)
    return RunFacts(directory, read_manifest(directory), found.state, found.head)
