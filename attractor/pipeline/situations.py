"""Says where a run stands and why: at work, stopped, waiting, judged, canceled, failed or done."""

from collections.abc import Callable, Mapping, Sequence

from attractor.base.errors import AttractorError
from attractor.engine.json_files import read_document
from attractor.engine.questions.ask import asked_where
from attractor.engine.state.branch_state import cut_off
from attractor.engine.state.run_state import AWAITING_ANSWER, RunStatus
from attractor.pipeline.case import Case, Finding, Remedy
from attractor.pipeline.failures import LOOK_NEXT, explain_failure
from attractor.pipeline.used_up import more_of_it


def explain(case: Case) -> Finding:
    """Return why a run stands where it stands."""
    if case.is_live:
        return _at_work(case)
    standing = case.state.standing
    if standing == AWAITING_ANSWER:
        return _asks(case)
    return _SITUATIONS[standing.status](case)


def _at_work(case: Case) -> Finding:
    flights = [one.in_flight for one in case.state.strands.values() if one.in_flight]
    causes = [
        f"{one.node}@{one.visit} is at work, attempt {one.attempt}, since {one.since:%H:%M:%S} UTC"
        for one in flights
    ]
    if case.history.last:
        silent = round((case.now - case.history.last).total_seconds())
        causes.append(f"Something was heard of it {max(0, silent)} s ago.")
    if case.state.is_paused:
        go_on = Remedy("let it go on", case.command("resume"))
        return Finding("it is paused: a process holds it and waits", tuple(causes), (go_on,))
    steer = Remedy("say something to what is at work", case.command("steer", "WORDS"))
    watch = Remedy("see what it does", case.command("logs"))
    end = Remedy("end it for good", case.command("cancel"))
    return Finding("it is at work", tuple(causes), (watch, steer, end))


def _asks(case: Case) -> Finding:
    causes: list[str] = []
    remedies: list[Remedy] = []
    for one in case.state.questions:
        until = f" until {one.deadline}" if one.deadline else ""
        causes.append(f"{one.id} asks{until}: {asked_where(one)}")
        for option in one.options:
            words = ["--question", one.id] if len(case.state.questions) > 1 else []
            command = case.command("answer", option.key, *words)
            remedies.append(Remedy(f"answer {option.label}", command))
    go_on = Remedy("then go on", case.command("resume"))
    return Finding("it waits for an answer of a person", tuple(causes), (*remedies, go_on))


def _stopped(case: Case) -> Finding:
    reason = case.state.stopped
    if more := more_of_it(reason):
        return _out_of_budget(case, more)
    cut = _cut(case)
    go_on = (Remedy("go on where it was", case.command("resume")),)
    if reason:
        return Finding(f"it stopped: {reason}", cut, go_on)
    silent = "Its process ended without a word: it was killed, or the machine had trouble."
    return Finding("it stopped, and nobody is at work on it", (silent, *cut), go_on)


def _cut(case: Case) -> tuple[str, ...]:
    return tuple(
        f"{one.node}@{one.visit} was at work; it is made again from the files it began with."
        for one in cut_off(case.state.strands)
    )


def _out_of_budget(case: Case, more: Sequence[str]) -> Finding:
    return Finding(
        f"it stopped, for {case.state.stopped}",
        _cut(case) or (f"It stands before {case.progress.next_node}; nothing is lost.",),
        (Remedy("go on with more of it", case.command("resume", *more)),),
    )


def _judging(case: Case) -> Finding:
    return Finding(
        "the walk ended well, and what came of it was not judged",
        (*_reservations(case), *_process_gone(case)),
        (Remedy("judge it", case.command("evaluate")),),
    )


def _undecided(case: Case) -> Finding:
    reasons = _gate(case)
    if not reasons:
        approve = case.command("decide", "--approve", "--rationale", "...")
        return Finding(
            "the walk ended well, the gate says go, and a person is to decide",
            _reservations(case),
            (Remedy("approve it", approve),),
        )
    return Finding(
        "the walk ended well, but the gate says no-go, and a person is to decide",
        (*reasons, *_reservations(case)),
        (
            Remedy("see why", case.command("gate")),
            Remedy("reject it", case.command("decide", "--reject", "--rationale", "...")),
        ),
    )


def _canceled(case: Case) -> Finding:
    if case.state.restarted_as and not case.state.canceled:
        return _restarted(case)
    done, flight = case.progress.completed, case.state.in_flight
    causes = (f"{len(done)} stages were done, the last one {done[-1]}.",) if done else ()
    remedies = [Remedy(LOOK_NEXT, case.command("logs"))]
    if flight or done:
        at = flight.node if flight else case.forked_at(done[-1])
        remedies.append(Remedy("take it up again", case.command("fork", at)))
    return Finding(case.state.canceled or "it was canceled", causes, tuple(remedies))


def _restarted(case: Case) -> Finding:
    where = (
        f"It came to an edge with loop_restart; the next round begins at {case.progress.next_node}."
    )
    look = Remedy(
        "see why that one stands where it does", f"attractor diagnose {case.state.restarted_as}"
    )
    return Finding(f"run {case.state.restarted_as} goes on in its place", (where,), (look,))


def _decided(case: Case) -> Finding:
    status = case.state.standing.status
    promote = (Remedy("give it to a branch", case.command("promote", "--to", "BRANCH")),)
    is_approved = status is RunStatus.APPROVED
    words = f": {case.state.reason}" if case.state.reason else ""
    return Finding(
        f"it ended well and was {status.value}{words}",
        tuple(_reservations(case)),
        promote if is_approved else (),
    )


def _failed(case: Case) -> Finding:
    end = case.progress.end
    if end is None or end.status.is_success:
        return Finding(case.state.reason or "it failed", (), ())
    return explain_failure(case, end)


_SITUATIONS: Mapping[RunStatus, Callable[[Case], Finding]] = {
    RunStatus.QUEUED: _stopped,
    RunStatus.BOOTING: _stopped,
    RunStatus.EXECUTING: _stopped,
    RunStatus.AWAITING_HUMAN: _undecided,
    RunStatus.EVALUATING: _judging,
    RunStatus.APPROVED: _decided,
    RunStatus.REJECTED: _decided,
    RunStatus.FAILED: _failed,
    RunStatus.CANCELED: _canceled,
}


def _reservations(case: Case) -> tuple[str, ...]:
    """Say what was not well although the walk was."""
    told = [
        f"{one} failed and was stepped over." for one in dict.fromkeys(case.progress.stepped_over)
    ]
    told += [
        f"{one} failed, and the pipeline dealt with that."
        for one in dict.fromkeys(case.progress.handled)
    ]
    told += [
        f"The branch {one.name} of {one.node}@{one.visit} failed: {one.reason}"
        for one in case.history.branches
        if one.has_failed
    ]
    return tuple(told)


def _process_gone(case: Case) -> tuple[str, ...]:
    return (f"It stopped: {case.state.stopped}",) if case.state.stopped else ()


def _gate(case: Case) -> list[str]:
    """Return what the gate said against a run last."""
    reports = [
        one for one in case.run.directory.evaluation.glob("*/report.json")
        if one.parent.name.isdecimal()
    ]  # fmt: skip
    if not reports:
        return []
    try:
        report = read_document(max(reports, key=lambda one: int(one.parent.name)))
        return [f"{one.text('rule')}: {one.text('words')}" for one in report.inners("reasons")]
    except AttractorError as trouble:
        return [f"what the gate said cannot be read: {trouble}"]
