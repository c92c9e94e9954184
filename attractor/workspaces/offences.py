"""Finds files that git would refuse to hand on: what it says of attributes can be too long for it.

Keeping such a file does no harm. But nobody could push or clone a branch that has it.
"""

import re
from collections.abc import Sequence

from attractor.workspaces.dot_git import is_attributes
from attractor.workspaces.store import Store
from attractor.workspaces.trees import FILE, PROGRAM, Change, text_of

_LARGEST = 100 << 20
_LONG_LINE = re.compile(rb"[^\n]{2048}")


async def offending_attributes(store: Store, since: str, until: str) -> Sequence[str]:
    """Return the paths of attributes that changed between two trees and that git refuses."""
    changed = [one for one in await store.changes(since, until) if _tells_attributes(one)]
    files = [one for one in changed if _is_plain_file(one)]
    others = [one.path for one in changed if not _is_plain_file(one)]
    ids = [one.after.id for one in files if one.after]
    offending = await store.with_blobs(ids, lambda texts: list(map(_offends, texts)))
    found = [one.path for one, offends in zip(files, offending, strict=True) if offends]
    return sorted(text_of(path) for path in [*others, *found])


def _tells_attributes(change: Change) -> bool:
    return change.after is not None and any(map(is_attributes, change.path.split(b"/")))


def _is_plain_file(change: Change) -> bool:
    is_name = is_attributes(change.path.rpartition(b"/")[2])
    return is_name and change.after is not None and change.after.mode in (FILE, PROGRAM)


def _offends(content: bytes) -> bool:
    return len(content) > _LARGEST or _LONG_LINE.search(content) is not None
