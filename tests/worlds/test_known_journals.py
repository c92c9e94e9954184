"""Actors that a server shows again and again."""

import os
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.base.locks import FileLock
from attractor.worlds.actors import Mark, Marked
from attractor.worlds.care import rename
from attractor.worlds.status import ActorStatus, KnownJournals
from tests.worlds.flows import ANN, actor_in, open_at, send_to


def test_actor_at_rest_is_read_again_when_its_files_change(tmp_path: Path) -> None:
    opened, known = open_at(tmp_path), KnownJournals()
    folder = actor_in(opened)
    send_to(folder, opened, "first")
    os.utime(folder.inbox, (0, 0))
    before = known.read(folder)
    assert known.read(folder) is before
    send_to(folder, opened, "second")
    assert [one.text for one in known.read(folder).waiting] == ["first", "second"]
    # The inbox has just changed, and may change again without another time.
    assert known.read(folder) is not known.read(folder)
    os.utime(folder.inbox, (0, 0))
    assert known.read(folder) is known.read(folder)
    folder.record(Marked(Mark.STOPPED, ANN, opened.now()))
    assert known.read(folder).status is ActorStatus.STOPPED
    with FileLock(folder.lock).acquire():
        assert known.read(folder).has_process
    assert not known.read(folder).has_process


def test_path_of_a_renamed_actor_may_be_that_of_another(tmp_path: Path) -> None:
    opened, known = open_at(tmp_path), KnownJournals()
    first, second = (actor_in(opened, name) for name in ("first", "second"))
    for _ in range(3):
        second.record(Marked(Mark.STOPPED, ANN, opened.now()))
    assert known.read(first).status is ActorStatus.IDLE
    rename(first, "third", ANN, opened)
    rename(second, "first", ANN, opened)
    assert (known.read(first).status, known.read(first).name) == (ActorStatus.STOPPED, "first")
    # A sender who knew the former name makes no folder of it.
    with pytest.raises(UsageError, match="the actor is gone"):
        send_to(second, opened, "late")
    assert not second.root.exists()
