"""The folder of the project."""

from attractor.workspaces.create.from_folder import EXCLUDED_IN_PLACE, create_in_place
from attractor.workspaces.create.registry import NewWorkspace, WorkspaceKind
from attractor.workspaces.tracked_folder import TrackedFolder


async def create(new: NewWorkspace) -> TrackedFolder:
    """Create the workspace of a run in the folder of the project."""
    return await create_in_place(
        new.folder,
        state=new.state,
        run_id=new.run_id,
        search_path=new.search_path,
        environment=new.environment,
        on_snapshot=new.on_snapshot,
        also_excluded=(*EXCLUDED_IN_PLACE, *new.records),
        leave_out=new.leave_out,
    )


part = WorkspaceKind(is_apart=False, sets_back=False, hides_scenarios=True, create=create)
