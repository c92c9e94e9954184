"""Archive a suite."""

from attractor.cli.resources import end_command
from attractor.factory.resources.versions import ARCHIVED, ResourceKind

part = end_command(
    ResourceKind.SUITE,
    ARCHIVED,
    "archive",
    """Archive a suite, or one version of it: no new run can use it.

    Refused with exit status 4 while active runs use it. The sealed copy stays, and the runs that
    pinned it can still be judged.
    """,
)
