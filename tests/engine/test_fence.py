from pathlib import Path

import pytest

from attractor.base.errors import LockHeld
from attractor.engine.errors import FenceLost
from attractor.engine.fence import FileFence


def test_a_fence_is_given_up_as_often_as_it_was_begun(tmp_path: Path) -> None:
    fence, other = FileFence(tmp_path / "run.lock"), FileFence(tmp_path / "run.lock")
    fence.begin()
    fence.begin()
    fence.end()
    with pytest.raises(LockHeld):
        other.begin()
    fence.end()
    fence.end()
    other.begin()
    other.end()


def test_a_fence_whose_file_was_replaced_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    fence = FileFence(path)
    assert fence.is_lost
    fence.begin()
    fence.commit()
    path.rename(tmp_path / "old.lock")
    assert fence.is_lost
    path.touch()
    with pytest.raises(FenceLost):
        fence.commit()
    fence.end()
