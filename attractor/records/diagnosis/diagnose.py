"""Explains the state of a run from its records: reason, usage, and next commands.

No model is asked. The run can be running, stopped, waiting, evaluated, canceled, failed or done.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.files import read_regular
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.journal.reader import events_of
from attractor.engine.outcome import Usage, usage_figures
from attractor.engine.questions.question import describe_question
from attractor.engine.routing.edge_selection import Loop, find_loops
from attractor.engine.run_folder.layout import is_held, read_files, why_stopped_elsewhere
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    EVALUATING,
    FAILED,
    StatusWord,
    outcome_of,
)
from attractor.engine.state.walks import interrupted_attempts
from attractor.language.preparation.prepare import KnownFiles, Prepared, prepare
from attractor.language.reading import decode
from attractor.records.delivery import read_delivery
from attractor.records.diagnosis.failures import (
    READ_LOG,
    Case,
    Finding,
    Remedy,
    budget_option,
    describe_failed_branch,
    explain_failure,
)
from attractor.records.diagnosis.unchanged import describe_unchanged
from attractor.records.lookup import (
    RecordedRun,
    latest_report,
    read_run,
    restart_reference,
    used_by,
)
from attractor.records.request import promoting_command
from attractor.records.stage_output import FailedOutput, failed_output
from attractor.records.summary import NOT_JUDGED, find_branch_moves
from attractor.records.timeline import Note, read_recorded
from attractor.records.totals import StageTotal, add_up


def explain(case: Case) -> Finding:
    """Return why a run is in its current state."""
    if case.is_live:
        return _at_work(case)
    status = case.state.status
    if status == AWAITING_ANSWER:
        return _asks(case)
    return _SITUATIONS[status.word](case)


def _at_work(case: Case) -> Finding:
    flights = [walk.in_flight for walk in case.state.walks.values() if walk.in_flight]
    causes = [
        f"{at.node}@{at.visit} is running, attempt {at.attempt}, since {at.since:%H:%M:%S} UTC"
        for at in flights
    ]
    if case.history.end:
        silent = round((case.now - case.history.end).total_seconds())
        causes.append(f"Its last event was {max(0, silent)} s ago.")
    if case.state.is_paused:
        go_on = Remedy("continue it", case.command("resume"))
        return Finding("it is paused, and its process waits", tuple(causes), (go_on,))
    watch = Remedy("follow its log", case.command("logs"))
    if case.state.status == EVALUATING:
        # Its process takes no orders.
        why = Remedy("see where its trials are", f"attractor fleet why {case.run.manifest.run_id}")
        are_sent = any(True for _ in events_of(case.run.directory.events, ("TrialsSent",)))
        return Finding("it is evaluating", tuple(causes), (*([why] * are_sent), watch))
    end = Remedy("cancel it", case.command("cancel"))
    if case.state.wait:
        return Finding(f"it waits: {case.state.reason}", tuple(causes), (end,))
    steer = Remedy("send a message to the running stage", case.command("steer", "WORDS"))
    return Finding("it is running", tuple(causes), (watch, steer, end))


def _asks(case: Case) -> Finding:
    causes: list[str] = []
    remedies: list[Remedy] = []
    for question in case.state.questions:
        until = f" until {question.deadline}" if question.deadline else ""
        causes.append(f"{question.id} asks{until}: {describe_question(question)}")
        for option in question.options:
            words = ["--question", question.id] if len(case.state.questions) > 1 else []
            command = case.command("answer", option.key, *words)
            remedies.append(Remedy(f"answer {option.label}", command))
    go_on = Remedy("then resume it", case.command("resume"))
    return Finding("it waits for a person's answer", tuple(causes), (*remedies, go_on))


def _in_fleet(case: Case) -> Finding:
    """Explain a run whose directory here is a copy: its row in the fleet has the reason."""
    why = why_stopped_elsewhere(case.run.directory)
    see = Remedy("see why", f"attractor fleet why {case.run.manifest.run_id}")
    if why:
        return Finding(f"it waits in the fleet: {why}", (), (see,))
    watch = Remedy("follow its log", case.command("logs"))
    return Finding("the fleet executes it, or it waits there for a worker", (), (see, watch))


def _stopped(case: Case) -> Finding:
    if case.run.directory.elsewhere.exists():
        return _in_fleet(case)
    reason = case.state.stopped
    if more := budget_option(reason):
        return _out_of_budget(case, more)
    cut = _cut(case)
    go_on = (Remedy("resume it", case.command("resume")),)
    if reason:
        return Finding(f"it stopped: {reason}", cut, go_on)
    silent = (
        "The process of the run ended without recording a reason: it was killed, or the machine "
        "failed."
    )
    return Finding("it stopped, and no process runs it", (silent, *cut), go_on)


def _cut(case: Case) -> tuple[str, ...]:
    return tuple(
        f"{cut.node}@{cut.visit} was interrupted; a resume repeats it from the files at its start."
        for cut in interrupted_attempts(case.state.walks)
    )


def _out_of_budget(case: Case, more: Sequence[str]) -> Finding:
    return Finding(
        f"it stopped: {case.state.stopped}",
        _cut(case) or (f"The next stage is {case.progress.next_node}; no work is lost.",),
        (Remedy("resume it with a larger budget", case.command("resume", *more)),),
    )


def _judging(case: Case) -> Finding:
    if not case.run.manifest.suite:
        unchanged = describe_unchanged(case.run.directory.root)
        causes = (*filter(None, [unchanged]), *_reservations(case), *_process_gone(case))
        landing = find_branch_moves(case.run.directory, case.state).landing
        if landing:
            return Finding(f"the walk succeeded; {NOT_JUDGED}, landed on {landing}", causes, ())
        # The branch of a run that changed no files has nothing to merge.
        remedies = (Remedy(READ_LOG, case.command("logs")),) if unchanged else _use(case)
        return Finding(f"the walk succeeded; {NOT_JUDGED}", causes, remedies)
    return Finding(
        "the walk succeeded, and its result is not evaluated",
        (*_reservations(case), *_process_gone(case)),
        (Remedy("evaluate it", case.command("evaluate", *budget_option(case.state.stopped))),),
    )


def _undecided(case: Case) -> Finding:
    if not case.run.manifest.suite:
        return _judging(case)
    reasons = _gate(case)
    if not reasons:
        approve = case.command("decide", "--approve", "--reason", "...")
        return Finding(
            "the walk succeeded and the gate says go: a person has to decide",
            _reservations(case),
            (Remedy("approve it", approve),),
        )
    unchanged = describe_unchanged(case.run.directory.root)
    causes = (*filter(None, [unchanged]), *reasons, *_reservations(case))
    return Finding(
        "the walk succeeded, but the gate says no-go: a person has to decide",
        causes,
        (
            Remedy("see why", case.command("gate")),
            Remedy("reject it", case.command("decide", "--reject", "--reason", "...")),
        ),
    )


def _use(case: Case) -> tuple[Remedy, ...]:
    """Return the remedy that applies a result without a suite, which cannot be promoted."""
    delivery = read_delivery(case.run.directory)
    if delivery.branch:
        return (Remedy("merge it", f"git merge {delivery.branch}"),)
    if delivery.patch:
        return (Remedy("apply it in the folder of the project", delivery.patch.applying),)
    return (Remedy(READ_LOG, case.command("logs")),)


def _canceled(case: Case) -> Finding:
    if case.state.restarted_as and not case.state.canceled:
        return _restarted(case)
    done, flight = case.progress.completed, case.state.in_flight
    stages = number_of(len(done), "completed stage")
    causes = (f"The run has {stages}, the last one is {done[-1]}.",) if done else ()
    remedies = [Remedy(READ_LOG, case.command("logs"))]
    if flight or done:
        at = flight.node if flight else case.forked_at(done[-1])
        remedies.append(Remedy("continue the work as a new run", case.command("fork", at)))
    return Finding(case.state.canceled or "it was canceled", causes, tuple(remedies))


def _restarted(case: Case) -> Finding:
    where = (
        f"The run followed an edge with loop_restart; the next run begins at "
        f"{case.progress.next_node}."
    )
    restart = case.state.restarted_as
    name = restart_reference(case.run.directory.root, restart, case.reference)
    look = Remedy("see the state of that run", f"attractor diagnose {name}")
    return Finding(f"run {restart} continues it", (where,), (look,))


def _decided(case: Case) -> Finding:
    status = case.state.status.word
    command = promoting_command(case.run.manifest, f"{case.reference} --to BRANCH")
    promote = Remedy("write it to a branch", command)
    if case.open_pull:
        promote = Remedy("record the end of its pull request", case.command("pr sync"))
    is_approved = status is StatusWord.APPROVED
    words = f": {case.state.reason}" if case.state.reason else ""
    moves = find_branch_moves(case.run.directory, case.state)
    proposed = f", and proposed as {case.open_pull}" if case.open_pull else ""
    promoted = f", and promoted to {moves.promoted_to}" if moves.promoted_to else ""
    if moves.rolled_back_from:
        promoted = f"{promoted}, and rolled back from {moves.rolled_back_from}"
    if moves.landing:
        promoted = f"{promoted}, and landed on {moves.landing}"
    return Finding(
        f"it succeeded and was {status.value}{proposed}{promoted}{words}",
        tuple(_reservations(case)),
        (promote,) if is_approved and not promoted else (),
    )


def _failed(case: Case) -> Finding:
    end = case.progress.end
    if end is None or end.status.is_success:
        return Finding(case.state.reason or "it failed", (), ())
    found = explain_failure(case, end)
    propose = Remedy("let an agent propose a change", case.command("ask --propose"))
    return replace(found, remedies=(*found.remedies, propose))


_SITUATIONS: Mapping[StatusWord, Callable[[Case], Finding]] = {
    StatusWord.QUEUED: _stopped,
    StatusWord.BOOTING: _stopped,
    StatusWord.EXECUTING: _stopped,
    StatusWord.WAITING: _stopped,
    StatusWord.AWAITING_HUMAN: _undecided,
    StatusWord.EVALUATING: _judging,
    StatusWord.APPROVED: _decided,
    StatusWord.REJECTED: _decided,
    StatusWord.FAILED: _failed,
    StatusWord.CANCELED: _canceled,
}


def _reservations(case: Case) -> tuple[str, ...]:
    """Return the failures in a walk that succeeded as a whole."""
    sentences = [
        f"{node} failed, and the walk continued (on_failure=continue)."
        for node in dict.fromkeys(case.progress.stepped_over)
    ]
    sentences += [
        f"{node} failed, and an edge or a retry_target handled the failure."
        for node in dict.fromkeys(case.progress.handled)
    ]
    sentences += [
        f"In {branch.node}@{branch.visit}, the branch "
        f"{describe_failed_branch(case.history, branch)}"
        for branch in case.history.branches
        if branch.has_failed
    ]
    return tuple(sentences)


def _process_gone(case: Case) -> tuple[str, ...]:
    return (f"It stopped: {case.state.stopped}",) if case.state.stopped else ()


def _gate(case: Case) -> list[str]:
    """Return the latest verdict of the gate about a run, in sentences."""
    try:
        report = latest_report(case.run.directory.root)
        return [
            f"{reason.text('rule')}: {reason.text('words')}"
            for reason in (report.inners("reasons") if report else ())
        ]
    except AttractorError as trouble:
        return [f"the report of the gate cannot be read: {trouble}"]


TAKEN_FOR_GRANTED = frozenset(
    {"undeclared_node", "unknown_attribute", "context_key_written", "type_known", "shape_known"}
)
"""The rules about defaults that a pipeline relies on without stating them."""


@dataclass(frozen=True)
class Diagnosis:
    """The explanation of a run from its records alone.

    `seconds` is the total time of the stages, `wall` the time from the first to the last event,
    `waited` the time of waiting for people.
    """

    case: Case
    finding: Finding
    stages: Sequence[StageTotal]
    loops: Sequence[tuple[Loop, int]]
    assumed: Sequence[str]
    interruptions: Sequence[Note]
    not_kept: Sequence[str]
    usage: Usage
    seconds: float
    wall: float
    waited: float
    failed_output: Sequence[FailedOutput] = ()

    @property
    def outcome(self) -> str:
        """The outcome of the walk; empty if the walk has not ended."""
        outcome = outcome_of(self.case.state)
        return outcome.value if outcome else ""

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the diagnosis."""
        manifest, status = self.case.run.manifest, self.case.state.status
        finding = self.finding
        return {
            "run_id": manifest.run_id,
            "directory": str(self.case.run.directory.root),
            "pipeline": manifest.pipeline,
            "parent": manifest.parent,
            "forked_at": manifest.forked_at,
            "status": status.word.value,
            "phase": status.phase.value,
            "live": self.case.is_live,
            "outcome": self.outcome,
            "verdict": finding.verdict,
            "causes": list(finding.causes),
            "failed_output": [write_fields(output) for output in self.failed_output],
            "remedies": [write_fields(remedy) for remedy in finding.remedies],
            "stages": [stage.to_record() for stage in self.stages],
            "loops": [{"nodes": list(loop), "times": times} for loop, times in self.loops],
            "failures": [
                {
                    "node": failure.node,
                    "visit": failure.visit,
                    "attempt": failure.attempt,
                    "error": failure.error,
                    "tried_again": failure.will_retry,
                }
                for failure in self.case.history.failures
            ],
            "assumed": list(self.assumed),
            "interruptions": [write_fields(note, words="what") for note in self.interruptions],
            "not_kept": list(self.not_kept),
            "seconds": round(self.seconds, 3),
            "wall_seconds": round(self.wall, 3),
            "waited_seconds": round(self.waited, 3),
            **usage_figures(self.usage),
        }


def diagnose(root: Path, *, reference: str, now: datetime, open_pull: str = "") -> Diagnosis:
    """Diagnose the run in a directory; a process may be executing this run.

    `open_pull` is the address of its open pull request.
    """
    prepared = _prepared(run := read_run(root))
    case = replace(_read_case(run, prepared, reference, now), open_pull=open_pull)
    state, timeline = case.state, case.history
    timeline.find_folders(run.directory)
    flights = [walk.in_flight for walk in state.walks.values() if walk.in_flight]
    undeclared = [
        f"{fact.rule}: {fact.message}"
        for fact in (prepared.diagnostics if prepared else ())
        if fact.rule in TAKEN_FOR_GRANTED
    ]
    start, end = timeline.start, timeline.end
    wall = (end - start).total_seconds() if start and end else 0
    return Diagnosis(
        case=case,
        finding=explain(case),
        stages=add_up(timeline.visits, flights, now),
        loops=sorted(find_loops(timeline.path()).items(), key=lambda found: -found[1]),
        assumed=[*timeline.assumed, *timeline.without_receipt, *undeclared],
        interruptions=timeline.notes,
        not_kept=timeline.not_kept,
        usage=used_by(run.directory, state),
        seconds=state.seconds(now),
        wall=wall,
        waited=timeline.waited,
        failed_output=failed_output(timeline) if state.status == FAILED else (),
    )


def read_advice(root: Path, *, reference: str, now: datetime) -> Sequence[Remedy]:
    """Return the advice about the run in a directory, which its diagnosis has too."""
    run = read_run(root)
    return explain(_read_case(run, _prepared(run), reference, now)).remedies


def _read_case(run: RecordedRun, prepared: Prepared | None, reference: str, now: datetime) -> Case:
    # The lock is checked first: if no process holds it, the records are complete.
    is_live = is_held(run.directory.lock)
    found = open_journal(run.directory.events, run.directory.checkpoint)
    state = found.state if is_live else found.at_rest
    timeline = read_recorded(run.directory.root)
    graph = prepared.graph if prepared else None
    return Case(run, state, timeline, reference, is_live, now, graph)


def _prepared(run: RecordedRun) -> Prepared | None:
    """Return the pipeline as saved in the run directory, or None if it cannot be read."""
    file = run.directory.graph
    try:
        text = decode(read_regular(file), file=str(file))
        return prepare(text, file=str(file), files=KnownFiles(read_files(run.directory)))
    except (OSError, AttractorError):
        return None
