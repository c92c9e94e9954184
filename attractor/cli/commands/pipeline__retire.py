"""Retire a pipeline."""

from attractor.cli.resources import end_command
from attractor.factory.resources.versions import RETIRED, ResourceKind

part = end_command(
    ResourceKind.PIPELINE,
    RETIRED,
    "retire",
    """Retire a pipeline, or one version of it.

    Refused with exit status 4 while active runs use it. The version stays readable. No new run
    uses it, until it is registered again with `attractor pipeline register`.
    """,
)
