"""List the profiles of the project."""

from attractor.cli.resources import list_command
from attractor.factory.resources.versions import ResourceKind

part = list_command(ResourceKind.PROFILE, "List the profiles of the project, with all revisions.")
