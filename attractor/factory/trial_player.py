"""Plays the trials of an evaluation, each in its own sandbox on a copy of the tree."""

from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.run_folder.open_run import OpenRun
from attractor.environments.environment import ExecutionEnvironment
from attractor.pipeline.components.run_components import PreparedRun
from attractor.scenarios.check import build_checks, check_registry, judge_all
from attractor.scenarios.evaluation import TrialKey, TrialResult
from attractor.scenarios.play import play_scenario
from attractor.scenarios.suite import Scenario, Suite
from attractor.workspaces.folders import borrowed_folder


@dataclass(frozen=True)
class TrialPlayer:
    """Plays trials of a run; `folder` contains copies of the tree of the run."""

    run: OpenRun
    prepared: PreparedRun
    suite: Suite
    folder: Path

    async def play_trial(self, scenario: Scenario, key: TrialKey) -> TrialResult:
        """Play a trial in a temporary folder."""
        # The name of the folder reveals neither the scenario nor its split.
        with borrowed_folder(self.folder) as folder:
            # From inside, a trial looks like a stage.
            tree = self.run.progress.tree
            await self.prepared.workspace.export(tree, folder, repository=True)
            return await self._play_in(self.prepared.sandbox.make(folder), scenario, key)

    async def _play_in(
        self, environment: ExecutionEnvironment, scenario: Scenario, key: TrialKey
    ) -> TrialResult:
        clock = self.prepared.host.clock
        began = clock.monotonic()
        await environment.initialize()
        try:
            timeout = self.suite.settings.trials.timeout
            observed = await play_scenario(scenario, environment, timeout=timeout)
            checks = await judge_all(build_checks(scenario, check_registry()), observed)
        finally:
            await environment.cleanup()
        satisfied = all(check.passed for check in checks)
        duration = round((clock.monotonic() - began) * 1000)
        return TrialResult(key, satisfied, checks, duration)
