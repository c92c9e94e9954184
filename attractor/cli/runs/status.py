"""Prints the status of a run: stages, the output of stages, and next steps."""

from collections.abc import Mapping
from datetime import datetime

from attractor.cli.runs.questions import question_lines
from attractor.engine.outcome import NOTHING_USED, describe_usage
from attractor.engine.questions.question import Answer, describe_wait, natural_key
from attractor.engine.state.run_state import AWAITING_ANSWER, StatusWord
from attractor.engine.truncation import shorten
from attractor.language.source.text import visible
from attractor.pipeline.diagnosis.failures import budget_option
from attractor.pipeline.runs.lookup import restart_reference
from attractor.pipeline.runs.summary import RunSummary
from attractor.pipeline.status import RunStatusView, status_of
from attractor.pipeline.workspace.deliver import DeliveredPatch

LONGEST_ANSWER = 200
MOST_ANSWERED = 5
"""The maximum number of recorded answers printed; `attractor answer` lists all answers."""


def as_text(status: RunStatusView) -> str:
    """Return the status for people."""
    one, reference = status.summary, status.reference
    branch = status.delivery.branch
    rows = [
        ("run", one.run_id),
        ("pipeline", one.pipeline),
        ("goal", one.goal),
        ("started", _time(one.started)),
        ("status", status_of(one)),
        *_work(one, reference),
        *_printed(status),
        ("restart", f"{one.restart} of run {one.parent}" if one.restart else ""),
        ("restarted", _restarted(one, reference)),
        ("outcome", one.outcome),
        ("reason", "" if one.questions or one.is_resting else _reason(one)),
        *_answer(one, reference),
        ("changed", visible(status.delivery.changed)),
        ("look", f"git diff HEAD...{branch}" if branch else ""),
        ("used", describe_usage(one.usage) if one.usage != NOTHING_USED else ""),
        ("next", "" if one.stage == one.next_node else one.next_node),
        ("directory", str(one.directory)),
        *_result(status.delivery.patch),
        *(("incident", str(incident)) for incident in status.incidents),
        ("trouble", one.trouble),
    ]
    return "\n".join(f"{name:<10} {visible(value)}" for name, value in rows if value)


def in_a_line(one: RunSummary, now: datetime) -> str:
    """Return the status as one line."""
    words = [
        f"run {one.run_id} is {status_of(one)}",
        f"running: {one.stage}" if one.is_live and one.stage else "",
        "answered" if _waits_no_more(one) else "",
        "no live process" if one.is_stopped and one.status != StatusWord.EVALUATING else "",
        one.outcome,
        _reason(one),
    ]
    time = now.astimezone().strftime("%H:%M:%S")
    return visible(f"{time}  {', '.join(filter(None, words))}")


def _reason(one: RunSummary) -> str:
    """Return the reason of the status; an empty text once all questions are answered."""
    if _waits_no_more(one):
        return ""
    is_asking = one.phase == AWAITING_ANSWER.phase and bool(one.questions)
    return visible(describe_wait(one.questions)) if is_asking else one.reason


def _waits_no_more(one: RunSummary) -> bool:
    """Return whether all questions are answered, so that the run can be resumed."""
    return one.phase == AWAITING_ANSWER.phase and bool(one.answers) and not one.questions


def _work(one: RunSummary, reference: str) -> list[tuple[str, str]]:
    """Return the rows about running stages or, without a live process, about the run's end."""
    is_judged = one.status == StatusWord.EVALUATING
    last = "after the last stage" if one.outcome else "before the first stage"
    before = f"before stage {one.next_node}" if one.next_node else last
    stage = f"stage {one.stage}" if one.stage else before
    if one.is_live and one.is_paused:
        when = f"after stage {one.stage}" if one.stage else before
        return [("paused", when), ("resume", f"attractor resume {reference}")]
    if one.is_live:
        at_work = stage
        return [("running", "evaluation" if is_judged else at_work)]
    if not one.is_stopped:
        return []
    if is_judged:
        # Without a suite, an evaluation can only end with no-go.
        return [("evaluate", f"attractor evaluate {reference}" if one.suite else "")]
    where = f"in {stage}" if one.stage else stage
    when = f" at {_time(one.written)}" if one.written else ""
    more = " ".join(["", *budget_option(one.why_stopped)])
    return [
        ("stopped", f"{where}{when}; no live process"),
        ("why", one.why_stopped),
        ("resume", f"attractor resume {reference}{more}"),
    ]


def _printed(status: RunStatusView) -> list[tuple[str, str]]:
    """Return the last output lines of running stages, with stage names for several stages."""
    printing = [(one, lines) for one, lines in status.at_work if lines]
    rows: list[str] = []
    for one, lines in printing:
        is_clear = len(printing) == 1 and one.name == status.summary.stage
        rows += [] if is_clear else [f"{one.name}:"]
        rows += [f"| {line}" for line in lines]
    return [("" if at else "output", row) for at, row in enumerate(rows)]


def _result(patch: DeliveredPatch | None) -> list[tuple[str, str]]:
    """Return the row of the result patch; a redacted patch cannot be applied."""
    if patch is None:
        return []
    lines = f"   (cannot be applied: secrets are replaced by ***; original files: {patch.folder})"
    return [("result", f"{patch.place}{lines if patch.is_redacted else ''}")]


def _restarted(one: RunSummary, reference: str) -> str:
    new = one.restarted_as
    if not new:
        return ""
    return f"as run {new}: attractor status {restart_reference(one.directory, new, reference)}"


def _answer(one: RunSummary, reference: str) -> list[tuple[str, str]]:
    """Return the commands to answer or to resume a parked run."""
    if one.phase != AWAITING_ANSWER.phase:
        return []
    resume = f"attractor resume {reference}"
    if _waits_no_more(one):
        return [*_answered(one.answers), ("resume", "" if one.is_live else resume)]
    lines = question_lines(one.questions, reference)
    return [
        *(("" if at else "question", line) for at, line in enumerate(lines)),
        *_answered(one.answers),
        ("resume", f"{resume} --interviewer console   (asks at the terminal)"),
    ]


def _answered(answers: Mapping[str, Answer]) -> list[tuple[str, str]]:
    ids = sorted(answers, key=natural_key)
    lines = [f"{visible(id_)}: {_answer_text(answers[id_])}" for id_ in ids[:MOST_ANSWERED]]
    lines += [f"{len(ids) - MOST_ANSWERED} more"] if len(ids) > MOST_ANSWERED else []
    return [("answered", one) for one in lines]


def _answer_text(answer: Answer) -> str:
    value = shorten(answer.value or answer.kind.value, LONGEST_ANSWER)
    return visible(f"{value}, by {answer.by}" if answer.by else value)


def _time(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
