"""What an environment cannot do, in words fit for a model: no message names a path outside.

AttractorError
├── FileUnusable              1  this cannot be done with that file
│   ├── FileMissing              1  there is no such file
│   ├── PathOutside              1  the path leads out of the working folder
│   └── NotText                  1  the file holds something else than text
├── PortUnusable              1  this cannot be done with that port
├── UsageError
│   ├── InvalidPattern           2  this is not a regular expression
│   └── NotSupported             2  this environment does not do that
└── MachineryError
    ├── SandboxNotStarted        3  a sandbox was wanted, and none was made
    │   └── SandboxImpossible        3  this machine has no sandboxes: no bubblewrap, or forbidden
    ├── SandboxLost              3  a sandbox ended before its work was done
    └── LessGuarded              3  less is guarded now than was promised when the run began
"""

import errno

from attractor.base.errors import AttractorError, MachineryError, UsageError
from attractor.base.files import file_error, hint_for, reason_of

_MACHINERY = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EROFS,
    errno.ESTALE,
}


class FileUnusable(AttractorError):
    """This cannot be done with that file."""


class FileMissing(FileUnusable):
    """There is no such file."""

    hint = "list the folder to see what is there"


class PathOutside(FileUnusable):
    """The path leads out of the working folder."""

    hint = "use a path in the working folder, without .. and not through a link that leads out"


class NotText(FileUnusable):
    """The file holds something else than text."""

    hint = "look at it with a command, such as file, xxd or iconv"


class PortUnusable(AttractorError):
    """This cannot be done with that port."""


class InvalidPattern(UsageError):
    """This is not a regular expression."""


class NotSupported(UsageError):
    """This environment does not do that."""


class SandboxNotStarted(MachineryError):
    """A sandbox was wanted, and none was made."""

    hint = "attractor doctor says what is missing; or start a new run with --sandbox none"


class SandboxImpossible(SandboxNotStarted):
    """This machine has no sandboxes: bubblewrap is not there, or the kernel forbids them."""


class SandboxLost(MachineryError):
    """A sandbox ended before its work was done."""

    hint = "it was killed, perhaps for want of memory; resume the run"


class LessGuarded(MachineryError):
    """Less is guarded now than was promised when the run began."""

    hint = "mend the sandbox (attractor doctor looks at it), or start a new run with --sandbox none"


def file_failure(verb: str, path: str, cause: OSError) -> AttractorError:
    """Tell trouble of the machine from what is only wrong with a file, and say either."""
    if cause.errno in _MACHINERY:
        return file_error(verb, path, cause)
    message = f"cannot {verb} {path}: {reason_of(cause)}"
    if cause.errno == errno.ENOENT:
        return FileMissing(message)
    return FileUnusable(message, hint=hint_for(cause))
