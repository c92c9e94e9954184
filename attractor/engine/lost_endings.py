"""How a run ended, from its journal alone: for a final.json that was lost or cannot be read."""

from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import Json, parse_json
from attractor.engine.documents import read_document
from attractor.engine.errors import RecordBroken
from attractor.engine.events import PipelineCompleted, PipelineFailed
from attractor.engine.folding import fold
from attractor.engine.manifest import Manifest
from attractor.engine.results import final_record
from attractor.engine.run_directory import RunDirectory
from attractor.engine.run_state import RunState

_TERMINAL = (PipelineCompleted.__name__, PipelineFailed.__name__)


def has_lost_its_end(directory: RunDirectory) -> bool:
    """Tell whether the final.json of a run that ended is missing or cannot be read."""
    try:
        read_document(directory.final)
    except AttractorError:
        return True
    return False


def end_told_by_journal(directory: RunDirectory, manifest: Manifest) -> dict[str, Json]:
    """Return what final.json held: the run as it stood when the terminal event was written."""
    state = RunState()
    for line in read_lines(directory.events):
        record = parse_json(line.content)
        if not isinstance(record, dict):
            raise RecordBroken(f"the line at byte {line.offset} of {directory.events} is no event")
        event = Event.from_record(record)
        if event.type in _TERMINAL:
            told = final_record(manifest, state, event.time)
            return {**told, "seconds": event.data.get("seconds", told["seconds"])}
        state = fold(state, event)
    raise RecordBroken(f"{directory.events} does not say how the run ended")
