"""Orders to a run: replies, refusals and time limits."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.base.errors import LockHeld, Refused, VerificationError
from attractor.engine.errors import NoOpenQuestion, NoRunningProcess
from attractor.engine.journal.events import Action
from attractor.engine.outcome import Outcome, success
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.runner import Runner
from attractor.engine.seams import Stage
from attractor.engine.state.run_state import CANCELED
from attractor.engine.storage.secrets import Redactor
from attractor.pipeline import orders as module
from attractor.pipeline.orders import PATIENCE_S, OrderReply, Orders, Receipt, await_verdict
from tests.engine.graphs import line
from tests.engine.runs import RUN_ID, Workplace


def orders_to(root: Path) -> Orders:
    return Orders(root, "ada", SystemClock(), os.urandom, Redactor())


def test_order_without_a_process_hints_at_resume(tmp_path: Path) -> None:
    root = Workplace(tmp_path / RUN_ID, line("a")).root
    with pytest.raises(NoRunningProcess) as caught:
        orders_to(root).pause()
    assert caught.value.hint == f"resume it first: attractor resume {RUN_ID}"
    with pytest.raises(NoRunningProcess) as caught:
        replace(orders_to(root), runs_dir=tmp_path / "other").pause()
    assert caught.value.hint == f"resume it first: attractor resume {root}"


def test_order_that_cannot_be_executed_is_withdrawn(tmp_path: Path) -> None:
    directory = RunDirectory(Workplace(tmp_path / RUN_ID, line("a")).root)
    directory.run.write_text("{}")
    with pytest.raises(VerificationError, match="events.jsonl is missing"):
        orders_to(directory.root).cancel()
    assert not list(directory.inbox.glob("*.json"))


def test_cancel_of_an_evaluation_refuses_and_leaves_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CANCEL_PATIENCE_S", 0.2)
    place = Workplace(tmp_path / RUN_ID, line("a"))
    place.run()
    with place.open() as run:
        with pytest.raises(LockHeld, match="it is evaluating, and its process takes no orders"):
            orders_to(place.root).cancel()
        with pytest.raises(Refused, match="all stages of the run have ended"):
            orders_to(place.root).pause()
        assert (not run.take_orders(), run.state.canceled) == (True, "")
    assert orders_to(place.root).cancel().is_taken


def test_cancel_of_a_process_that_is_busy_is_not_reported_as_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CANCEL_PATIENCE_S", 0.2)
    place = Workplace(tmp_path / RUN_ID, line("a"))
    with place.open(), pytest.raises(Refused, match="the run is not canceled yet"):
        orders_to(place.root).cancel()
    assert place.run().status == CANCELED


def test_order_to_an_ended_run_does_not_hint_at_resume(tmp_path: Path) -> None:
    place = Workplace(tmp_path / RUN_ID, line("a"))
    orders = orders_to(place.root)
    cases = (
        (place.run, "all stages of the run have ended"),
        (orders.cancel, "the run is canceled, which is final"),
    )
    for end, why in cases:
        end()
        for give in (orders.pause, lambda: orders.steer("be quick")):
            with pytest.raises(Refused, match=why) as caught:
                give()
            assert caught.value.hint == f"see its state: attractor status {RUN_ID}"


def test_answer_without_an_open_question_points_to_status(tmp_path: Path) -> None:
    root = Workplace(tmp_path / "my run", line("a")).root
    for question in ("", "gate"):
        with pytest.raises(NoOpenQuestion) as caught:
            orders_to(root).answer("Y", question=question)
        assert caught.value.hint == f"see its state: attractor status '{root}'"


class Steered(Workplace):
    """A run whose only stage works until it gets a message."""

    def __init__(self, root: Path, *, takes_words: bool) -> None:
        super().__init__(root, line("a"), {"a": self.work})
        self.takes_words = takes_words
        self.heard: list[tuple[str, str]] = []
        self.reply: Receipt | Refused | None = None

    async def work(self, stage: Stage) -> Outcome:
        try:
            self.reply = await asyncio.to_thread(orders_to(self.root).steer, "be quick", why="late")
        except Refused as refused:
            self.reply = refused
        return success()

    async def steer(self, stage_id: str, text: str) -> bool:
        self.heard.append((stage_id, text))
        return self.takes_words

    def live(self) -> None:
        async def walk() -> None:
            with self.open() as run:
                runner = Runner(
                    self.graph,
                    run,
                    handlers=self.handlers,
                    workspace=self.workspace,
                    steer=self.steer,
                )
                await runner.run()

        asyncio.run(walk())


def test_steer_reports_an_accepted_message(tmp_path: Path) -> None:
    place = Steered(tmp_path / RUN_ID, takes_words=True)
    place.live()
    assert place.heard == [("a@1.1", "be quick")]
    assert isinstance(place.reply, Receipt)
    assert (place.reply.is_taken, place.reply.words) == (True, "the message was accepted")


def test_steer_reports_a_refused_message_with_its_reason(tmp_path: Path) -> None:
    place = Steered(tmp_path / RUN_ID, takes_words=False)
    place.live()
    assert isinstance(place.reply, Refused)
    assert place.reply.message == "the message was refused: no running stage accepts messages"


STEER = Order(Action.STEER, "ann", value="hey")


def test_refused_order_has_its_reason(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    file = leave_order(place.root / "inbox", STEER, name="one").name
    with place.open() as run:

        def meanwhile(seconds: float) -> None:
            run.take_orders()

        verdict = await_verdict(RunDirectory(place.root), file, sleep=meanwhile)
    assert verdict == OrderReply(False, "refused: no stage is running")


def test_executed_order_is_reported(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    order = Order(Action.PAUSE, "ann", why="lunch")
    file = leave_order(place.root / "inbox", order, name="one").name
    with place.open() as run:
        run.take_orders()
    assert await_verdict(RunDirectory(place.root), file) == OrderReply(True, "lunch")


def test_wait_for_a_reply_ends(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    with place.open() as run:
        run.take_orders()
        run.emit("Nothing", {"order": "one.json"})
    file = leave_order(place.root / "inbox", STEER, name="one").name
    waited: list[float] = []
    assert await_verdict(RunDirectory(place.root), file, sleep=waited.append) is None
    assert round(sum(waited), 3) == PATIENCE_S
