"""Finds the policy of a run: what its pinned suite and profile allow and demand.

Suites are slow to import, so they are imported inside functions that only runs with a suite call.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.seams import PlayedTrain, PlayTrain, TrainChoice, Workspace
from attractor.engine.state.attempts import TreeId
from attractor.factory.decisions.run_end import record_end, report_torn_line
from attractor.factory.lessons import memory_for_runs
from attractor.factory.open_project import OpenProject
from attractor.factory.register import end_without_suite, record_begin
from attractor.factory.registration.rules import (
    admit,
    describe_judges,
    name_fault,
    require_judged,
    require_suite_for,
)
from attractor.factory.resources.effective import policy_of_profile
from attractor.factory.resources.protected_paths import describe_protected_paths
from attractor.factory.resources.versions import ResourceKind, split_reference
from attractor.pipeline.plan.origins import New, Origin
from attractor.pipeline.plan.run_plan import BegunRun, Policy, RunRules
from attractor.pipeline.source.read import PipelineSource
from attractor.records.request import RunRequest


def rules_of(opened: OpenProject) -> RunRules:
    """Return the rules for the runs of a project."""
    return RunRules(_Policies(opened).find, partial(record_end, opened))


def unregistered_suite(origin: New, opened: OpenProject) -> str:
    """Return the suite that judges a new run, if only a folder of the project has it; else ""."""
    name, number = split_reference(origin.request.suite or opened.project.suite)
    policies = _Policies(opened)
    if not name or number or policies.knows_suite(name):
        return ""
    # Suites are slow to import.
    from attractor.factory.registration.committed_suites import find_suite_folder

    is_needed = origin.request.suite or not policies.needs_no_suite(origin, origin.request)
    return name if is_needed and find_suite_folder(name, opened.project.root) else ""


@dataclass(frozen=True)
class _Policies:
    opened: OpenProject

    async def find(self, origin: Origin, request: RunRequest) -> Policy:
        """Return the policy of a run; a new run pins the current versions of suite and profile."""
        opened, notices, needs_ports = self.opened, list[str](), False
        suite, profile = request.suite, request.profile
        if origin.is_new:
            suite, notices = await self._pin_suite(origin, request)
            profile = opened.pin_profile(profile or opened.project.profile)
            if suite:
                require_suite_for(profile, opened.suites.versions.of_pin(suite), opened)
        notices += describe_judges(suite, profile, opened)
        if suite and origin.is_new:
            # Suites are slow to import.
            from attractor.factory.evaluation.evaluate import Evaluator

            notices += filter(None, [Evaluator(self.opened).describe_attempts(suite)])
            sealed = opened.suite(suite)
            needs_ports = sealed is not None and sealed.suite.needs_ports
        chosen = opened.profile(profile)
        allowed, paths = policy_of_profile(chosen, opened.project), chosen.policy
        # Without a suite nothing is left to evaluate later.
        finishes = request.evaluate or not suite
        return replace(
            allowed,
            suite=suite,
            profile=profile,
            notices=notices,
            needs_ports=needs_ports,
            task_note=describe_protected_paths(paths.protected_paths, paths.unprotected_paths)
            if suite
            else "",
            memory=memory_for_runs(opened),
            admit=self._admission(origin, suite),
            begin=self._begin,
            finish=self._finish if finishes else None,
            train=self._train,
        )

    def _admission(self, origin: Origin, suite: str) -> Callable[[PipelineSource, Path], None]:
        opened = self.opened
        if isinstance(origin, New) and origin.request.is_work_of_any:
            # The suite judges the files, whatever made them.
            return do_nothing
        if origin.is_new:
            return partial(admit, opened, suite)
        # A fork may have a changed pipeline.
        return do_nothing if origin.is_resumed else partial(require_judged, opened, suite)

    async def _pin_suite(self, origin: Origin, request: RunRequest) -> tuple[str, list[str]]:
        """Return the pinned suite, and sentences for a person.

        The suite of the settings is left out if it is for another pipeline, or if it is not
        registered and the run is not evaluated. Refuse a suite with checks that this machine cannot
        judge, and with twins that do not start.
        """
        opened, project = self.opened, self.opened.project
        if not request.suite and (why := self.needs_no_suite(origin, request)):
            return "", [why]
        suite = opened.pin_suite(request.suite or project.suite)
        sealed = opened.suite(suite)
        if sealed is None:
            return "", []
        if not (request.suite or request.is_work_of_any) and (
            other := name_fault(suite, origin.pipeline_name, opened)
        ):
            return "", [_without_suite(other)]
        # Suites are slow to import.
        from attractor.factory.evaluation.evaluate import require_usable

        await require_usable(sealed, project.machine.environ, evaluates=request.evaluate)
        return suite, []

    def knows_suite(self, name: str) -> bool:
        """Return whether the ledger has a version of a suite."""
        return self.opened.of_kind(ResourceKind.SUITE).knows(name)

    def needs_no_suite(self, origin: Origin, request: RunRequest) -> str:
        """Return why a run does not need the unregistered suite of the settings, or ""."""
        project = self.opened.project
        name, _ = split_reference(project.suite)
        if not name or self.knows_suite(name):
            return ""
        # Suites are slow to import.
        from attractor.factory.registration.committed_suites import find_suite_folder
        from attractor.factory.resources.suites import other_pipeline

        found = find_suite_folder(name, project.root)
        if found and found.pipelines:
            own = origin.pipeline_name
            if other := other_pipeline(name, found.pipelines, own, found.path):
                return _without_suite(other)
        if request.evaluate:
            return ""
        return (
            f"The suite {project.suite} of the settings is not registered, and with --no-evaluate "
            f"this run has no suite (to evaluate it later, start it with --suite {project.suite})."
        )

    def _begin(self, begun: BegunRun) -> None:
        report_torn_line(begun.run, self.opened)
        record_begin(self.opened, begun)

    async def _finish(self, begun: BegunRun) -> None:
        if not begun.run.manifest.suite:
            end_without_suite(begun.run)
            return
        # Suites are slow to import.
        from attractor.factory.evaluation.evaluate import Evaluator

        await Evaluator(self.opened).finish(begun)

    def _train(self, begun: BegunRun) -> PlayTrain:
        def play(
            workspace: Workspace, tree: TreeId, choice: TrainChoice
        ) -> AsyncIterator[PlayedTrain]:
            # Suites are slow to import.
            from attractor.factory.evaluation.train import play_train

            opened, plan = self.opened, begun.plan
            pinned = opened.pin_suite(choice.suite) if choice.suite else plan.request.suite
            return play_train(opened.suite(pinned), plan, workspace, tree, choice)

        return play


def _without_suite(other: UsageError) -> str:
    # The first suite of a project must not prevent runs of its other pipelines.
    return f"This run has no suite: {other.message}; {other.hint}"
