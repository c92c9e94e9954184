"""The folder of the project, without snapshots."""

from attractor.workspaces.create.registry import WorkspaceKind

part = WorkspaceKind(is_apart=False, sets_back=False, hides_scenarios=False)
