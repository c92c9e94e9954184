"""Whoever gave an order hears what became of it, and does not wait for ever."""

from pathlib import Path

from attractor.engine.orders import Action, Order, leave_order
from attractor.engine.run_folder.layout import RunDirectory
from attractor.pipeline.order_verdicts import PATIENCE_S, Verdict, await_verdict
from tests.engine.graphs import line
from tests.engine.runs import Workplace

STEER = Order(Action.STEER, "ann", value="hey")


def test_what_was_refused_is_told_with_the_reason(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    file = leave_order(place.root / "inbox", STEER, name="one").name
    with place.open() as run:

        def meanwhile(seconds: float) -> None:
            run.take_orders()

        verdict = await_verdict(RunDirectory(place.root), file, sleep=meanwhile)
    assert verdict == Verdict(False, "refused: no stage is at work that could be steered")


def test_what_was_followed_is_told(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    order = Order(Action.PAUSE, "ann", why="lunch")
    file = leave_order(place.root / "inbox", order, name="one").name
    with place.open() as run:
        run.take_orders()
    assert await_verdict(RunDirectory(place.root), file) == Verdict(True, "lunch")


def test_where_nobody_says_anything_the_wait_ends(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    with place.open() as run:
        run.take_orders()
        run.emit("Nothing", {"order": "one.json"})
    file = leave_order(place.root / "inbox", STEER, name="one").name
    waited: list[float] = []
    assert await_verdict(RunDirectory(place.root), file, sleep=waited.append) is None
    assert round(sum(waited), 3) == PATIENCE_S
