"""Where a run stands in words: which run, what is at work and what that prints, what to do next.

Tells where a run stands whenever that changes, whoever is at work on it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.cli.live.command_output import shown_lines
from attractor.cli.runs.progress import cost_of
from attractor.cli.runs.questions import next_commands
from attractor.engine.outcome import NOTHING_USED
from attractor.engine.questions.description import natural, waits_for
from attractor.engine.questions.question import Answer
from attractor.engine.run_folder.fence import is_held
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.stage.live_output import TAIL
from attractor.engine.state.run_state import AWAITING_ANSWER, StatusWord
from attractor.engine.truncation import shorten
from attractor.language.source.text import visible
from attractor.pipeline.diagnosis.failures import more_of_it
from attractor.pipeline.runs.lookup import UNKNOWN, RunSummary, reference_of, summarize
from attractor.pipeline.runs.running_stages import StageAtWork, printed_last, stages_at_work
from attractor.pipeline.workspace.deliver import GivenPatch, given_patch

LONGEST_ANSWER = 200
MOST_ANSWERED = 5
"""How many answers are told that nobody has gone on with yet; `attractor answer` lists all."""


@dataclass(frozen=True)
class RunStatusView:
    """Where a run stands, and what the stages at work printed last."""

    summary: RunSummary
    reference: str
    at_work: Sequence[tuple[StageAtWork, tuple[str, ...]]] = ()
    patch: GivenPatch | None = None

    def to_record(self) -> dict[str, Json]:
        """Return it for a program."""
        return {
            **self.summary.to_record(),
            "result_patch": self.patch.to_record() if self.patch else None,
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


def standing_of(root: Path, runs_dir: Path) -> RunStatusView:
    """Read where a run stands."""
    summary = summarize(root)
    return RunStatusView(summary, reference_of(root, runs_dir), _printing(root), given_patch(root))


def _printing(root: Path) -> Sequence[tuple[StageAtWork, tuple[str, ...]]]:
    # What is wrong with the journal is told as the trouble of the run.
    try:
        stages = stages_at_work(root)
    except AttractorError:
        return ()
    return [(one, shown_lines(printed_last(one.folder))) for one in stages]


def as_text(status: RunStatusView) -> str:
    """Return where a run stands for a person."""
    one, reference = status.summary, status.reference
    rows = [
        ("run", one.run_id),
        ("pipeline", one.pipeline),
        ("goal", one.goal),
        ("started", _time(one.started)),
        ("status", _status(one)),
        *_work(one, reference),
        *_printed(status),
        ("restart", f"{one.restart} of run {one.parent}" if one.restart else ""),
        ("restarted", _restarted(one)),
        ("outcome", one.outcome),
        ("reason", _reason(one)),
        *_answer(one, reference),
        ("used", cost_of(one.usage) if one.usage != NOTHING_USED else ""),
        ("next", "" if one.stage == one.next_node else one.next_node),
        ("directory", str(one.directory)),
        *_result(status.patch),
        ("trouble", one.trouble),
    ]
    return "\n".join(f"{name:<10} {value}" for name, value in rows if value)


def in_a_line(one: RunSummary, now: datetime) -> str:
    """Return where a run stands in one line, as it is at a time."""
    words = [
        f"run {one.run_id} is {_status(one)}",
        f"running: {one.stage}" if one.is_live and one.stage else "",
        "answered" if _waits_no_more(one) else "",
        "no live process" if one.is_stopped else "",
        one.outcome,
        _reason(one),
    ]
    time = now.astimezone().strftime("%H:%M:%S")
    return visible(f"{time}  {', '.join(filter(None, words))}")


def _reason(one: RunSummary) -> str:
    """Say why a run stands where it stands; what was answered meanwhile is not waited for."""
    if _waits_no_more(one):
        return ""
    is_asking = one.phase == AWAITING_ANSWER.phase and bool(one.questions)
    return visible(waits_for(one.questions)) if is_asking else one.reason


def _waits_no_more(one: RunSummary) -> bool:
    """Tell whether all was answered: the run is to be gone on with, or just about to go on."""
    return one.phase == AWAITING_ANSWER.phase and bool(one.answers) and not one.questions


def _status(one: RunSummary) -> str:
    status = f"{one.status} ({one.phase})" if one.phase else one.status
    return f"{status}, paused" if one.is_paused else status


def _work(one: RunSummary, reference: str) -> list[tuple[str, str]]:
    """Say what is at work, or that nobody is and what to do about it."""
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
    where = "during its evaluation" if is_judged else f"in {stage}" if one.stage else stage
    when = f" at {_time(one.written)}" if one.written else ""
    command = "evaluate" if is_judged else "resume"
    more = "" if is_judged else " ".join(["", *more_of_it(one.why_stopped)])
    return [
        ("stopped", f"{where}{when}; no live process"),
        ("why", "" if is_judged else one.why_stopped),
        (command, f"attractor {command} {reference}{more}"),
    ]


def _printed(status: RunStatusView) -> list[tuple[str, str]]:
    """Return the last lines of the stages at work, under their names where that is needed."""
    printing = [(one, lines) for one, lines in status.at_work if lines]
    rows: list[str] = []
    for one, lines in printing:
        is_clear = len(printing) == 1 and one.name == status.summary.stage
        rows += [] if is_clear else [f"{one.name}:"]
        rows += [f"| {line}" for line in lines]
    return [("" if at else "output", row) for at, row in enumerate(rows)]


def _result(patch: GivenPatch | None) -> list[tuple[str, str]]:
    """Say where the result is, and that one without secrets cannot be applied."""
    if patch is None:
        return []
    told = f"   (cannot be applied: secrets are replaced by ***; original files: {patch.folder})"
    return [("result", f"{patch.place}{told if patch.is_redacted else ''}")]


def _restarted(one: RunSummary) -> str:
    new = one.restarted_as
    return f"as run {new}: attractor status {new}" if new else ""


def _answer(one: RunSummary, reference: str) -> list[tuple[str, str]]:
    """Say how to answer what a parked run asks, or that it only has to be gone on with."""
    if one.phase != AWAITING_ANSWER.phase:
        return []
    resume = f"attractor resume {reference}"
    if _waits_no_more(one):
        return [*_answered(one.answers), ("resume", "" if one.is_live else resume)]
    commands = next_commands(one.questions, reference)
    told = [f"{command}   ({remark})" if remark else command for command, remark in commands]
    return [
        *_answered(one.answers),
        *zip(("answer", "others"), told, strict=False),
        ("resume", f"{resume}   (asks at the terminal)"),
    ]


def _answered(answers: Mapping[str, Answer]) -> list[tuple[str, str]]:
    ids = sorted(answers, key=natural)
    told = [f"{visible(id_)}: {_said(answers[id_])}" for id_ in ids[:MOST_ANSWERED]]
    told += [f"{len(ids) - MOST_ANSWERED} more"] if len(ids) > MOST_ANSWERED else []
    return [("answered", one) for one in told]


def _said(answer: Answer) -> str:
    said = shorten(answer.value or answer.kind.value, LONGEST_ANSWER)
    return visible(f"{said}, by {answer.by}" if answer.by else said)


def _time(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")


OFTEN_S = 0.5
"""How long to wait before looking again."""

_Look = tuple[object, ...]


def standings(root: Path, runs_dir: Path, wait: Callable[[], None]) -> Iterator[RunStatusView]:
    """Yield where a run stands, now and when it changed, until it is over.

    `wait` is called between two looks. When another run goes on in its place, that one follows.
    """
    looked: _Look = ()
    before: dict[str, Json] = {}
    last: RunStatusView | None = None
    while True:
        # What changes while we read is seen with the next look.
        look = _look(root, last)
        if last is None or look != looked:
            last, looked = standing_of(root, runs_dir), look
            record = {**last.to_record(), "written": ""}
            if record != before:
                yield last
            before = record
        following = runs_dir / last.summary.restarted_as if last.summary.restarted_as else None
        if following and (following / "manifest.json").is_file():
            root, looked, before, last = following, (), {}, None
        elif is_over(last):
            return
        else:
            wait()


def is_over(status: RunStatusView) -> bool:
    """Tell whether nothing of a run is left to be walked: it ended, or it cannot be believed."""
    one = status.summary
    return not one.is_live and (bool(one.outcome) or one.is_final or one.status == UNKNOWN)


def _look(root: Path, last: RunStatusView | None) -> _Look:
    """Return what is another one when something happened: files that grew, a lock that was let."""
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
