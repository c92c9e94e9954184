"""The inbox of a run: orders from people to the process that runs it, as files."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, NotCanonical, UsageError
from attractor.base.files import file_error, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.base.records import write_fields
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.events import Action, OperatorAction
from attractor.engine.questions.question import UNVERIFIED, describe_refusal, is_late, read_answer
from attractor.engine.state.run_state import RunState
from attractor.engine.storage.json_files import Fields, read_untrusted

POLL = timedelta(milliseconds=200)
"""The interval between two checks of the inbox, in seconds."""


@dataclass(frozen=True)
class Order:
    """An order for a run, its author, and the author's proof.

    The order to answer names the question in `question`. The order to steer has the message in
    `value`.
    """

    action: Action
    by: str
    why: str = ""
    question: str = ""
    value: str = ""
    proof: str = UNVERIFIED


@dataclass(frozen=True)
class InboxEntry:
    """A file in the inbox: the order in the file, or the reason why the file is invalid."""

    name: str
    order: Order | None
    trouble: str = ""


def leave_order(inbox: Path, order: Order, *, name: str) -> Path:
    """Write an order to an inbox. Orders are executed in the sequence of their file names."""
    if not name or Path(name).name != name or name.startswith("."):
        raise UsageError(f"invalid name {name!r}", hint="use a new run id")
    path = inbox / f"{name}.json"
    write_whole(path, canonical_json(write_fields(order)))
    return path


class Inbox:
    """The orders in the inbox of a run, sorted by file name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def waiting(self) -> Iterator[InboxEntry]:
        """Yield each order that is not yet executed."""
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries if entry.name.endswith(".json"))
        except FileNotFoundError:
            return
        except OSError as cause:
            raise file_error("read", self._folder, cause) from cause
        for name in names:
            if not name.startswith("."):
                yield _read(self._folder / name)

    def put_away(self, received: InboxEntry) -> None:
        """Move the file of an order to `done/`."""
        done = self._folder / "done"
        try:
            done.mkdir(exist_ok=True)
            (self._folder / received.name).replace(done / received.name)
        except OSError as cause:
            raise file_error("move", self._folder / received.name, cause) from cause


def _read(path: Path) -> InboxEntry:
    try:
        fields = Fields(parse_json(read_untrusted(path)), path.name)
        order = fields.whole(Order, "proof")
    except (FileError, NotCanonical, RecordBroken) as fault:
        return InboxEntry(path.name, None, str(fault))
    return InboxEntry(path.name, order)


def refuse_answer(order: Order, state: RunState, now: datetime) -> str:
    """Return the reason to refuse an answer, or an empty text to accept the answer.

    The first valid answer before the deadline is accepted.
    """
    asked = next((one for one in state.asked if one.id == order.question), None)
    if asked is None:
        return "refused: the run does not ask this question"
    if before := state.answers.get(asked.id):
        return (
            f"refused: {before.by or 'another person'} answered before: "
            f"{before.value or before.kind}"
        )
    if is_late(asked, now):
        return f"refused: the deadline of the question passed at {asked.deadline}"
    if read_answer(order.value, asked) is None:
        return f"refused: {describe_refusal(order.value, asked)}"
    return ""


def action_of(received: InboxEntry, refusal: str) -> OperatorAction:
    """Return the event of an order: refused if `refusal` contains a reason, otherwise accepted."""
    order = received.order
    if order is None:
        return OperatorAction("", "", received.trouble, received.name, is_accepted=False)
    return OperatorAction(
        action=order.action.value,
        by=order.by,
        why="; ".join(filter(None, [order.why, refusal])),
        order=received.name,
        question=order.question,
        value=order.value,
        is_accepted=not refusal,
        proof=order.proof,
    )


def refuse_order(order: Order | None, state: RunState, now: datetime) -> str:
    """Return the reason to refuse an order, or an empty text to accept the order."""
    if order is None:
        return "refused: the order is invalid"
    match order.action:
        case Action.ANSWER:
            return refuse_answer(order, state, now)
        case Action.RESUME:
            return "" if state.is_paused else "refused: the run is not paused"
        case Action.STEER:
            return "refused: no stage is running"
        case Action.PAUSE | Action.CANCEL:
            return ""
