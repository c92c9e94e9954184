"""Reads checks, remarks and ends of pull requests from the forge, and records them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import LockHeld, Refused
from attractor.base.files import write_whole
from attractor.base.json import content_hash
from attractor.factory.candidate_run import facts_of
from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.promotion import (
    CLOSED,
    ApprovedCommit,
    record_merge,
    was_rolled_back,
)
from attractor.factory.errors import ForgeRefused, NotPromoted
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.history.records import find_decision
from attractor.factory.ledger.ledger import UNJUDGED_TREE, LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.pulls.feedback import (
    MOST,
    PULL_REQUEST_FILE,
    PullRequestFeedback,
    collect_feedback,
    cut_check,
    cut_remark,
)
from attractor.factory.pulls.forge import (
    CheckState,
    Forge,
    ForgeRemark,
    PullRequest,
    PullState,
    clean_text,
    failed_checks,
    same_repository,
)
from attractor.factory.pulls.next_round import is_lost, living_next_run
from attractor.factory.pulls.open_forge import OpenForge, Sleep, Work, opened_forge
from attractor.factory.pulls.propose import PROPOSED_REFS, record_round
from attractor.factory.pulls.readings import PullReadings, new_reading
from attractor.factory.pulls.rounds import (
    MERGED,
    MERGED_OUTSIDE,
    Round,
    endings_in,
    require_latest_round,
    rounds_in,
)
from attractor.factory.register import find_restarts, forget
from attractor.records.lookup import reference_of
from attractor.workspaces.folders import borrowed_folder, make_workspaces_folder
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.merge import merge_trees


@dataclass(frozen=True)
class SyncedPull:
    """A pull request as it was read: how it ended, or what others said about it.

    `ending` is `merged`, `merged outside`, `closed` or empty. It `is_unjudged` if the target had
    moved, so that no trial was played on the merged tree. `moved_to` is the tip of the branch, if
    others pushed to it; `retargeted_to` is its target, if that was changed. `next_round` is the
    number of the next round, or 0 if none can begin. `next_run` is the run of the next round, if it
    has begun.
    """

    run_id: str
    reference: str
    url: str
    ending: str = ""
    commit: str = ""
    is_unjudged: bool = False
    pending: Sequence[str] = ()
    feedback: PullRequestFeedback | None = None
    has_conflict: bool = False
    moved_to: str = ""
    retargeted_to: str = ""
    next_round: int = 0
    next_run: str = ""
    passed: int = 0


async def sync_pull(
    root: Path, opened: OpenProject, *, by: str, sleep: Sleep | None = None
) -> SyncedPull:
    """Read the pull request of a run, and record its end, or the feedback for the next round.

    `sleep` is called with the time until a limit of the forge resets (default: to wait).
    """
    opened.refuse_in_run("a pull request")
    with lock_run(root, opened) as run:
        evaluator, run_id = Evaluator(opened), run.manifest.run_id
        evaluator.ledger.require_intact()
        entries = list(evaluator.ledger.entries())
        rounds = rounds_in(entries)
        own = next((one for one in rounds if one.run_id == run_id), None)
        reference = reference_of(root, opened.project.runs_dir)
        if own is None:
            raise NotPromoted(
                f"{run_id} has no pull request", hint=f"attractor promote {reference} --to pr"
            )
        synced = SyncedPull(run_id, reference, own.url)
        ending = endings_in(entries).get(run_id, "")
        if ending in (MERGED, MERGED_OUTSIDE):
            return _note(own, replace(synced, ending=ending), opened)
        ours = [one for one in rounds if one.pull == own.pull]
        _follow(ours, opened)
        require_latest_round(own, rounds, "attractor pr sync")
        try:
            async with opened_forge(opened.project, sleep) as forge:
                work = Work(run, evaluator, forge, by)
                pull = await _read_own(forge, own)
                if pull.state is PullState.OPEN:
                    if ending == CLOSED:
                        await _reopen(work, own)
                    synced = await _listen(work, own, pull, entries, synced)
                else:
                    synced = await _end(work, own, pull, synced)
        except ForgeRefused as fault:
            _note(own, synced, opened, len(ours), fault.in_one_line)
            raise
        synced = _note(own, synced, opened, len(ours))
        await _forget_lost_round(own.run_id, PullReadings.of(opened), opened)
        return synced


def _follow(rounds: Sequence[Round], opened: OpenProject) -> None:
    """Let the reading of a pull request be about its latest round."""
    readings, last = PullReadings.of(opened), rounds[-1]
    found = readings.find(last.repository, last.number)
    if found and found.run_id != last.run_id:
        readings.keep(new_reading(last, len(rounds), opened.project))


def _note(
    own: Round, synced: SyncedPull, opened: OpenProject, number: int = 1, fault: str = ""
) -> SyncedPull:
    """Keep what was read of a pull request, until it ends; return it."""
    readings = PullReadings.of(opened)
    rounds = rounds_in(opened.ledger.entries())
    if [one.run_id for one in rounds if one.is_of(own.repository, own.number)][-1] != own.run_id:
        # A later round was proposed meanwhile, which has a reading already.
        return synced
    if synced.ending == MERGED:
        readings.remove(own.repository, own.number)
        return synced
    earlier = readings.find(own.repository, own.number)
    new = new_reading(own, number, opened.project)
    known = replace(earlier, read=new.read, since=new.read) if earlier else new
    if fault:
        readings.keep(replace(known, fault=fault))
    elif synced.ending == CLOSED:
        readings.keep(replace(known, is_closed=True, fault=""))
    elif synced.feedback is not None:
        new = replace(
            new,
            passed=synced.passed,
            failed=tuple(one.name for one in synced.feedback.checks),
            pending=tuple(synced.pending),
            remarks=tuple(one.id for one in synced.feedback.remarks),
            has_conflict=synced.has_conflict,
            moved_to=synced.moved_to,
            retargeted_to=synced.retargeted_to,
        )
        readings.keep(new)
    elif synced.commit or (earlier and not earlier.merged_outside):
        readings.keep(replace(known, merged_outside=synced.commit or own.commit))
    return synced


async def _forget_lost_round(run_id: str, readings: PullReadings, opened: OpenProject) -> None:
    """Let the next round begin again if its run is lost."""
    if not ((reading := readings.of_run(run_id)) and reading.next_run):
        return
    # A process that begins a round records it before the run exists, and holds this lock.
    with suppress(LockHeld), readings.lock_next(run_id):
        reading = readings.of_run(run_id)
        if reading and reading.next_run and is_lost(reading.next_run, opened):
            if not find_restarts(reading.next_run, opened):
                await forget(reading.next_run, opened)
            readings.begin_next(run_id, "")


async def _read_own(forge: OpenForge, own: Round) -> PullRequest:
    """Return the pull request of a round; refuse one of another repository or branch."""
    if not same_repository(own.repository, forge.remote.name):
        raise Refused(
            f"{own.url} is in {own.repository}, and the remote {forge.remote.remote} is "
            f"{forge.remote.name}",
            hint="set pull_request.remote",
        )
    pull = await forge.api.read(own.number)
    is_own = not pull.source or same_repository(pull.source, own.repository)
    if pull.branch != own.branch or not is_own:
        raise ForgeRefused(
            f"{own.url} is not the pull request of {own.branch} of {own.repository}: its branch is "
            f"{pull.branch} of {pull.source}",
            hint="a pull request from a fork is ignored: open the one of the run again",
        )
    return pull


async def _end(work: Work, own: Round, pull: PullRequest, synced: SyncedPull) -> SyncedPull:
    """Record the end of a pull request: a promotion only if it brought the approved changes."""
    forge, ledger, commit = work.forge, work.evaluator.ledger, pull.merged_as
    about = {"repository": own.repository, "number": own.number}
    if pull.state is PullState.CLOSED:
        if endings_in(ledger.entries()).get(own.run_id) != CLOSED:
            work.record(LineKind.PROPOSAL_ENDED, {**about, "how": CLOSED, "commit": ""})
        await _forget(work, own)
        return replace(synced, ending=CLOSED)
    tip = await forge.fetch(pull.target)
    decision = find_decision(ledger, facts_of(work.run))
    is_there = await forge.repository.is_between(commit, commit, tip) if commit else False
    # Others may have added commits, which a merge by rebase would hide.
    is_own = bool(decision) and is_there and pull.head == own.commit
    # On the forge, anybody who may write can choose another target; only a person here names one.
    is_own = is_own and pull.target == own.target
    # A decision is used once: the result was promoted here, and rolled back.
    is_own = is_own and not was_rolled_back(work.run, work.evaluator, pull.target)
    if not decision or not is_own or not await _brings(work, own, commit):
        work.record(LineKind.PROPOSAL_ENDED, {**about, "how": MERGED_OUTSIDE, "commit": commit})
        await _forget(work, own)
        return replace(synced, ending=MERGED_OUTSIDE, commit=commit)
    tag = f"attractor/{own.run_id}"
    # The run may be on another branch, too: its tag stays there.
    if not await forge.repository.ref(f"refs/tags/{tag}"):
        await forge.repository.create_ref(f"refs/tags/{tag}", commit)
    merge = {"branch": pull.target, "commit": commit, "tag": tag, "pull_request": own.url}
    tree, judged = [await forge.repository.tree(one) for one in (commit, own.commit)]
    if tree != judged:
        # The target moved: no trial was played on what is there now.
        merge |= {UNJUDGED_TREE: tree}
    approved = ApprovedCommit(own.commit, own.base, decision)
    await record_merge(work.run, work.evaluator, approved, merge, by=work.by)
    await _forget(work, own)
    await forge.remove(own.branch, own.commit)
    return replace(synced, ending=MERGED, commit=commit, is_unjudged=tree != judged)


async def _reopen(work: Work, own: Round) -> None:
    """Record a closed pull request as open again, and keep its commit again."""
    await work.forge.fetch(own.branch)
    await work.forge.repository.create_ref(f"{PROPOSED_REFS}{own.run_id}", own.commit)
    if decision := find_decision(work.evaluator.ledger, facts_of(work.run)):
        record_round(work, own, decision.head.hash)


async def _forget(work: Work, own: Round) -> None:
    """Remove the refs that keep the proposed commits of a pull request that ended."""
    for one in rounds_in(work.evaluator.ledger.entries()):
        if one.is_of(own.repository, own.number):
            await work.forge.repository.delete_ref(f"{PROPOSED_REFS}{one.run_id}")


async def _brings(work: Work, own: Round, commit: str) -> bool:
    """Return whether a merge brought the approved changes onto its first parent, and no others."""
    repository, machine = work.forge.repository, work.forge.project.machine
    names = (f"{commit}^1", own.base, own.commit, commit)
    parent, base, approved, merged = [await repository.tree(name) for name in names]
    # The store of the run may be removed already.
    with borrowed_folder(make_workspaces_folder(machine.state_dir)) as folder:
        store = ObjectStore(
            folder / "store",
            object_format=repository.object_format,
            search_path=machine.search_path,
        )
        await store.create(borrow_from=repository.objects)
        expected = await merge_trees(store, [parent, approved], base=base)
    return not expected.conflicts and expected.tree == merged


async def _listen(
    work: Work,
    own: Round,
    pull: PullRequest,
    entries: Sequence[LedgerEntry],
    synced: SyncedPull,
) -> SyncedPull:
    """Record what checks and people with write access said about an open pull request."""
    forge, redact = work.forge.api, work.forge.redactor.text

    def clean(text: str) -> str:
        return clean_text(text, redact)

    found = await forge.checks(own.number, own.commit)
    checks = [replace(one, name=clean(one.name)) for one in found]
    failed = [
        # A round is shown the first ones; the others are counted, without their logs.
        cut_check(check, clean(check.log) if number < MOST else "")
        for number, check in enumerate(failed_checks(checks))
    ]
    said = await forge.remarks(own.number)
    remarks = [cut_remark(one, clean(one.text), clean(one.path)) for one in said]
    feedback = collect_feedback(own, failed, remarks, await _writers(forge, remarks), entries)
    _keep(work, feedback, entries)
    count = sum(one.is_of(own.repository, own.number) for one in rounds_in(entries))
    is_left = count < work.forge.project.pull_request.max_rounds
    moved_to = "" if pull.head == own.commit else pull.head
    next_run = living_next_run(own.run_id, work.evaluator.opened)
    can_begin = feedback and is_left and not moved_to and not next_run
    return replace(
        synced,
        pending=[one.name for one in checks if one.state is CheckState.PENDING],
        feedback=feedback,
        has_conflict=pull.has_conflict,
        moved_to=moved_to,
        retargeted_to="" if pull.target == own.target else pull.target,
        next_round=count + 1 if can_begin else 0,
        next_run=next_run,
        passed=sum(one.state is CheckState.PASSED for one in checks),
    )


async def _writers(forge: Forge, remarks: Sequence[ForgeRemark]) -> Mapping[str, bool]:
    """Return whether each author may write; an author without an account may not."""
    authors = dict.fromkeys(one.author for one in remarks)
    return {one: bool(one) and await forge.may_write(one) for one in authors}


def _keep(work: Work, feedback: PullRequestFeedback, entries: Sequence[LedgerEntry]) -> None:
    """Write the feedback and its line, unless nothing changed and the file is intact."""
    data = feedback.to_line()
    lines = [one for one in entries if one.kind == LineKind.PULL_REQUEST_READ]
    last = [one.data["content"] for one in lines if one.run_id == work.run_id][-1:]
    file = work.run.directory.root / PULL_REQUEST_FILE
    if not last and not feedback and not feedback.ignored:
        return
    is_intact = file.is_file() and content_hash(file.read_bytes()) == data["content"]
    if last != [data["content"]] or not is_intact:
        write_whole(file, feedback.to_text())
    if last != [data["content"]]:
        work.record(LineKind.PULL_REQUEST_READ, data)
