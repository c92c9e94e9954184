"""What a run used of models, with what the children of the stages at work used."""

from attractor.base.errors import AttractorError
from attractor.engine.interfaces import stage_id
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.checkpoint import open_journal
from attractor.engine.state.run_state import RunState
from attractor.pipeline.child_directories import child_directory, newest_round


def used_by(directory: RunDirectory, state: RunState) -> Usage:
    """Return what a run used; that of a child counts here until its stage is over and says it."""
    flights = [one.in_flight for one in state.strands.values() if one.in_flight]
    names = [stage_id(one.node, one.visit, one.attempt) for one in flights]
    children = (newest_round(child_directory(directory, name)) for name in names)
    return sum((_used(one) for one in children if one.manifest.exists()), state.used)


def _used(child: RunDirectory) -> Usage:
    # What is wrong with a child is told where the child is looked at.
    try:
        state = open_journal(child.events, child.checkpoint).state
    except AttractorError:
        return NOTHING_USED
    return used_by(child, state)
