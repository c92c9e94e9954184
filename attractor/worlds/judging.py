"""Lets a command that a person typed work in a run with one stage, and has its files judged.

After a no-go it can work on, with the verdict on its input; each time is a run.
"""

import shlex
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.factory.candidate_run import CandidateRun
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateInput, GateReport
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.evaluate import ask_gate
from attractor.records.request import RunRequest, TypedCommand

NAME, STAGE = "judge", "work"
"""The pipeline of a judged command, and its stage."""

FILE = "judge.dot"
"""The file of the pipeline, which exists in no project."""

BACKEND = "command"


def pipeline_text() -> str:
    """Return the pipeline of a judged command: one stage, which any budget may end."""
    return (
        f"digraph {NAME} {{\n"
        "  start [shape=Mdiamond]; done [shape=Msquare]\n"
        f'  {STAGE} [prompt="$goal", auto_status=true, timeout="7d"]\n'
        f"  start -> {STAGE} -> done\n"
        "}\n"
    )


def request_of(command: TypedCommand, root: Path, like: RunRequest) -> RunRequest:
    """Return the request of a run whose work a command does."""
    if not command.words:
        raise UsageError(
            "no command to judge", hint='write it behind --: attractor judge -- claude -p "..."'
        )
    goal = like.goal or shlex.join(command.words)
    if any("\ud800" <= letter <= "\udfff" for word in command.words for letter in word):
        raise UsageError("a word of the command is not UTF-8", hint="write a script that names it")
    return replace(like, file=root / FILE, goal=goal, backend=BACKEND, command=command)


@dataclass(frozen=True)
class JudgedWork:
    """The result of a run; with an evaluation by a suite, its facts and the input of the gate."""

    result: RunResult
    facts: CandidateRun | None = None
    judged: GateInput | None = None

    @cached_property
    def report(self) -> GateReport | None:
        """The report of the gate, or None."""
        return gate(self.judged) if self.judged else None

    @property
    def words(self) -> str:
        """The verdict in one word or two."""
        return self.report.verdict if self.report else "not judged"


def read_verdict(result: RunResult, opened: OpenProject) -> JudgedWork:
    """Return the verdict on a run that ended, if it was evaluated."""
    if result.status != AWAITING_DECISION:
        return JudgedWork(result)
    facts, judged = ask_gate(result.directory, opened)
    is_judged = judged.suite and judged.evaluations
    return JudgedWork(result, facts, judged) if is_judged else JudgedWork(result)


def next_try(work: JudgedWork, request: RunRequest, seconds: float) -> RunRequest | None:
    """Return the request of one more try with the files of the last one; None if none can help.

    It has what the last try left of the budgets.
    """
    report = work.report
    if report is None or report.go or report.satisfied == report.played:
        return None
    left = request.budgets.less(work.result.usage, timedelta(seconds=seconds))
    return None if left.are_spent else replace(request, budgets=left, builds_on=work.result.run_id)


def describe_access(request: RunRequest, command: TypedCommand) -> str:
    """Return a sentence about what the command of a run can reach."""
    # Backends are slow to import.
    from attractor.backends.typed_command import known_program, program_word

    known, word = known_program(command.words), program_word(command.words)
    unverified = "the gate says isolation_unverified, which only a profile allows."
    if request.sandbox == "none":
        return f"{word} runs with your rights, so it is unknown what it read: {unverified}"
    if command.opens_network:
        return f"{word} has your network, so it is unknown what it read: {unverified}"
    if known:
        return f"{known.name} reaches its models through Attractor, which counts their calls."
    return f"{word} has no network (--network opens it)."
