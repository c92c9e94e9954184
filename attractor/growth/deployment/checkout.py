"""Looks at the work tree of the branch before a person decides on a result that moves it.

A promotion overwrites no uncommitted change. Found after the decision, a change that is committed
then moves the branch: the plan is built, judged and decided again.
"""

import shlex

from attractor.engine.state.run_state import EVALUATING
from attractor.factory.candidate_run import read_candidate_run
from attractor.growth.building import Build, find_crew_run
from attractor.pipeline.project.project import Project
from attractor.workspaces.checkouts import changes_in_the_way, some_paths
from attractor.workspaces.errors import CheckoutInTheWay
from attractor.workspaces.folders import scratch_folder
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import open_repository


async def require_clean_before_run(project: Project, build: Build, *, variant: str) -> None:
    """Refuse uncommitted changes before a run whose result could not be promoted."""
    root = find_crew_run(project, build.commit)
    was_judged = root and read_candidate_run(root).state.status != EVALUATING
    if not variant and not was_judged:
        await require_clean(project, build, build.commit)


async def require_clean(project: Project, build: Build, result: str) -> None:
    """Refuse uncommitted changes that a move of the branch to a commit would overwrite.

    A branch that was moved already, or by others, is left to the promotion.
    """
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    if await repository.ref(f"refs/heads/{build.branch}") != build.tip:
        return
    with scratch_folder() as folder:
        # Git writes nothing into the repository of the person.
        store = ObjectStore(
            folder / "git",
            object_format=repository.object_format,
            search_path=repository.git.search_path,
        )
        await store.create(borrow_from=repository.objects)
        found = await changes_in_the_way(
            repository, store, branch=build.branch, old=build.tip, new=result
        )
    for place, paths in found.items():
        command = ["git", "-C", str(place), "stash", "push", "--include-untracked", "--", *paths]
        hint = "stash them, or commit them, which builds the plan anew"
        raise CheckoutInTheWay(
            f"{place} has uncommitted changes, which a promotion would overwrite: "
            f"{some_paths(paths)}",
            hint=f"{hint}: {shlex.join(command)}; then: {build.command}",
        )
