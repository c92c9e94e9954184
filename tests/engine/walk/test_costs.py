"""The cost of a stage in bytes and syncs does not grow with the stages before it."""

import os
import sys
from pathlib import Path

import pytest

from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Stage
from tests.counts import count
from tests.engine.graphs import line
from tests.engine.runs import Workplace

STAGES = count(ci=1_300, full=2_000)
SOME = 200


def bytes_written() -> int:
    """Return how many bytes this process has written."""
    fields = Path("/proc/self/io").read_text().split()
    return int(fields[fields.index("wchar:") + 1])


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc/self/io")
def test_cost_of_a_stage_is_constant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    syncs: list[int] = []
    done = [0]

    def counting(file: int) -> None:
        # Count without syncing: a sync is slow, and its time depends on the disk.
        done[0] += 1

    async def measure(stage: Stage) -> Outcome:
        written.append(bytes_written())
        syncs.append(done[0])
        return success()

    monkeypatch.setattr(os, "fsync", counting)
    ids = [f"n{number}" for number in range(STAGES)]
    place = Workplace(tmp_path / "run", line(*ids), dict.fromkeys(ids, measure))
    place.run()
    assert syncs[-1] - syncs[0] == STAGES - 1
    early = (written[10 + SOME] - written[10]) / SOME
    late = (written[-1] - written[-1 - 5 * SOME]) / (5 * SOME)
    assert late <= 1.2 * early
    assert written[-1] - written[0] < 6_000 * STAGES
