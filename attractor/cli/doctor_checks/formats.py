"""The format numbers of the state folder and of the newest runs, and whether they can be read."""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.errors import AttractorError
from attractor.cli.doctor import Finding, Machine, missing, ok, problem
from attractor.factory.ledger.ledger import STATE_FORMAT, Ledger, read_format
from attractor.factory.ledger.tokens import TokenStore
from attractor.records.lookup import list_folders
from attractor.records.summary import summarize_any

MOST = 100
"""The number of runs that are read, newest first."""

SUBJECT = "state format"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report whether this version can read the state folder and the newest runs."""
    settings = machine.configuration.settings
    newest = list_folders(settings.runs_dir)[:MOST]
    unreadable = [run for run in map(summarize_any, newest) if run.status == "unknown"]
    counted = f"of the newest {len(newest)}" if len(newest) == MOST else f"of {len(newest)}"
    if not unreadable:
        runs = ok("runs", f"all {counted} can be read")
    else:
        found = f"{len(unreadable)} {counted} cannot be read: {unreadable[0].trouble}"
        runs = missing("runs", found, remedy="see all of them: attractor runs")
    return [_state(settings.state_dir), runs]


def _state(folder: Path) -> Finding:
    try:
        number = read_format(folder)
        lines = Ledger(folder).head().seq
        TokenStore(folder).verified()
    except AttractorError as error:
        remedy = error.hint or "attractor audit verify"
        return problem(SUBJECT, error.message, remedy=remedy)
    earlier = f", of an earlier version; the next record makes it {STATE_FORMAT}"
    found = f"{number}{earlier if number < STATE_FORMAT else ''}"
    return ok(SUBJECT, f"{found}; {number_of(lines, 'line')} in the ledger")


part = examine
