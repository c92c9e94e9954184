"""Old runs of actors, which `gc` removes whole: the last ones stay, and all that is submitted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.records import write_record
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.storage.json_files import Fields
from attractor.factory.evaluation.leaks import SearchedFolder, find_leaks
from attractor.factory.history.records import RemovedTask
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder
from attractor.factory.register import promises_kept_in
from attractor.pipeline.garbage import OldRun
from attractor.records.lookup import is_run, run_root
from attractor.records.request import read_request
from attractor.records.summary import summarize_any
from attractor.scenarios.suite_files import SUITE_FILE
from attractor.scenarios.suite_reader import read_suite
from attractor.workspaces.create.registry import READ_ONLY
from attractor.worlds.actors import ActorFolder
from attractor.worlds.status import ActorView

KEPT = 20
"""How many of its last runs an actor keeps."""

Open = Callable[[ProjectFolder], OpenProject]


def old_runs(
    actors: Iterable[ActorView], entries: Iterable[LedgerEntry], open_: Open
) -> Mapping[str, OldRun]:
    """Return the runs of answered tasks that are not among the last, and that no run submits."""
    cited = {run_id for entry in entries for run_id in _submitted_in(entry)}
    actors, found = [*actors], dict[str, OldRun]()
    # A clone begins with the conversation of another actor.
    cited |= {view.history.before for view in actors}
    for view in actors:
        run_ids = [*dict.fromkeys(one.run_id for one in view.history.answers if one.run_id)]
        for run_id in run_ids[:-KEPT]:
            root = run_root(run_id, view.folder.project.runs_dir)
            if run_id not in cited and is_run(RunDirectory(root)):
                why = f"the actor {view.name} has {KEPT} newer runs"
                found[run_id] = OldRun(root, why, partial(_let_go, root, view.folder, open_))
    return found


def _submitted_in(entry: LedgerEntry) -> Iterable[str]:
    if entry.kind != LineKind.CREATED or "submission" not in entry.data:
        return ()
    return Fields(entry.data, "ledger: created").inner("submission").texts("runs")


def _canaries(opened: OpenProject) -> Iterator[tuple[str, str]]:
    """Yield the suites with their canaries, also those that are not registered yet."""
    for name in opened.suites.versions.names():
        for version in opened.suites.versions.versions(name):
            if sealed := opened.suite(version.pinned):
                yield f"{version.name}@{version.number}", sealed.canary
    for file in sorted(opened.project.root.glob(f"scenarios/*/{SUITE_FILE}")):
        with suppress(AttractorError):
            if canary := read_suite(file.parent).settings.isolation.canary:
                yield file.parent.name, canary


def _let_go(root: Path, folder: ActorFolder, open_: Open) -> str:
    """Record what a judge of the files needs of a run; return why it has to stay, or ""."""
    opened, directory = open_(folder.project), RunDirectory(root)
    request = read_request(read_manifest(directory))
    is_work = bool(request.dimension) and request.workspace != READ_ONLY
    for name, canary in _canaries(opened) if is_work else ():
        if find_leaks(canary, [SearchedFolder("run", root)]):
            return f"a holdout of {name} leaked in it, and nothing has judged its files yet"
    usage = summarize_any(root).usage
    task = RemovedTask(
        folder.name,
        request.dimension if is_work else "",
        promises_kept_in(directory),
        usage.cost_usd,
        usage.unpriced_tokens,
    )
    opened.ledger.append(
        LineKind.TASK_REMOVED, root.name, write_record(task), now=opened.now(), once=True
    )
    return ""
