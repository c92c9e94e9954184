"""Parts of the commands that list runs and records: --since, index progress, landed results."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from attractor.base.clock import SystemClock
from attractor.base.durations import parse_since
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show
from attractor.pipeline.status import with_landings
from attractor.records.summary import RunOverview

MANY = 1000
"""The number of runs whose reading takes more than a second."""


def read_since(text: str) -> datetime:
    """Return the time in the option --since: a time, or a duration before now."""
    return parse_since(text, SystemClock().now(), name="--since")


def show_indexing(done: int, of: int) -> None:
    """Print the progress of reading many runs into the index, to standard error."""
    if of > MANY:
        show(f"reading runs into the index: {done} of {of}", err=True)


def landed(invocation: Invocation, found: Sequence[RunOverview]) -> list[RunOverview]:
    """Return runs with the branches into which a person merged their results by hand."""
    project, path = invocation.configuration.root, invocation.environ.get("PATH", "")
    return asyncio.run(with_landings(found, project, search_path=path))
