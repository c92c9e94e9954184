"""Tells why a sandbox did not start, and whether none ever will on this machine."""

import re
from contextlib import suppress
from pathlib import Path

from attractor.environments.errors import SandboxImpossible, SandboxNotStarted

# What bubblewrap says where the kernel, or who set it up, lets us have no namespaces.
_FORBIDDEN = re.compile(
    r"No permissions to creat"
    r"|Creating new namespace failed(, likely because the kernel does not support"
    r"|: (Operation not permitted|Permission denied|Function not implemented))"
    r"|(setting up [ug]id map|Can't mount proc on \S+|Failed to make / slave|pivot_root"
    r"|loopback: Failed \w+): (Operation not permitted|Permission denied)"
)
# It says that there are too many, also where there may be none at all.
_TOO_MANY = "max_*_namespaces exceeded"
_MOST = Path("/proc/sys/user/max_user_namespaces")


def failed_start(
    words: str, code: int | None, cause: Exception, *, most: Path = _MOST
) -> SandboxNotStarted:
    """Return the error for what bubblewrap said and the code it ended with."""
    if not words:
        late = isinstance(cause, TimeoutError)
        words = "it was not ready in time" if late else f"bubblewrap ended with {code}"
    forbidden = _FORBIDDEN.search(words) or (_TOO_MANY in words and _allows_none(most))
    kind = SandboxImpossible if forbidden else SandboxNotStarted
    return kind(f"no sandbox could be made: {words}")


def _allows_none(most: Path) -> bool:
    with suppress(OSError):
        return most.read_text("ascii").strip() == "0"
    return False
