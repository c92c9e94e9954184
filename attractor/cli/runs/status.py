"""Prints the status of a run: stages, the output of stages, and next steps."""

from collections.abc import Mapping
from datetime import datetime

from attractor.cli.runs.questions import question_lines
from attractor.engine.outcome import NOTHING_USED, describe_usage
from attractor.engine.questions.question import Answer, describe_author, describe_wait, natural_key
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import AWAITING_ANSWER, StatusWord
from attractor.engine.truncation import shorten
from attractor.language.source.text import visible
from attractor.pipeline.status import PlainStatus, RunStatusView, plain_status
from attractor.records.delivery import DeliveredPatch
from attractor.records.diagnosis.failures import budget_option
from attractor.records.lookup import restart_reference
from attractor.records.open_work import describe_model_wait
from attractor.records.stage_output import describe_failed_output
from attractor.records.summary import RunOverview

LONGEST_ANSWER = 200
MOST_ANSWERED = 5
"""The maximum number of recorded answers printed; `attractor answer` lists all answers."""


def as_text(status: RunStatusView, now: datetime, *, proposed: str = "") -> str:
    """Return the status for people; `proposed` is the pull request of the run, and its state."""
    run, reference = status.summary, status.reference
    branch = status.delivery.branch
    rows = [
        ("run", run.run_id),
        ("pipeline", run.pipeline),
        ("about", run.about),
        ("place", run.place),
        ("goal", run.goal),
        ("started", _time(run.started)),
        ("status", describe_plain(plain_status(run))),
        ("proposed", proposed),
        *_work(run, reference),
        *_waiting(status, now),
        *_printed(status),
        ("restart", f"{run.restart} of run {run.parent}" if run.restart else ""),
        ("restarted", _restarted(run, reference)),
        ("outcome", run.outcome),
        ("reason", "" if run.questions or run.is_resting else _reason(run)),
        *(
            ("" if at else "output", line)
            for at, line in enumerate(describe_failed_output(status.failed_output))
        ),
        *_answer(run, reference),
        ("changed", visible(status.delivery.changed)),
        ("carried", visible(status.delivery.carried)),
        ("look", f"git diff HEAD...{branch}" if branch else ""),
        ("used", describe_usage(run.usage) if run.usage != NOTHING_USED else ""),
        ("next", "" if run.stage == run.next_node else run.next_node),
        ("directory", str(run.directory)),
        *_result(status.delivery.patch),
        *(("incident", str(incident)) for incident in status.incidents),
        ("trouble", run.trouble),
    ]
    return "\n".join(f"{name:<10} {visible(value)}" for name, value in rows if value)


def describe_plain(plain: PlainStatus) -> str:
    """Return a status in words, with the end of a wait in the time of the machine."""
    until = f", until {plain.until.astimezone():%H:%M}" if plain.until else ""
    return visible(f"{plain}{until}")


def in_words(run: RunOverview) -> str:
    """Return the status as one line."""
    is_at_work = run.is_live and run.stage and not run.pausing
    words = [
        f"run {run.run_id}: {describe_plain(plain_status(run))}",
        f"at {run.stage}" if is_at_work else "",
        run.outcome,
        "" if run.is_resting else _reason(run),
    ]
    return visible(", ".join(filter(None, words)))


def _reason(run: RunOverview) -> str:
    """Return the reason of the status; an empty text once all questions are answered."""
    if run.phase != AWAITING_ANSWER.phase or not (run.questions or run.answers):
        return run.reason
    return visible(describe_wait(run.questions)) if run.questions else ""


def _work(run: RunOverview, reference: str) -> list[tuple[str, str]]:
    """Return the rows about running stages or, without a live process, about the run's end."""
    is_judged = run.status == StatusWord.EVALUATING
    last = "after the last stage" if run.outcome else "before the first stage"
    before = f"before stage {run.next_node}" if run.next_node else last
    stage = f"stage {run.stage}" if run.stage else before
    if run.is_live and run.is_paused:
        when = f"after stage {', '.join(run.pausing)}" if run.pausing else before
        name = "pauses" if run.pausing else "paused"
        return [(name, when), ("resume", f"attractor resume {reference}")]
    if run.is_live:
        at_work = stage
        return [("running", "evaluation" if is_judged else at_work)]
    if not run.is_stopped:
        return []
    more = " ".join(["", *budget_option(run.why_stopped)])
    if is_judged:
        # Without a suite, an evaluation can only end with no-go.
        evaluate = f"attractor evaluate {reference}{more}" if run.suite else ""
        return [("why", run.why_stopped), ("evaluate", evaluate)]
    where = f"in {stage}" if run.stage else stage
    when = f" at {_time(run.written)}" if run.written else ""
    return [
        ("stopped", f"{where}{when}; no live process"),
        ("why", run.why_stopped),
        ("resume", f"attractor resume {reference}{more}"),
    ]


def _waiting(status: RunStatusView, now: datetime) -> list[tuple[str, str]]:
    """Return the rows about model calls that take long."""
    waits = [
        (stage, wait)
        for stage, _ in (status.at_work if status.summary.is_live else ())
        if (wait := describe_model_wait(stage.calling_since, now))
    ]
    named = [
        wait if stage.name == status.summary.stage else f"{stage.name}: {wait}"
        for stage, wait in waits
    ]
    return [("", row) for row in named]


def _printed(status: RunStatusView) -> list[tuple[str, str]]:
    """Return the last output lines of running stages, with stage names for several stages."""
    printing = [(stage, lines) for stage, lines in status.at_work if lines]
    rows: list[str] = []
    for stage, lines in printing:
        is_clear = len(printing) == 1 and stage.name == status.summary.stage
        rows += [] if is_clear else [f"{stage.name}:"]
        rows += [f"| {line}" for line in lines]
    return [("" if at else "output", row) for at, row in enumerate(rows)]


def _result(patch: DeliveredPatch | None) -> list[tuple[str, str]]:
    """Return the row of the result patch; a redacted patch cannot be applied."""
    if patch is None:
        return []
    lines = f"   (cannot be applied: secrets are replaced by ***; original files: {patch.folder})"
    return [("result", f"{patch.place}{lines if patch.is_redacted else ''}")]


def _restarted(run: RunOverview, reference: str) -> str:
    new = run.restarted_as
    if not new:
        return ""
    return f"as run {new}: attractor status {restart_reference(run.directory, new, reference)}"


def _answer(run: RunOverview, reference: str) -> list[tuple[str, str]]:
    """Return the commands to answer or to resume a parked run."""
    if run.phase != AWAITING_ANSWER.phase:
        return []
    resume = f"attractor resume {reference}"
    if run.answers and not run.questions:
        return [*_answered(run.answers), ("resume", "" if run.is_live else resume)]
    lines = question_lines(run.questions, reference)
    # A run of the fleet asks at no terminal.
    is_here = not RunDirectory(run.directory).elsewhere.exists()
    return [
        *(("" if at else "question", line) for at, line in enumerate(lines)),
        *_answered(run.answers),
        ("resume", f"{resume} --interviewer console   (asks at the terminal)" if is_here else ""),
    ]


def _answered(answers: Mapping[str, Answer]) -> list[tuple[str, str]]:
    ids = sorted(answers, key=natural_key)
    lines = [f"{visible(id_)}: {_answer_text(answers[id_])}" for id_ in ids[:MOST_ANSWERED]]
    lines += [f"{len(ids) - MOST_ANSWERED} more"] if len(ids) > MOST_ANSWERED else []
    return [("answered", line) for line in lines]


def _answer_text(answer: Answer) -> str:
    value = shorten(answer.value or answer.kind.value, LONGEST_ANSWER)
    author = describe_author(answer.by, answer.proof)
    return visible(f"{value}, by {author}" if answer.by else value)


def _time(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
