"""Waits until whoever runs a run has said what became of an order."""

import time
from collections.abc import Callable

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import parse_json
from attractor.engine.journal.events import OperatorAction
from attractor.engine.run_folder.layout import RunDirectory

PATIENCE_S = 2.0
"""How long to wait: a process at work looks into its inbox several times a second."""

OFTEN_S = 0.05


@dataclass(frozen=True)
class Verdict:
    """Whether an order was taken, and why it was not."""

    is_taken: bool
    why: str = ""


def await_verdict(
    directory: RunDirectory, order: str, *, sleep: Callable[[float], None] = time.sleep
) -> Verdict | None:
    """Return what became of the order of a file's name; nothing when that takes too long."""
    for _ in range(round(PATIENCE_S / OFTEN_S)):
        # It leaves the inbox when the journal has the verdict.
        if not (directory.inbox / order).exists():
            return find_verdict(directory, order)
        sleep(OFTEN_S)
    return find_verdict(directory, order)


def find_verdict(directory: RunDirectory, order: str) -> Verdict | None:
    """Return what the journal says of an order, if it says anything yet."""
    found: Verdict | None = None
    for line in read_lines(directory.events):
        # Of a long journal only these few lines are read.
        if order.encode() in line.content:
            found = _read(line.content, order) or found
    return found


def _read(content: bytes, order: str) -> Verdict | None:
    record = parse_json(content)
    if not isinstance(record, dict) or record.get("type") != OperatorAction.__name__:
        return None
    try:
        data = Event.from_record(record).data
    except AttractorError:
        return None
    if data.get("order") != order:
        return None
    return Verdict(data.get("is_accepted") is True, str(data.get("why") or ""))
