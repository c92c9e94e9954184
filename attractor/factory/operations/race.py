"""Begins a race, collects the results of its attempts, records its end, and cancels its losers."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused, UsageError
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import Json
from attractor.base.locks import FileLock
from attractor.base.records import write_fields
from attractor.engine.run_folder.layout import RunDirectory, is_executed
from attractor.engine.state.run_state import AWAITING_ANSWER, AWAITING_DECISION
from attractor.factory.candidate_run import CandidateRun, read_candidate_run
from attractor.factory.decisions.run_end import record_end
from attractor.factory.decisions.run_locations import RunLocations
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateInput, GateReport, VerdictCost
from attractor.factory.history.index_update import parse_row
from attractor.factory.history.records import EvaluationPool
from attractor.factory.history.report import verdict_cost
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import plan_start
from attractor.factory.project import project_folder
from attractor.factory.races import (
    NOT_BEGUN,
    AttemptResult,
    Race,
    RaceAttempt,
    Stop,
    corrected_confidence,
    count_attempts,
    end_record,
    is_time_decided,
    is_won_early,
    races_in,
    rank,
    results_of,
    winner_of,
)
from attractor.factory.register import find_restarts
from attractor.pipeline.garbage import Collector, Rules
from attractor.pipeline.orders import Orders
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.pipeline.workspace.create import HEAD
from attractor.pipeline.workspace.diffstat import read_diffstat
from attractor.records.request import RunRequest, secret_overrides
from attractor.records.summary import summarize
from attractor.scenarios.satisfaction import lower_bound, trials_needed
from attractor.scenarios.suite import Suite
from attractor.workspaces.git.repository import open_repository

_Check = Callable[[RunPlan], Awaitable[object]]

_WORKS, _BEGINS, _ASKS = "a process executes it", "it begins", "it asks a person"

CancelRun = Callable[[Path, OpenProject, str, str], None]
"""Cancels a run where it is executed, in the name of a person and with a reason."""


@dataclass(frozen=True)
class AttemptView:
    """An attempt at this moment: its run, if it has begun, its result, and its time of work.

    `left` is what it needs before the race can end, or "".
    """

    attempt: RaceAttempt
    result: AttemptResult
    root: Path | None = None
    seconds: float = 0.0
    left: str = ""
    cost: VerdictCost = VerdictCost()

    @property
    def entrant(self) -> str:
        """The backend, with the models that its requests named, otherwise with the asked model."""
        asked = f"{self.attempt.model} (asked for)" if self.attempt.model else ""
        return f"{self.attempt.backend} {', '.join(self.result.models) or asked}".rstrip()

    @property
    def is_working(self) -> bool:
        """Whether a process executes the attempt, or begins it."""
        return self.left in (_WORKS, _BEGINS)

    @property
    def asks(self) -> bool:
        """Whether the attempt waits for the answer of a person."""
        return self.left.startswith(_ASKS)


async def begin_race(
    entrants: Sequence[RunRequest],
    opened: OpenProject,
    *,
    attempts: int,
    at_once: int,
    by: str,
    stop: Stop = Stop.ALL,
    pool: str = "",
    check: _Check | None = None,
) -> Race:
    """Check that each entrant can run, and record a race of them from the last commit.

    The entrants differ in backend and model only, and take turns. `check` refuses the plan of an
    entrant that `pool` would refuse.
    """
    opened.refuse_in_run("a race")
    project, machine = opened.project, opened.project.machine
    if attempts < len(entrants):
        raise UsageError(
            f"{len(entrants)} entrants need at least {len(entrants)} attempts",
            hint=f"pass --attempts {len(entrants)}, or fewer backends and models",
        )
    repository = await open_repository(project.root, search_path=machine.search_path)
    commit = await repository.commit(HEAD)
    plans = [await _plan(entrant, opened, commit, check) for entrant in entrants]
    plan, made_by = plans[0], f"race of {by}"
    _tell_gates(plan, attempts, opened)
    pipeline, _ = opened.pipelines.register(
        plan.pipeline, plan.request.file, by=made_by, now=opened.now(), renews=False
    )
    suite = opened.suites.open(opened.suites.versions.of_pin(plan.policy.suite)).suite
    race = Race(
        race_id=machine.new_run_id(),
        project=opened.identity.project_id(),
        by=by,
        pipeline=pipeline.pinned,
        suite=plan.policy.suite,
        profile=plan.policy.profile,
        commit=commit,
        attempts=tuple(
            RaceAttempt(machine.new_run_id(), entrant.backend, entrant.model, entrant.provider)
            for entrant in islice(cycle(entrants), attempts)
        ),
        counted=attempts,
        at_once=at_once,
        request=entrants[0].to_record(),
        stop=stop,
        pool=pool,
        tree=await repository.tree(commit),
    )
    with opened.ledger.locked(f"attractor: {LineKind.RACE_BEGUN}"):
        entries = list(opened.ledger.entries())
        counted = attempts + count_attempts(races_in(entries), race.suite_seal, commit, race.tree)
        race = replace(race, counted=counted)
        evaluations = EvaluationPool(entries, Evaluator(opened).results)
        require_unspent(suite, evaluations.attempts(race.suite_seal, "") - 1, attempts)
        require_winnable(suite, counted)
        opened.ledger.append(LineKind.RACE_BEGUN, "", write_fields(race), now=opened.now())
    return race


async def _plan(
    request: RunRequest, opened: OpenProject, commit: str, check: _Check | None
) -> RunPlan:
    """Plan an attempt to see whether it could begin, before it counts."""
    plan = await plan_start(request, opened, commit=commit)
    plan.report.require_ok()
    if not plan.policy.suite:
        raise UsageError("no suite judges the attempts", hint="name one: --suite NAME")
    if secrets := secret_overrides(request, plan.scope.redactor).by_name:
        raise UsageError(
            f"a race stores no secrets, and {', '.join(secrets)} has one",
            hint="pass it as a secret input by its environment variable",
        )
    if check:
        await check(plan)
    return plan


def _tell_gates(plan: RunPlan, attempts: int, opened: OpenProject) -> None:
    nodes = plan.pipeline.graph.nodes
    if gates := [name for name, node in nodes.items() if node.type == "wait.human"]:
        opened.project.console.tell(
            f"The pipeline asks people ({', '.join(gates)}): each of the {attempts} attempts asks. "
            "Answer them, then continue with: attractor race resume"
        )


def require_winnable(suite: Suite, counted: int) -> None:
    """Refuse a race in which no attempt could reach the lower bound of the suite."""
    limits, holdouts = suite.settings.gate, suite.of_split("holdout")
    trials, wanted = suite.settings.trials.n * len(holdouts), limits.min_lower_bound
    confidence = corrected_confidence(limits.confidence, counted)
    most = lower_bound(trials, trials, confidence=confidence)
    if most >= wanted:
        return
    needed = trials_needed(wanted, confidence=confidence)
    each = -(-needed // max(1, len(holdouts)))
    raise Refused(
        f"{number_of(trials, 'trial')} cannot reach the lower bound {wanted} where {counted} "
        f"attempts with this suite from this tree count: all passed, it is {most:.3f}",
        hint=f"{needed} trials are needed: raise trials.n to {each}, add holdouts, or make fewer "
        "attempts",
    )


def require_unspent(suite: Suite, before: int, attempts: int) -> None:
    """Refuse a race that would pass the limit of attempts with a version of its suite."""
    most = suite.settings.gate.max_attempts_per_version
    if before + attempts > most:
        raise Refused(
            f"{number_of(attempts, 'attempt')} after {before} would pass "
            f"max_attempts_per_version = {most} of the suite",
            hint="make fewer attempts, or register a new version of the suite with other holdouts",
        )


async def look(race: Race, opened: OpenProject) -> list[AttemptView]:
    """Return the attempts of a race at this moment, in order; an ended race keeps its results."""
    ended = {result.run_id: result for result in results_of(opened.ledger, race.race_id) or ()}
    return [
        await _look_at(attempt, race, opened, ended.get(attempt.run_id))
        for attempt in race.attempts
    ]


async def _look_at(
    attempt: RaceAttempt, race: Race, opened: OpenProject, ended: AttemptResult | None
) -> AttemptView:
    found = find_restarts(attempt.run_id, opened)
    if not found:
        result = ended or AttemptResult(attempt.run_id, NOT_BEGUN)
        return AttemptView(attempt, result, left="" if ended else _not_begun(race, attempt, opened))
    root = found[0]
    facts, seconds = read_candidate_run(root), summarize(root).seconds
    cost = verdict_cost(opened.ledger.entries(facts.run_id))
    if ended:
        now = replace(ended, status=facts.state.status.word.value)
        return AttemptView(attempt, now, root, seconds, cost=cost)
    judged = Evaluator(opened).judged(facts)
    report = gate(judged)
    left = _left(facts, judged, report)
    models = tuple(dict.fromkeys(model for each in reversed(found) for model in _models_of(each)))
    result = AttemptResult(attempt.run_id, facts.state.status.word.value, models=models)
    if facts.state.status == AWAITING_DECISION and not left:
        changes = await read_diffstat(opened.project, facts.run_id, facts.tree)
        files = changes.files if changes else ()
        result = replace(
            result,
            tree=facts.tree,
            verdict=report.verdict,
            satisfied=report.satisfied,
            played=report.played,
            bound=report.bound,
            cost_usd=judged.usage.cost_usd,
            is_cost_partial=bool(judged.usage.unpriced_tokens),
            changed_lines=sum((file.added or 0) + (file.deleted or 0) for file in files),
            changed_files=len(files),
        )
    return AttemptView(attempt, result, root, seconds, left, cost)


def _models_of(root: Path) -> Iterator[str]:
    """Yield the models that requests of a run named, if Attractor made or saw these requests."""
    for line in read_lines(RunDirectory(root).events):
        if b'"type":"SESSION_' in line.content:
            event = Event.from_record(dict(parse_row(line.content)))
            seen = event.data.get("models")
            yield from (str(model) for model in seen) if isinstance(seen, list) else ()
            if event.type == "SESSION_START" and "program" not in event.data:
                yield str(event.data.get("model"))


def rank_views(views: Sequence[AttemptView]) -> list[tuple[int, AttemptView]]:
    """Return attempts with their ranks, best first; those without a verdict have the rank 0."""
    ranking = rank(view.result for view in views)
    places = {
        run_id: place for place, candidate in enumerate(ranking, 1) for run_id in candidate.run_ids
    }
    ranked = [(places.get(view.attempt.run_id, 0), view) for view in views]
    # Of equal trees, the best result comes first.
    order = [*places]
    return sorted(
        ranked, key=lambda pair: order.index(pair[1].attempt.run_id) if pair[0] else len(views)
    )


def winning_run(views: Sequence[AttemptView], *, has_ended: bool) -> str:
    """Return the id of the attempt that won a race, or ""."""
    winner = winner_of(view.result for view in views) if has_ended else None
    return winner.run_ids[0] if winner else ""


def race_record(race: Race, views: Sequence[AttemptView], *, has_ended: bool) -> dict[str, Json]:
    """Return the JSON record of a race at this moment."""
    results = [view.result for view in views]
    return {
        **write_fields(race, attempts=""),
        "ended": has_ended,
        "attempts": [
            {
                **write_fields(view.attempt),
                **write_fields(view.result),
                "directory": str(view.root) if view.root else "",
                "seconds": view.seconds,
                "left": view.left,
                "verdict_cost": view.cost.to_record(),
            }
            for view in views
        ],
        "ranking": [write_fields(candidate, best="") for candidate in rank(results)],
        "winner": winning_run(views, has_ended=has_ended),
        "time_decided": has_ended and is_time_decided(race, results),
    }


def races_folder(state: Path, project_id: str) -> Path:
    """Return the folder with the races of a project, which exists if there was one."""
    return project_folder(state, project_id or "none") / "races"


def race_folder(race: Race, opened: OpenProject) -> Path:
    """Return the folder with the locks and logs of the processes of a race."""
    return races_folder(opened.project.machine.state_dir, race.project) / race.race_id


def attempt_lock(race: Race, attempt: RaceAttempt, opened: OpenProject) -> Path:
    """Return the lock that the process of an attempt holds."""
    return race_folder(race, opened) / f"{attempt.run_id}.lock"


def attempt_log(race: Race, attempt: RaceAttempt, opened: OpenProject) -> Path:
    """Return the output of the processes of an attempt."""
    return race_folder(race, opened) / f"{attempt.run_id}.log"


def _not_begun(race: Race, attempt: RaceAttempt, opened: OpenProject) -> str:
    if FileLock.is_held(attempt_lock(race, attempt, opened)):
        return _BEGINS
    log = attempt_log(race, attempt, opened)
    return f"it has not begun; the output of its process: {log}" if log.exists() else NOT_BEGUN


def _left(facts: CandidateRun, judged: GateInput, report: GateReport) -> str:
    """Return what an attempt needs before the race can end, or ""."""
    run_id, state = facts.run_id, facts.state
    if state.status.is_final and not state.is_restarting:
        return ""
    if is_executed(facts.directory):
        return _WORKS
    if state.status == AWAITING_DECISION:
        if not (judged.without_result() or judged.not_ended()):
            return ""
        [rule] = [reason for reason in report.reasons if reason.rule == "infra_errors"]
        return f"{rule.words}; or give it up: attractor cancel {run_id}"
    if state.status == AWAITING_ANSWER and state.questions:
        return f"{_ASKS}: attractor answer {run_id}"
    why = state.stopped or "its process died"
    return f"{why}; continue or give it up: attractor resume {run_id}, attractor cancel {run_id}"


def end_race(
    race: Race, views: Sequence[AttemptView], opened: OpenProject, *, given_up_by: str = ""
) -> bool:
    """Record the end of a race, once, if all its attempts ended; return whether it has ended.

    Attempts that have not begun never begin after a first go that ends the race, or if a person
    gave them up.
    """
    begins_no_more = bool(given_up_by) or is_won_early(race, [view.result for view in views])
    if any(view.left and not (begins_no_more and view.root is None) for view in views):
        return False
    with opened.ledger.locked(f"attractor: {LineKind.RACE_ENDED}"):
        if results_of(opened.ledger, race.race_id) is None:
            by = given_up_by or race.by
            record = end_record(race, [view.result for view in views], by)
            opened.ledger.append(LineKind.RACE_ENDED, "", record, now=opened.now())
    return True


def require_ended(race: Race, views: Sequence[AttemptView], opened: OpenProject) -> None:
    """Refuse a race that has not ended, and say which attempts have to end first."""
    if results_of(opened.ledger, race.race_id) is not None:
        return
    left = [f"{view.root.name}: {view.left}" for view in views if view.root and view.left]
    raise Refused(
        f"race {race.race_id} has not ended: attempts that have begun must end first",
        hint="; ".join([*left, f"continue them: attractor race resume {race.race_id}"]),
    )


async def end_losers(decided: LedgerEntry, opened: OpenProject) -> None:
    """Cancel the attempts that lost to an approved run, and free their trees.

    Trouble undoes no decision: it is told, and a resume of the race tries again.
    """
    lost = [found for run_id in _lost(decided) if (found := find_restarts(run_id, opened))]
    project, machine = opened.project, opened.project.machine
    for newest, *_ in lost:
        if not read_candidate_run(newest).state.status.is_final:
            why = f"race: lost to {decided.run_id}"
            cancel_attempt(newest, opened, by=str(decided.data["by"]), why=why)
    places = RunLocations(opened.ledger, project.runs_dir)
    rules = Rules(machine.clock.now(), timedelta())
    names = [root.name for found in lost for root in found]
    sweep = await Collector(project, places, rules, places.run_ids).collect_of(names)
    for trouble in sweep.troubles:
        project.console.tell(trouble)


def cancel_here(root: Path, opened: OpenProject, by: str, why: str) -> None:
    """Cancel a run that this machine executes."""
    orders_to(root, opened, by).cancel(why)


def cancel_attempt(
    root: Path, opened: OpenProject, *, by: str, why: str, cancel: CancelRun = cancel_here
) -> None:
    """Cancel the run of an attempt; report trouble, after which a resume tries again."""
    try:
        cancel(root, opened, by, why)
    except AttractorError as trouble:
        opened.project.console.tell(
            f"{root.name} lost the race and is not canceled: {trouble}; "
            "try again: attractor race resume"
        )


def orders_to(root: Path, opened: OpenProject, by: str) -> Orders:
    """Return the orders of a person to the run of an attempt."""
    project, machine = opened.project, opened.project.machine
    return Orders(
        root=root,
        by=by,
        clock=machine.clock,
        randomness=machine.randomness,
        redactor=project.redactor,
        before_end=partial(record_end, opened),
        runs_dir=project.runs_dir,
    )


def _lost(decided: LedgerEntry) -> list[str]:
    cited = decided.data.get("race")
    lost = cited.get("lost") if isinstance(cited, dict) else None
    return [str(run_id) for run_id in lost] if isinstance(lost, list) else []


async def settle_race(race: Race, opened: OpenProject) -> None:
    """Cancel the losers of a decided race that a killed process left."""
    for entry in opened.ledger.mentioning(race.race_id):
        if entry.kind == LineKind.DECIDED:
            await end_losers(entry, opened)
