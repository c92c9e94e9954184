"""Sends orders to a run, with or without a live process, and waits for the reply."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, LockHeld, Refused, UnknownName, UsageError
from attractor.base.events import Event
from attractor.base.ids import new_run_id
from attractor.base.journal import read_lines
from attractor.base.json import Json, parse_json
from attractor.base.records import write_fields
from attractor.engine.errors import NoOpenQuestion, NoRunningProcess
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.journal.events import Action, OperatorAction
from attractor.engine.questions.question import (
    UNVERIFIED,
    Answer,
    Question,
    QuestionKind,
    proves_person,
    sort_questions,
)
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.layout import (
    Fences,
    RunDirectory,
    file_fence,
    is_held,
    read_manifest,
)
from attractor.engine.run_folder.open_run import BeforeEnd, OpenRun, end_run, open_run
from attractor.engine.state.run_state import AWAITING_ANSWER, EXECUTING, WAITING, RunState
from attractor.engine.storage.secrets import Redactor
from attractor.pipeline.source.read import read_saved_pipeline
from attractor.records.lookup import last_restart, reference_of
from attractor.records.open_work import named, pick, pick_all, read_choice, read_choices

END_PATIENCE_S = 60.0
"""The maximum time in seconds that an ended run may keep its lock."""

PATIENCE_S = 2.0
"""The maximum time in seconds to wait for a reply.

A process reads its inbox several times a second.
"""

CANCEL_PATIENCE_S = 10.0
"""The maximum time in seconds to wait until a run is canceled."""

OFTEN_S = 0.05

_POLL = timedelta(milliseconds=100)


@dataclass(frozen=True)
class OrderReply:
    """Whether an order was accepted, and the reason if it was refused."""

    is_taken: bool
    why: str = ""


def await_verdict(
    directory: RunDirectory, order: str, *, sleep: Callable[[float], None] = time.sleep
) -> OrderReply | None:
    """Return the reply to the order in a file; None if the reply takes too long."""
    for _ in range(round(PATIENCE_S / OFTEN_S)):
        # The file leaves the inbox when the journal has the reply.
        if not (directory.inbox / order).exists():
            return find_verdict(directory, order)
        sleep(OFTEN_S)
    return find_verdict(directory, order)


def find_verdict(directory: RunDirectory, order: str) -> OrderReply | None:
    """Return the reply to an order in the journal, or None."""
    found: OrderReply | None = None
    for line in read_lines(directory.events):
        # Few lines are parsed, because a journal may be long.
        if order.encode() in line.content:
            found = _read(line.content, order) or found
    return found


def _read(content: bytes, order: str) -> OrderReply | None:
    record = parse_json(content)
    if not isinstance(record, dict) or record.get("type") != OperatorAction.__name__:
        return None
    try:
        data = Event.from_record(record).data
    except AttractorError:
        return None
    if data.get("order") != order:
        return None
    return OrderReply(data.get("is_accepted") is True, str(data.get("why") or ""))


@dataclass(frozen=True)
class Receipt:
    """The result of an order: executed now, or left for the process of the run."""

    run_id: str
    action: str
    is_taken: bool
    words: str
    question: str = ""
    value: str = ""

    def to_record(self) -> dict[str, Json]:
        """Return the record of the result."""
        return write_fields(self, is_taken="taken", words="")


@dataclass(frozen=True)
class Orders:
    """Sends orders to one run, in the name of one person, who is identified by a proof.

    In the commands of hints, a run in `runs_dir` (default: the folder of the run) is named by its
    id.
    """

    root: Path
    by: str
    clock: Clock
    randomness: Callable[[int], bytes]
    redactor: Redactor
    before_end: BeforeEnd | None = None
    runs_dir: Path | None = None
    proof: str = UNVERIFIED
    fences: Fences = file_fence

    def questions(self, question: str = "") -> tuple[Question, ...]:
        """Return the open questions of the run: all, or the questions with an id or of a node."""
        asked = tuple(self._state().questions)
        return named(asked, question, where=self._status_hint) if question else asked

    def answered(self) -> Mapping[str, Answer]:
        """Return the recorded answers with which the run has not continued yet."""
        state = self._state()
        asked = {one.id for one in state.asked}
        return {id_: one for id_, one in state.answers.items() if id_ in asked}

    def answer(self, choice: str, *, question: str = "", why: str = "") -> Receipt:
        """Answer a question; an answer that matches no choice is refused and changes nothing.

        If it refuses a tool call, `why` is for the agent.
        """
        asked = pick(
            self._answerable(question),
            question,
            where=self._status_hint,
            listing=self._command("answer"),
        )
        self._require_person(asked)
        value = read_choice(choice, asked, self.clock.now(), hint=self._resume_hint, why=why)
        order = Order(Action.ANSWER, self.by, why, asked.id, value)
        return self._give(order, taken=f"answered {asked.stage}: {value}")

    def answer_all(self, choice: str, *, question: str = "", why: str = "") -> Sequence[Receipt]:
        """Give the same answer to all questions, or to all questions of one node.

        If any of these questions does not accept the answer, the answer is refused and changes
        nothing.
        """
        asked = sort_questions(
            pick_all(self._answerable(question), question, where=self._status_hint)
        )
        listing = self._command("answer")
        for one in asked:
            self._require_person(one)
        now = self.clock.now()
        values = read_choices(choice, asked, now, hint=self._resume_hint, listing=listing, why=why)
        orders = [
            Order(Action.ANSWER, self.by, why, one.id, value)
            for one, value in zip(asked, values, strict=True)
        ]
        return self._give_all(orders, taken="answered")

    def _require_person(self, question: Question) -> None:
        """Refuse to let anybody but a person say what an agent may do."""
        if question.kind is QuestionKind.APPROVAL and not proves_person(self.proof):
            raise Refused(
                "only a person can say what an agent may do, and nothing here proves one",
                hint="answer at a terminal, on the page of the run, or with a token of a person",
            )

    def cancel(self, why: str = "") -> Receipt:
        """Cancel a run, with or without a live process; raise an error if it was not canceled."""
        self._require_open(self._state(), Action.CANCEL)
        directory = RunDirectory(self.root)
        order = self._without_secrets(Order(Action.CANCEL, self.by, why, proof=self.proof))
        [file] = self._leave([order])
        for _ in range(round(CANCEL_PATIENCE_S / OFTEN_S)):
            words = self._execute([file], order.action, taken="canceled", then=_end)
            if not words and not file.exists() and find_verdict(directory, file.name):
                words = "canceled; its process ends within a few seconds"
            if words:
                return self._receipt(order, is_taken=True, words=words)
            time.sleep(OFTEN_S)
        state = self._state()
        if state.may_walk:
            raise Refused(
                "the run is not canceled yet: its process takes the order before its next stage",
                hint=self._status_hint,
            )
        # No process reads the inbox after the last stage.
        file.unlink(missing_ok=True)
        self._require_open(state, Action.CANCEL)
        raise LockHeld(
            f"the run was not canceled: it is {state.status}, and its process takes no orders",
            hint=f"stop that process or wait for its end, then: {self._command('cancel')}",
        )

    def pause(self, why: str = "") -> Receipt:
        """Pause the run after the stage in flight; its process waits."""
        self._require_runner("paused", "pause")
        return self._give(Order(Action.PAUSE, self.by, why), taken="paused")

    def is_paused(self) -> bool:
        """Return whether a process holds the run and waits because of a pause."""
        return is_held(RunDirectory(self.root).lock) and self._state().is_paused

    def needs_process(self, question: str) -> bool:
        """Return whether a run needs a new process to continue with an answer.

        A process that is about to park the run takes no more answers, so wait until it has ended.
        """
        until = self.clock.monotonic() + END_PATIENCE_S
        while is_held(RunDirectory(self.root).lock):
            state = self._state()
            is_heard = question not in [one.id for one in state.questions]
            if (
                is_heard and state.status in (EXECUTING, WAITING)
            ) or self.clock.monotonic() > until:
                return False
            time.sleep(OFTEN_S)
        return self._state().status in (EXECUTING, WAITING, AWAITING_ANSWER)

    def resume(self, why: str = "") -> Receipt:
        """Let a paused process continue."""
        return self._give(Order(Action.RESUME, self.by, why), taken="resumed")

    def steer(self, text: str, *, node: str = "", why: str = "") -> Receipt:
        """Send a message to the running stages, or to the stage of one node, and return the reply.

        A process of the run usually replies within a second.
        """
        if not text.strip():
            raise UsageError("missing message", hint="write the message after the run")
        self._require_runner("steered", "steer", " TEXT")
        self._require_node(node)
        order = Order(Action.STEER, self.by, why, question=node, value=text, proof=self.proof)
        order = self._without_secrets(order)
        verdict = self._deliver(order)
        if verdict is None:
            words = f"sent; the process of the run has not replied yet: {self._command('logs')}"
            return self._receipt(order, is_taken=False, words=words)
        if not verdict.is_taken:
            refusal = verdict.why.removeprefix(f"{order.why}; ")
            raise Refused(f"the message was {refusal}", hint=self._status_hint)
        return self._receipt(order, is_taken=True, words="the message was accepted")

    async def end_and_wait(self, why: str) -> Receipt | None:
        """Cancel the run, and wait until no process executes it.

        Return None if the run had ended before.
        """
        if self._state().status.is_final:
            return None
        receipt = await asyncio.to_thread(self.cancel, why)
        until = self.clock.monotonic() + END_PATIENCE_S
        while is_held(RunDirectory(self.root).lock):
            if self.clock.monotonic() > until:
                raise Refused(
                    f"run {self.root.name} was canceled, but its process has not ended yet",
                    hint="check it with attractor status, then try again",
                )
            await self.clock.sleep(_POLL)
        if not self._state().status.is_final:
            # The process died after it took the order.
            receipt = self.cancel(why)
        return receipt

    def _deliver(self, order: Order) -> OrderReply | None:
        """Send an order to the process of the run; return its reply, or None if it takes long."""
        directory = RunDirectory(self.root)
        file = leave_order(directory.inbox, order, name=self._new_name())
        return await_verdict(directory, file.name)

    def _has_process(self) -> bool:
        return is_held(RunDirectory(self.root).lock)

    def _state(self) -> RunState:
        directory = RunDirectory(self.root)
        return open_journal(directory.events, directory.checkpoint).state

    def _require_runner(self, what: str, command: str, words: str = "") -> None:
        state = self._state()
        self._require_open(state, command, words)
        instead = self._instead(state, command, words)
        if not (state.may_walk or state.is_restarting):
            message = f"all stages of the run have ended, so it cannot be {what}"
            raise NoRunningProcess(message, hint=self._status_hint)
        if self._has_process():
            return
        raise NoRunningProcess(
            f"no process runs this run, so it cannot be {what}{self._continued_by(state)}",
            hint=instead or f"resume it first: {self._command('resume')}",
        )

    def _require_open(self, state: RunState, command: str, words: str = "") -> None:
        """Refuse an order to a run whose status is final."""
        if state.status.is_final:
            hint = self._instead(state, command, words) or self._status_hint
            message = f"the run is {state.status}, which is final{self._continued_by(state)}"
            raise Refused(message, hint=hint)

    def _require_node(self, node: str) -> None:
        if not node:
            return
        directory = RunDirectory(self.root)
        pipeline = read_saved_pipeline(directory, read_manifest(directory), goal="", inputs=None)
        if node not in pipeline.graph.nodes:
            raise UnknownName("node", node, pipeline.graph.nodes)

    def _answerable(self, name: str) -> tuple[Question, ...]:
        """Return the questions that an answer can be for.

        Raise an error if all are answered already.
        """
        state = self._state()
        if state.restarted_as and not state.asked:
            message = f"the run has no open question{self._continued_by(state)}"
            raise NoOpenQuestion(message, hint=self._instead(state, "answer"))
        asked = tuple(state.questions)
        done = [one for one in state.asked if one.id in state.answers]
        meant = [one for one in done if name in ("", one.id, one.stage)]
        if meant and not any(name in ("", one.id, one.stage) for one in asked):
            answer = state.answers[meant[0].id]
            who = answer.by or "a person"
            message = f"{who} already answered {meant[0].id}: {answer.value or answer.kind}"
            raise Refused(message, hint=self._resume_hint)
        return asked

    @property
    def _resume_hint(self) -> str:
        return f"resume it: {self._command('resume')}"

    @property
    def _status_hint(self) -> str:
        return f"see its state: {self._command('status')}"

    def _command(self, name: str) -> str:
        return f"attractor {name} {reference_of(self.root, self.runs_dir or self.root.parent)}"

    def _last_restart(self, state: RunState) -> str:
        return last_restart(self.root, state, self.runs_dir or self.root.parent)

    def _continued_by(self, state: RunState) -> str:
        return f"; run {self._last_restart(state)} continues it" if state.restarted_as else ""

    def _instead(self, state: RunState, command: str, words: str = "") -> str:
        """Return the command for the run that continues this run, or an empty text."""
        last = self._last_restart(state)
        return f"attractor {command} {last}{words}" if last else ""

    def _give(self, order: Order, *, taken: str) -> Receipt:
        """Write an order to the inbox; if no process runs the run, execute the order here."""
        [receipt] = self._give_all([order], taken=taken)
        return receipt

    def _give_all(self, orders: Sequence[Order], *, taken: str) -> Sequence[Receipt]:
        """Write orders to the inbox; if no process runs the run, execute the orders here."""
        orders = [self._without_secrets(replace(one, proof=self.proof)) for one in orders]
        words = self._execute(self._leave(orders), orders[0].action, taken=taken)
        sent = "sent to the process of the run, which takes it within a second"
        return [self._receipt(one, is_taken=bool(words), words=words or sent) for one in orders]

    def _leave(self, orders: Sequence[Order]) -> Sequence[Path]:
        inbox = RunDirectory(self.root).inbox
        # Names of the same moment are in random order, so they are sorted.
        names = sorted(self._new_name() for _ in orders)
        return [leave_order(inbox, one, name=name) for name, one in zip(names, orders, strict=True)]

    def _execute(
        self,
        files: Sequence[Path],
        command: str,
        *,
        taken: str,
        then: Callable[[OpenRun], str] | None = None,
    ) -> str:
        """Execute orders in the inbox, and return the result in words.

        Return an empty text if another process holds the run, or has taken the orders.
        """
        if is_held(RunDirectory(self.root).lock):
            return ""
        try:
            with open_run(
                self.root,
                clock=self.clock,
                redactor=self.redactor,
                fences=self.fences,
                before_end=self.before_end,
            ) as run:
                if not all(file.exists() for file in files):
                    return ""
                # A decision may have ended the run meanwhile.
                self._require_open(run.state, command)
                _take(run, [file.name for file in files], where=self._status_hint)
                words = taken + (then(run) if then else "")
                run.write_run()
        except LockHeld:
            return ""
        except BaseException:
            # The caller gets an error, so a later process must not execute the orders.
            for file in files:
                file.unlink(missing_ok=True)
            raise
        return words

    def _new_name(self) -> str:
        return new_run_id(self.clock.now(), self.randomness)

    def _without_secrets(self, order: Order) -> Order:
        """Return an order without secrets.

        Refuse the order if redaction would change its meaning.
        """
        if self.redactor.text(order.value) != order.value:
            raise Refused(
                "the text contains a secret, which is not stored in run directories",
                hint=(
                    "leave the secret out; a command gets secrets through secret "
                    "inputs of the pipeline"
                ),
            )
        return replace(order, why=self.redactor.text(order.why))

    def _receipt(self, order: Order, *, is_taken: bool, words: str) -> Receipt:
        return Receipt(
            self.root.name, order.action.value, is_taken, words, order.question, order.value
        )


def _end(run: OpenRun) -> str:
    """Cancel a run, end its left-over processes, and return a sentence about these processes."""
    # Workspaces and environments: only cancelations need them.
    from attractor.pipeline.garbage import end_orphans_blocking, name_processes

    ended = end_orphans_blocking(run)
    end_run(run)
    return (
        f"; ended the processes that the run left running: {name_processes(ended)}" if ended else ""
    )


def _take(run: OpenRun, names: Collection[str], *, where: str) -> None:
    """Execute the orders in the inbox, and raise an error if an order in `names` was refused."""
    refused = [one for one in run.take_orders() if one.order in names and not one.is_accepted]
    if refused:
        raise Refused(refused[0].why, hint=where)
