"""Nights in virtual time: each ends or waits with one reason, and tells the truth.

The walk over the records imports nothing of `missions`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.counts import count
from tests.missions.simulation import run_night
from tests.pipeline.projects import git

NIGHTS, BLOCK = count(ci=100, full=1000), 19


def walk(folder: Path) -> dict[str, Any]:
    """Count what the records say, by their words alone."""
    lines = [json.loads(one) for one in (folder / "journal.jsonl").read_text().splitlines()]
    of = {
        kind: [one["data"] for one in lines if one["kind"] == kind]
        for kind in ("mission", "begun", "ended", "landed", "returned", "acted", "closed")
    }
    begun = {one["run_id"]: one for one in of["begun"]}
    return {**of, "runs": begun, "cost": sum(one.get("cost_usd", 0) for one in of["ended"])}


def check_night(seed: int, folder: Path) -> str:
    """Live through a night and check it; return how it ended."""
    end, dying, place = run_night(seed, folder)
    told = walk(dying.root)
    mission, branch = told["mission"][0], "attractor/mission/night"
    assert end
    most = mission.get("max_cost_usd")
    assert most is None or told["cost"] <= most + 1e-9
    ended = [one["run_id"] for one in told["ended"]]
    assert len(ended) == len({*ended})
    # Each run began once, at a commit of the branch or one that was merged for it.
    assert {*place.runs} <= {*told["runs"]}
    tip, tasks = mission["base"], list[str]()
    for one in told["landed"]:
        assert one["before"] == tip
        tip = one["after"]
        tasks.append(one["task"])
    assert len(tasks) == len({*tasks})
    repository = folder / "repository"
    assert git(repository, "rev-parse", branch).strip() == tip
    files = git(repository, "grep", "-h", "is done", branch).split("\n") if tasks else []
    assert all(f"{task} is done" in files for task in tasks)
    assert "start" in git(repository, "ls-tree", "--name-only", branch)
    assert "other" not in git(repository, "ls-tree", "--name-only", branch)
    settled = [one["run_id"] for one in (*told["landed"], *told["returned"])]
    assert len(settled) == len({*settled})
    ledger = [one for one in place.ledger.entries() if one.kind == "mission_landed"]
    assert [one.data["after"] for one in ledger] == [one["after"] for one in told["landed"]]
    for one in told["closed"]:
        verdicts = {
            told["runs"][run["run_id"]]["commit"]: run.get("verdict", "")
            for run in told["ended"]
            if told["runs"][run["run_id"]]["role"] == "judge"
        }
        assert one.get("verdict", "") == verdicts.get(tip, "")
    return end


@pytest.mark.parametrize("seed", range(5))
def test_night_of_a_fixed_seed(seed: int, tmp_path: Path) -> None:
    check_night(seed, tmp_path)


@pytest.mark.parametrize("block", range(5, NIGHTS, BLOCK))
def test_many_nights(block: int, tmp_path: Path) -> None:
    ends = [check_night(seed, tmp_path / str(seed)) for seed in range(block, block + BLOCK)]
    assert sum("all tasks are landed" in end for end in ends) > BLOCK // 4


def test_seed_repeats_a_night_to_the_byte(tmp_path: Path) -> None:
    journals = [
        (run_night(7, tmp_path / name)[1].root / "journal.jsonl").read_bytes()
        for name in ("one", "two")
    ]
    assert journals[0] == journals[1]
