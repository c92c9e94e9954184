"""Prepares a workspace before the first stage, and records the steps in the journal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.base.files import read_regular, write_whole
from attractor.base.ids import time_of
from attractor.base.journal import read_lines
from attractor.base.json import Json, JsonObject
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.attempts import StageReference
from attractor.engine.state.run_state import BOOTING, QUEUED
from attractor.pipeline.plan.run_plan import BegunRun, RunPlan
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.workspace.create import preparation_of
from attractor.workspaces.preparation import (
    NO_PREPARATION,
    PreparationResult,
    SetupOutcome,
    SetupRun,
)
from attractor.workspaces.tracked_folder import TrackedFolder

if TYPE_CHECKING:
    from attractor.pipeline.components.providers import ProviderAnswers

BOOT_STEP = "BootStep"
"""The event type of each step before the first stage."""

PHASES: Mapping[str, str] = {
    "profile": "profile resolve",
    "spec": "spec resolve",
    "preflight": "preflight",
    "providers": "preflight",
    "library": "preflight",
    "workspace": "run create",
    "environment": "execution init",
    "carry": "execution init",
    "setup": "execution init",
}
"""The phase of each step, in the order of the boot."""

SETUP_LOG = "setup.log"
"""The file in the run directory with the output of setup commands."""


async def boot(begun: BegunRun) -> str:
    """Record the phases of the boot, ask the model providers, and prepare the workspace, once.

    Profile, suite, pipeline and machine were checked before the run directory was created. Return
    the reason why the first stage cannot begin yet (default: an empty text).
    """
    plan, run, workspace = begun.plan, begun.run, begun.workspace
    scope, providers = plan.scope, plan.report.providers
    log = _BootLog(run)
    is_first = run.state.status in (QUEUED, BOOTING) and not _has_booted(run)
    if run.state.status == QUEUED:
        run.change_status(BOOTING)
    answers = None
    if run.state.status == BOOTING and providers:
        # It imports the client of the models.
        from attractor.pipeline.components.providers import ask_providers

        answers = await ask_providers(
            providers, scope.project, is_wanted=plan.policy.asks_providers
        )
    if is_first:
        _record_phases(log, begun, answers)
    elif answers:
        log.step("providers", answers.fields)
    if answers and answers.fault:
        return answers.fault
    await _begin_loading(log, plan)
    if isinstance(workspace, TrackedFolder) and scope.preparation != NO_PREPARATION:
        await _prepare(log, plan, workspace, is_first=is_first)
    return ""


async def _begin_loading(log: "_BootLog", plan: RunPlan) -> None:
    """Begin to load what reaches the models, also in the process of a resumed run."""
    if not plan.report.providers:
        return
    # It imports the client of the models.
    from attractor.pipeline.components.providers import begin_loading

    for name in await begin_loading(plan.report.providers, plan.scope.project):
        log.step("library", {"library": name})


async def _prepare(
    log: "_BootLog", plan: RunPlan, workspace: TrackedFolder, *, is_first: bool
) -> None:
    """Carry files into the workspace, and set it up."""
    scope = plan.scope
    began = scope.project.machine.clock.monotonic()
    wanted = preparation_of(plan.sandbox_of_stages, scope)
    done = await workspace.prepare(wanted, project=scope.project.root, on_setup=log.setup)
    seconds = round(scope.project.machine.clock.monotonic() - began, 3)
    if is_first and (done.carried or done.read_only or done.lacking):
        log.step("carry", _carried(done, scope))
    if done.setup is SetupOutcome.KEPT:
        log.step(
            "setup",
            {
                "command": scope.preparation.setup,
                "how": SetupOutcome.KEPT.value,
                "seconds": seconds,
            },
        )
    _report(done, scope)


def _record_phases(log: "_BootLog", begun: BegunRun, answers: "ProviderAnswers | None") -> None:
    manifest, request = begun.run.manifest, begun.plan.request
    log.step("profile", {"profile": manifest.profile})
    pipeline = {"pipeline": manifest.pipeline, "hash": manifest.content_hash}
    log.step("spec", {**pipeline, "suite": manifest.suite})
    model = {"model": request.model, "provider": request.provider}
    log.step("preflight", {"backend": request.backend, **model})
    if answers:
        log.step("providers", answers.fields)
    # The run id is recorded before all else.
    seconds = (begun.run.clock.now() - time_of(manifest.run_id)).total_seconds()
    made: dict[str, Json] = {"kind": request.workspace, "commit": begun.workspace.base.commit}
    log.step("workspace", {**made, "seconds": max(0.0, round(seconds, 3))})
    log.step("environment", {"sandbox": begun.plan.sandbox.kind})


def _has_booted(run: OpenRun) -> bool:
    """Return whether an earlier process has begun the boot; a setup may have failed."""
    word = BOOT_STEP.encode()
    return any(word in line.content for line in read_lines(run.directory.events))


def _carried(prepared: PreparationResult, scope: RunScope) -> dict[str, Json]:
    return {
        "carried": [*prepared.carried],
        "read_only": [*prepared.read_only],
        "copied_instead": [*_copied_instead(prepared, scope)],
        "lacking": [*prepared.lacking],
    }


def _copied_instead(prepared: PreparationResult, scope: RunScope) -> Sequence[str]:
    """Return the paths that were copied because they cannot be shown read-only here."""
    return [path for path in scope.preparation.shown_paths if path in prepared.carried]


def _report(prepared: PreparationResult, scope: RunScope) -> None:
    project = scope.project
    shown = scope.preparation.shown_paths
    for path in prepared.lacking:
        name = "carry_read_only" if path in shown else "carry"
        project.console.tell(f"workspace.{name}: the project has no {path}.")
    if copied := _copied_instead(prepared, scope):
        project.console.tell(
            "workspace.carry_read_only: without bubblewrap, paths cannot be read-only; "
            f"writable copies were made of: {', '.join(copied)}."
        )
    if prepared.setup is SetupOutcome.RUN:
        project.console.tell(f"The workspace is set up ({prepared.seconds:.0f} s).")
    if prepared.undone:
        undone = _first_undone(prepared)
        project.console.tell(
            f"The setup changed files of the project, which were restored: {undone}."
        )


def _first_undone(prepared: PreparationResult) -> str:
    return ", ".join(prepared.undone[:5]) + (", ..." if len(prepared.undone) > 5 else "")


@dataclass(frozen=True)
class _BootLog:
    """Writes the steps to the run; a setup can also run later, for a branch."""

    run: OpenRun

    def step(self, name: str, fields: JsonObject, *, branch: str = "") -> None:
        """Record a step."""
        place = StageReference(branch=branch or None)
        self.run.emit(BOOT_STEP, {"phase": PHASES[name], "step": name, **fields}, place=place)

    def setup(self, setup: SetupRun) -> None:
        """Record a setup, and its output."""
        file = self.run.directory.root / SETUP_LOG
        before = read_regular(file).decode() if file.exists() else ""
        where = f" for {setup.fork}" if setup.fork else ""
        head = f"$ {setup.command}   (ended with {setup.exit_code}{where})"
        write_whole(file, before + self.run.redactor.text(f"{head}\n{setup.output}\n"))
        fields: dict[str, Json] = {
            "command": setup.command,
            "how": SetupOutcome.RUN.value,
            "exit_code": setup.exit_code,
            "timed_out": setup.timed_out,
            "seconds": setup.seconds,
            "output": SETUP_LOG,
        }
        self.step("setup", fields, branch=setup.fork)
