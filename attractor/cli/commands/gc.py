"""Free disk space used by finished runs."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial

import click

from attractor.base.amounts import format_size
from attractor.base.durations import parse_duration
from attractor.base.errors import AttractorError, ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, show_result
from attractor.cli.runs.setup import project_of
from attractor.factory.decisions.run_locations import RunLocations
from attractor.factory.dimensions import DimensionRecords
from attractor.factory.ledger.ledger import Ledger
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.project import ProjectFolder
from attractor.language.source.text import visible
from attractor.pipeline.disk_use import DiskUse, read_disk_use
from attractor.pipeline.garbage import YET, Collector, Freed, Rules, Sweep, name_processes
from attractor.pipeline.project.project import Project
from attractor.worlds.actors import list_actors
from attractor.worlds.old_runs import old_runs
from attractor.worlds.status import read_actors


@click.command()
@click.option("--dry-run", is_flag=True, help="Remove nothing; list what would be removed.")
@click.option(
    "--older-than",
    default="7d",
    show_default=True,
    metavar="DURATION",
    help="Skip runs that were active within this time.",
)
@click.option(
    "--missing-projects",
    is_flag=True,
    help="Include runs whose project folder does not exist any more.",
)
@click.option("--usage", is_flag=True, help="Remove nothing; list the disk space in use.")
@json_option
@click.pass_obj
def gc(
    invocation: Invocation,
    dry_run: bool,
    older_than: str,
    missing_projects: bool,
    usage: bool,
    as_json: bool,
) -> ExitCode:
    """Free disk space used by finished runs.

    Remove the workspaces, snapshots and Git branch of a run if the run is final or landed, or its
    run directory is missing. Final means failed, canceled, rejected, or approved and promoted;
    landed means that another branch has its changes, also after a squash or a rebase by hand, and
    did not revert them. If an approved run landed without a promotion, or was rolled back, ask
    first; without a terminal, keep it. Workspaces of parallel branches are included, and files in
    places, there also those of removed dimensions of this project. Print why the others are kept.
    Of an actor, only the last 20 runs stay, and those of submitted work: the run directories of the
    others are removed too. Also remove temporary files of killed processes, drawings that the
    server keeps, and copies of agents that no run needs. All runs in the state folder are checked,
    including runs of other projects. Other run directories, the ledger, live runs, and branches
    with commits of a person are never removed. A run whose workspace and snapshots were removed
    cannot be forked or rewound. With --usage, only measure the runs folder of this project, and the
    workspaces, snapshots and records in the state folder, which all projects share.
    """
    project = project_of(invocation)
    if usage:
        use = read_disk_use(project.runs_dir, project.machine.state_dir)
        show_json(use.to_record()) if as_json else show(disk_text(use))
        return ExitCode.DONE
    rules = Rules(project.machine.clock.now(), parse_duration(older_than), missing_projects)
    ledger = Ledger(project.machine.state_dir)
    places = RunLocations(ledger, project.runs_dir)
    confirm = None if as_json or not invocation.has_terminal else _confirm
    troubles: list[str] = []
    actors = read_actors(list_actors(project.machine.state_dir), troubles.append)
    collector = Collector(
        project,
        places,
        rules,
        places.run_ids,
        old_runs=old_runs(actors, ledger.entries(), partial(_open, invocation)),
        dimensions=_dimensions(project, troubles.append),
        is_dry=dry_run,
        confirm=confirm,
    )
    swept = asyncio.run(collector.collect())
    swept.troubles += troubles
    show_result(swept.to_record(), sweep_text(swept), as_json=as_json)
    return ExitCode.UNFINISHED if swept.troubles else ExitCode.DONE


def _open(invocation: Invocation, project: ProjectFolder) -> OpenProject:
    state = str(invocation.configuration.settings.state_dir)
    return open_project(project.root, {**invocation.environ, "ATTRACTOR_STATE_DIR": state})


def _dimensions(project: Project, trouble: Callable[[str], None]) -> Collection[str] | None:
    try:
        return {one.name for one in DimensionRecords.of(OpenProject(project)).all()}
    except AttractorError as fault:
        trouble(f"dimensions: {fault}")
        return None


def _confirm(question: str) -> bool:
    """Ask at the terminal; Ctrl-C ends the command, also while the event loop runs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm(question, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def disk_text(use: DiskUse) -> str:
    """Return the disk space in use as text."""
    lines = [f"{format_size(one.bytes):>10}  {one.what:<10}  {one.path}" for one in use.folders]
    free = f"{format_size(use.free)} of {format_size(use.total)} free"
    space = f"{format_size(use.used):>10}  in use, {free}"
    return "\n".join(map(visible, [*lines, space]))


def sweep_text(swept: Sweep) -> str:
    """Return the result of a garbage collection as text."""
    return "\n".join(map(visible, _sweep_lines(swept)))


def _sweep_lines(swept: Sweep) -> Iterator[str]:
    ended = "would be ended" if swept.is_dry else "ended"
    for run_id, processes in swept.ended.items():
        names = name_processes(processes)
        yield f"{run_id}  {ended}: processes left by a killed run process: {names}"
    by_run: dict[tuple[str, str], list[Freed]] = {}
    for one in swept.freed:
        by_run.setdefault((one.run_id, one.why), []).append(one)
    for (run_id, why), freed in by_run.items():
        kinds = Counter(one.what for one in freed)
        items = (f"{count} {what}s" if count > 1 else what for what, count in kinds.items())
        name = run_id or "temporary files             "
        size = format_size(sum(one.bytes for one in freed))
        yield f"{name}  {size:>10}  {', '.join(items)} ({why})"
    would = "would be freed" if swept.is_dry else "freed"
    yield f"{format_size(swept.bytes)} {would}" if swept.freed else f"nothing {would}"
    reasons: dict[str, list[str]] = {}
    for kept, why in swept.kept.items():
        reasons.setdefault(why, []).append(kept)
    for why, names in reasons.items():
        more = f" and {len(names) - _MOST_NAMED} more (see --json)"
        listed = ", ".join(names[:_MOST_NAMED]) + more * (len(names) > _MOST_NAMED)
        yield f"kept {listed}: {why}"
    if any(why.endswith(YET) for why in reasons):
        yield "to include newer runs, add --older-than 0s"
    for trouble in swept.troubles:
        yield f"trouble: {trouble}"


_MOST_NAMED = 10


part = gc
