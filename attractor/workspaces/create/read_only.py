"""A folder of a person that a sandbox shows read-only, so that any number of runs may read it."""

from attractor.workspaces.create.registry import WorkspaceKind

part = WorkspaceKind(is_apart=False, sets_back=False, hides_scenarios=True, only_reads=True)
