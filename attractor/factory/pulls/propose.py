"""Proposes the result of an approved run: pushes it, and opens or updates its pull request."""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused
from attractor.base.json import Json
from attractor.engine.outcome import format_usage_cost
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.truncation import one_line
from attractor.factory.candidate_run import facts_of
from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.promotion import (
    HEADS,
    ApprovedCommit,
    CandidateTree,
    approved_commit,
    require_isolated,
    require_unpromoted,
    subject_of,
)
from attractor.factory.decisions.review import Review, review
from attractor.factory.errors import UnknownBranch
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.gate_records import BOUND_SENTENCE, RuleResult
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.pulls.feedback import LONGEST_LOG, given_remarks
from attractor.factory.pulls.forge import PullContent, PullState, same_repository
from attractor.factory.pulls.open_forge import OpenForge, Work, opened_forge
from attractor.factory.pulls.readings import PullReadings, new_reading
from attractor.factory.pulls.rounds import Round, earlier_round, rounds_in
from attractor.language.source.text import visible
from attractor.pipeline.workspace.create import require_trees
from attractor.records.request import RunRequest
from attractor.workspaces.run_store import open_store

_LONGEST_TITLE = 120

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
        async with opened_forge(opened.project) as forge:
            work = Work(run, Evaluator(opened), forge, by)
            kept = _candidate(run, request, forge)
            approved = await approved_commit(run, work.evaluator, forge.repository, kept, by=by)
            rounds = rounds_in(work.evaluator.ledger.entries())
            before = await _open_round(work, rounds)
            default = await forge.api.default_branch()
            target = target or (before.target if before else default)
            require_unpromoted(run, work.evaluator, target)
            await _require_known_base(forge, approved.base, target)
            branch = before.branch if before else f"{BRANCHES}{work.run_id}"
            return await _propose(work, approved, branch, target, rounds)


async def _propose(
    work: Work, approved: ApprovedCommit, branch: str, target: str, rounds: Sequence[Round]
) -> Proposed:
    """Push a branch, open or update its pull request, and record it at once.

    If a step between the push and the line failed, the commit would count as another person's.
    """
    forge, decision = work.forge, approved.decision.head.hash
    there = await forge.api.find_open(branch)
    name = forge.remote.name
    others = [one for one in rounds if there and one.is_of(name, there.number)]
    number = sum(one.run_id != work.run_id for one in others) + 1
    found = await review(facts_of(work.run), work.evaluator, forge.project)
    most = forge.project.pull_request.max_rounds
    body = _body(found, approved.decision, f"{number} of at most {most}")
    content = _content(work, body, branch, target)
    await _push(forge, approved.commit, branch, rounds)
    await forge.repository.create_ref(f"{PROPOSED_REFS}{work.run_id}", approved.commit)
    if there:
        pull = await forge.api.update(there.number, content)
    else:
        pull = await forge.api.create(content)
    made = Round(
        run_id=work.run_id,
        forge=forge.kind,
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
    readings.keep(new_reading(made, number, forge.project))
    if made not in rounds:
        record_round(work, made, decision)
    if labels := forge.project.pull_request.labels:
        await forge.api.label(pull.number, labels)
    words = f"{found.report.verdict}, lower bound {found.report.bound:.3f}"
    await forge.api.set_status(approved.commit, words, pull.url)
    return Proposed(made, number, not there)


def record_round(work: Work, made: Round, decision: str) -> None:
    """Record a round in the ledger, with the remarks that its run was given."""
    data = {name: value for name, value in vars(made).items() if name != "run_id"}
    given: list[Json] = [*given_remarks(work.run.manifest)]
    work.record(LineKind.PROPOSED, {**data, "decision": decision, "remarks": given})


def _content(work: Work, body: str, branch: str, target: str) -> PullContent:
    """Return title and text of the pull request."""
    redact = work.forge.redactor.text
    policy = work.evaluator.opened.profile(work.run.manifest.profile).policy
    return PullContent(
        branch=branch,
        target=target,
        title=redact(one_line(subject_of(work.run), _LONGEST_TITLE)),
        body=redact(body),
        is_draft=policy.pull_requests == "draft",
    )


async def _open_round(work: Work, rounds: Sequence[Round]) -> Round | None:
    """Return the earlier round of an open pull request, which this run continues."""
    before = earlier_round(work.run.manifest, rounds)
    if before is None or not same_repository(before.repository, work.forge.remote.name):
        return None
    pull = await work.forge.api.read(before.number)
    return before if pull.state is PullState.OPEN else None


async def _require_known_base(forge: OpenForge, base: str, target: str) -> None:
    """Refuse a result whose base the target lacks: the pull request would have more commits."""
    remote = forge.remote.remote
    push = f"git push {remote} {base[:12]}:{HEADS}{target}"
    try:
        commit = await forge.fetch(target)
    except UnknownBranch as cause:
        hint = f"to create it at the base of the run: {push}"
        raise UnknownBranch(cause.message, hint=hint) from cause
    if not await forge.repository.is_between(base, base, commit):
        raise Refused(
            f"the run is based on {base[:12]}, which {remote}/{target} lacks",
            hint=f"push it first: {push}",
        )


async def _push(forge: OpenForge, commit: str, branch: str, rounds: Sequence[Round]) -> None:
    """Push a commit to a branch that only earlier rounds moved."""
    remote = forge.remote.remote
    asked = await forge.git("ls-remote", remote, f"{HEADS}{branch}")
    if asked.exit_code:
        raise forge.fault("fetch from", asked)
    there = asked.stdout.partition("\t")[0].strip()
    if there == commit:
        return
    if there and there not in [one.commit for one in rounds]:
        raise Refused(
            f"another person pushed {there[:12]} to {branch} of {forge.remote.name}",
            hint="merge or close that pull request by hand; a later run opens another one",
        )
    lease = f"--force-with-lease={HEADS}{branch}:{there}"
    done = await forge.git("push", "--quiet", lease, remote, f"{commit}:{HEADS}{branch}")
    if done.exit_code:
        raise forge.fault("push to", done)


def _candidate(run: OpenRun, request: RunRequest, forge: OpenForge) -> CandidateTree:
    project, run_id = forge.project, run.manifest.run_id
    require_trees(request, project, run_id)
    store, record = open_store(
        project.machine.state_dir,
        run_id,
        search_path=project.machine.search_path,
        borrow_from=forge.repository.objects,
    )
    return CandidateTree(store, record.base, record.excluded)


def _body(found: Review, decision: LedgerEntry, number: str) -> str:
    """Return the text of a pull request: verdict, cost, changes and report, without a holdout."""
    report, manifest = found.report, found.facts.manifest
    cost = f"{format_usage_cost(found.usage)}, judge {format_usage_cost(found.judged.cost.judge)}"
    rows = {
        "Run": f"`{found.facts.run_id}` of `{manifest.pipeline}`",
        "Judged by": f"`{manifest.suite.partition('#')[0]}`",
        # Not the rationale: who gives it may have seen hidden scenarios.
        "Approved": f"by {decision.data['by']}, decision {decision.head.hash[:12]}",
        "Cost": cost,
        "Round": number,
    }
    changes = found.changes.lines("") if found.changes else ["changes: unknown"]
    return "\n".join(
        [
            f"**{report.verdict}**: {report.satisfied} of {report.played} trials satisfied, "
            f"satisfaction {float(report.satisfaction):.3f}, lower bound {report.bound:.3f}. "
            f"{BOUND_SENTENCE}",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {_cell(words)} |" for name, words in rows.items()),
            "",
            "```text",
            *(visible(line).replace("`", "'") for line in changes),
            *(line.replace("`", "'") for line in report.reading_sentences()),
            "```",
            "",
            "<details><summary>Rules of the gate</summary>",
            "",
            "| rule | result | figure |",
            "|---|---|---|",
            *(_rule(rule) for rule in report.rules),
            "",
            "</details>",
            "",
            f"Attractor-Run: {found.facts.run_id}",
            f"Attractor-Decision: {decision.head.hash}",
        ]
    )


def _rule(rule: RuleResult) -> str:
    result = "unused" if not rule.applies else "passed" if rule.passed else "failed"
    limit = f" ({rule.threshold})" if rule.threshold else ""
    return f"| `{rule.rule}` | {result} | {_cell(f'{rule.figure}{limit}')} |"


def _cell(words: str) -> str:
    return one_line(visible(words), LONGEST_LOG).replace("|", "\\|")
