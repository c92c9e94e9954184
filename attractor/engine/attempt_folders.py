"""The folder that an attempt writes into, and where earlier attempts went.

An attempt writes into the node's folder. When another one begins, what lies there moves to
`history/<visit>.<attempt>/`, status.json last: as long as it is there, the move is not finished.
One that begins while another one writes there has its place in the history from the first.
"""

import os
import stat
from itertools import count
from pathlib import Path

from attractor.base.errors import FileTrouble, NotCanonical
from attractor.base.files import file_trouble, remove_leavings
from attractor.base.json import parse_json
from attractor.engine.foreign_files import read_foreign

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
