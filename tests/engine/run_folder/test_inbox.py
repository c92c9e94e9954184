from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.engine.journal.events import Action
from attractor.engine.run_folder.inbox import Inbox, Order, leave_order
from tests.tables import table

ORDER = Order(Action.ANSWER, "ann", "because", "gate@1.1", "yes")


def test_orders_wait_in_the_order_of_their_names(tmp_path: Path) -> None:
    leave_order(tmp_path, Order(Action.PAUSE, "bob"), name="B")
    leave_order(tmp_path, ORDER, name="A")
    inbox = Inbox(tmp_path)
    first, second = inbox.waiting()
    assert first.order == ORDER
    assert second.order == Order(Action.PAUSE, "bob")
    inbox.put_away(first)
    assert [one.name for one in inbox.waiting()] == ["B.json"]
    assert (tmp_path / "done" / "A.json").exists()


def test_unreadable_outcomes_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("nonsense")
    (tmp_path / "b.json").symlink_to("/dev/zero")
    (tmp_path / "c.json").write_text('{"action": "explode", "by": ""}')
    (tmp_path / "d.txt").write_text("not looked at")
    found = list(Inbox(tmp_path).waiting())
    assert [one.name for one in found] == ["a.json", "b.json", "c.json"]
    assert all(one.order is None and one.trouble for one in found)


def test_missing_inbox_is_empty(tmp_path: Path) -> None:
    assert list(Inbox(tmp_path / "none").waiting()) == []


@table("name", ["", "../x", "a/b", ".hidden"])
def test_an_order_stays_in_the_inbox(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        leave_order(tmp_path, ORDER, name=name)
