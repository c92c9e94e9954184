"""List the suites of the project."""

from attractor.cli.resources import list_command
from attractor.factory.resources.versions import ResourceKind

part = list_command(ResourceKind.SUITE, "List the suites of the project, with all versions.")
