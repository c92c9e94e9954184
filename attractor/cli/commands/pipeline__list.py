"""List the pipelines of the project."""

from attractor.cli.resources import list_command
from attractor.factory.resources.versions import ResourceKind

part = list_command(
    ResourceKind.PIPELINE, "List the registered pipelines of the project, with all versions."
)
