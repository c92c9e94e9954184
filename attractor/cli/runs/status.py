"""Prints the status of a run: stages, the output of stages, and next steps."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from attractor.base.clock import SystemClock
from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration, UsageError
from attractor.base.json import Json
from attractor.cli.output.amounts import cost_of
from attractor.cli.output.streams import show
from attractor.cli.runs.questions import question_lines
from attractor.engine.outcome import NOTHING_USED
from attractor.engine.questions.question import Answer, describe_wait, natural_key
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.stage.folder import TAIL
from attractor.engine.state.run_state import AWAITING_ANSWER, EVALUATING, RunStatus, StatusWord
from attractor.engine.truncation import shorten
from attractor.language.source.text import visible
from attractor.pipeline.diagnosis.failures import more_of_it
from attractor.pipeline.runs.lookup import UNKNOWN, RunSummary, restart_reference
from attractor.pipeline.status import RunStatusView, read_status
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
        ("restarted", _restarted(one)),
        ("outcome", one.outcome),
        ("reason", "" if one.questions else _reason(one)),
        *_answer(one, reference),
        ("changed", visible(status.delivery.changed)),
        ("look", f"git diff HEAD...{branch}" if branch else ""),
        ("used", cost_of(one.usage) if one.usage != NOTHING_USED else ""),
        ("next", "" if one.stage == one.next_node else one.next_node),
        ("directory", str(one.directory)),
        *_result(status.delivery.patch),
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


NOT_EVALUATED = "not evaluated"


def status_words(status: RunStatus) -> str:
    """Return the status of a run without a live process, for people."""
    return NOT_EVALUATED if status == EVALUATING else str(status)


def status_of(one: RunSummary) -> str:
    """Return the status of a run for people."""
    if one.status == StatusWord.EVALUATING and not one.is_live:
        return NOT_EVALUATED
    status = f"{one.status} ({one.phase})" if one.phase else one.status
    status = f"{status}, promoted to {one.promoted_to}" if one.promoted_to else status
    if one.rolled_back_from:
        status = f"{status}, rolled back from {one.rolled_back_from}"
    return visible(f"{status}, paused" if one.is_paused else status)


def _work(one: RunSummary, reference: str) -> list[tuple[str, str]]:
    """Return the rows about running stages or, without a live process, about the run's end."""
    is_judged = one.status == StatusWord.EVALUATING
    stage = f"stage {one.stage}" if one.stage else f"before stage {one.next_node}"
    if one.is_live and one.is_paused:
        when = f"after stage {one.stage}" if one.stage else f"before stage {one.next_node}"
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
    more = " ".join(["", *more_of_it(one.why_stopped)])
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


def _restarted(one: RunSummary) -> str:
    new = one.restarted_as
    return f"as run {new}: attractor status {restart_reference(one.directory, new)}" if new else ""


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


OFTEN_S = 0.5
"""The pause in seconds between two checks."""

_Look = tuple[object, ...]


def status_changes(root: Path, runs_dir: Path, wait: Callable[[], None]) -> Iterator[RunStatusView]:
    """Yield the status of a run now and after each change, until the run is over.

    `wait` is called between two checks. If the run restarts as a new run, the status of the new run
    follows.
    """
    looked: _Look = ()
    before: dict[str, Json] = {}
    last: RunStatusView | None = None
    while True:
        # A change during reading is seen at the next check.
        look = _look(root, last)
        if last is None or look != looked:
            last, looked = read_status(root, runs_dir), look
            record = {**last.to_record(), "written": ""}
            if record != before:
                yield last
            before = record
        following = root.parent / last.summary.restarted_as if last.summary.restarted_as else None
        if following and (following / "manifest.json").is_file():
            root, looked, before, last = following, (), {}, None
        elif is_over(last):
            return
        else:
            wait()


def is_over(status: RunStatusView) -> bool:
    """Return whether the run has ended or its records are corrupt."""
    one = status.summary
    return not one.is_live and (bool(one.outcome) or one.is_final or one.status == UNKNOWN)


def _look(root: Path, last: RunStatusView | None) -> _Look:
    """Return a fingerprint of the run's files and lock."""
    directory = RunDirectory(root)
    tails = [one.folder / TAIL for one, _ in last.at_work] if last else []
    files = [directory.events, directory.run, *tails]
    return (is_held(directory.lock), *map(_signature, files))


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def moment(text: str) -> datetime:
    """Return the time in the option --since: a time, or a duration before now."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _so_long_ago(text)
    # A time without a zone is local.
    return moment.astimezone(UTC)


def _so_long_ago(text: str) -> datetime:
    try:
        return SystemClock().now() - parse_duration(text)
    except (InvalidDuration, OverflowError) as cause:
        hint = "write a time such as 2026-01-31T09:30, or how long ago, such as 10m"
        raise UsageError(f"invalid time in --since: {text}", hint=hint) from cause


def show_indexing(done: int, of: int) -> None:
    """Print the progress of reading many runs into the index, to standard error."""
    if of > MANY:
        show(f"reading runs into the index: {done} of {of}", err=True)


MANY = 1000
"""The number of runs whose reading takes more than a second."""
