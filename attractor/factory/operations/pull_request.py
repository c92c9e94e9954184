"""Opens pull requests of approved runs, and reads back what checks and people did with them.

The operator's own git pushes and fetches. The token of the forge stays in this process: it is in no
run, no log and no line of the ledger.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused, UsageError
from attractor.base.files import write_whole
from attractor.base.json import Json, content_hash
from attractor.base.processes import ExecResult
from attractor.base.records import write_fields
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import CANCELED, FAILED, REJECTED
from attractor.engine.storage.secrets import Redactor
from attractor.factory.candidate_run import facts_of, read_candidate_run
from attractor.factory.decisions.promotion import (
    CLOSED,
    HEADS,
    ApprovedCommit,
    CandidateTree,
    approved_commit,
    record_merge,
    record_proposal,
    require_isolated,
    subject_of,
)
from attractor.factory.decisions.proposals import (
    MERGED,
    MOST,
    PULL_REQUEST_FILE,
    ProposalFacts,
    PullRequestFeedback,
    Round,
    collect_feedback,
    cut_check,
    cut_remark,
    earlier_round,
    endings_in,
    given_remarks,
    proposal_body,
    proposal_title,
    read_pull_feedback,
    require_budget_left,
    rounds_in,
    unjudged_in,
)
from attractor.factory.decisions.review import review
from attractor.factory.errors import ForgeFailed, ForgeRefused, NoForge, NotPromoted, UnknownBranch
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.forge import (
    CheckState,
    Forge,
    ForgeAccount,
    ForgeRemark,
    PullContent,
    PullRequest,
    PullState,
    RemoteRepository,
    clean_text,
    failed_checks,
    forge_of,
    parse_remote,
    same_repository,
)
from attractor.factory.history.entries import UNJUDGED_TREE
from attractor.factory.history.records import find_decision
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.lock import lock_run
from attractor.factory.project import created_runs
from attractor.factory.pull_readings import PullReading, PullReadings, pull_step
from attractor.factory.resources.versions import split_pin
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.create import require_trees
from attractor.records.lookup import reference_of
from attractor.records.request import RunRequest, current_request
from attractor.workspaces.folders import borrowed_folder, make_workspaces_folder
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.remote import find_password, run_own_git
from attractor.workspaces.git.repository import Repository, open_repository
from attractor.workspaces.merge import merge_trees
from attractor.workspaces.run_store import open_store

BRANCHES = "attractor/"
"""The prefix of the branches of pull requests."""

PROPOSED_REFS = "refs/attractor/proposed/"
"""The refs that keep the commit of each proposed run from `git gc`, until its pull request ends."""

MERGED_OUTSIDE = "merged outside"

_LONGEST_FAULT = 1_000

Sleep = Callable[[timedelta], Awaitable[None]]


@dataclass(frozen=True)
class Proposed:
    """The pull request of a run, and whether it was opened by this call."""

    round: Round
    number: int
    is_new: bool


@dataclass(frozen=True)
class SyncedPull:
    """A pull request as it was read: how it ended, or what others said about it.

    `ending` is `merged`, `merged outside`, `closed` or empty. It `is_unjudged` if the target had
    moved, so that no trial was played on the merged tree. `moved_to` is the tip of the branch, if
    others pushed to it. `next_round` is the number of the next round, or 0.
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
    next_round: int = 0
    passed: int = 0


@dataclass(frozen=True)
class _Place:
    """The repository of the project, and its remote on a forge."""

    project: Project
    repository: Repository
    remote: RemoteRepository
    kind: str
    forge: Forge
    redactor: Redactor

    async def git(self, *arguments: str) -> ExecResult:
        """Run the operator's git in the project."""
        environ = self.project.machine.environ
        return await run_own_git(*arguments, folder=self.project.root, environ=environ)

    async def fetch(self, branch: str) -> str:
        """Fetch a branch of the remote, and return its commit."""
        ref = f"refs/remotes/{self.remote.remote}/{branch}"
        wanted = f"+{HEADS}{branch}:{ref}"
        done = await self.git("fetch", "--quiet", "--no-tags", self.remote.remote, wanted)
        if done.exit_code:
            if "couldn't find remote ref" in done.stderr:
                raise UnknownBranch(f"unknown branch {branch!r} of {self.remote.name}")
            raise self.fault("fetch from", done)
        return await self.repository.ref(ref)

    async def remove(self, branch: str, commit: str) -> None:
        """Remove a merged branch of the remote, unless it moved or the forge removed it."""
        lease = f"--force-with-lease={HEADS}{branch}:{commit}"
        done = await self.git("push", "--quiet", lease, self.remote.remote, f":{HEADS}{branch}")
        is_other = "stale info" in done.stderr or "does not exist" in done.stderr
        if done.exit_code and not is_other:
            self.project.console.tell(self.fault("push to", done).in_one_line)

    def fault(self, action: str, done: ExecResult) -> ForgeRefused | ForgeFailed:
        """Return the error of a fetch or a push."""
        said = " ".join(self.redactor.text(done.stderr).split())[-_LONGEST_FAULT:]
        message = f"cannot {action} the remote {self.remote.remote} ({self.remote.name}): {said}"
        for words, hint in _GIT_FAULTS.items():
            if words in done.stderr:
                return ForgeRefused(message, hint=hint)
        return ForgeFailed(message, hint=f"try it: git {action.split()[0]} {self.remote.remote}")


_CREDENTIALS = "give your own git a credential that may push there: git credential, or a key of ssh"
_GIT_FAULTS = {
    "stale info": "another person moved the branch meanwhile: repeat the command",
    "GH006": "the branch is protected: let the rules of the repository admit attractor/*",
    "protected branch": "the branch is protected: let the rules of the repository admit it",
    "hook declined": "a rule of the repository refused the push",
    "could not read Username": _CREDENTIALS,
    "could not read Password": _CREDENTIALS,
    "Authentication failed": _CREDENTIALS,
    "Permission denied": _CREDENTIALS,
    "403": _CREDENTIALS,
}


@dataclass(frozen=True)
class _Work:
    """A locked run, the place of its pull request, and the operator."""

    run: OpenRun
    evaluator: Evaluator
    place: _Place
    by: str

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.manifest.run_id

    def record(self, kind: LineKind, data: Mapping[str, Json]) -> None:
        """Add a line about the pull request to the ledger."""
        record_proposal(self.run, self.evaluator, kind, {**data, "by": self.by})


async def propose_run(root: Path, opened: OpenProject, *, target: str, by: str) -> Proposed:
    """Push the result of an approved run to a branch, and open or update its pull request."""
    opened.refuse_in_run("a pull request")
    with lock_run(root, opened) as run:
        request = require_isolated(run)
        async with _opened_place(opened.project) as place:
            work = _Work(run, Evaluator(opened), place, by)
            kept = _candidate(run, request, place)
            approved = await approved_commit(run, work.evaluator, place.repository, kept, by=by)
            rounds = rounds_in(work.evaluator.ledger.entries())
            before = await _open_round(work, rounds)
            default = await place.forge.default_branch()
            target = target or (before.target if before else default)
            await _require_known_base(place, approved.base, target)
            branch = before.branch if before else f"{BRANCHES}{work.run_id}"
            return await _propose(work, approved, branch, target, rounds)


async def _propose(
    work: _Work, approved: ApprovedCommit, branch: str, target: str, rounds: Sequence[Round]
) -> Proposed:
    """Push a branch, open or update its pull request, and record it at once.

    What fails before the line would make the pushed commit that of another person.
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
        target=pull.target,
        base=approved.base,
        commit=approved.commit,
    )
    # First, so that a server reads what a killed process recorded.
    readings = PullReadings.of(work.evaluator.opened)
    closed = readings.of_run(work.run_id)
    if closed and not made.is_of(closed.repository, closed.number):
        readings.remove(closed.repository, closed.number)
    readings.keep(_unread(made, number, place.project))
    if made not in rounds:
        _record_round(work, made, decision)
    if labels := place.project.pull_request.labels:
        await place.forge.label(pull.number, labels)
    words = f"{found.report.verdict}, lower bound {found.report.bound:.3f}"
    await place.forge.set_status(approved.commit, words, pull.url)
    return Proposed(made, number, not there)


def _record_round(work: _Work, made: Round, decision: str) -> None:
    data = {name: value for name, value in vars(made).items() if name != "run_id"}
    given: list[Json] = [*given_remarks(work.run.manifest)]
    work.record(LineKind.PROPOSED, {**data, "decision": decision, "remarks": given})


def _content(work: _Work, facts: ProposalFacts, branch: str, target: str) -> PullContent:
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


async def _open_round(work: _Work, rounds: Sequence[Round]) -> Round | None:
    """Return the earlier round of an open pull request, which this run continues."""
    before = earlier_round(work.run.manifest, rounds)
    if before is None or not same_repository(before.repository, work.place.remote.name):
        return None
    pull = await work.place.forge.read(before.number)
    return before if pull.state is PullState.OPEN else None


async def _require_known_base(place: _Place, base: str, target: str) -> None:
    """Refuse a result whose base the target lacks: the pull request would have more commits."""
    commit, remote = await place.fetch(target), place.remote.remote
    if not await place.repository.is_between(base, base, commit):
        raise Refused(
            f"the run is based on {base[:12]}, which {remote}/{target} lacks",
            hint=f"push it first: git push {remote} {base[:12]}:{HEADS}{target}",
        )


async def _push(place: _Place, commit: str, branch: str, rounds: Sequence[Round]) -> None:
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


@asynccontextmanager
async def _opened_place(project: Project, sleep: Sleep | None = None) -> AsyncGenerator[_Place]:
    """Open the forge of the project's remote, with the operator's token."""
    machine, remote = project.machine, project.pull_request.remote
    repository = await open_repository(project.root, search_path=machine.search_path)
    folder, environ = project.root, machine.environ
    asked = await run_own_git("remote", "get-url", remote, folder=folder, environ=environ)
    if asked.exit_code:
        raise NoForge(
            f"unknown git remote {remote!r}",
            hint=f"add it: git remote add {remote} ADDRESS; or set pull_request.remote",
        )
    found = parse_remote(remote, asked.stdout.strip())
    name, kind = forge_of(found, environ)
    token = next(filter(None, (environ.get(name, "") for name in kind.token_variables)), "")
    if not token:
        token = await find_password(found.address, folder=folder, environ=environ)
    if not token:
        raise NoForge(
            f"no token for {kind.title}",
            hint=f"set {kind.token_variables[0]}, or sign in with your git: git credential approve",
        )
    tell = project.console.tell
    account = ForgeAccount(found, token, environ, sleep or machine.clock.sleep, tell)
    async with kind(account) as forge:
        yield _Place(project, repository, found, name, forge, project.redactor_of([token]))


@dataclass(frozen=True)
class OpenForge:
    """The repository of a project on a forge, such as `ada/shop`; the redactor knows the token."""

    repository: str
    forge: Forge
    redactor: Redactor


@asynccontextmanager
async def opened_forge(project: Project, sleep: Sleep) -> AsyncGenerator[OpenForge]:
    """Open the forge of the project's remote; `sleep` is called until a rate limit resets."""
    async with _opened_place(project, sleep) as place:
        yield OpenForge(place.remote.name, place.forge, place.redactor)


def _candidate(run: OpenRun, request: RunRequest, place: _Place) -> CandidateTree:
    project, run_id = place.project, run.manifest.run_id
    require_trees(request, project, run_id)
    store, record = open_store(
        project.machine.state_dir,
        run_id,
        search_path=project.machine.search_path,
        borrow_from=place.repository.objects,
    )
    return CandidateTree(store, record.base, record.excluded)


async def sync_pull_request(
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
        later = [one for one in rounds if one.is_of(own.repository, own.number)]
        if later[-1] != own:
            _follow(later, opened)
            raise Refused(
                f"{later[-1].run_id} is a later round of {own.url}",
                hint=f"attractor pr sync {later[-1].run_id}",
            )
        try:
            async with _opened_place(opened.project, sleep) as place:
                work = _Work(run, evaluator, place, by)
                pull = await _read_own(place, own)
                if pull.state is PullState.OPEN:
                    if ending == CLOSED:
                        await _reopen(work, own)
                    synced = await _listen(work, own, pull, entries, synced)
                else:
                    synced = await _end(work, own, pull, synced)
        except ForgeRefused as fault:
            _note(own, synced, opened, len(later), fault.in_one_line)
            raise
        return _note(own, synced, opened, len(later))


def _unread(own: Round, number: int, project: Project) -> PullReading:
    """Return the reading of a pull request about which nothing is known but its round."""
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


def _follow(rounds: Sequence[Round], opened: OpenProject) -> None:
    """Let the reading of a pull request be about its latest round."""
    readings, last = PullReadings.of(opened), rounds[-1]
    found = readings.find(last.repository, last.number)
    if found and found.run_id != last.run_id:
        readings.keep(_unread(last, len(rounds), opened.project))


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
    new = _unread(own, number, opened.project)
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
        )
        readings.keep(new)
        if earlier and earlier.next_run and _is_lost(earlier.next_run, opened):
            readings.begin_next(own.run_id, "")
    elif synced.commit or (earlier and not earlier.merged_outside):
        readings.keep(replace(known, merged_outside=synced.commit or own.commit))
    return synced


def _is_lost(run_id: str, opened: OpenProject) -> bool:
    """Return whether a run never began, or ended without a result that could be proposed."""
    try:
        status = read_candidate_run(opened.find(run_id)).state.status
    except AttractorError:
        return True
    return status in (REJECTED, FAILED, CANCELED)


async def _read_own(place: _Place, own: Round) -> PullRequest:
    """Return the pull request of a round; refuse one of another repository or branch."""
    if not same_repository(own.repository, place.remote.name):
        raise Refused(
            f"{own.url} is in {own.repository}, and the remote {place.remote.remote} is "
            f"{place.remote.name}",
            hint="set pull_request.remote",
        )
    pull = await place.forge.read(own.number)
    is_own = not pull.source or same_repository(pull.source, own.repository)
    if pull.branch != own.branch or not is_own:
        raise ForgeRefused(
            f"{own.url} is not the pull request of {own.branch} of {own.repository}: its branch is "
            f"{pull.branch} of {pull.source}",
            hint="a pull request from a fork is ignored: open the one of the run again",
        )
    return pull


async def _end(work: _Work, own: Round, pull: PullRequest, synced: SyncedPull) -> SyncedPull:
    """Record the end of a pull request: a promotion only if it brought the approved changes."""
    place, ledger, commit = work.place, work.evaluator.ledger, pull.merged_as
    about = {"repository": own.repository, "number": own.number}
    if pull.state is PullState.CLOSED:
        if endings_in(ledger.entries()).get(own.run_id) != CLOSED:
            work.record(LineKind.PROPOSAL_ENDED, {**about, "how": CLOSED, "commit": ""})
        await _forget(work, own)
        return replace(synced, ending=CLOSED)
    tip = await place.fetch(pull.target)
    decision = find_decision(ledger, facts_of(work.run))
    is_there = await place.repository.is_between(commit, commit, tip) if commit else False
    # Others may have added commits, which a merge by rebase would hide.
    is_own = bool(decision) and is_there and pull.head == own.commit
    if not decision or not is_own or not await _brings(work, own, commit):
        work.record(LineKind.PROPOSAL_ENDED, {**about, "how": MERGED_OUTSIDE, "commit": commit})
        await _forget(work, own)
        return replace(synced, ending=MERGED_OUTSIDE, commit=commit)
    tag = f"attractor/{own.run_id}"
    # The run may be on another branch, too: its tag stays there.
    if not await place.repository.ref(f"refs/tags/{tag}"):
        await place.repository.create_ref(f"refs/tags/{tag}", commit)
    merge = {"branch": pull.target, "commit": commit, "tag": tag, "pull_request": own.url}
    tree, judged = [await place.repository.tree(one) for one in (commit, own.commit)]
    if tree != judged:
        # The target moved: no trial was played on what is there now.
        merge |= {UNJUDGED_TREE: tree}
    approved = ApprovedCommit(own.commit, own.base, decision)
    await record_merge(work.run, work.evaluator, approved, merge, by=work.by)
    await _forget(work, own)
    await place.remove(own.branch, own.commit)
    return replace(synced, ending=MERGED, commit=commit, is_unjudged=tree != judged)


async def _reopen(work: _Work, own: Round) -> None:
    """Record a closed pull request as open again, and keep its commit again."""
    await work.place.fetch(own.branch)
    await work.place.repository.create_ref(f"{PROPOSED_REFS}{own.run_id}", own.commit)
    if decision := find_decision(work.evaluator.ledger, facts_of(work.run)):
        _record_round(work, own, decision.head.hash)


async def _forget(work: _Work, own: Round) -> None:
    """Remove the refs that keep the proposed commits of a pull request that ended."""
    for one in rounds_in(work.evaluator.ledger.entries()):
        if one.is_of(own.repository, own.number):
            await work.place.repository.delete_ref(f"{PROPOSED_REFS}{one.run_id}")


async def _brings(work: _Work, own: Round, commit: str) -> bool:
    """Return whether a merge brought the approved changes onto its first parent, and no others."""
    repository, machine = work.place.repository, work.place.project.machine
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
    work: _Work,
    own: Round,
    pull: PullRequest,
    entries: Sequence[LedgerEntry],
    synced: SyncedPull,
) -> SyncedPull:
    """Record what checks and people with write access said about an open pull request."""
    forge, redact = work.place.forge, work.place.redactor.text

    def clean(text: str) -> str:
        return clean_text(text, redact)

    checks = [replace(one, name=clean(one.name)) for one in await forge.checks(own.commit)]
    failed = [cut_check(one, clean(one.log)) for one in failed_checks(checks)[:MOST]]
    said = await forge.remarks(own.number)
    remarks = [cut_remark(one, clean(one.text), clean(one.path)) for one in said]
    feedback = collect_feedback(own, failed, remarks, await _writers(forge, remarks), entries)
    _keep(work, feedback, entries)
    count = sum(one.is_of(own.repository, own.number) for one in rounds_in(entries))
    is_left = count < work.place.project.pull_request.max_rounds
    return replace(
        synced,
        pending=[one.name for one in checks if one.state is CheckState.PENDING],
        feedback=feedback,
        has_conflict=pull.has_conflict,
        moved_to="" if pull.head == own.commit else pull.head,
        next_round=count + 1 if feedback and is_left else 0,
        passed=sum(one.state is CheckState.PASSED for one in checks),
    )


async def _writers(forge: Forge, remarks: Sequence[ForgeRemark]) -> Mapping[str, bool]:
    """Return whether each author may write; an author without an account may not."""
    authors = dict.fromkeys(one.author for one in remarks)
    return {one: bool(one) and await forge.may_write(one) for one in authors}


def _keep(work: _Work, feedback: PullRequestFeedback, entries: Sequence[LedgerEntry]) -> None:
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
        work.record(LineKind.PULL_REQUEST_READ, data)


@dataclass(frozen=True)
class ListedRound:
    """The latest round of a pull request, and how it ended; open ones have no ending.

    It `is_unjudged` if its merged tree was not judged.
    """

    round: Round
    ending: str
    rounds: int
    is_unjudged: bool = False


def list_rounds(opened: OpenProject) -> list[ListedRound]:
    """Return the latest rounds of the project's pull requests, oldest pull request first."""
    entries = list(opened.ledger.entries())
    ours = created_runs(entries, opened.identity.project_id())
    endings = endings_in(entries)
    found = [one for one in rounds_in(entries) if one.run_id in ours]
    latest = {(one.repository, one.number): one for one in found}
    counts = Counter((one.repository, one.number) for one in found)
    unjudged = unjudged_in(entries)
    return [
        ListedRound(
            one,
            endings.get(one.run_id, ""),
            counts[one.repository, one.number],
            is_unjudged=one.run_id in unjudged,
        )
        for one in latest.values()
    ]


def next_round(root: Path, opened: OpenProject) -> RunRequest:
    """Return the request of the next round: the same one, on the files of the last round.

    What is left of the budget of the last round limits the next one.
    """
    facts = read_candidate_run(root)
    if root.parent != opened.project.runs_dir:
        raise UsageError(f"{root} is not in the folder of runs", hint="see: attractor pr list")
    request = current_request(facts.manifest, facts.state)
    if request.withheld:
        names = ", ".join(request.withheld)
        raise UsageError(
            f"the record of {facts.run_id} does not contain the secret values of {names}",
            hint=f"pass them: attractor run FILE --feedback {facts.run_id}",
        )
    if not read_pull_feedback(root, facts.run_id, opened.ledger.entries(facts.run_id)):
        raise Refused(
            f"{facts.run_id} needs no further round: no check failed, and no remark was read",
            hint=f"attractor pr sync {facts.run_id}",
        )
    reading = PullReadings.of(opened).of_run(facts.run_id)
    if reading and reading.next_run and not _is_lost(reading.next_run, opened):
        raise Refused(
            f"the next round of {facts.run_id} has begun: {reading.next_run}",
            hint=f"attractor status {reading.next_run}; or reject or cancel it first",
        )
    left = require_budget_left(request.budgets.cost_usd, facts.cost_usd)
    return replace(
        request,
        budgets=replace(request.budgets, cost_usd=left),
        builds_on=facts.run_id,
        continues=None,
        submission=None,
        suite=split_pin(request.suite)[0],
        profile=split_pin(request.profile)[0],
        evaluate=True,
    )


def pull_records(opened: OpenProject) -> list[dict[str, Json]]:
    """Return the JSON records of `list_rounds`, each with what was read last, and what is next."""
    readings = {one.run_id: one for one in PullReadings.of(opened).all()}
    return [_record(one, readings.get(one.round.run_id)) for one in list_rounds(opened)]


def _record(listed: ListedRound, reading: PullReading | None) -> dict[str, Json]:
    step = pull_step(reading) if reading else None
    return {
        **write_fields(listed.round),
        **write_fields(listed, round=""),
        "reading": write_fields(reading) if reading else None,
        "next": write_fields(step) if step else None,
    }
