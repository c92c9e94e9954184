"""Runs end as undisturbed ones, whatever happens to workers, database and store."""

import asyncio
import json
import os
import random
from pathlib import Path

import pytest

from tests.counts import count
from tests.fleet.chaos import Chaos, result_of
from tests.fleet.living import living
from tests.fleet.postgres import Cluster

SECONDS = float(os.environ.get("CHAOS_S", count(ci=8, full=60)))
RUNS = int(os.environ.get("CHAOS_RUNS", count(ci=10, full=40)))


@pytest.mark.crash
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_runs_end_as_undisturbed_ones(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url, restart = "", None
    if database == "postgres":
        cluster: Cluster = request.getfixturevalue("cluster")
        url, restart = cluster.new_database(), lambda: restart_database(cluster)
    dice = random.Random(os.environ.get("SEED", database))
    with living(tmp_path, "digraph none {}", database=url) as fleet:
        chaos = Chaos(fleet, dice, restart, store_away_s=count(ci=2.0, full=20.0))
        chaos.prepare()
        wanted = chaos.undisturbed()
        begun = asyncio.run(chaos.play(RUNS, SECONDS))
        for run_id, name in begun.items():
            assert result_of(fleet.project / "runs" / run_id) == wanted[name], (name, run_id)
        found = json.loads(fleet.attractor("fleet", "check", "--json"))
        assert found["differences"] == [], found
        assert "No problems found" in fleet.attractor("audit", "verify")
    assert chaos.faults, "nothing happened"


def restart_database(cluster: Cluster) -> None:
    with cluster.stopped():
        pass
