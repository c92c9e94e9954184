"""What can go wrong in an agent's work.

AttractorError
├── ToolError                  1  a tool could not do what it was asked; the model is told
│   ├── InvalidArguments       1  the arguments are not what the tool takes
│   ├── CommandFailed          1  a command ended badly or was out of time
│   └── PatchError             1  a patch cannot be applied
│       ├── InvalidPatch       1  this is not a patch
│       └── PatchMismatch      1  a patch does not fit the files it changes
└── UsageError
    ├── SessionBusy            2  a session takes one input at a time
    ├── SessionClosed          2  a session that is closed takes no input
    └── PromptMissing          2  a prompt is not there
"""

from attractor.base.errors import AttractorError, UsageError


class ToolError(AttractorError):
    """A tool could not do what it was asked."""


class InvalidArguments(ToolError):
    """The arguments are not what the tool takes."""


class CommandFailed(ToolError):
    """A command ended badly or was out of time."""


class PatchError(ToolError):
    """A patch cannot be applied."""


class InvalidPatch(PatchError):
    """This is not a patch."""


class PatchMismatch(PatchError):
    """A patch does not fit the files it changes."""


class SessionBusy(UsageError):
    """A session takes one input at a time."""

    hint = "wait for the input in hand, or use steer() or follow_up()"


class SessionClosed(UsageError):
    """A session that is closed takes no input."""

    hint = "create a new session"


class PromptMissing(UsageError):
    """A prompt is not there."""
