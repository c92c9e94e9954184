"""Opens pull requests of approved runs, and begins their next rounds.

The operator's own git pushes and fetches.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, LockHeld, Refused, UsageError
from attractor.base.json import Json
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import (
    APPROVED,
    AWAITING_DECISION,
    CANCELED,
    FAILED,
    REJECTED,
    RunStatus,
)
from attractor.factory.candidate_run import (
    CandidateRun,
    before_a_decision,
    facts_of,
    read_candidate_run,
)
from attractor.factory.decisions.promotion import (
    CLOSED,
    HEADS,
    ApprovedCommit,
    CandidateTree,
    approved_commit,
    require_isolated,
    require_unpromoted,
    subject_of,
)
from attractor.factory.decisions.proposals import (
    ProposalFacts,
    Round,
    earlier_round,
    find_proposal,
    given_remarks,
    proposal_body,
    proposal_title,
    read_pull_feedback,
    require_budget_left,
    rounds_in,
)
from attractor.factory.decisions.review import review
from attractor.factory.errors import UnknownBranch
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.forge import PullContent, PullState, same_repository
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.forge_place import Place, Work, opened_place
from attractor.factory.operations.lock import lock_run
from attractor.factory.pull_readings import PullReading, PullReadings
from attractor.factory.resources.versions import split_pin
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.create import require_trees
from attractor.records.request import RunRequest, current_request
from attractor.workspaces.run_store import open_store

_LOCK_PATIENCE_S = 1.0

BRANCHES = "attractor/"
"""The prefix of the branches of pull requests."""


PROPOSED_REFS = "refs/attractor/proposed/"
"""The refs that keep the commit of each proposed run from `git gc`, until its pull request ends."""


@dataclass(frozen=True)
class Proposed:
    """The pull request of a run, and whether it was opened by this call."""

    round: Round
    number: int
    is_new: bool


async def propose_run(root: Path, opened: OpenProject, *, target: str, by: str) -> Proposed:
    """Push the result of an approved run to a branch, and open or update its pull request."""
    opened.refuse_in_run("a pull request")
    with lock_run(root, opened) as run:
        request = require_isolated(run)
        async with opened_place(opened.project) as place:
            work = Work(run, Evaluator(opened), place, by)
            kept = _candidate(run, request, place)
            approved = await approved_commit(run, work.evaluator, place.repository, kept, by=by)
            rounds = rounds_in(work.evaluator.ledger.entries())
            before = await _open_round(work, rounds)
            default = await place.forge.default_branch()
            target = target or (before.target if before else default)
            require_unpromoted(run, work.evaluator, target)
            await _require_known_base(place, approved.base, target)
            branch = before.branch if before else f"{BRANCHES}{work.run_id}"
            return await _propose(work, approved, branch, target, rounds)


async def _propose(
    work: Work, approved: ApprovedCommit, branch: str, target: str, rounds: Sequence[Round]
) -> Proposed:
    """Push a branch, open or update its pull request, and record it at once.

    If a step between the push and the line failed, the commit would count as another person's.
    """
    place, decision = work.place, approved.decision.head.hash
    there = await place.forge.find_open(branch)
    name = place.remote.name
    others = [one for one in rounds if there and one.is_of(name, there.number)]
    number = sum(one.run_id != work.run_id for one in others) + 1
    found = await review(facts_of(work.run), work.evaluator, place.project)
    proposal = _content(work, ProposalFacts(found, approved.decision, number), branch, target)
    await _push(place, approved.commit, branch, rounds)
    await place.repository.create_ref(f"{PROPOSED_REFS}{work.run_id}", approved.commit)
    if there:
        pull = await place.forge.update(there.number, proposal)
    else:
        pull = await place.forge.create(proposal)
    made = Round(
        run_id=work.run_id,
        forge=place.kind,
        repository=name,
        number=pull.number,
        url=pull.url,
        branch=branch,
        target=target,
        base=approved.base,
        commit=approved.commit,
    )
    # Before the line, so that a server reads the pull request also after a kill.
    readings = PullReadings.of(work.evaluator.opened)
    closed = readings.of_run(work.run_id)
    if closed and not made.is_of(closed.repository, closed.number):
        readings.remove(closed.repository, closed.number)
    readings.keep(new_reading(made, number, place.project))
    if made not in rounds:
        record_round(work, made, decision)
    if labels := place.project.pull_request.labels:
        await place.forge.label(pull.number, labels)
    words = f"{found.report.verdict}, lower bound {found.report.bound:.3f}"
    await place.forge.set_status(approved.commit, words, pull.url)
    return Proposed(made, number, not there)


def record_round(work: Work, made: Round, decision: str) -> None:
    """Record a round in the ledger, with the remarks that its run was given."""
    data = {name: value for name, value in vars(made).items() if name != "run_id"}
    given: list[Json] = [*given_remarks(work.run.manifest)]
    work.record(LineKind.PROPOSED, {**data, "decision": decision, "remarks": given})


def _content(work: Work, facts: ProposalFacts, branch: str, target: str) -> PullContent:
    """Return title and text of the pull request."""
    redact, settings = work.place.redactor.text, work.place.project.pull_request
    policy = work.evaluator.opened.profile(work.run.manifest.profile).policy
    return PullContent(
        branch=branch,
        target=target,
        title=redact(proposal_title(subject_of(work.run))),
        body=redact(proposal_body(facts, settings.max_rounds)),
        is_draft=policy.pull_requests == "draft",
    )


async def _open_round(work: Work, rounds: Sequence[Round]) -> Round | None:
    """Return the earlier round of an open pull request, which this run continues."""
    before = earlier_round(work.run.manifest, rounds)
    if before is None or not same_repository(before.repository, work.place.remote.name):
        return None
    pull = await work.place.forge.read(before.number)
    return before if pull.state is PullState.OPEN else None


async def _require_known_base(place: Place, base: str, target: str) -> None:
    """Refuse a result whose base the target lacks: the pull request would have more commits."""
    remote = place.remote.remote
    push = f"git push {remote} {base[:12]}:{HEADS}{target}"
    try:
        commit = await place.fetch(target)
    except UnknownBranch as cause:
        hint = f"to create it at the base of the run: {push}"
        raise UnknownBranch(cause.message, hint=hint) from cause
    if not await place.repository.is_between(base, base, commit):
        raise Refused(
            f"the run is based on {base[:12]}, which {remote}/{target} lacks",
            hint=f"push it first: {push}",
        )


async def _push(place: Place, commit: str, branch: str, rounds: Sequence[Round]) -> None:
    """Push a commit to a branch that only earlier rounds moved."""
    remote = place.remote.remote
    asked = await place.git("ls-remote", remote, f"{HEADS}{branch}")
    if asked.exit_code:
        raise place.fault("fetch from", asked)
    there = asked.stdout.partition("\t")[0].strip()
    if there == commit:
        return
    if there and there not in [one.commit for one in rounds]:
        raise Refused(
            f"another person pushed {there[:12]} to {branch} of {place.remote.name}",
            hint="merge or close that pull request by hand; a later run opens another one",
        )
    lease = f"--force-with-lease={HEADS}{branch}:{there}"
    done = await place.git("push", "--quiet", lease, remote, f"{commit}:{HEADS}{branch}")
    if done.exit_code:
        raise place.fault("push to", done)


def _candidate(run: OpenRun, request: RunRequest, place: Place) -> CandidateTree:
    project, run_id = place.project, run.manifest.run_id
    require_trees(request, project, run_id)
    store, record = open_store(
        project.machine.state_dir,
        run_id,
        search_path=project.machine.search_path,
        borrow_from=place.repository.objects,
    )
    return CandidateTree(store, record.base, record.excluded)


def new_reading(own: Round, number: int, project: Project) -> PullReading:
    """Return the reading of a pull request that was not read yet."""
    now = project.machine.clock.now()
    return PullReading(
        run_id=own.run_id,
        repository=own.repository,
        number=own.number,
        url=own.url,
        target=own.target,
        round=number,
        most=project.pull_request.max_rounds,
        read=now,
        since=now,
    )


def is_lost(run_id: str, opened: OpenProject) -> bool:
    """Return whether a run never began, or ended without a result that could be proposed."""
    try:
        status = read_candidate_run(opened.find(run_id)).state.status
    except AttractorError:
        return True
    return status in (REJECTED, FAILED, CANCELED)


def living_next_run(run_id: str, opened: OpenProject) -> str:
    """Return the run of the next round after a run, or "" if no round has begun or it is lost."""
    reading = PullReadings.of(opened).of_run(run_id)
    begun = reading.next_run if reading else ""
    return "" if not begun or is_lost(begun, opened) else begun


@contextmanager
def next_round(root: Path, opened: OpenProject) -> Generator[RunRequest]:
    """Yield the request of the next round: that of the last round, on the files of its result.

    The rest of the budget of the last round is the budget of the next one. Start the run within the
    block, during which no other process begins a round of this pull request.
    """
    facts = read_candidate_run(root)
    if root.parent != opened.project.runs_dir:
        raise UsageError(f"{root} is not in the folder of runs", hint="see: attractor pr list")
    _require_open_pull(facts, opened)
    request = current_request(facts.manifest, facts.state)
    if request.withheld:
        names = ", ".join(request.withheld)
        raise UsageError(
            f"the record of {facts.run_id} does not contain the secret values of {names}",
            hint=f"pass them: attractor run FILE --feedback {facts.run_id}",
        )
    reading = PullReadings.of(opened).of_run(facts.run_id)
    if reading and reading.moved_to:
        raise Refused(
            f"another person pushed {reading.moved_to[:12]} to the branch of {reading.url}, so no "
            "further round can be pushed",
            hint="merge or close that pull request by hand",
        )
    if not read_pull_feedback(root, facts.run_id, opened.ledger.entries(facts.run_id)):
        raise Refused(
            f"{facts.run_id} needs no further round: no check failed, and no remark was read",
            hint=f"attractor pr sync {facts.run_id}",
        )
    with _locked_next(facts.run_id, opened):
        left = require_budget_left(request.budgets.cost_usd, facts.cost_usd)
        yield replace(
            request,
            budgets=replace(request.budgets, cost_usd=left),
            builds_on=facts.run_id,
            continues=None,
            submission=None,
            suite=split_pin(request.suite)[0],
            profile=split_pin(request.profile)[0],
            evaluate=True,
        )


def _require_open_pull(facts: CandidateRun, opened: OpenProject) -> None:
    """Refuse the next round of a pull request that is missing or ended.

    After its end, the result of the round would open another one.
    """
    run_id = facts.run_id
    pull = find_proposal(run_id, opened.ledger)
    if pull is None:
        is_next = any(one.next_run == run_id for one in PullReadings.of(opened).all())
        missing = "is not proposed yet" if is_next else "has no pull request"
        raise Refused(f"{run_id} {missing}", hint=_before_a_proposal(facts.state.status, run_id))
    if not pull.is_open:
        is_closed = pull.state == CLOSED
        again = f"open it again on the forge, then: attractor pr sync {run_id}"
        raise Refused(
            f"pull request {pull.number} is {pull.state}",
            hint=again if is_closed else "start a new run on the merged branch: git pull",
        )


def _before_a_proposal(status: RunStatus, name: str) -> str:
    """Return the next command on the way to a pull request."""
    if status == APPROVED:
        return f"attractor promote {name} --to pr"
    if status == AWAITING_DECISION:
        return f"attractor decide {name} --approve, then: attractor promote {name} --to pr"
    return before_a_decision(status, name)


@contextmanager
def _locked_next(run_id: str, opened: OpenProject) -> Generator[None]:
    """Lock the next round of a run; refuse it if it has begun, or begins in another process."""
    try:
        # A process that reads the pull request holds the lock for a moment.
        lock = PullReadings.of(opened).lock_next(run_id, wait=_LOCK_PATIENCE_S)
    except LockHeld as cause:
        _refuse_begun(run_id, opened)
        raise Refused(
            f"another process begins the next round of {run_id}", hint="attractor pr list"
        ) from cause
    with lock:
        _refuse_begun(run_id, opened)
        yield


def require_latest_round(own: Round, rounds: Sequence[Round], command: str) -> None:
    """Refuse a command about an earlier round of a pull request."""
    last = [one for one in rounds if one.pull == own.pull][-1]
    if last.run_id != own.run_id:
        raise Refused(
            f"{last.run_id} is a later round of {own.url}", hint=f"{command} {last.run_id}"
        )


def _refuse_begun(run_id: str, opened: OpenProject) -> None:
    rounds = rounds_in(opened.ledger.entries())
    for own in rounds:
        if own.run_id == run_id:
            require_latest_round(own, rounds, "attractor pr next")
    if begun := living_next_run(run_id, opened):
        raise Refused(
            f"the next round of {run_id} has begun: {begun}",
            hint=f"attractor status {begun}; or reject or cancel it first",
        )
