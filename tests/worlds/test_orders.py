"""Orders of people to actors: refused ones store nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.errors import ProcessNotStarted
from attractor.factory.open_project import OpenProject
from attractor.worlds.actors import ActorFolder, Mark, Marked
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import TaskAtWork
from attractor.worlds.orders import go_on, leave, send, start_over
from tests.worlds.flows import ANN, actor_in, open_at, send_to

Order = Callable[[ActorFolder, OpenProject], object]


def write(folder: ActorFolder, opened: OpenProject) -> object:
    return send(folder, "one more", ANN, opened)


def let_go_on(folder: ActorFolder, opened: OpenProject) -> object:
    return go_on(folder, ANN, opened)


def begin_again(folder: ActorFolder, opened: OpenProject) -> object:
    return start_over(folder, ANN, opened, print)


def give_up(folder: ActorFolder, opened: OpenProject) -> object:
    return leave(folder, ANN, opened, print)


@pytest.mark.parametrize("order", [write, let_go_on, begin_again, give_up])
def test_order_to_an_actor_whose_project_moved_stores_nothing(tmp_path: Path, order: Order) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    task = TaskAtWork(send_to(folder, opened, "one"), opened.project.machine.new_run_id())
    folder.write_task(task)
    folder.record(Marked(Mark.STOPPED, ANN, opened.now()))
    opened.project.root.rename(tmp_path / "moved")
    before = folder.signature()
    with pytest.raises(ProcessNotStarted) as refused:
        order(folder, opened)
    assert f"attractor doctor --project {folder.project.project_id}" in refused.value.hint
    assert (folder.signature(), folder.read_task()) == (before, task)
    assert [one.text for one in Inbox(folder.inbox).waiting()] == ["one"]


def test_message_is_taken_back_if_no_process_can_be_started_for_it(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    folder.log.mkdir()
    with pytest.raises(ProcessNotStarted, match="cannot start"):
        write(folder, opened)
    assert not Inbox(folder.inbox).has_messages()
