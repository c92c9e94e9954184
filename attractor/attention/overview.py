"""Reads the overview of a project: branch, suites, last runs, needs, and the next command."""

import asyncio
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attractor.attention.reading import Attention, read_attention
from attractor.attention.rows import AttentionRow
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.base.toml import InvalidToml, parse_toml
from attractor.engine.state.run_state import StatusWord
from attractor.factory.history.index import RunIndex, RunQuery
from attractor.factory.open_project import OpenProject
from attractor.factory.resources.versions import ResourceKind
from attractor.pipeline.project.project import Project
from attractor.pipeline.status import with_landings
from attractor.records.summary import RunOverview
from attractor.scenarios.suite_files import LOCK_FILE, SUITE_FILE
from attractor.workspaces.git.repository import open_repository

MOST_RUNS = 5


@dataclass(frozen=True)
class ProjectOverview:
    """A project, its last runs (newest first), and what needs a person (oldest first).

    `suites` are the registered ones in use, as NAME@VERSION; `drafts` are folders of others, unless
    a run registers them by their lock. `troubles` say what cannot be read.
    """

    root: Path
    branch: str = ""
    suites: Sequence[str] = ()
    drafts: Sequence[str] = ()
    pipelines: Sequence[str] = ()
    runs: Sequence[RunOverview] = ()
    needs: Sequence[AttentionRow] = ()
    troubles: Sequence[str] = ()

    def to_record(self) -> dict[str, Json]:
        """Return the overview as JSON."""
        return {
            "project": str(self.root),
            "branch": self.branch,
            "suites": [*self.suites],
            "unregistered_suites": [*self.drafts],
            "pipelines": [*self.pipelines],
            "runs": [run.to_record() for run in self.runs],
            "needs": [row.to_record() for row in self.needs],
        }


def read_overview(opened: OpenProject) -> ProjectOverview:
    """Read the overview of a project; before its first run and suite, nothing is written."""
    project, project_id = opened.project, opened.identity.project_id()
    state, environ = project.machine.state_dir, project.machine.environ
    runs, attention = list[RunOverview](), Attention((), (), ())
    if project_id:
        runs = RunIndex(state).runs(project.runs_dir, RunQuery(limit=MOST_RUNS))
        attention = read_attention(state, opened.now(), environ, reaches=project_id.__eq__)
    branch, runs = asyncio.run(_ask_git(project, runs))
    store = opened.of_kind(ResourceKind.SUITE)
    latest = [store.versions(name)[-1] for name in store.names()]
    known = {version.name for version in latest}
    return ProjectOverview(
        project.root,
        branch,
        [f"{suite.name}@{suite.number}" for suite in latest if not suite.ending],
        [*_drafts(project.root, known)],
        [
            str(file.relative_to(project.root))
            for pattern in ("*.dot", "pipelines/*.dot")
            for file in sorted(project.root.glob(pattern))
        ],
        runs,
        attention.rows,
        attention.troubles,
    )


async def _ask_git(project: Project, runs: list[RunOverview]) -> tuple[str, list[RunOverview]]:
    """Return the branch that is checked out, and the runs with the branches that have them."""
    path = project.machine.search_path
    # The rest is complete without Git.
    with suppress(AttractorError):
        branch = await (await open_repository(project.root, search_path=path)).checked_out_branch()
        return branch, await with_landings(runs, project.root, search_path=path)
    return "", runs


def _drafts(root: Path, known: set[str]) -> Iterator[str]:
    for file in sorted(root.glob(f"scenarios/*/{SUITE_FILE}")):
        name: object = ""
        # An invalid file is no registered suite.
        with suppress(OSError, UnicodeDecodeError, InvalidToml):
            name = parse_toml(file.read_text("utf-8")).get("name")
        if name not in known and not (file.parent / LOCK_FILE).exists():
            yield str(file.parent.relative_to(root))


def next_command(found: ProjectOverview) -> str:
    """Return the most sensible next command."""
    ways = (
        *(row.command for row in found.needs),
        *(f"attractor status {run.run_id} --watch" for run in found.runs if run.is_live),
        *(_promotion(run, found.branch) for run in found.runs if _is_to_promote(run)),
        *(
            f"attractor diagnose {run.run_id}"
            for run in found.runs[:1]
            if run.status == StatusWord.FAILED
        ),
        *(f"attractor suite register {shlex.quote(folder)}" for folder in found.drafts),
        *([_start(found)] if found.pipelines else []),
        f"attractor judge{_only_suite(found)} -- COMMAND",
    )
    return ways[0]


def _is_to_promote(run: RunOverview) -> bool:
    moved = run.promoted_to or run.rolled_back_from or run.landed_on
    return run.status == StatusWord.APPROVED and not moved


def _promotion(run: RunOverview, branch: str) -> str:
    to = "" if branch in ("", "main") else f" --to {shlex.quote(branch)}"
    return f"attractor promote {run.run_id}{to}"


def _start(found: ProjectOverview) -> str:
    """Return the command that runs the only pipeline, judged by the only suite."""
    if len(found.pipelines) > 1:
        return "attractor run PIPELINE.dot"
    return f"attractor run {shlex.quote(found.pipelines[0])}{_only_suite(found)}"


def _only_suite(found: ProjectOverview) -> str:
    names = [suite.partition("@")[0] for suite in found.suites]
    return f" --suite {names[0]}" if len(names) == 1 else ""
