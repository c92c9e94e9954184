"""Tells when files change."""

import os
from collections.abc import Callable, Iterable, Iterator

from watchfiles import watch

# What the kernel does not tell (a link's target, a new folder, a file of another machine) is seen
# when we look again by ourselves.
_LOOK_AGAIN_MS = 2_000

_Look = dict[str, tuple[int, int, int] | None]


def changed_files(find: Callable[[], Iterable[str]]) -> Iterator[frozenset[str]]:
    """Yield the names of files that changed, came or went; at first all of them.

    Which files there are is asked anew at each look. It ends with KeyboardInterrupt.
    """
    seen: _Look = {}
    is_first = True
    while True:
        look = _look(find())
        changed = frozenset(one for one in look | seen if look.get(one) != seen.get(one, ()))
        seen = look
        if changed or is_first:
            is_first = False
            # What changes meanwhile is seen when we look again.
            yield changed
            continue
        for _ in _wakes(_folders(seen)):
            if _look(find()) != seen:
                break


def _wakes(folders: frozenset[str]) -> Iterator[object]:
    return watch(
        *sorted(folders),
        watch_filter=None,
        recursive=False,
        rust_timeout=_LOOK_AGAIN_MS,
        yield_on_timeout=True,
    )


def _look(files: Iterable[str]) -> _Look:
    return {file: _signature(file) for file in files}


def _signature(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _folders(files: Iterable[str]) -> frozenset[str]:
    """Return the folders to listen to; a file itself would not be there any more when replaced."""
    folders = {os.path.dirname(file) or "." for file in files}  # noqa: PTH120
    return frozenset(one for one in folders if os.path.isdir(one)) or frozenset({"."})  # noqa: PTH112
