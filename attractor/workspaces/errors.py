"""The errors of the workspaces.

AttractorError
├── UsageError
│   ├── NotARepository    2  no git repository in a folder
│   ├── UnknownCommit     2  unknown commit of a repository
│   ├── FolderInUse       2  a folder that must be new or empty is not
│   └── FolderTooLarge    2  a folder too large to copy
├── MachineryError
│   ├── GitFailed         3  git failed
│   ├── SetupFailed       3  the setup of the project failed
│   └── WorkspaceExists   3  the run already has a workspace
├── Refused
│   ├── BranchMoved       4  a branch moved unexpectedly
│   ├── DimensionMissing  4  the folder of a dimension is gone
│   ├── CheckoutInTheWay  4  files of a checked-out branch would be overwritten
│   └── LockHeld          4  a lock held by another process
│       └── DimensionBusy 4  another run works in the folder of a dimension
└── VerificationError
    ├── ObjectMissing     6  missing object
    └── RecordBroken      6  missing or corrupt record of a workspace
"""

from types import MappingProxyType

from attractor.base.errors import LockHeld, MachineryError, Refused, UsageError, VerificationError


class NotARepository(UsageError):
    """No git repository in this folder."""

    hint = "run `git init` and commit"


class UnknownCommit(UsageError):
    """Unknown commit."""

    hint = (
        "name a commit, a branch or a tag; a new repository needs its first commit, or a run on a "
        "copy (--workspace copy)"
    )


class FolderInUse(UsageError):
    """This folder must be new or empty."""

    hint = "name a folder that does not exist yet"


class FolderTooLarge(UsageError):
    """This folder is too large to copy."""

    hint = (
        "start in the folder of the project; list unneeded files in .gitignore; or work without a "
        "copy: --workspace in-place"
    )


class GitFailed(MachineryError):
    """git failed."""


class SetupFailed(MachineryError):
    """The setup of the project failed."""

    hint = "fix `setup` in the table [workspace] of attractor.toml, then try again"


class WorkspaceExists(MachineryError):
    """This run already has a workspace."""

    is_not_now = False
    hint = "resume the run, or start a new one"


class BranchMoved(Refused):
    """The branch moved unexpectedly."""


class DimensionMissing(Refused):
    """The folder of a dimension is gone."""

    hint = "restore the folder; if its project was moved: attractor doctor --project ID"
    is_not_now = True


class DimensionBusy(LockHeld):
    """Another run works in the folder of a dimension."""

    details = MappingProxyType({"code": "dimension_busy"})


class CheckoutInTheWay(Refused):
    """Files of a checked-out branch would be overwritten."""


class ObjectMissing(VerificationError):
    """Missing git object."""

    hint = "if the project was moved or its history rewritten, restore it, then try again"


class RecordBroken(VerificationError):
    """The record of the workspace is missing or corrupt."""

    hint = "start a new run"
