"""Parts of the commands that list runs and records: --since, index progress, landed results."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.clock import SystemClock
from attractor.base.durations import parse_since
from attractor.base.errors import AttractorError
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show
from attractor.engine.state.run_state import StatusWord
from attractor.factory.project import ProjectFolder
from attractor.pipeline.status import with_landings
from attractor.records.summary import RunOverview

if TYPE_CHECKING:
    from attractor.factory.pulls.rounds import RecordedPull

MANY = 1000
"""The number of runs whose reading takes more than a second."""


def read_since(text: str) -> datetime:
    """Return the time in the option --since: a time, or a duration before now."""
    return parse_since(text, SystemClock().now(), name="--since")


def show_indexing(done: int, of: int) -> None:
    """Print the progress of reading many runs into the index, to standard error."""
    if of > MANY:
        show(f"reading runs into the index: {done} of {of}", err=True)


def landed(
    invocation: Invocation,
    found: Sequence[RunOverview],
    projects: Mapping[Path, ProjectFolder],
) -> list[RunOverview]:
    """Return runs with the branches into which a person merged their results by hand.

    `projects` are the projects of the runs by their runs folders (default: this project).
    """
    path = invocation.environ.get("PATH", "")
    here = invocation.configuration.root
    roots = {one.directory.parent: here for one in found} | {
        runs_dir: one.root for runs_dir, one in projects.items()
    }

    async def look() -> list[RunOverview]:
        known = {
            run.run_id: run
            for runs_dir, root in roots.items()
            for run in await with_landings(
                [one for one in found if one.directory.parent == runs_dir], root, search_path=path
            )
        }
        return [known[one.run_id] for one in found]

    return asyncio.run(look())


def proposed(invocation: Invocation, run: RunOverview) -> "RecordedPull | None":
    """Return the pull request of an approved run, or None."""
    if run.status != StatusWord.APPROVED:
        return None
    # Imported here, because the ledger and the gate are needed for few runs.
    from attractor.factory.ledger.ledger import Ledger
    from attractor.factory.pulls.rounds import find_pull

    try:
        return find_pull(run.run_id, Ledger(invocation.configuration.settings.state_dir))
    except AttractorError:
        # The status is complete without it; `audit verify` reports the fault of the ledger.
        return None
