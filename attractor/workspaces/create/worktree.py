"""A worktree of Git, in which several runs work, one after the other."""

from attractor.workspaces.create.directory import create_in_dimension
from attractor.workspaces.create.registry import WorkspaceKind

part = WorkspaceKind(
    is_apart=False,
    sets_back=False,
    hides_scenarios=True,
    needs_folder=True,
    create=create_in_dimension,
)
