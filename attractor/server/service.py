"""The state that all requests of a server share."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused, UnknownName
from attractor.base.ids import is_run_id
from attractor.config.configuration import Entry
from attractor.config.load import load_configuration
from attractor.config.user_folders import user_config_file
from attractor.engine.questions.question import Question
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.factory import Factory
from attractor.factory.history.index import RunIndex
from attractor.factory.open_project import OpenProject
from attractor.factory.project import list_project_folders
from attractor.pipeline.garbage import DRAWINGS
from attractor.pipeline.project.console import report_nothing
from attractor.pipeline.project.project import Project
from attractor.records.lookup import find_run, is_run
from attractor.server.access.callers import Access, Caller
from attractor.server.access.sights import FirstSights
from attractor.server.automations import EVERY_S, AutomationLoop, AutomationProject
from attractor.server.drawings import GraphDrawings, RunDrawings
from attractor.server.events.streams import EventStreams
from attractor.server.evidence import NO_EVIDENCE, Evidence, KeptEvidence
from attractor.server.fleet.connection import FleetConnection
from attractor.server.fleet.loop import FleetLoop, FleetProject
from attractor.server.pieces import PieceVersions
from attractor.server.processes.pulls import AskedPulls, PullLoop
from attractor.server.processes.queues import QueueLoop
from attractor.server.processes.repeated import Repeated
from attractor.server.processes.run_processes import PROGRAM, RunCommand, RunProcesses
from attractor.server.snippets import SnippetThread
from attractor.server.timelines import KeptTimelines
from attractor.worlds.status import KnownJournals

COMPUTED_AT_ONCE = 4
"""The number of long computations at one time; all requests share 40 threads."""


@dataclass(frozen=True)
class Service:
    """One project with its records, and the callers of the server.

    The services of other projects of the state folder are opened when they are shown.
    """

    factory: Factory
    index: RunIndex
    access: Access
    processes: RunProcesses
    run_drawings: RunDrawings
    graph_drawings: GraphDrawings
    evidence: KeptEvidence
    pieces: PieceVersions
    events: EventStreams
    sights: FirstSights
    timelines: KeptTimelines
    journals: KnownJournals
    snippets: SnippetThread
    turns: AbstractAsyncContextManager[object]
    """Taken by each request that computes for long, such as the check of a pipeline."""

    fleet: FleetConnection
    asked_pulls: AskedPulls
    others: dict[Path, "Service"]
    named: str = ""
    """The id of the project in addresses; empty for that of the server."""

    flags: tuple[str, ...] = ()
    """The settings on the command line of the server, for its project only."""

    @classmethod
    def of(
        cls,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        *,
        flags: Sequence[str] = (),
        tell: Callable[[str], None] = report_nothing,
    ) -> "Service":
        """Return the service for the project in a folder; `flags` override settings.

        `tell` gets messages of the work in the background, without secrets.
        """
        environ, folder = os.environ if environ is None else environ, folder.absolute()
        opened = Factory.open(folder, environ=environ, flags=flags).opened
        project, state = opened.project, opened.project.machine.state_dir
        redact = project.redactor.text
        opened = opened.telling(lambda sentence: tell(redact(sentence)))
        configured = load_configuration(
            start=folder, cwd=folder, environ=environ, flags=flags, user_file=user_config_file()
        ).settings
        settings = configured.server
        processes = RunProcesses(
            state / "server" / "processes",
            # Not the root of the project: variables and flags may have relative paths.
            project=folder,
            environ=environ,
            most=settings.max_processes or max(4, 2 * (os.cpu_count() or 1)),
            program=(*PROGRAM, *(f"--config={flag}" for flag in flags)),
        )
        fleet = FleetConnection(configured, environ)
        return cls(
            Factory(fleet.with_evaluations(opened)),
            RunIndex(state),
            Access(state, project.machine.clock),
            processes,
            RunDrawings(),
            GraphDrawings(state / DRAWINGS),
            KeptEvidence(),
            PieceVersions(),
            EventStreams(state, environ),
            FirstSights(),
            KeptTimelines(),
            KnownJournals(RunIndex(state).overview),
            SnippetThread(project),
            asyncio.Semaphore(COMPUTED_AT_ONCE),
            fleet,
            SimpleQueue(),
            {},
            flags=tuple(flags),
        )

    @property
    def opened(self) -> OpenProject:
        """The project, its resources and its runs."""
        return self.factory.opened

    @property
    def project(self) -> Project:
        """The project, with its settings."""
        return self.factory.opened.project

    @property
    def project_id(self) -> str:
        """The id of the project; empty before its first run."""
        return self.opened.identity.project_id()

    @property
    def here(self) -> str:
        """The query of an address by which a page is of this project."""
        return f"?project={self.named}" if self.named else ""

    @property
    def and_here(self) -> str:
        """The same after another parameter."""
        return f"&project={self.named}" if self.named else ""

    def read_settings(self) -> Sequence[Entry]:
        """Return the settings of the project as its files are now, each with its origin."""
        folder = self.processes.project
        configuration = load_configuration(
            start=folder,
            cwd=folder,
            environ=self.processes.environ,
            flags=self.flags,
            user_file=user_config_file(),
        )
        return configuration.entries()

    def prove(self, token: str) -> Caller:
        """Return the person with a token of the scope decide for this project."""
        return self.access.prove(token, self.project_id)

    def of_project(self, project_id: str) -> "Service":
        """Return the service of a project of the state folder by its id (default: this one)."""
        if project_id in ("", self.project_id):
            return self
        state = self.project.machine.state_dir
        folders = {one.project_id: one.root for one in list_project_folders(state)}
        if project_id not in folders:
            raise UnknownName("project", project_id, folders)
        root = folders[project_id]
        if not root.is_dir():
            # Settings are searched in the folders above, and those are of another project.
            raise Refused(
                f"the folder {root} of the project is gone",
                hint="restore it; if you moved it: attractor doctor --project, in the new folder",
            )
        if root not in self.others:
            environ = {**self.processes.environ, "ATTRACTOR_STATE_DIR": str(state)}
            opened = Factory.open(root, environ=environ).opened
            opened = opened.telling(self.project.console.tell)
            factory = Factory(self.fleet.with_evaluations(opened))
            self.others[root] = replace(
                self,
                named=project_id,
                flags=(),
                factory=factory,
                processes=replace(self.processes, project=root, environ=environ, program=PROGRAM),
                snippets=SnippetThread(factory.opened.project),
            )
        return self.others[root]

    def evidence_of(self, project_id: str, root: Path, question: Question) -> Evidence:
        """Return the evidence for a question of a run of a project, which may be gone."""
        try:
            opened = self.of_project(project_id).opened
        except AttractorError:
            return NO_EVIDENCE
        return self.evidence.of(root, question, opened)

    def of_run(self, run: str) -> "Service":
        """Return the service of the project with a run, by its whole id (default: this one)."""
        name = run.partition(":")[0]
        if not is_run_id(name) or is_run(RunDirectory(self.project.runs_dir / name)):
            return self
        for one in list_project_folders(self.project.machine.state_dir):
            if is_run(RunDirectory(one.runs_dir / name)):
                return self.of_project(one.project_id)
        return self

    def root(self, run: str) -> Path:
        """Return the directory of a run, by its name, a unique prefix of the name, or `latest`.

        A path is not accepted: the server shows the runs of its project only.
        """
        folder = self.project.runs_dir
        if Path(run).name != run or run == ".." or "\0" in run:
            raise UnknownName("run", run, [])
        # Listing many runs is slow, and most requests name a whole id.
        if is_run(RunDirectory(folder / run)):
            return folder / run
        found = find_run(run, folder)
        if not found.is_relative_to(folder):
            # A directory of this name in the current folder, which is no run of the project.
            raise UnknownName("run", run, [])
        return found

    def _project_ids(self) -> Sequence[str]:
        return [one.project_id for one in list_project_folders(self.project.machine.state_dir)]

    def _fleet_project(self, project_id: str) -> FleetProject:
        service = self.of_project(project_id)
        return FleetProject(
            service.opened,
            lambda run_id: service.processes.start(RunCommand("resume", [run_id]), by="fleet"),
            lambda run_id: service.processes.complete(RunCommand("resume", [run_id]), by="fleet"),
        )

    def _opened_of(self, project_id: str) -> OpenProject:
        return self.of_project(project_id).opened

    def _automation_project(self, project_id: str) -> AutomationProject:
        service = self.of_project(project_id)
        return AutomationProject(service.opened, service.processes)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Keep background work running, such as tails of journals."""
        self.processes.remove_old_logs(self.project.machine.clock.now().timestamp())
        clock, tell = self.project.machine.clock, self.project.console.tell
        state = self.project.machine.state_dir
        queues = QueueLoop(state, lambda project_id: self.of_project(project_id).processes)
        pulls = PullLoop(state, self._opened_of, clock, self.asked_pulls, tell)
        automations = AutomationLoop(state, self._automation_project, clock)
        end = automations.end
        loops = (
            FleetLoop(
                self.fleet, self.project_id, self._project_ids, self._fleet_project, clock, tell
            ),
            Repeated("queues", queues.look, tell, every_s=2.0),
            Repeated("pull requests", pulls.look, tell, every_s=1.0),
            Repeated("automations", automations.look, tell, every_s=EVERY_S, end=end),
        )
        for loop in loops:
            loop.start()
        try:
            yield
        finally:
            for loop in loops:
                await asyncio.to_thread(loop.stop)
            self.fleet.close()
            await self.events.close()
            for one in (self, *self.others.values()):
                await one.snippets.close()
