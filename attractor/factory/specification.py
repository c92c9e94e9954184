"""Reads the specification of a commit, and compares it with the requirements of a suite."""

from collections.abc import Iterable, Sequence

from attractor.base.amounts import number_of
from attractor.engine.seams import Workspace
from attractor.engine.state.attempts import TreeId
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.create import HEAD
from attractor.scenarios.requirements import RequirementList, moved_since
from attractor.scenarios.suite_files import MOST_BYTES
from attractor.scenarios.suite_lint import SuiteFault
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.tracked_folder import TrackedFolder


async def read_committed(project: Project, path: str) -> str | None:
    """Return a text of the last commit, or None without it; outside of Git, that of the file."""
    try:
        repository = await open_repository(project.root, search_path=project.machine.search_path)
    except NotARepository:
        file = project.root / path
        return file.read_text("utf-8", "replace") if file.is_file() else None
    found = await repository.git.answer("cat-file", "blob", f"{HEAD}:{repository.prefix}{path}")
    return None if found.exit_code else found.stdout


async def moved_sentences(listed: RequirementList, project: Project) -> Sequence[SuiteFault]:
    """Return a hint for each sentence of the list that the specification lacks."""
    if not listed.requirement:
        return ()
    text = await read_committed(project, listed.spec)
    remedy = "see: attractor suite coverage FOLDER"
    return [
        SuiteFault("moved_sentence", f"{listed.spec} lacks {one.id}", remedy, is_hint=True)
        for one in moved_since(listed, text or "")
    ]


async def compare_specification(
    listed: RequirementList, workspace: Workspace, tree: TreeId, *, prefix: str
) -> tuple[str, ...]:
    """Return what people should know of the specification, without words of the list.

    That of the base counts: a candidate cannot change what it is judged by. `prefix` is the path of
    the project in the tree.
    """
    if not listed.requirement or not isinstance(workspace, TrackedFolder):
        return ()
    path, base = f"{prefix}{listed.spec}", workspace.base.candidate
    entry = (await workspace.store.files_of(base)).get(path.encode())
    blobs = [entry.id] if entry else []
    text = await workspace.store.with_blobs(blobs, _first_text)
    notes: list[str] = []
    if moved := moved_since(listed, text):
        words = f"the base of the run lacks {number_of(len(moved), 'sentence')} of the requirements"
        notes.append(f"{listed.spec}: {words}; see: attractor suite coverage")
    if path in await workspace.changed(base, tree):
        notes.append(f"{listed.spec}: the candidate changes it, which changes no requirement")
    return tuple(notes)


def _first_text(blobs: Iterable[bytes]) -> str:
    return next(iter(blobs), b"")[:MOST_BYTES].decode("utf-8", "replace")
