"""Finds the run that goes on in place of another one, which began anew."""

from pathlib import Path

from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.checkpoint import open_journal
from attractor.engine.state.run_state import RunState


def last_round(root: Path, state: RunState) -> str:
    """Return the id of the run that goes on in place of one, however often it began anew."""
    found = state.restarted_as
    while found:
        directory = RunDirectory(root.parent / found)
        if not directory.manifest.is_file():
            break
        after = open_journal(directory.events, directory.checkpoint).state.restarted_as
        if not after:
            break
        root, found = directory.root, after
    return found
