"""Mark a version of a suite as burned."""

from attractor.cli.resources import end_command
from attractor.factory.resources.versions import BURNED, ResourceKind

part = end_command(
    ResourceKind.SUITE,
    BURNED,
    "burn",
    """Mark a version of a suite as burned, because its holdouts are known (default: the latest).

    No new run can use the version, and the gate says no-go for the runs that pinned it.
    """,
)
