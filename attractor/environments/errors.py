"""Errors of an environment, with messages for a model; no message names a path outside.

AttractorError
├── FileUnusable                 1  impossible operation on a file
│   ├── FileMissing                 1  missing file
│   ├── PathOutside                 1  path outside the working folder
│   └── NotText                     1  file that is not text
├── PlaceRefused                 1  files or answers of a place that are refused
├── CommandUnusable              1  command that the system cannot start
├── PortUnusable                 1  impossible operation on a port
├── UsageError
│   ├── InvalidPattern              2  invalid regular expression
│   └── NotSupported                2  operation that this environment does not support
└── MachineryError
    ├── SandboxNotStarted           3  the sandbox did not start
    │   └── SandboxUnavailable         3  this machine has no sandbox: missing, or forbidden
    ├── SandboxLost                 3  the sandbox ended too early
    ├── SandboxWeakened             3  the sandbox guarantees less than at the start of the run
    ├── ContainerNotStarted         3  no container: no daemon, no image, or no shell in it
    └── Unavailable
        └── RemoteLost              3  no connection to a container or another machine
"""

import errno

from attractor.base.errors import AttractorError, MachineryError, Unavailable, UsageError
from attractor.base.files import file_error, hint_for, reason_of

NO_PORTS = "commands in the Landlock sandbox of this machine have no ports"
PORTS_HINT = "type 'apt-get install bubblewrap', or use --sandbox none"
"""With `NO_PORTS`, the sentence where the kernel allows no network namespace."""

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
    """The operation on the file is impossible."""


class FileMissing(FileUnusable):
    """The file is missing."""

    hint = "list the folder to see what is there"


class PathOutside(FileUnusable):
    """The path is outside the working folder."""

    hint = "use a path in the working folder, without .. or a link that leads outside"


class NotText(FileUnusable):
    """The file is not text."""

    hint = "read it with a command, such as file, xxd or iconv"


class PlaceRefused(AttractorError):
    """Files or answers of a place over SSH are refused; nothing here was changed."""


class CommandUnusable(AttractorError):
    """The system cannot start the command."""


class PortUnusable(AttractorError):
    """The operation on the port is impossible."""


class InvalidPattern(UsageError):
    """Invalid regular expression."""


class NotSupported(UsageError):
    """The environment does not support the operation."""


class SandboxNotStarted(MachineryError):
    """The sandbox did not start."""

    hint = "run attractor doctor; or start a new run with --sandbox none"


class SandboxUnavailable(SandboxNotStarted):
    """This machine does not have the sandbox: it is missing, or the kernel forbids it."""


class SandboxLost(MachineryError):
    """The sandbox ended too early."""

    hint = "the sandbox was killed, perhaps by a lack of memory; resume the run"


class SandboxWeakened(MachineryError):
    """The sandbox guarantees less than at the start of the run."""

    hint = "fix the sandbox (run attractor doctor), or start a new run with --sandbox none"


class ContainerNotStarted(MachineryError):
    """Docker or Podman did not start a container."""

    hint = "see what the program says about it, and try again"


class RemoteLost(Unavailable):
    """There is no connection to a container or another machine."""

    hint = "check that the container or machine runs and can be reached; then try again"


def file_failure(verb: str, path: str, cause: OSError) -> AttractorError:
    """Return a `MachineryError` for a failure of the machine, otherwise a `FileUnusable`."""
    if cause.errno in _MACHINERY:
        return file_error(verb, path, cause)
    message = f"cannot {verb} {path}: {reason_of(cause)}"
    if cause.errno == errno.ENOENT:
        return FileMissing(message)
    return FileUnusable(message, hint=hint_for(cause))
