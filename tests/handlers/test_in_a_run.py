"""Handlers in real runs of a parsed pipeline."""

import asyncio
from io import StringIO
from pathlib import Path

from attractor.backends.registry import BackendParts, backend_registry
from attractor.engine.interviews import AnsweredFirst, RunQuestions
from attractor.engine.journal.events import Action
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Parts
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.environments.local import LocalExecutionEnvironment
from attractor.handlers.registry import handler_registry
from attractor.interviewers.registry import InterviewerParts, interviewer_registry
from attractor.language.reading import parse
from tests.engine.runs import Workplace

PIPELINE = """digraph clock {
    graph [goal="a clock"]
    start [shape=Mdiamond]
    plan  [prompt="Plan $goal"]
    test  [shape=parallelogram, tool_command="test -e made || { touch made; exit 3; }"]
    green [shape=diamond]
    gate  [shape=hexagon, label="Again?", timeout="1h"]
    done  [shape=Msquare]
    start -> plan -> test -> green
    green -> done [condition="outcome=success"]
    green -> gate [condition="outcome!=success"]
    gate -> test [label="[Y] Yes"]
    gate -> done [label="[N] No"]
}"""


class Place(Workplace):
    """A run directory beside a folder to work in, with every part as it is shipped."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "run", parse(PIPELINE))
        work = folder / "work"
        work.mkdir(exist_ok=True)
        environ = {"PATH": "/usr/bin:/bin"}
        self.workspace = NoWorkspace(LocalExecutionEnvironment(work, environ=environ))

    def go(self, interviewer: str, typed: str = "") -> RunResult:
        """Start or resume the run, and walk until it rests."""
        return asyncio.run(asyncio.wait_for(self._go(interviewer, typed), 60))

    async def _go(self, interviewer: str, typed: str) -> RunResult:
        terminal = InterviewerParts(input=StringIO(typed), output=StringIO())
        asking = interviewer_registry()[interviewer](terminal)
        backend = backend_registry()["simulate"](BackendParts())
        with self.open() as run:
            parts = Parts(backend, AnsweredFirst(asking, RunQuestions(run)))
            self.handlers = {name: kind(parts) for name, kind in handler_registry().items()}
            return await self.runner(run).run()

    def answer(self, value: str, *, name: str) -> None:
        """Leave an answer to the question that is parked."""
        order = Order(Action.ANSWER, by="Ada", question="gate@1.1", value=value)
        leave_order(self.root / "inbox", order, name=name)


def test_a_verdict_goes_to_a_person_whose_choice_is_walked(tmp_path: Path) -> None:
    place = Place(tmp_path)
    result = place.go("console", "perhaps\ny\n")
    assert result.outcome is StageStatus.SUCCESS
    assert [(source, target) for source, target, _ in place.edges()] == [
        ("start", "plan"),
        ("plan", "test"),
        ("test", "green"),
        ("green", "gate"),
        ("gate", "test"),
        ("test", "green"),
        ("green", "done"),
    ]
    assert (place.root / "plan" / "prompt.md").read_text() == "Plan a clock"
    assert place.json("gate/status.json")["preferred_label"] == "[Y] Yes"


def test_parked_gate_is_answered_on_resume(tmp_path: Path) -> None:
    place = Place(tmp_path)
    parked = place.go("park")
    assert parked.status == AWAITING_ANSWER
    assert parked.question
    assert parked.question.id == "gate@1.1"
    assert parked.question.deadline
    place.answer("perhaps", name="1")
    asked_again = place.go("park")
    assert asked_again.question == parked.question
    place.answer("n", name="2")
    assert place.go("park").outcome is StageStatus.SUCCESS
    assert place.edges()[-1][:2] == ("gate", "done")
    assert place.json("gate/status.json")["notes"] == "[N] No: chosen by Ada"
