"""Who answered the questions of a run, and how each author was identified."""

from attractor.base.events import Event
from attractor.engine.journal.events import (
    Action,
    OperatorAction,
    QuestionSettled,
    RunForked,
    RunRestarted,
)
from attractor.engine.journal.reader import events_of
from attractor.engine.questions.question import NOT_RECORDED, AnswerKind
from attractor.factory.candidate_run import CandidateRun, read_candidate_run
from attractor.factory.gate_records import GivenAnswer
from attractor.factory.open_project import OpenProject
from attractor.factory.project import find_directory
from attractor.factory.register import require_journal

_KINDS = tuple(kind.__name__ for kind in (OperatorAction, QuestionSettled, RunForked, RunRestarted))


def answers_of(opened: OpenProject, run: CandidateRun) -> tuple[GivenAnswer, ...]:
    """Return the answers in a verified journal, and those before it in the runs it continues."""
    found: dict[str, GivenAnswer] = {}
    origin: Event | None = None
    last, name = run.head.seq, ""
    while True:
        for event in events_of(run.directory.events, _KINDS):
            if event.seq > last:
                break
            if event.type in (RunForked.__name__, RunRestarted.__name__):
                origin = event
            elif answer := _answer_in(event, name):
                found[answer.question] = answer
        if origin is None:
            return tuple(found.values())
        parent, last, origin = str(origin.data["parent"]), _seq(origin), None
        entries = list(opened.ledger.entries(parent))
        root, name = find_directory(entries, opened.project.runs_dir), f"run {parent}: "
        if root is None:
            missing = GivenAnswer(f"{name}all questions", "", NOT_RECORDED)
            return (*found.values(), missing)
        run = read_candidate_run(root)
        require_journal(run, entries)


def _seq(event: Event) -> int:
    seq = event.data["seq"]
    return seq if isinstance(seq, int) else 0


def _answer_in(event: Event, name: str) -> GivenAnswer | None:
    """Return the answer that an event records; a time-out and a skipped question are none."""
    match event.data:
        case {"action": Action.ANSWER, "is_accepted": True, "question": str(question)}:
            record = event.data
        case {"question": str(question), "answer": {"kind": AnswerKind.GIVEN} as record}:
            pass
        case _:
            return None
    by, proof = (str(record.get(member) or "") for member in ("by", "proof"))
    return GivenAnswer(f"{name}{question}", by, proof or NOT_RECORDED)
