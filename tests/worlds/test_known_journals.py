"""Actors that a server shows again and again."""

import os
from pathlib import Path

from attractor.base.locks import FileLock
from attractor.worlds.actors import Mark, Marked
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
