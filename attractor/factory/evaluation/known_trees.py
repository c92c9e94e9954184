"""Plays scenarios on trees whose results are known, outside of a run.

The trees are a commit of the project or its working tree, this tree with a reference patch,
and this tree with all files emptied, as a program that does nothing.
"""

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError
from attractor.engine.outcome import Culprit
from attractor.engine.seams import Workspace
from attractor.engine.stage.toolchain import sandbox_lines
from attractor.environments.selection import EnvironmentChoice
from attractor.pipeline.preflight.toolchain import compare_programs
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.workspace.create import (
    HEAD,
    choose_sandbox,
    choose_workspace_kind,
    create_workspace,
)
from attractor.records.request import RunRequest
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.evaluation import Progress, TrialKey, TrialResult, TrialTrouble, evaluate
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import Scenario, SuiteSetup
from attractor.scenarios.suite_lint import SuiteFault, SuiteRefused
from attractor.scenarios.suite_setup import SetupResult
from attractor.workspaces.cleanup import (
    has_base_ref,
    remove_base_ref,
    remove_store,
    remove_workspace_folder,
    stored_run,
)
from attractor.workspaces.create.registry import WorkspaceKind, workspace_registry
from attractor.workspaces.folders import borrowed_folder
from attractor.workspaces.git.repository import Git, open_repository
from attractor.workspaces.uncommitted import has_uncommitted

if TYPE_CHECKING:
    from attractor.factory.evaluation.trial_player import TrialPlayer
    from attractor.scenarios.played import PlayedScenario

_SHOWN = 12

Change = Callable[[Path], Awaitable[None]]
"""Changes the files of a tree that was written into a folder."""


async def keep(folder: Path) -> None:
    """Change nothing."""


async def empty_files(folder: Path) -> None:
    """Empty all files: interpreters and shells execute them, and they do nothing."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and ".git" not in path.parts:
            path.write_bytes(b"")


async def apply_patch(patch: Path, search_path: str, folder: Path) -> None:
    """Apply a patch to the files of a folder, unless they contain its changes already."""
    git = Git(folder / ".git", search_path, work_tree=folder)
    done = await git.answer("apply", str(patch))
    if done.exit_code and (await git.answer("apply", "--reverse", "--check", str(patch))).exit_code:
        raise InvalidSuite(f"{patch.name} does not apply to the commit: {done.stderr.strip()}")


PlayOnce = Callable[[Scenario], Awaitable[TrialResult]]
"""Plays one trial of a scenario."""


@dataclass(frozen=True)
class PlayedTree:
    """The results of trials on a tree, and the reason why the setup of the suite failed there."""

    results: list[TrialResult]
    failed_setup: str = ""


@dataclass(frozen=True)
class KnownTrees:
    """A tree of the project, and the sandbox in which trials are played on it.

    With `hides_words`, neither messages nor errors of the machine contain words of a scenario.
    """

    scope: RunScope
    workspace: Workspace
    sandbox: EnvironmentChoice
    kind: WorkspaceKind
    hides_words: bool = False

    @property
    def _is_commit(self) -> bool:
        """Whether the tree is that of a commit, not of a folder outside of Git."""
        return self.kind.how_delivered == "branch"

    @property
    def commit(self) -> str:
        """The commit of the tree; "" outside of Git."""
        return self.workspace.base.commit if self._is_commit else ""

    async def top(self) -> Path:
        """Return the folder of this machine with the files of the tree."""
        project = self.scope.project.root.resolve()
        if not self._is_commit:
            return project
        repository = await open_repository(
            project, search_path=self.scope.project.machine.search_path
        )
        return project.parents[repository.prefix.count("/") - 1] if repository.prefix else project

    async def describe(self) -> str:
        """Return the tree that trials get, for people."""
        base, project = self.workspace.base, self.scope.project.root
        if not self._is_commit:
            return f"{base.candidate[:_SHOWN]}, the files in {project}"
        is_dirty = await has_uncommitted(project, environ=self.scope.project.machine.environ)
        commit = "HEAD with uncommitted changes" if is_dirty else f"commit {base.commit[:_SHOWN]}"
        return (
            f"{base.candidate[:_SHOWN]}, the files in {project}: {commit}, without what Git ignores"
        )

    async def play(
        self,
        sealed: SealedSuite,
        scenarios: Sequence[Scenario],
        what: str,
        *,
        n: int,
        change: Change = keep,
    ) -> PlayedTree:
        """Return the results of `n` trials of each scenario, on the tree after a change.

        Refuse a suite with trouble in a trial.
        """
        played = await self._played(sealed, scenarios, what, n, change)
        for result in played.results:
            self._refuse_trouble(result)
        return played

    @asynccontextmanager
    async def play_one_by_one(
        self, sealed: SealedSuite, change: Change
    ) -> AsyncGenerator[PlayOnce]:
        """Yield a function that plays a trial of a scenario, on the tree after a change.

        Refuse a suite with trouble in a trial. Print nothing.
        """
        console = replace(self.scope.project.console, tell=do_nothing)
        quiet = replace(self.scope, project=replace(self.scope.project, console=console))
        settings = sealed.suite.settings.trials.model_copy(update={"n": 1, "concurrency": 1})
        async with replace(self, scope=quiet)._player(sealed, change) as player:

            async def play(scenario: Scenario) -> TrialResult:
                log = _ProgressLog("", do_nothing, do_nothing)
                [result] = await evaluate([scenario], player.play_trial, log, settings)
                self._refuse_trouble(result)
                return result

            yield play

    def trials_at_once(self, sealed: SealedSuite, *, least: int = 1) -> int:
        """Return the number of trials of a suite that are played at once, at least `least`."""
        # Without network namespaces, parallel trials would share their ports.
        is_alone = not self.sandbox.promises.own_network
        return 1 if is_alone else max(least, sealed.suite.settings.trials.at_once)

    async def _played(
        self,
        sealed: SealedSuite,
        scenarios: Sequence[Scenario],
        what: str,
        n: int,
        change: Change,
    ) -> PlayedTree:
        settings, console = sealed.suite.settings.trials, self.scope.project.console
        settings = settings.model_copy(update={"n": n, "concurrency": self.trials_at_once(sealed)})
        if change is empty_files:
            # Its build always fails, so every holdout would fail for that reason alone.
            sealed = replace(sealed, suite=sealed.suite.without_setup())
        async with self._player(sealed, change) as player:
            setup = player.setup
            if setup is None and sealed.suite.settings.setup.run:
                # Each trial executes it, and none names the program that it lacks.
                with borrowed_folder(player.copies) as kept:
                    setup = await player.set_up(kept, do_nothing)
            failure = setup.failure if setup else ""
            if setup and failure:
                await self._require_toolchain(sealed.suite.settings.setup, setup)
                console.tell(f"{what}: the setup of the suite failed: {failure}")
            log = _ProgressLog(what, console.tell, console.progress, self.hides_words)
            return PlayedTree(await evaluate(scenarios, player.play_trial, log, settings), failure)

    async def _require_toolchain(self, setup: SuiteSetup, done: SetupResult) -> None:
        """Refuse a setup for which the sandbox lacks a working program of this machine.

        A program that is missing outside too may be one that the candidate has yet to write.
        """
        project, words = self.scope.project, f"the setup of the suite failed: {done.failure}"
        compared = await compare_programs(setup.run, self.sandbox, self.scope)
        broken = [one for one in compared if one.is_silent and one.outside.version]
        found = (
            shutil.which(done.missing, path=project.machine.search_path) if done.missing else None
        )
        program = Path(found or project.root)
        if broken:
            # A sentence, and the remedy as a sentence of its own.
            fault, _, remedy = broken[0].difference.rpartition(". ")
            raise _refused(f"{fault}: {words}", remedy.removesuffix("."))
        if found and not program.is_relative_to(project.root):
            lines = sandbox_lines(program, is_visible=False)
            fault = f"the setup of the suite does not find {program} in the sandbox"
            raise _refused(f"{fault}: {words}", f"add {lines} to [sandbox] of the profile")

    async def play_once(
        self,
        sealed: SealedSuite,
        scenario: Scenario,
        *,
        change: Change = keep,
        watches: bool = False,
    ) -> "PlayedScenario":
        """Play a scenario once on the tree after a change; return its steps and checks."""
        # The player imports httpx, which only trials need.
        from attractor.factory.evaluation.trial_player import judge_of

        suite = sealed.suite.model_copy(update={"scenarios": (scenario,)})
        async with judge_of(suite, self.scope) as ask_judge, self._player(sealed, change) as player:
            player = replace(player, ask_judge=ask_judge, watches=watches)
            return await player.play_once(scenario)

    def _player(
        self, sealed: SealedSuite, change: Change = keep
    ) -> "AbstractAsyncContextManager[TrialPlayer]":
        """Return the player of trials on the tree after a change."""
        # The player imports httpx, which only trials need.
        from attractor.factory.evaluation.trial_player import trial_player

        base = partial(self.workspace.export, self.workspace.base.candidate, repository=True)

        async def export(to: Path) -> None:
            await base(to)
            await change(to)

        return trial_player(export, self.sandbox, sealed, self.scope, base=base)

    def _refuse_trouble(self, result: TrialResult) -> None:
        """Refuse a trial with an error that is not the candidate's."""
        scenario, error = result.key.scenario, result.error
        if not error or result.culprit is Culprit.CANDIDATE:
            return
        if result.culprit is Culprit.SUITE:
            words, remedy = f"{scenario}: {error}", "fix the files of the scenario"
            raise SuiteRefused([SuiteFault("unplayable", words, remedy, scenario)])
        if self.hides_words:
            scenario, error = "a scenario", result.troubles[-1].reason
        raise MachineryError(f"a trial of {scenario} could not be played: {error}")


def _refused(words: str, remedy: str) -> SuiteRefused:
    return SuiteRefused([SuiteFault("setup", words, remedy)])


@dataclass(frozen=True)
class _ProgressLog:
    """Prints the progress of trials."""

    what: str
    tell: Callable[[str], None]
    progress: Callable[[str], None]
    hides_words: bool = False

    def started(self, key: TrialKey) -> None:
        """Print nothing at the start of a trial."""

    def troubled(self, key: TrialKey, error: TrialTrouble) -> None:
        """Print trouble of a trial."""
        scenario, words = key.scenario, str(error)
        if self.hides_words:
            scenario, words = "a scenario", error.trouble.reason
        self.tell(f"{self.what}: trouble in {scenario} ({error.culprit}): {words}")

    def completed(self, result: TrialResult, progress: Progress) -> None:
        """Print the number of finished trials and the remaining time."""
        left = f", about {progress.seconds_left} s left" if progress.seconds_left else ""
        self.progress(f"{self.what}: {progress.finished} of {progress.trials} trials{left}")


@asynccontextmanager
async def known_trees(
    scope: RunScope,
    *,
    sandbox: str,
    include_dirty: bool = False,
    commit: str = HEAD,
    hides_words: bool = False,
) -> AsyncGenerator[KnownTrees]:
    """Open a commit of the project, or its working tree; at the end, remove all traces."""
    project, machine = scope.project, scope.project.machine
    request = RunRequest(file=project.root, sandbox=sandbox, include_dirty=include_dirty)
    request = await choose_workspace_kind(request, project)
    run_id = machine.new_run_id()
    choice = await choose_sandbox(request, scope, run_id=run_id)
    project.console.tell(choice.sentence)
    silent = replace(project, console=replace(project.console, tell=do_nothing))
    quiet = replace(scope, project=silent)
    try:
        workspace = await create_workspace(
            request, quiet, run_id, choice, on_snapshot=do_nothing, commit=commit
        )
        try:
            kind = workspace_registry()[request.workspace]
            yield KnownTrees(scope, workspace, choice, kind, hides_words)
        finally:
            await workspace.close()
    finally:
        project.console.progress("")
        stored = stored_run(machine.state_dir, run_id)
        git, search_path = stored.repository, machine.search_path
        if git and await has_base_ref(git, run_id, search_path=search_path):
            await remove_base_ref(git, run_id, search_path=search_path)
        if stored.workspace:
            await remove_workspace_folder(stored.workspace)
        await remove_store(stored.store)
