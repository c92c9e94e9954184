"""A full disk ends a run with an error, and no recorded step is lost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.counts import count

ROOT = Path(__file__).parent.parent.parent


def refuse_each_call(folder: Path, error: str) -> list[dict[str, Any]]:
    step = str(count(ci=9, full=1))
    ended = subprocess.run(
        [sys.executable, "-m", "tests.engine.full_disk", str(folder), error, step],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.mark.crash
@pytest.mark.parametrize(
    ("error", "words"),
    [("ENOSPC", "No space left on device (free space"), ("EIO", "Input/output error")],
)
def test_full_disk_stops_a_resumable_run(tmp_path: Path, error: str, words: str) -> None:
    *refused, undisturbed = refuse_each_call(tmp_path, error)
    assert undisturbed["unmet"]
    assert len(refused) >= 10
    for one in refused:
        assert one["met"].startswith("3 "), one
        assert words in one["met"]
        assert (one["resumed"], one["final"], one["status"]) == ("success", "success", "evaluating")
        assert one["completed"] == ["start", "plan", "work"]
        # Only the attempt in flight is repeated.
        assert one["begun"] - undisturbed["begun"] in (0, 1)
        assert (one["flaw"], one["left_over"]) == ("", [])
