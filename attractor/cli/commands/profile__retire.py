"""Retire a profile."""

from attractor.cli.resources import end_command
from attractor.factory.resources.versions import RETIRED, ResourceKind

part = end_command(
    ResourceKind.PROFILE,
    RETIRED,
    "retire",
    """Retire a profile, or one revision of it: no new run can use it.

    Refused with exit status 4 while active runs use it. Runs that have ended keep the revision that
    they pinned.
    """,
)
