"""The records of a run, read without its lock."""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import parse_json
from attractor.engine.errors import RecordBroken
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest


@dataclass(frozen=True)
class RunRecord:
    """A run as it lies in its directory; somebody may be at work on it."""

    directory: RunDirectory
    manifest: Manifest

    @property
    def run_id(self) -> str:
        """What it goes by."""
        return self.manifest.run_id

    def events(self) -> Iterator[Event]:
        """Yield what happened, from the beginning; whether it was so is not verified here."""
        journal = self.directory.events
        for line in read_lines(journal) if journal.exists() else ():
            record = parse_json(line.content)
            if not isinstance(record, dict):
                raise RecordBroken(f"the line at byte {line.offset} of {journal} is no event")
            yield Event.from_record(record)


def read_run(root: Path) -> RunRecord:
    """Return the records of the run in a directory."""
    directory = RunDirectory(root)
    return RunRecord(directory, read_manifest(directory))
