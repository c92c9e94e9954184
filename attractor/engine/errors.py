"""The errors of a run, each with the exit status of the command line.

AttractorError
├── UsageError                2
│   ├── InvalidReport         2  the report of a stage is invalid
│   ├── TemplateFailed        2  the template of a prompt cannot be rendered
│   ├── NoRun                 2  there is no run yet
│   └── StageOver             2  the stage has ended and accepts nothing more
├── Refused                   4
│   ├── IllegalTransition     4  the status of the run does not allow the transition
│   ├── RunOver               4  the run has ended, and its status is final
│   ├── GraphChanged          4  the pipeline was changed since the run began
│   ├── OtherVersion          4  another version wrote a record of the run
│   ├── FenceLost             4  another process took over the run
│   ├── NoRunningProcess      4  no process runs the run
│   └── NoOpenQuestion        4  the run has no open question
└── VerificationError         6
    ├── RecordBroken          6  a record of the run is corrupt
    ├── ConversationLost      6  the conversation of a thread cannot be restored
    └── CheckpointBroken      6  the checkpoint is corrupt
"""

from attractor.base.errors import Refused, UsageError, VerificationError


class NoRun(UsageError):
    """There is no run yet."""


class TemplateFailed(UsageError):
    """A template of a prompt cannot be rendered."""


class InvalidReport(UsageError):
    """A report is invalid."""


class StageOver(UsageError):
    """The stage has ended and accepts nothing more."""

    hint = "write and emit before the handler returns"


class IllegalTransition(Refused):
    """The status of the run does not allow this transition."""


class RunOver(Refused):
    """The run has ended, and its status is final."""

    hint = "start a new run: attractor run"


class GraphChanged(Refused):
    """The pipeline was changed since the run began."""

    hint = (
        "continue with the changed pipeline: attractor resume --accept-graph; "
        "or go back in the run: attractor rewind --graph; or undo the change"
    )


class OtherVersion(Refused):
    """The journal of the run is intact, but another version of Attractor wrote it."""

    hint = "use the version that wrote it, or start a new run"


class FenceLost(Refused):
    """Another process took over the run."""

    hint = "see which process runs it: attractor status"


class NoRunningProcess(Refused):
    """The order needs a process that executes the run, but no process executes it."""

    hint = "resume it first: attractor resume"


class NoOpenQuestion(Refused):
    """The run has no open question."""

    hint = "see its state: attractor status"


class RecordBroken(VerificationError):
    """A record of the run is corrupt."""

    hint = (
        "the record was changed or truncated, or another version wrote it: restore it from a copy, "
        "or use that version"
    )


class ConversationLost(VerificationError):
    """The conversation of a thread cannot be restored."""


class CheckpointBroken(VerificationError):
    """The checkpoint is corrupt."""

    hint = "if the journal verifies, remove checkpoint.json: it is rebuilt from the events"
