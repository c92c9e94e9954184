"""The errors of the workspaces.

AttractorError
├── UsageError
│   ├── NotARepository    2  there is no git repository at that place
│   ├── UnknownCommit     2  a name that is no commit of the repository
│   ├── FolderInUse       2  a folder that should be new or empty is not
│   └── FolderTooLarge    2  a folder that is too large to be copied
├── MachineryError
│   ├── GitFailed         3  git could not do what it was asked
│   ├── SetupFailed       3  the project's setup did not come to its end
│   └── WorkspaceExists   3  a run has a workspace already
├── Refused
│   ├── BranchMoved       4  a branch is not where it was expected
│   └── CheckoutInTheWay  4  files of a checked-out branch would be lost
└── VerificationError
    ├── ObjectMissing     6  an object that a record names is not in the store
    └── RecordBroken      6  what a run wrote down about its workspace cannot be read
"""

from attractor.base.errors import MachineryError, Refused, UsageError, VerificationError


class NotARepository(UsageError):
    """There is no git repository at this place."""

    hint = (
        "run `git init` and commit something, or start a new run on a copy (--workspace copy) or "
        "in place (--workspace in-place)"
    )


class UnknownCommit(UsageError):
    """This names no commit of the repository."""

    hint = (
        "name a commit, a branch or a tag; a new repository needs its first commit, or a run on a "
        "copy (--workspace copy)"
    )


class FolderInUse(UsageError):
    """This folder should be new or empty."""

    hint = "name a folder that does not exist yet"


class FolderTooLarge(UsageError):
    """This folder is too large to be copied."""

    hint = (
        "start in the folder of the project itself; name what is not needed in a .gitignore; or "
        "work on the files as they are: --workspace in-place"
    )


class GitFailed(MachineryError):
    """git could not do what it was asked."""


class SetupFailed(MachineryError):
    """The project's setup did not come to its end."""

    hint = "mend `setup` in the table [workspace] of attractor.toml, then try again"


class WorkspaceExists(MachineryError):
    """This run has a workspace already."""

    hint = "resume the run, or start a new one"


class BranchMoved(Refused):
    """The branch is not where it was expected."""


class CheckoutInTheWay(Refused):
    """Files of a checked-out branch would be lost."""


class ObjectMissing(VerificationError):
    """An object that a record names is not in the store."""

    hint = "was the project moved, or its history rewritten? bring it back, then try again"


class RecordBroken(VerificationError):
    """What a run wrote down about its workspace cannot be read."""

    hint = "start a new run"
