"""Gives orders to a run from outside: to whoever runs it, or, when nobody does, at once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attractor.base.clock import Clock
from attractor.base.errors import LockHeld, Refused, UsageError
from attractor.base.ids import new_run_id
from attractor.engine.checkpoint import open_journal
from attractor.engine.endings import end_run
from attractor.engine.errors import NobodyAtWork, NothingAsked
from attractor.engine.fence import is_held
from attractor.engine.inbox import Action, Order, leave_order
from attractor.engine.open_run import OpenRun, open_run
from attractor.engine.run_directory import RunDirectory
from attractor.engine.run_state import RunState
from attractor.engine.seams import Question
from attractor.engine.secrets import Redactor
from attractor.handlers.choices import match_option


@dataclass(frozen=True)
class Receipt:
    """What became of an order: it was taken now, or it lies where the run's runner will find it."""

    run_id: str
    action: str
    is_taken: bool
    words: str
    question: str = ""
    value: str = ""


@dataclass(frozen=True)
class Orders:
    """Gives orders to one run, in somebody's name."""

    root: Path
    by: str
    clock: Clock
    randomness: Callable[[int], bytes]
    redactor: Redactor

    def questions(self) -> tuple[Question, ...]:
        """Return what the run asks people."""
        return tuple(self._state().questions)

    def answer(self, choice: str, *, question: str = "", why: str = "") -> Receipt:
        """Answer what is asked; what matches none of the choices is refused and changes nothing."""
        asked = _pick(self.questions(), question)
        option = match_option(choice, asked.options)
        order = Order(Action.ANSWER, self.by, why, asked.id, option)
        return self._give(order, taken=f"answered {asked.stage}: {option}")

    def cancel(self, why: str = "") -> Receipt:
        """End a run for good, whoever runs it."""
        state = self._state()
        if state.standing.is_final:
            raise Refused(f"the run is {state.standing} for good", hint="there is nothing to end")
        return self._give(Order(Action.CANCEL, self.by, why), taken="canceled", then=end_run)

    def pause(self, why: str = "") -> Receipt:
        """Have the runner wait after the stage in flight."""
        self._require_runner("paused")
        return self._give(Order(Action.PAUSE, self.by, why), taken="paused")

    def is_paused(self) -> bool:
        """Tell whether a process holds the run and waits to be told to go on."""
        return is_held(RunDirectory(self.root).lock) and self._state().is_paused

    def resume(self, why: str = "") -> Receipt:
        """Have the process that waits go on."""
        return self._give(Order(Action.RESUME, self.by, why), taken="resumed")

    def steer(self, text: str, *, node: str = "", why: str = "") -> Receipt:
        """Hand words to what is at work, or to the stage of one node."""
        if not text.strip():
            raise UsageError("there are no words to hand on", hint="give them after the run")
        self._require_runner("steered")
        order = Order(Action.STEER, self.by, why, question=node, value=text)
        return self._give(order, taken="steered")

    def _state(self) -> RunState:
        directory = RunDirectory(self.root)
        return open_journal(directory.events, directory.checkpoint).state

    def _require_runner(self, what: str) -> None:
        if not is_held(RunDirectory(self.root).lock):
            raise NobodyAtWork(f"nobody is at work on the run, so it cannot be {what}")

    def _give(
        self, order: Order, *, taken: str, then: Callable[[OpenRun], object] | None = None
    ) -> Receipt:
        """Leave an order; when nobody runs the run, take it from the inbox ourselves."""
        directory = RunDirectory(self.root)
        name = new_run_id(self.clock.now(), self.randomness)
        leave_order(directory.inbox, order, name=name)
        if is_held(directory.lock):
            words = "left for whoever runs it"
            return self._receipt(order, is_taken=False, words=words)
        try:
            with open_run(self.root, clock=self.clock, redactor=self.redactor) as run:
                _take(run, f"{name}.json")
                if then:
                    then(run)
                run.write_run()
        except LockHeld:
            return self._receipt(order, is_taken=False, words="left for whoever runs it now")
        return self._receipt(order, is_taken=True, words=taken)

    def _receipt(self, order: Order, *, is_taken: bool, words: str) -> Receipt:
        return Receipt(
            self.root.name, order.action.value, is_taken, words, order.question, order.value
        )


def _take(run: OpenRun, name: str) -> None:
    """Take what lies in the inbox, and say so when the order of a name was refused."""
    refused = [one for one in run.take_orders() if one.order == name and not one.is_accepted]
    if refused:
        raise Refused(refused[0].why, hint="see where it stands: attractor status RUN")


def _pick(questions: tuple[Question, ...], named: str) -> Question:
    """Return the question that is meant: by its id or its node, or the only one."""
    if not questions:
        raise NothingAsked("the run asks nothing")
    found = [one for one in questions if named in ("", one.id, one.stage)]
    if len(found) == 1:
        return found[0]
    ids = ", ".join(one.id for one in questions)
    if not found:
        raise NothingAsked(f"the run asks nothing by the name {named!r}", hint=f"it asks: {ids}")
    raise UsageError(f"the run asks {len(found)} questions", hint=f"name one: --question {ids}")
