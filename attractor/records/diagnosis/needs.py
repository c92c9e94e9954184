"""Decides what a run needs of a person, in words and with the command that settles it.

Lists of runs, rows of attention and notices take the words from here.
"""

from collections.abc import Iterator

from attractor.base.dataclasses import dataclass
from attractor.base.json import content_hash
from attractor.base.patterns import late_pattern
from attractor.engine.questions.question import Question
from attractor.engine.state.run_state import Phase, StatusWord
from attractor.records.diagnosis.failures import budget_option
from attractor.records.diagnosis.unchanged import describe_unchanged
from attractor.records.open_work import answer_command
from attractor.records.summary import UNKNOWN, RunOverview

QUESTION, DECISION, LIMIT = "question", "decision", "limit"
ANSWERED, STOPPED = "answered", "stopped"
DEAD_PROCESS, UNREADABLE = "dead process", "unreadable"
"""The reasons of a run whose process recorded none, and of one with damaged records."""

_WORDS = {
    ANSWERED: "its questions are answered, and no process goes on",
    DEAD_PROCESS: "its process died",
}


@dataclass(frozen=True)
class RunNeed:
    """What a run needs, in words and as a command; `row` is the id of its row, if it has one."""

    words: str
    command: str
    why: str = ""
    row: str = ""


def why_it_needs_a_person(run: RunOverview) -> str:
    """Return the reason why a run that has not ended does not go on without a person, or ""."""
    if run.status == UNKNOWN:
        return UNREADABLE
    if run.questions:
        return QUESTION
    if run.phase == Phase.DECISION:
        return DECISION
    if run.is_answered:
        return ANSWERED
    if not run.is_stopped:
        return ""
    if budget_option(run.why_stopped):
        return LIMIT
    return STOPPED if run.why_stopped else DEAD_PROCESS


def needs_of(run: RunOverview, reference: str = "") -> Iterator[RunNeed]:
    """Yield what a run needs; commands name it by `reference` (default: its id)."""
    why, name = why_it_needs_a_person(run), reference or run.run_id
    if why == QUESTION:
        yield from (need_of_question(run.run_id, one, reference) for one in run.questions)
    elif why == DECISION:
        unchanged = describe_unchanged(run.directory) if run.reason.endswith("no-go") else ""
        verdict = ": ".join(filter(None, [run.reason, unchanged]))
        words = f"{verdict}; {run.subject.strip()}".partition("\n")[0]
        reports = run.directory.glob("evaluation/*/report.json")
        judged = max((one.stat().st_mtime_ns for one in reports), default=0)
        row = row_id(why, run.run_id, f"{judged}")
        yield RunNeed(words, f"attractor decide {name}", why, row)
    elif why:
        words = run.why_stopped or run.trouble or _WORDS.get(why, why)
        # A later stop or death at the same stage is another row.
        last = f"{run.seconds:.3f}" if run.why_stopped else f"{run.written}"
        row = row_id(why, run.run_id, run.why_stopped or run.stage, last)
        verb = "status" if why == UNREADABLE else "resume"
        if run.status == StatusWord.EVALUATING:
            # It has ended for people.
            verb, row = "evaluate", ""
        command = " ".join(["attractor", verb, name, *budget_option(run.why_stopped)])
        yield RunNeed(words, command, why, row)


def need_of_question(run_id: str, question: Question, reference: str = "") -> RunNeed:
    """Return the need of an answer; the command lists the choices."""
    command = answer_command(reference or run_id, "", question=question.id)
    return RunNeed(question.text, command, QUESTION, f"question:{run_id}:{question.id}")


_PLAIN = late_pattern(r"[\w./:@ +-]{0,200}")


def row_id(*parts: str) -> str:
    """Return an id that is safe in an address: in place of long or odd words, their hash."""
    plain = (one if _PLAIN.fullmatch(one) else content_hash(one.encode()) for one in parts)
    return ":".join(plain)


def row_of_answer(message: str) -> str:
    """Return the id of the row of an actor's answer to a message."""
    return f"answered:{message}"
