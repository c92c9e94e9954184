"""Where a run stands in words: which run, what is at work and what that prints, what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from attractor.base.canonical import Json
from attractor.base.errors import AttractorError
from attractor.cli.amounts import cost_of
from attractor.cli.live.last_lines import shown_lines
from attractor.engine.excerpts import shorten
from attractor.engine.outcome import NOTHING_USED
from attractor.engine.seams import Answer
from attractor.engine.status import AWAITING_ANSWER, RunStatus
from attractor.language.wording import visible
from attractor.pipeline.at_work import StageAtWork, printed_last, stages_at_work
from attractor.pipeline.runs import RunSummary, reference_of, summarize

LONGEST_ANSWER = 200


@dataclass(frozen=True)
class Standing:
    """Where a run stands, and what the stages at work printed last."""

    summary: RunSummary
    reference: str
    at_work: Sequence[tuple[StageAtWork, tuple[str, ...]]] = ()

    def to_record(self) -> dict[str, Json]:
        """Return it for a program."""
        return {
            **self.summary.to_record(),
            "at_work": [
                {
                    "run_id": one.run_id,
                    "node": one.node,
                    "visit": one.visit,
                    "attempt": one.attempt,
                    "branch": one.branch,
                    "last_lines": list(lines),
                }
                for one, lines in self.at_work
            ],
        }


def standing_of(root: Path, runs_dir: Path) -> Standing:
    """Read where a run stands."""
    summary = summarize(root)
    return Standing(summary, reference_of(root, runs_dir), _printing(root))


def _printing(root: Path) -> Sequence[tuple[StageAtWork, tuple[str, ...]]]:
    # What is wrong with the journal is told as the trouble of the run.
    try:
        stages = stages_at_work(root)
    except AttractorError:
        return ()
    return [(one, shown_lines(printed_last(one.folder))) for one in stages]


def as_text(standing: Standing) -> str:
    """Return where a run stands for a person."""
    one, reference = standing.summary, standing.reference
    rows = [
        ("run", one.run_id),
        ("pipeline", one.pipeline),
        ("goal", one.goal),
        ("started", _time(one.started)),
        ("status", _status(one)),
        *_work(one, reference),
        *_printed(standing),
        ("restart", f"{one.restart} of run {one.parent}" if one.restart else ""),
        ("goes on", _goes_on(one)),
        ("outcome", one.outcome),
        ("reason", "" if one.is_answered else one.reason),
        *_answer(one, reference),
        ("used", cost_of(one.usage) if one.usage != NOTHING_USED else ""),
        ("next", "" if one.stage == one.next_node else one.next_node),
        ("directory", str(one.directory)),
        ("trouble", one.trouble),
    ]
    return "\n".join(f"{name:<10} {value}" for name, value in rows if value)


def in_a_line(one: RunSummary, now: datetime) -> str:
    """Return where a run stands in one line, as it is at a time."""
    words = [
        f"run {one.run_id} is {_status(one)}",
        f"at work: {one.stage}" if one.is_live and one.stage else "",
        "answered" if one.is_answered else "",
        "nobody is at work on it" if one.is_stopped else "",
        one.outcome,
        "" if one.is_answered else one.reason,
    ]
    time = now.astimezone().strftime("%H:%M:%S")
    return visible(f"{time}  {', '.join(filter(None, words))}")


def _status(one: RunSummary) -> str:
    status = f"{one.status} ({one.phase})" if one.phase else one.status
    return f"{status}, paused" if one.is_paused else status


def _work(one: RunSummary, reference: str) -> list[tuple[str, str]]:
    """Say what is at work, or that nobody is and what to do about it."""
    is_judged = one.status == RunStatus.EVALUATING
    stage = f"stage {one.stage}" if one.stage else f"front of stage {one.next_node or 'one'}"
    if one.is_live and one.is_paused:
        when = f"after stage {one.stage}" if one.stage else f"before stage {one.next_node}"
        return [("paused", when), ("go on", f"attractor resume {reference}")]
    if one.is_live:
        at_work = stage if one.stage else f"in {stage}"
        return [("at work", "its evaluation" if is_judged else at_work)]
    if not one.is_stopped:
        return []
    where = "before its evaluation was through" if is_judged else f"in {stage}"
    when = f" at {_time(one.written)}" if one.written else ""
    command = "evaluate" if is_judged else "resume"
    return [
        ("stopped", f"{where}{when}; nobody is at work on it"),
        ("go on", f"attractor {command} {reference}"),
    ]


def _printed(standing: Standing) -> list[tuple[str, str]]:
    """Return the last lines of the stages at work, under their names where that is needed."""
    printing = [(one, lines) for one, lines in standing.at_work if lines]
    rows: list[str] = []
    for one, lines in printing:
        is_clear = len(printing) == 1 and one.name == standing.summary.stage
        rows += [] if is_clear else [f"{one.name}:"]
        rows += [f"| {line}" for line in lines]
    return [("" if at else "printed", row) for at, row in enumerate(rows)]


def _goes_on(one: RunSummary) -> str:
    new = one.restarted_as
    return f"as run {new}: attractor status {new}" if new else ""


def _answer(one: RunSummary, reference: str) -> list[tuple[str, str]]:
    """Say how to answer what a parked run asks, or that it only has to be gone on with."""
    if one.phase != AWAITING_ANSWER.phase:
        return []
    go_on = f"attractor resume {reference}"
    if one.is_answered:
        return [*_answered(one.answers), ("go on", go_on)]
    return [
        *_answered(one.answers),
        ("answer", f"attractor answer {reference} CHOICE"),
        ("go on", f"{go_on}   (at a terminal it asks there)"),
    ]


def _answered(answers: Mapping[str, Answer]) -> list[tuple[str, str]]:
    return [("answered", f"{visible(id_)}: {_said(one)}") for id_, one in answers.items()]


def _said(answer: Answer) -> str:
    said = shorten(answer.value or answer.kind.value, LONGEST_ANSWER)
    return visible(f"{said}, by {answer.by}" if answer.by else said)


def _time(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
