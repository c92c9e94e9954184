"""Gives orders to a run from outside: to whoever runs it, or, when nobody does, at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from attractor.engine.options import require_answer
from attractor.engine.refusals import is_late
from attractor.engine.run_directory import RunDirectory
from attractor.engine.run_state import RunState
from attractor.engine.seams import Answer, Question
from attractor.engine.secrets import Redactor
from attractor.pipeline.left_running import end_left_running_now, name_processes
from attractor.pipeline.references import reference_to


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

    def questions(self, named: str = "") -> tuple[Question, ...]:
        """Return what the run asks people: all of it, or what goes by an id or a node."""
        asked = tuple(self._state().questions)
        return _named(asked, named, where=self._where) if named else asked

    def answered(self) -> Mapping[str, Answer]:
        """Return the answers that are recorded and that nobody has gone on with yet."""
        state = self._state()
        asked = {one.id for one in state.asked}
        return {id_: one for id_, one in state.answers.items() if id_ in asked}

    def answer(self, choice: str, *, question: str = "", why: str = "") -> Receipt:
        """Answer what is asked; what matches none of the choices is refused and changes nothing."""
        state = self._state()
        if state.restarted_as and not state.asked:
            told = f"the run asks nothing{self._and_so(state)}"
            raise NothingAsked(told, hint=self._instead(state, "answer"))
        asked = _pick(self._open(state, question), question, where=self._where)
        if is_late(asked, self.clock.now()):
            raise Refused(f"the time of {asked.id} was up at {asked.deadline}", hint=self._go_on)
        said = require_answer(choice, asked).value
        order = Order(Action.ANSWER, self.by, why, asked.id, said)
        return self._give(order, taken=f"answered {asked.stage}: {said}")

    def cancel(self, why: str = "") -> Receipt:
        """End a run for good, whoever runs it."""
        state = self._state()
        if state.standing.is_final:
            raise Refused(
                f"the run is {state.standing} for good{self._and_so(state)}",
                hint=self._instead(state, "cancel") or "there is nothing to end",
            )
        return self._give(Order(Action.CANCEL, self.by, why), taken="canceled", then=_end)

    def pause(self, why: str = "") -> Receipt:
        """Have the runner wait after the stage in flight."""
        self._require_runner("paused", "pause")
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
        self._require_runner("steered", "steer", " TEXT")
        order = Order(Action.STEER, self.by, why, question=node, value=text)
        return self._give(order, taken="steered")

    def _state(self) -> RunState:
        directory = RunDirectory(self.root)
        return open_journal(directory.events, directory.checkpoint).state

    def _require_runner(self, what: str, command: str, words: str = "") -> None:
        if is_held(RunDirectory(self.root).lock):
            return
        state = self._state()
        first = f"go on with it first: attractor resume {reference_to(self.root)}"
        raise NobodyAtWork(
            f"nobody is at work on the run, so it cannot be {what}{self._and_so(state)}",
            hint=self._instead(state, command, words)
            or (self._where if state.standing.is_final else first),
        )

    def _open(self, state: RunState, named: str) -> tuple[Question, ...]:
        """Return what is asked; refuse where all that could be meant was answered already."""
        asked = tuple(state.questions)
        done = [one for one in state.asked if one.id in state.answers]
        meant = [one for one in done if named in ("", one.id, one.stage)]
        if meant and not any(named in ("", one.id, one.stage) for one in asked):
            answer = state.answers[meant[0].id]
            who = answer.by or "somebody"
            told = f"{who} answered {meant[0].id} already: {answer.value or answer.kind}"
            raise Refused(told, hint=self._go_on)
        return asked

    @property
    def _go_on(self) -> str:
        return f"go on with it: attractor resume {reference_to(self.root)}"

    @property
    def _where(self) -> str:
        return f"see where it stands: attractor status {reference_to(self.root)}"

    def _and_so(self, state: RunState) -> str:
        return f"; run {last_round(self.root, state)} goes on" if state.restarted_as else ""

    def _instead(self, state: RunState, command: str, words: str = "") -> str:
        """Return the command for the run that goes on in place of this one, if one does."""
        last = last_round(self.root, state)
        return f"attractor {command} {last}{words}" if last else ""

    def _give(
        self, order: Order, *, taken: str, then: Callable[[OpenRun], str] | None = None
    ) -> Receipt:
        """Leave an order; when nobody runs the run, take it from the inbox ourselves."""
        order = self._without_secrets(order)
        directory = RunDirectory(self.root)
        name = new_run_id(self.clock.now(), self.randomness)
        leave_order(directory.inbox, order, name=name)
        if is_held(directory.lock):
            words = "left for whoever runs it"
            return self._receipt(order, is_taken=False, words=words)
        try:
            with open_run(self.root, clock=self.clock, redactor=self.redactor) as run:
                _take(run, f"{name}.json", where=self._where)
                taken += then(run) if then else ""
                run.write_run()
        except LockHeld:
            return self._receipt(order, is_taken=False, words="left for whoever runs it now")
        return self._receipt(order, is_taken=True, words=taken)

    def _without_secrets(self, order: Order) -> Order:
        """Return an order as it may lie in the inbox; what would mean something else is refused."""
        if self.redactor.text(order.value) != order.value:
            raise Refused(
                "these words hold the value of a secret, which no run directory keeps",
                hint="say it without; what a command needs is a secret input of the pipeline",
            )
        return replace(order, why=self.redactor.text(order.why))

    def _receipt(self, order: Order, *, is_taken: bool, words: str) -> Receipt:
        return Receipt(
            self.root.name, order.action.value, is_taken, words, order.question, order.value
        )


def last_round(root: Path, state: RunState) -> str:
    """Return the id of the run that goes on in place of one, however often it began anew."""
    found = state.restarted_as
    while found:
        directory = RunDirectory(root.parent / found)
        if not directory.manifest.is_file():
            break
        after = open_journal(directory.events, directory.checkpoint).state.restarted_as
        if not after:
            break
        root, found = directory.root, after
    return found


def _end(run: OpenRun) -> str:
    """End a run with what its last process, which was killed, left running; tell of the latter."""
    ended = end_left_running_now(run)
    end_run(run)
    return f"; ended what it left running: {name_processes(ended)}" if ended else ""


def _take(run: OpenRun, name: str, *, where: str) -> None:
    """Take what lies in the inbox, and say so when the order of a name was refused."""
    refused = [one for one in run.take_orders() if one.order == name and not one.is_accepted]
    if refused:
        raise Refused(refused[0].why, hint=where)


def _pick(questions: tuple[Question, ...], named: str, *, where: str) -> Question:
    """Return the question that is meant: by its id or its node, or the only one."""
    if not questions:
        raise NothingAsked("the run asks nothing", hint=where)
    found = _named(questions, named, where=where)
    if len(found) == 1:
        return found[0]
    ids = " or ".join(one.id for one in found)
    raise UsageError(f"the run asks {len(found)} questions", hint=f"name one: --question {ids}")


def _named(questions: tuple[Question, ...], named: str, *, where: str) -> tuple[Question, ...]:
    """Return the questions that go by an id or a node; an id that is whole comes before those."""
    exact = tuple(one for one in questions if one.id == named)
    found = exact or tuple(one for one in questions if named in ("", one.stage))
    if not found:
        ids = ", ".join(one.id for one in questions)
        hint = f"it asks: {ids}" if ids else where
        raise NothingAsked(f"the run asks nothing by the name {named!r}", hint=hint)
    return found
