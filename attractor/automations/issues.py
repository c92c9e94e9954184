"""Issues of a forge: the labellings that start runs, and the comments about these runs.

An occurrence is one labelling of one issue by a person with write access. The texts of an issue
were written by others: they are cut, without secrets and invisible characters, and a run gets them
between markers that their authors cannot know (`start.py`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from attractor.automations.automation import Automation, TriggerKind
from attractor.automations.errors import InvalidAutomation
from attractor.automations.starts import MOST_PENDING, Comment, CommentPart, StartClaim, Starts
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.engine.outcome import format_usage_cost
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import APPROVED, AWAITING_DECISION, CANCELED, FAILED, REJECTED
from attractor.engine.truncation import one_line
from attractor.factory.candidate_run import CandidateRun, read_candidate_run
from attractor.factory.errors import ForgeRefused
from attractor.factory.open_project import OpenProject
from attractor.factory.pulls.forge import ForgeIssue, clean_text, same_repository
from attractor.records.lookup import is_run
from attractor.records.summary import NOT_JUDGED

if TYPE_CHECKING:
    from attractor.factory.pulls.open_forge import OpenForge

INPUTS = ("title", "body", "issue", "url")
"""The inputs that an issue sets, if the schema of the automation has them."""

LONGEST_TITLE, LONGEST_BODY = 200, 20_000
GIVE_UP = timedelta(days=1)
"""A comment that the forge refuses for so long is not posted any more."""

_LONGEST_LOGIN = 100
_PLACE = re.compile(r"(?P<repository>[^#\s]+)#(?P<number>[0-9]+) .*")

Clean = Callable[[str], str]


def occurrence_of(repository: str, issue: ForgeIssue, login: str) -> str:
    """Return the occurrence of a labelling: setting the label again is another one."""
    return f"{repository}#{issue.number} {issue.labelled.isoformat()} {login}".strip()


def inputs_of(issue: ForgeIssue, automation: Automation, clean: Clean) -> Mapping[str, str]:
    """Return the inputs of an issue that the schema of an automation has, cleaned and cut."""
    known = automation.schema.get("properties")
    schemas = known if isinstance(known, dict) else {}
    body = clean(issue.text)
    number = schemas.get("issue")
    is_number = isinstance(number, dict) and number.get("type") in ("integer", "number")
    values: Mapping[str, Json] = {
        "title": one_line(clean(issue.title), LONGEST_TITLE),
        "body": body if len(body) <= LONGEST_BODY else f"{body[:LONGEST_BODY]} [...]",
        "issue": issue.number if is_number else str(issue.number),
        "url": one_line(clean(issue.url), LONGEST_TITLE),
    }
    free = [name for name in INPUTS if name in schemas and name not in automation.inputs]
    return automation.texts_of({name: values[name] for name in free}, clean)


def ended_run(claim: StartClaim, opened: OpenProject) -> CandidateRun | None:
    """Return the run of a claim if it ended; after a restart, the run that continues it."""
    root = opened.project.runs_dir / claim.run_id
    while is_run(RunDirectory(root)):
        try:
            facts = read_candidate_run(root)
        except AttractorError:
            # A damaged run does not keep others from starting; its own commands say so.
            return None
        if not facts.state.restarted_as:
            status = facts.state.status
            return facts if status.is_final or status == AWAITING_DECISION else None
        root = root.with_name(facts.state.restarted_as)
    return None


@dataclass(frozen=True)
class DueComment:
    """A comment that is to be posted now; the one about the end has the ended run."""

    claim: StartClaim
    part: CommentPart
    ended: CandidateRun | None = None
    is_refused: bool = False


def due_comments(starts: Starts, opened: OpenProject) -> Iterator[DueComment]:
    """Yield the comments that are to be posted now."""
    for claim in starts.uncommented:
        begin, start = starts.comment(claim.run_id, CommentPart.START), starts.find(claim.run_id)
        is_refused = bool(start and start.fault)
        if begin is None or not begin.is_done:
            yield DueComment(claim, CommentPart.START, is_refused=is_refused)
        if not is_refused and (ended := ended_run(claim, opened)):
            yield DueComment(claim, CommentPart.END, ended)


def start_text(automation: Automation, run_id: str) -> str:
    """Return the comment about the start of a run."""
    about = f"the automation `{automation.name}` started the run `{run_id}` for this issue"
    return f"Attractor: {about}.\n\nNext: `attractor status {run_id}`"


def refused_text(automation: Automation) -> str:
    """Return the comment about a refused start, without its reason, which may have inputs."""
    about = f"the automation `{automation.name}` could not start a run for this issue"
    next_ = f"`attractor automation show {automation.name}`, then set the label again"
    return f"Attractor: {about}.\n\nNext: {next_}"


def end_text(facts: CandidateRun, opened: OpenProject) -> str:
    """Return the comment about the end of a run: counts, and no word of a log or a holdout."""
    run_id, status, used = facts.run_id, facts.state.status, facts.state.used
    means = ""
    if status in (FAILED, CANCELED):
        verdict = status.word.value
    elif not facts.manifest.suite:
        verdict = NOT_JUDGED
    else:
        # Suites and the gate are slow to import, and most polls find no ended run.
        from attractor.factory.evaluation.gate import gate
        from attractor.factory.gate_records import BOUND_SENTENCE
        from attractor.factory.operations.evaluate import ask_gate

        _, judged = ask_gate(facts.directory.root, opened)
        report, means = gate(judged), f" {BOUND_SENTENCE}"
        trials = (trial.usage for record in judged.evaluations for trial in record.results)
        used = sum(trials, used)
        verdict = (
            f"{report.verdict}: {report.satisfied} of {report.played} trials satisfied, "
            f"lower bound {report.bound:.3f}"
        )
    words = {
        FAILED: f"diagnose {run_id}",
        APPROVED: f"promote {run_id} --to pr",
        CANCELED: f"status {run_id}",
        REJECTED: f"status {run_id}",
    }
    waits = f"decide {run_id}" if facts.manifest.suite else f"status {run_id}"
    return (
        f"Attractor: the run `{run_id}` ended: **{verdict}**.{means}\n\n"
        f"Cost: {format_usage_cost(used)}. Next: `attractor {words.get(status, waits)}`"
    )


@dataclass(frozen=True)
class IssuePoll:
    """The result of one look at the issues: runs to begin, faults, and a rest that is due."""

    claimed: list[str] = field(default_factory=list[str])
    faults: list[str] = field(default_factory=list[str])
    rest: timedelta = timedelta()


class _RateLimited(Exception):
    """The forge must not be asked before its rate limit resets."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        self.wait = wait


async def _refuse_to_wait(wait: timedelta) -> None:
    raise _RateLimited(wait)


async def poll_issues(
    starts: Starts, automation: Automation, opened: OpenProject, *, may_claim: bool
) -> IssuePoll:
    """Post the comments that are due, and claim new labellings, without a wait for the forge."""
    # Its client is slow to import, and most automations have no issues.
    from attractor.factory.pulls.open_forge import opened_forge

    found = IssuePoll()
    try:
        async with opened_forge(opened.project, _refuse_to_wait) as forge:
            work = _Work(starts, automation, opened, forge)
            for due in due_comments(starts, opened):
                try:
                    await _post(due, work)
                except AttractorError as fault:
                    found.faults.append(f"{due.claim.occurrence}: no comment: {fault.message}")
            if may_claim:
                await _claim_new(found, work)
    except _RateLimited as limit:
        return replace(found, rest=limit.wait)
    return found


@dataclass(frozen=True)
class _Work:
    """An automation with its journal and its project, and the opened forge."""

    starts: Starts
    automation: Automation
    opened: OpenProject
    on: "OpenForge"


async def _claim_new(found: IssuePoll, work: _Work) -> None:
    """Claim the labellings that are new; record those that start nothing."""
    starts, forge = work.starts, work.on.api
    clean = partial(clean_text, redact=work.on.redactor.text)
    writers: dict[str, bool] = {"": False}
    for issue in await forge.labelled_issues(work.automation.issue_label):
        login = one_line(clean(issue.labelled_by), _LONGEST_LOGIN)
        occurrence = occurrence_of(work.on.remote.name, issue, login)
        if starts.is_claimed(TriggerKind.ISSUE, occurrence):
            continue
        if len(starts.pending) >= MOST_PENDING:
            # The next look goes on.
            break
        if login not in writers:
            writers[login] = await forge.may_write(login)
        if writers[login]:
            _claim(replace(issue, labelled_by=login), occurrence, found, work, clean)
        else:
            by = login or "a removed account"
            reason = f"labelled by {by}, without write access"
            starts.skip(occurrence, work.opened.now(), reason)


def _claim(issue: ForgeIssue, occurrence: str, found: IssuePoll, work: _Work, clean: Clean) -> None:
    """Claim a labelling, unless the issue was edited or lacks an input."""
    new_run_id, now = work.opened.project.machine.new_run_id, work.opened.now()
    try:
        if issue.is_edited:
            words = f"edited after {issue.labelled_by} labelled it: set the label again"
            raise InvalidAutomation(words)
        inputs = inputs_of(issue, work.automation, clean)
    except InvalidAutomation as fault:
        found.faults.append(f"{work.on.remote.name}#{issue.number}: {fault.message}")
        return
    if claim := work.starts.claim(TriggerKind.ISSUE, occurrence, new_run_id, now, inputs):
        found.claimed.append(claim.run_id)


def _text_of(due: DueComment, work: _Work) -> str:
    if due.ended:
        return end_text(due.ended, work.opened)
    if due.is_refused:
        return refused_text(work.automation)
    return start_text(work.automation, due.claim.run_id)


async def _post(due: DueComment, work: _Work) -> None:
    """Post a comment once: after a kill, it may be there already."""
    claim, starts, opened = due.claim, work.starts, work.opened
    before = starts.comment(claim.run_id, due.part)
    marker = opened.project.machine.randomness(16).hex()
    noted = before or Comment(claim.run_id, due.part, marker, opened.now())
    if before is None:
        starts.note_comment(noted)
    try:
        place = _PLACE.fullmatch(claim.occurrence)
        if place is None or not same_repository(place["repository"], work.on.remote.name):
            raise ForgeRefused(f"the remote of the project leads to {work.on.remote.name}")
        number = int(place["number"])
        if not (before and await work.on.api.has_comment(number, noted.marker)):
            text = _text_of(due, work)
            await work.on.api.comment(number, f"{text}\n\n<!-- attractor {noted.marker} -->")
        starts.note_comment(replace(noted, is_done=True))
    except AttractorError as fault:
        if opened.now() - noted.at > GIVE_UP:
            starts.note_comment(replace(noted, is_done=True, fault=fault.message))
        raise
