"""A copy of the current files of the project."""

from attractor.workspaces.create.from_folder import create_from_copy
from attractor.workspaces.create.registry import NewWorkspace, WorkspaceKind
from attractor.workspaces.tracked_folder import TrackedFolder


async def create(new: NewWorkspace) -> TrackedFolder:
    """Create the workspace of a run with the current files."""
    new.tell(f"The run works on a copy of the current files in {new.folder}.")
    return await create_from_copy(
        new.folder,
        state=new.state,
        run_id=new.run_id,
        search_path=new.search_path,
        author=new.author,
        environment=new.environment,
        on_snapshot=new.on_snapshot,
        also_excluded=new.records,
        leave_out=new.leave_out,
        tell=new.tell,
    )


part = WorkspaceKind(
    is_apart=True, sets_back=True, hides_scenarios=True, how_delivered="patch", create=create
)
