"""Starts the run of an occurrence in the process that calls it.

The process holds the lock of the automation until its run has begun. The run has the id of its
claim: if a process is killed between claim and run, the next one begins the same run, once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from attractor.automations.automation import (
    SHORTEST_POLL,
    Automation,
    TriggerKind,
    refuse_secrets,
    require_inputs,
)
from attractor.automations.errors import InvalidAutomation
from attractor.automations.issues import INPUTS
from attractor.automations.starts import StartClaim
from attractor.automations.store import AutomationFolder, hold_starts, verified
from attractor.base.durations import format_duration
from attractor.base.errors import (
    AttractorError,
    ExitCode,
    Refused,
    UnknownName,
    is_not_now,
    words_of,
)
from attractor.base.fenced import fenced_alone
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.due import DueRun
from attractor.factory.operations.start import plan_start, with_registered
from attractor.factory.registration.rules import require_judged
from attractor.factory.resources.versions import split_reference
from attractor.language.declarations.inputs import Input, declared_inputs
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.pipeline.preflight.preflight import choose_default_model, find_backend_faults
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.files import find_place
from attractor.pipeline.source.read import PipelineSource, context_of, open_pipeline
from attractor.pipeline.workspace.create import HEAD
from attractor.records.request import RunRequest, Trigger

_PATIENCE_S = 120.0


class Starting:
    """The start of one run by this process, which holds the lock of its automation meanwhile.

    Use it as a context: a refusal before the run has begun is recorded, and ends the occurrence. An
    interrupt, and trouble of the machine, leave it open for the next process.
    """

    def __init__(self, folder: AutomationFolder, opened: OpenProject) -> None:
        self._folder = folder
        self._opened = opened
        self._lock = hold_starts(folder, _PATIENCE_S)
        self._claim: StartClaim | None = None

    def __enter__(self) -> Self:
        """Return the start, whose lock is held."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Record why the run has not begun, if so, and release the lock."""
        # A person sees the error, and begins again.
        is_by_hand = self._claim is not None and self._claim.kind is TriggerKind.PERSON
        # After an interrupt, or machine trouble, another process may begin it.
        if error is None or is_by_hand or not (_is_interrupt(error) or is_not_now(error)):
            self._settle(_words_of(error) if error else "")
        elif not _is_interrupt(error):
            self._note_failed_try(_words_of(error))
        self._lock.release()

    def take(self, run_id: str) -> bool:
        """Take the claim with the id of a run; return False if there is nothing to begin now."""
        starts = self._folder.starts.read()
        start = starts.find(run_id)
        if start is None:
            raise UnknownName("claimed run", run_id, [])
        if start.claim.kind is TriggerKind.PERSON:
            # Such a claim may set fixed inputs, and any process can write it to the journal.
            hint = f"begin a new one: attractor automation run {self._folder.name}"
            raise Refused(f"only the command of a person begins the start {run_id}", hint=hint)
        self._claim = None if start.settled or starts.is_paused else start.claim
        return self._claim is not None

    def claim_by_hand(self, inputs: Mapping[str, str]) -> None:
        """Claim a start that a person wants, with further inputs; refuse secrets, as recorded."""
        automation = verified(self._folder, self._opened)
        require_open_inputs(automation, inputs, self._opened)
        for name, text in inputs.items():
            if self._opened.project.redactor.finds(text):
                hint = "records keep no secret: let a command of the pipeline read it"
                raise InvalidAutomation(f"the input {name} contains a secret", hint=hint)
        run_id, now = self._opened.project.machine.new_run_id(), self._opened.now()
        self._claim = self._folder.starts.claim(
            TriggerKind.PERSON, run_id, lambda: run_id, now, inputs
        )

    @property
    def run_id(self) -> str:
        """The id of the run of the claim."""
        assert self._claim
        return self._claim.run_id

    @property
    def pool(self) -> str:
        """The pool of the fleet that executes the run of the claim, or ""."""
        return verified(self._folder, self._opened).pool

    def due(self, opened: OpenProject, backend: str) -> DueRun:
        """Return the run of the claim, which has begun once its line is in the ledger."""
        return DueRun(self.run_id, partial(self._plan, opened, backend), begun=self._note_begun)

    async def _plan(self, opened: OpenProject, backend: str) -> RunPlan:
        assert self._claim
        automation = verified(self._folder, opened)
        request, opened = request_of(automation, self._claim, opened, backend)
        commit = _commit_of(self._claim, opened)
        return await plan_start(request, opened, run_id=self.run_id, commit=commit)

    def _note_begun(self) -> None:
        """Record that the run has begun, once, and let the next one begin."""
        if self._claim:
            self._settle("")
            self._lock.release()

    def _settle(self, fault: str) -> None:
        claim, self._claim = self._claim, None
        if claim:
            words = self._opened.project.redactor.text(fault)
            self._folder.starts.settle(claim.run_id, self._opened.now(), words)

    def _note_failed_try(self, fault: str) -> None:
        if self._claim:
            words = self._opened.project.redactor.text(fault)
            self._folder.starts.note_failed_try(self._claim.run_id, self._opened.now(), words)


def _is_interrupt(error: BaseException) -> bool:
    is_ours = isinstance(error, AttractorError)
    return error.exit_code is ExitCode.INTERRUPTED if is_ours else not isinstance(error, Exception)


def _words_of(error: BaseException) -> str:
    return "interrupted" if _is_interrupt(error) else words_of(error)


def request_of(
    automation: Automation, claim: StartClaim, opened: OpenProject, backend: str
) -> tuple[RunRequest, OpenProject]:
    """Return the request of the run of a claim, and the project with its registered pipeline."""
    _require_free(automation, claim)
    given = claim.inputs
    if given and claim.kind is not TriggerKind.PERSON:
        # Other people wrote them. The kind is no proof: any process can write a claim.
        declared = declared_by(automation.pipeline, opened)
        given = _fenced(given, declared, opened.project.machine.randomness(8).hex())
    file, opened = find_pipeline(automation.pipeline, opened)
    request = RunRequest(
        file=file,
        goal=automation.goal,
        inputs={**automation.inputs, **given},
        backend=backend,
        budgets=automation.budgets,
        suite=automation.suite,
        profile=automation.profile,
        trigger=Trigger(automation.name, claim.kind.value, claim.occurrence),
    )
    return request, opened


def _commit_of(claim: StartClaim, opened: OpenProject) -> str:
    """Return the commit with which the run of a claim begins.

    After a promotion by a pull request, it is the merged one: no branch of the project has it yet.
    """
    found = HEAD
    if claim.kind is TriggerKind.PROMOTION:
        branch, _, run_id = claim.occurrence.rpartition(" ")
        for line in opened.ledger.entries(run_id):
            is_ours = line.kind == LineKind.PROMOTED and line.data["branch"] == branch
            if is_ours and "pull_request" in line.data:
                found = str(line.data["commit"])
    return found


def _fenced(given: Mapping[str, str], declared: Iterable[Input], marker: str) -> Mapping[str, str]:
    """Return inputs with fences around their texts, because prompts contain them."""
    texts = {input_.name for input_ in declared if input_.type == "str"}
    return {
        name: fenced_alone(name, text, marker) if name in texts else text
        for name, text in given.items()
    }


def _require_free(automation: Automation, claim: StartClaim) -> None:
    """Refuse inputs of a claim that its trigger may not set: its journal may have been edited."""
    if claim.kind is TriggerKind.PERSON:
        # This process claimed it: `take` refuses those of the journal.
        return
    has_inputs = claim.kind in (TriggerKind.HTTP, TriggerKind.TICKET, TriggerKind.ISSUE)
    free = automation.free_inputs if has_inputs else ()
    if wrong := sorted({*claim.inputs} - {*free}):
        raise InvalidAutomation(f"a {claim.kind.value} may not set the input {wrong[0]}")


def find_pipeline(name: str, opened: OpenProject) -> tuple[Path, OpenProject]:
    """Return the file of a pipeline of the project, or of a registered version `NAME@VERSION`."""
    versions = opened.pipelines.versions
    if versions.is_numbered(name) and not (opened.project.root / name).exists():
        return with_registered(versions.find_usable(name), opened)
    return find_place(opened.project.root, name), opened


def declared_by(name: str, opened: OpenProject) -> Sequence[Input]:
    """Return the inputs that a pipeline declares; refuse an unknown or invalid one."""
    return declared_inputs(_pipeline_of(name, opened)[1].graph)


def _pipeline_of(name: str, opened: OpenProject) -> tuple[Path, PipelineSource]:
    file, opened = find_pipeline(name, opened)
    return file, open_pipeline(str(file), project=context_of(RunScope.of(opened.project)))


def require_open_inputs(
    automation: Automation, inputs: Collection[str], opened: OpenProject
) -> None:
    """Refuse inputs of a start that the pipeline declares as secrets, before they are recorded."""
    if inputs:
        refuse_secrets(declared_by(automation.pipeline, opened), inputs)


async def check_automation(automation: Automation, opened: OpenProject) -> None:
    """Refuse an automation that could start no run, before it is created."""
    _require_trigger(automation)
    if automation.profile:
        opened.pin_profile(automation.profile)
    file, pipeline = _pipeline_of(automation.pipeline, opened)
    # Suites are slow to import.
    from attractor.factory.registration.committed_suites import find_suite_folder
    from attractor.factory.registration.register_suite import check_lock

    suite, number = split_reference(automation.suite)
    is_known = number or opened.suites.versions.knows(suite)
    if not is_known and find_suite_folder(suite, opened.project.root):
        # The first start registers it by its lock.
        await check_lock(suite, RunRequest(file=file, profile=automation.profile), opened)
    else:
        require_judged(opened, opened.pin_suite(automation.suite), pipeline, file)
    require_inputs(automation, declared_inputs(pipeline.graph))


async def find_trouble(automation: Automation, opened: OpenProject, backend: str) -> str:
    """Return why no run could begin with the variables of this process, or "".

    Those of the process that starts the runs may differ, such as in their API keys.
    """
    scope = RunScope.of(opened.project)
    file, pipeline = _pipeline_of(automation.pipeline, opened)
    request, graphs = RunRequest(file=file, backend=backend), [pipeline.graph]
    try:
        request, _ = await choose_default_model(graphs, request, scope)
    except AttractorError as fault:
        return fault.message
    faults = await find_backend_faults(graphs, request, scope, is_model_asked=False)
    return next((one.message for one in faults), "")


def _require_trigger(automation: Automation) -> None:
    """Refuse an automation that nothing starts, or of which a trigger is invalid."""
    label, tickets = automation.issue_label, automation.tickets
    if not (automation.schedule or automation.promotion or tickets or label or automation.has_http):
        hint = "pass --cron, --http, --after-promotion-of, --after-promotion-to, --tickets or "
        hint += "--issue-label"
        raise InvalidAutomation(f"nothing starts the automation {automation.name}", hint=hint)
    if automation.schedule:
        automation.schedule.require_valid(automation.created)
    if tickets and tickets.pause < SHORTEST_POLL:
        hint = f"pass --every {format_duration(SHORTEST_POLL)} or more"
        raise InvalidAutomation("the command of tickets would run too often", hint=hint)
    if tickets and label:
        raise InvalidAutomation(
            "an automation cannot have both tickets and issues", hint="create one for each"
        )
    if label:
        required = automation.schema.get("required")
        wanted = [str(name) for name in required] if isinstance(required, list) else []
        if missing := [name for name in wanted if name not in INPUTS]:
            hint = f"pass --input {missing[0]}=VALUE; an issue sets {', '.join(INPUTS)}"
            raise InvalidAutomation(f"an issue does not set the input {missing[0]}", hint=hint)
