"""Names that git reserves for itself, and attribute files that it refuses."""

import re
from collections.abc import Sequence
from re import Pattern

from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.trees import FILE, PROGRAM, Change, text_of

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


# What macOS does not see in a name.
_UNSEEN = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)


def is_dot_git(name: bytes) -> bool:
    """Say whether a name is `.git` in any case or disguise; git refuses a tree that holds one."""
    # Every file of a workspace is asked about: most names end here.
    if name.isascii() and b"git" not in name.lower():
        return False
    return any(_is_dot_git_on_windows(part) for part in _as_seen(name).split("\\"))


def _as_seen(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").translate(_UNSEEN).lower()


def _is_dot_git_on_windows(part: str) -> bool:
    return part.partition(":")[0].rstrip(" .") in (".git", "git~1")


def is_modules(name: bytes) -> bool:
    """Say whether git takes a name for `.gitmodules`, in any case or disguise."""
    return _is_one_of_gits(name, _MODULES)


def is_attributes(name: bytes) -> bool:
    """Say whether git takes a name for `.gitattributes`, in any case or disguise."""
    return _is_one_of_gits(name, _ATTRIBUTES)


def _is_one_of_gits(name: bytes, wanted: Pattern[str]) -> bool:
    # As above: most names end here.
    if name.isascii() and b"\\" not in name and not name.lower().startswith((b".git", b"g", b"~")):
        return False
    return any(wanted.fullmatch(part) for part in _as_seen(name).split("\\"))


def _name_pattern(name: str, hashed: str) -> Pattern[str]:
    """Return what matches a name with its short ones on Windows; the second is made by hashing."""
    short = [f"{hashed[:kept]}~[1-9][0-9]{{{6 - kept}}}" for kept in range(7)]
    names = [re.escape(f".{name}"), f"{name[:6]}~[1-4]", *short]
    return re.compile(f"(?:{'|'.join(names)})[ .]*(?::.*)?", re.DOTALL)


_MODULES = _name_pattern("gitmodules", "gi7eba")
_ATTRIBUTES = _name_pattern("gitattributes", "gi7d29")
