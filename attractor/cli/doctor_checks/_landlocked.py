"""Restricts itself with Landlock and tries to read a file; exits with 0 if reading is denied."""

import ctypes
import os
import sys
from pathlib import Path

# Numbers of linux/landlock.h and linux/prctl.h; the system calls are equal on all processors.
CREATE_RULESET, RESTRICT_SELF = 444, 446
NO_NEW_PRIVILEGES = 38
ASK_VERSION = 1
READ_FILE = 1 << 2


def main() -> int:
    """Deny this process the reading of files, and try to read a file."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, 0, ASK_VERSION)
    if version < 1:
        return _say(os.strerror(ctypes.get_errno()), 1)
    handled = ctypes.c_uint64(READ_FILE)
    rules = libc.syscall(CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if rules < 0 or libc.syscall(RESTRICT_SELF, rules, 0) != 0:
        return _say(os.strerror(ctypes.get_errno()), 1)
    try:
        Path(sys.argv[1]).read_text()
    except PermissionError:
        return _say(f"version {version}", 0)
    return _say(f"version {version} let a forbidden file be read", 1)


def _say(words: str, code: int) -> int:
    sys.stdout.write(words)
    return code


if __name__ == "__main__":
    sys.exit(main())
