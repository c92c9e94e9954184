"""Knows every name that some file system, or git itself, takes for `.git`."""

# What macOS does not see in a name.
_UNSEEN = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)


def is_dot_git(name: bytes) -> bool:
    """Say whether a name is `.git` in any case or disguise; git refuses a tree that holds one."""
    # Every file of a workspace is asked about: most names end here.
    if name.isascii() and b"git" not in name.lower():
        return False
    seen = name.decode("utf-8", "surrogateescape").translate(_UNSEEN).lower()
    return any(_is_dot_git_on_windows(part) for part in seen.split("\\"))


def _is_dot_git_on_windows(part: str) -> bool:
    return part.partition(":")[0].rstrip(" .") in (".git", "git~1")
