"""A folder outside of Git, in which several runs work, one after the other."""

from attractor.workspaces.create.from_folder import create_in_place
from attractor.workspaces.create.registry import NewWorkspace, WorkspaceKind
from attractor.workspaces.result_tree import EXCLUDED
from attractor.workspaces.tracked_folder import TrackedFolder


async def create_in_dimension(new: NewWorkspace) -> TrackedFolder:
    """Create the workspace of a run in the folder of a dimension.

    No snapshot contains hidden scenarios, which a person may have checked out there.
    """
    return await create_in_place(
        new.folder,
        state=new.state,
        run_id=new.run_id,
        search_path=new.search_path,
        environment=new.environment,
        on_snapshot=new.on_snapshot,
        also_excluded=(*EXCLUDED, *new.records),
        leave_out=new.leave_out,
    )


part = WorkspaceKind(
    is_apart=False,
    sets_back=False,
    hides_scenarios=True,
    needs_folder=True,
    create=create_in_dimension,
)
