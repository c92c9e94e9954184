"""Knows every name that some file system, or git itself, takes for `.git` or a file of git's."""

import re
from re import Pattern

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
