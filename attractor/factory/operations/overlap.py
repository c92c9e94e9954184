"""Finds the files that several runs changed, and the lines that would conflict."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from attractor.base.errors import AttractorError
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.open_project import OpenProject
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.overlap import Overlap, Work, find_overlaps
from attractor.workspaces.run_store import open_store


async def overlaps_of_runs(
    run_ids: Iterable[str], opened: OpenProject
) -> Mapping[str, Sequence[Overlap]]:
    """Return the overlaps of runs with each other; a run without files has no overlap."""
    works: list[Work] = []
    for run_id in run_ids:
        # A damaged run is reported where it is used.
        with suppress(AttractorError):
            works += [await work_of_run(run_id, opened)]
    return await find_overlaps([work for work in works if work.tree])


async def work_of_run(run_id: str, opened: OpenProject) -> Work:
    """Return the files of a run as of its last snapshot."""
    project, machine = opened.project, opened.project.machine
    repository = await open_repository(project.root, search_path=machine.search_path)
    store, record = open_store(
        machine.state_dir,
        run_id,
        search_path=machine.search_path,
        borrow_from=repository.objects,
    )
    tree = read_candidate_run(opened.find(run_id)).tree
    return Work(run_id, store, record.base.candidate, tree)
