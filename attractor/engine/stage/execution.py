"""The folder that an attempt writes into, and where earlier attempts went.

An attempt writes into the node's folder. When another one begins, what lies there moves to
`history/<visit>.<attempt>/`, status.json last: as long as it is there, the move is not finished.
One that begins while another one writes there has its place in the history from the first.

Lets a handler work on a stage, and turns whatever comes of it into an outcome.
"""

import asyncio
import os
import stat
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

from attractor.base.callables import call
from attractor.base.durations import describe_duration
from attractor.base.errors import FileTrouble, NotCanonical
from attractor.base.files import file_trouble, remove_leavings
from attractor.base.json import JsonObject, canonical_json, parse_json
from attractor.engine.interfaces import Halted, Handler, Stage
from attractor.engine.json_files import read_foreign
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, fault_of
from attractor.engine.routing.retry import Stall, failure_of
from attractor.engine.stage_report import auto_status
from attractor.language.graph.graph import Node

STATUS = "status.json"
HISTORY = "history"
_LARGEST_STATUS = 4 << 20


def begin_attempt(folder: Path, visit: int, attempt: int, *, is_aside: bool = False) -> Path:
    """Make the node's folder empty for an attempt; what an earlier one left goes to its history.

    Returns the folder that is written into: another one while the node's is not free.
    """
    try:
        left = _files_in(folder)
        if is_aside:
            return _make_aside(folder, visit, attempt)
    except OSError as cause:
        raise file_trouble("make", folder, cause) from cause
    if left:
        remove_leavings(folder)
        _move_aside(folder, _name_of_past(folder, visit, attempt))
    return folder


def history_folder(folder: Path, visit: int, attempt: int) -> Path:
    """Return where an attempt's files lie when another one has begun."""
    return folder / HISTORY / f"{visit}.{attempt}"


def folder_of_attempt(folder: Path, visit: int, attempt: int) -> Path | None:
    """Return where the files of an attempt that ended lie now, if they are anywhere."""
    places = (folder, history_folder(folder, visit, attempt))
    return next((one for one in places if _attempt_of(one / STATUS) == (visit, attempt)), None)


def require_folder(folder: Path) -> None:
    """Refuse what is a link or a file where a folder is to be."""
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        hint = "remove it: a stage folder is a folder of its own"
        raise FileTrouble(f"{folder} is a link or a file", hint=hint)


def _files_in(folder: Path) -> list[str]:
    """Return what a folder holds besides the history; it is made when it is not there."""
    try:
        folder.mkdir()
    except FileExistsError:
        require_folder(folder)
    else:
        return []
    return [entry.name for entry in os.scandir(folder) if entry.name != HISTORY]


def _make_aside(folder: Path, visit: int, attempt: int) -> Path:
    """Make an empty folder in the history; what is there already was interrupted."""
    _files_in(folder / HISTORY)
    own = history_folder(folder, visit, attempt)
    if own.exists():
        own.rename(folder / HISTORY / _name_of_interrupted(folder, visit, attempt))
    own.mkdir()
    return own


def _name_of_past(folder: Path, visit: int, attempt: int) -> str:
    """Name what lies in a folder by its status; without one, or repeated, it was interrupted."""
    past = _attempt_of(folder / STATUS)
    if (
        past
        and past != (visit, attempt)
        and not (folder / HISTORY / _dotted(past) / STATUS).exists()
    ):
        return _dotted(past)
    return _name_of_interrupted(folder, visit, attempt)


def _name_of_interrupted(folder: Path, visit: int, attempt: int) -> str:
    name = f"{_dotted((visit, attempt))}.interrupted"
    names = (name if n == 1 else f"{name}.{n}" for n in count(1))
    return next(one for one in names if not (folder / HISTORY / one).exists())


def _attempt_of(status: Path) -> tuple[int, int] | None:
    if not status.exists():
        return None
    try:
        record = parse_json(read_foreign(status, largest=_LARGEST_STATUS))
    except (FileTrouble, NotCanonical):
        return None
    match record:
        case {"visit": int(visit), "attempt": int(attempt)}:
            return visit, attempt
        case _:
            return None


def _dotted(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"


def _move_aside(folder: Path, name: str) -> None:
    past = folder / HISTORY / name
    try:
        past.mkdir(parents=True, exist_ok=True)
        require_folder(folder / HISTORY)
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name != HISTORY)
        for one in sorted(names, key=lambda one: one == STATUS):
            (folder / one).replace(past / one)
    except OSError as cause:
        raise file_trouble("move", folder, cause) from cause


KEEP_THEIR_OWN_TIME = frozenset({"tool", "wait.human"})
GRACE = timedelta(seconds=30)
"""How much longer those may take: they know better what a time-out means."""


async def execute(handler: Handler, stage: Stage, *, stall: Stall | None = None) -> Outcome:
    """Return a handler's outcome; what it raises is a failure (attractor-spec 4.12).

    Only Halted passes, and a cancellation that was meant for us.
    """
    stall = stall or Stall(None)
    timer = asyncio.timeout(None)
    try:
        limit = _limit(stage.node)
        async with asyncio.timeout(limit.total_seconds() if limit else None) as timer, stall:
            returned = await call(handler.execute, stage)
        return _checked(stage.node, returned)
    except Halted:
        raise
    except asyncio.CancelledError:
        if _is_cancelling():
            raise
        return failure("the work was canceled from within")
    # The contract of handlers: no exception of theirs ends the walk.
    except Exception as error:  # noqa: BLE001
        if isinstance(error, TimeoutError) and stall.is_over:
            heard = describe_duration(stall.limit or timedelta())
            return failure(f"stalled: nothing was heard of it for {heard}")
        if isinstance(error, TimeoutError) and timer.expired():
            written = stage.node.attributes.duration("timeout") or timedelta()
            return failure(f"timed out after {describe_duration(written)}")
        return failure_of(error)


def _limit(node: Node) -> timedelta | None:
    limit = node.attributes.duration("timeout")
    if limit is None:
        return None
    return limit + GRACE if node.type in KEEP_THEIR_OWN_TIME else limit


def _checked(node: Node, returned: object) -> Outcome:
    """Return what a handler returned when it is an outcome that can be recorded."""
    if returned is None and node.attributes.flag("auto_status"):
        return auto_status()
    if not isinstance(returned, Outcome):
        kind = type(returned).__name__
        return failure(f"the handler returned {kind}, not an Outcome", FailureClass.TERMINAL)
    if fault := fault_of(returned) or _fault_of_values(returned.context_updates):
        return failure(fault, FailureClass.TERMINAL)
    if returned.status is StageStatus.FAIL and not returned.failure_reason:
        return replace(returned, failure_reason=f"{node.id} failed")
    return returned


def _fault_of_values(updates: JsonObject) -> str:
    try:
        canonical_json(updates)
    except NotCanonical as fault:
        return f"context updates: {fault}"
    return ""


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
