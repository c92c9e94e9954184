"""Plays trials of a suite, each in its own sandbox on its own copy of a tree."""

import asyncio
import resource
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.outcome import Culprit
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.selection import EnvironmentChoice
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.workspace.create import environments_of, preparation_of
from attractor.scenarios.carried_paths import (
    describe_not_carried,
    paths_not_carried,
    trial_preparation,
)
from attractor.scenarios.check import AskJudge, JudgeQuestion, JudgeVerdict, needs_judge, no_judge
from attractor.scenarios.evaluation import (
    Attribution,
    EarlierTrials,
    NoResult,
    TrialKey,
    TrialLog,
    TrialResult,
    TrialTrouble,
    Trouble,
    evaluate,
    is_satisfied,
    stderr_of_steps,
    stdout_of_steps,
    trial_keys,
)
from attractor.scenarios.play import ScenarioPlayer
from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.stored_state import failed_base
from attractor.scenarios.suite import Scenario, Suite
from attractor.scenarios.suite_setup import (
    SetupResult,
    copy_kept,
    is_set_up_once,
    keep_left,
    keep_repository,
    run_suite_setup,
)
from attractor.scenarios.unjudged import KeptTrial
from attractor.scenarios.wall.crossing import Crossing
from attractor.workspaces.folders import borrowed_folder, workspaces_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.preparation import PYTHON_CACHE
from attractor.workspaces.setup.cache import carry


@asynccontextmanager
async def judge_of(suite: Suite, scope: RunScope) -> AsyncGenerator[AskJudge]:
    """Yield the judge of a suite; a suite without rubrics needs none."""
    if not needs_judge(suite):
        yield no_judge
        return
    # It imports the model client, which few suites need.
    from attractor.scenarios.judge import open_judge

    async with open_judge(suite.settings.judge, scope) as judge:
        yield judge.ask


async def play_holdouts(
    begun: BegunRun,
    sealed: SealedSuite,
    log: TrialLog,
    earlier: EarlierTrials,
    *,
    keep: "KeepSetup",
    before_trial: Callable[[], None],
) -> list[TrialResult]:
    """Play the missing trials of the tree of a run; ask the judge of unjudged ones again."""
    suite, scope, sandbox = sealed.suite, begun.plan.scope, begun.plan.sandbox
    # From inside, a trial looks like a stage, so its folder is a repository.
    export = partial(begun.workspace.export, begun.run.progress.tree, repository=True)
    base = partial(begun.workspace.export, begun.workspace.base.candidate, repository=True)
    settings, tell = suite.settings.trials, scope.project.console.tell
    if settings.at_once > 1 and not sandbox.promises.own_network:
        tell("Trials are played one at a time: without a sandbox, they would share their ports.")
        settings = settings.model_copy(update={"concurrency": 1})
    if len(earlier.results) == len(trial_keys(suite)):
        sealed = replace(sealed, suite=suite.without_setup())
    else:
        # The setup of the suite counts too.
        before_trial()
    async with (
        judge_of(suite, scope) as ask_judge,
        trial_player(export, sandbox, sealed, scope, base=base, keep=keep) as player,
    ):
        player = replace(player, ask_judge=ask_judge)
        return await evaluate(
            suite.of_split("holdout"),
            player.play_trial,
            log,
            settings,
            earlier=earlier,
            judge_again=player.judge_again,
            before_trial=before_trial,
            tell=tell,
        )


Export = Callable[[Path], Awaitable[None]]
"""Writes a tree into an empty folder."""


_FAILED = "the setup of the suite failed"

SetUp = Callable[[Path, Callable[[], None]], Awaitable[SetupResult]]
"""Executes the setup of a suite, and keeps what it left in an empty folder.

The function is called before the candidate's code runs.
"""
KeepSetup = Callable[[SetUp], AbstractAsyncContextManager[tuple[Path, SetupResult]]]
"""Yields the folder with what a setup left; executes the setup if that is missing."""


@asynccontextmanager
async def trial_player(
    export: Export,
    sandbox: EnvironmentChoice,
    sealed: SealedSuite,
    scope: RunScope,
    *,
    base: Export | None = None,
    keep: KeepSetup | None = None,
) -> AsyncGenerator["TrialPlayer"]:
    """Yield the player of trials on a tree, each with the carried files that the suite lists.

    The files come from the project, not from the workspace, where agents can change them. `keep`
    keeps what the setup of the suite left (default: until the block ends). `base` exports the tree
    before the change, if scenarios need it.
    """
    async with AsyncExitStack() as stack:
        if base and any(one.needs_base for one in sealed.suite.scenarios):
            if not sandbox.promises.own_network:
                raise UsageError(
                    "two versions side by side need a sandbox with a network of its own",
                    hint="choose a profile with one; see what yours promises: attractor doctor",
                )
            older = await stack.enter_async_context(trial_player(base, sandbox, sealed, scope))
            base = older.export_whole
        player = _trial_player(export, sandbox, sealed, scope, keep=keep)
        yield replace(await stack.enter_async_context(player), base=base)


@asynccontextmanager
async def _trial_player(
    export: Export,
    sandbox: EnvironmentChoice,
    sealed: SealedSuite,
    scope: RunScope,
    *,
    keep: KeepSetup | None,
) -> AsyncGenerator["TrialPlayer"]:
    project = scope.project
    copies, listed = (
        workspaces_folder(project.machine.state_dir),
        sealed.suite.settings.trials.carry,
    )
    lacking = paths_not_carried(scope.preparation, listed)
    scope = replace(scope, preparation=trial_preparation(scope.preparation, listed))
    async with exported_once(export, copies) as copy:

        async def copy_carried(folder: Path) -> None:
            if paths := preparation_of(sandbox, scope).copied_paths:
                copying = partial(carry, project.root, paths, folder, without=PYTHON_CACHE)
                await in_thread(copying)

        async def copy_all(folder: Path) -> None:
            await copy(folder)
            await copy_carried(folder)

        player = TrialPlayer(
            copy_all,
            sandbox.make,
            sealed.suite,
            sealed.folder,
            copies,
            project.machine.clock,
            make_showing=environments_of(sandbox, scope, scope.project.root),
            carried=scope.preparation.carried_paths,
            carry=copy_carried,
            crossing=sealed.crossing,
            advice="; ".join(map(describe_not_carried, lacking)),
        )
        if not is_set_up_once(sealed.suite, sandbox):
            yield player
            return
        if keep is None:
            project.console.tell("The setup of the suite runs once, for all trials.")
        async with (keep or partial(_borrowed, copies))(player.set_up) as (kept, done):
            setup = sealed.suite.settings.setup
            yield replace(
                player,
                export=partial(copy_kept, kept, setup),
                suite=sealed.suite.without_setup(),
                failed_setup=done.failure and _FAILED + f": {done.failure}" * (keep is None),
                setup=done,
            )


@asynccontextmanager
async def _borrowed(copies: Path, set_up: SetUp) -> AsyncGenerator[tuple[Path, SetupResult]]:
    with borrowed_folder(copies) as kept:
        yield kept, await set_up(kept, do_nothing)


@asynccontextmanager
async def exported_once(export: Export, copies: Path) -> AsyncGenerator[Export]:
    """Yield a function that exports a tree once, and then copies the folder with the tree.

    The export of a tree with a repository takes seven processes of Git.
    """
    exported: list[Path] = []
    exporting = asyncio.Lock()
    with ExitStack() as folders:

        async def copy(to: Path) -> None:
            async with exporting:
                if not exported:
                    folder = folders.enter_context(borrowed_folder(copies))
                    await export(folder)
                    exported.append(folder)
            await in_thread(
                partial(shutil.copytree, exported[0], to, symlinks=True, dirs_exist_ok=True)
            )

        yield copy


class _ProcessorTime:
    """The processor time of the programs that this process waited for, in parts of a whole."""

    def __init__(self) -> None:
        self._before = self._seconds()

    def next_ms(self) -> int:
        """Return the milliseconds since the last call."""
        before, self._before = self._before, self._seconds()
        return round((self._before - before) * 1000)

    @staticmethod
    def _seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class TrialPlayer:
    """Plays trials of a suite on a tree, with or without a run.

    `export` writes the tree into an empty folder below `copies`. `suite_folder` is the folder of
    the suite, usually the sealed copy. `make_showing`, `carried`, `carry`, `crossing`, `watches`
    and `base` are those of `ScenarioPlayer`. The first failed check of a trial with a failed step
    also gives `advice`. `setup` is the result of the suite's setup if it was executed once, and
    `failed_setup` its failure.
    """

    export: Export
    make_environment: Callable[[Path], ExecutionEnvironment]
    suite: Suite
    suite_folder: Path
    copies: Path
    clock: Clock
    ask_judge: AskJudge = no_judge
    make_showing: Callable[[Path], ExecutionEnvironment] | None = None
    carried: Sequence[str] = ()
    carry: Export | None = None
    crossing: Crossing | None = None
    watches: bool = False
    base: Export | None = None
    advice: str = ""
    failed_setup: str = ""
    setup: SetupResult | None = None
    processor_time: _ProcessorTime = field(default_factory=_ProcessorTime)

    async def set_up(self, kept: Path, started: Callable[[], None]) -> SetupResult:
        """Execute the setup of the suite in an environment of its own; keep what it left.

        Trouble before the candidate's code runs is raised, later trouble is the candidate's.
        """
        setup, make = self.suite.settings.setup, self.make_showing or self.make_environment
        try:
            with Attribution() as attribution, borrowed_folder(self.copies) as folder:
                await self.export(folder)
                await in_thread(partial(keep_repository, folder, kept))
                environment = make(folder)
                await environment.initialize()
                try:
                    started()
                    attribution.candidate_runs = True
                    failed = await run_suite_setup(setup, environment, carried=self.carried)
                finally:
                    await environment.cleanup()
                if failed:
                    return SetupResult(failure=str(failed), missing=failed.missing)
                return await keep_left(folder, kept, setup)
        except TrialTrouble as trouble:
            return SetupResult(failure=trouble.message)

    async def export_whole(self, folder: Path) -> None:
        """Write the tree with what the setup of the suite left."""
        if self.failed_setup:
            raise failed_base(self.failed_setup)
        await self.export(folder)

    async def play_trial(self, scenario: Scenario, key: TrialKey) -> TrialResult:
        """Play a trial."""
        began = self.clock.monotonic()
        judged: list[JudgeVerdict] = []

        async def ask_judge(question: JudgeQuestion) -> JudgeVerdict:
            judged.append(await self.ask_judge(question))
            return judged[-1]

        try:
            played = await self._play(scenario, key, ask_judge)
        except TrialTrouble as trouble:
            trouble.cost_usd += sum(verdict.cost_usd for verdict in judged)
            trouble.tokens += sum(verdict.tokens for verdict in judged)
            trouble.unpriced_tokens += sum(verdict.unpriced_tokens for verdict in judged)
            raise
        # With the copy, so that the remaining time is estimated well.
        duration_ms = round((self.clock.monotonic() - began) * 1000)
        kept = KeptTrial.of(played.checks, played.observation)
        crossed = played.observation.crossed
        trial = TrialResult(key, False, (), duration_ms, seed=self._seed(key), crossed=crossed)
        trial = replace(trial, processor_ms=self.processor_time.next_ms())
        steps = played.observation.steps.values()
        printed = replace(trial, stderr=stderr_of_steps(steps), stdout=stdout_of_steps(steps))
        return _judged(printed, scenario, kept)

    async def judge_again(self, scenario: Scenario, trial: TrialResult) -> TrialResult | None:
        """Ask the judge of an unjudged trial again; return None if it answers and costs nothing."""
        assert trial.kept
        try:
            timeout = self.suite.settings.trials.timeout
            kept = await trial.kept.judge(scenario, self.ask_judge, timeout)
        except TrialTrouble as trouble:
            return replace(
                trial,
                error=trouble.message,
                culprit=trouble.culprit,
                cost_usd=trial.cost_usd + trouble.cost_usd,
                tokens=trial.tokens + trouble.tokens,
                unpriced_tokens=trial.unpriced_tokens + trouble.unpriced_tokens,
                troubles=(*trial.troubles, trouble.trouble),
                no_result=None,
                kept=None,
            )
        return None if kept == trial.kept else _judged(trial, scenario, kept)

    async def play_once(self, scenario: Scenario) -> PlayedScenario:
        """Play a scenario as its first trial is played; return its steps and checks."""
        played = await self._play(scenario, TrialKey(scenario.id, 1), self.ask_judge)
        for error in played.observation.unjudged.values():
            raise error
        return played

    async def _play(self, scenario: Scenario, key: TrialKey, ask_judge: AskJudge) -> PlayedScenario:
        """Play a scenario on a copy of the tree, in a temporary folder."""
        settings, seed = self.suite.settings, self._seed(key)
        player = ScenarioPlayer(
            settings,
            self.suite_folder,
            self.make_environment,
            self.clock,
            make_showing=self.make_showing,
            carried=self.carried,
            carry=self.carry,
            crossing=self.crossing,
            watches=self.watches,
            base=self.base,
            failed_setup=self.failed_setup,
            edition=self.suite.edition,
        )
        # The name of the folder reveals neither the scenario nor its split.
        # Attribution comes first: the candidate can also make a folder that cannot be removed.
        with Attribution() as attribution, borrowed_folder(self.copies) as folder:
            if not self.failed_setup:
                await self.export(folder)
            played = await player.play(
                scenario, folder, seed=seed, ask_judge=ask_judge, attribution=attribution
            )
        return played.with_advice(self.advice) if self.advice else played

    def _seed(self, key: TrialKey) -> int:
        return key.seed(self.suite.settings.trials.seed)


def _judged(trial: TrialResult, scenario: Scenario, kept: KeptTrial) -> TrialResult:
    """Return the result of a trial, or the trial as unjudged if the judge has open questions."""
    trial = replace(
        trial,
        cost_usd=kept.cost_usd,
        tokens=kept.tokens,
        unpriced_tokens=kept.unpriced_tokens,
    )
    if kept.questions:
        reason = kept.questions[0].reason
        return replace(
            trial,
            error=f"unscored: the judge failed: {reason}",
            culprit=Culprit.MODEL,
            troubles=trial.troubles or (Trouble(Culprit.MODEL, reason),),
            no_result=NoResult.UNJUDGED,
            kept=kept,
        )
    satisfied = is_satisfied(kept.checks, min_soft_score=scenario.min_soft_score)
    return replace(
        trial,
        satisfied=satisfied,
        checks=kept.checks,
        error="",
        culprit=None if satisfied else Culprit.CANDIDATE,
        no_result=None,
        stderr=() if satisfied else trial.stderr,
        stdout=() if satisfied else trial.stdout,
        kept=None,
    )
