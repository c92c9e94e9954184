"""The commands of the fleet, over a real fleet on SQLite; workers are rows."""

import shlex
from pathlib import Path

from attractor.fleet.decisions import STALE_S
from attractor.fleet.records import Claim, Pool
from tests.cli.fleet_desk import (
    FleetDesk,
    fleet_desk as fleet_desk,  # a fixture
    sqlite_template as sqlite_template,  # a fixture
)
from tests.tables import table


def obey(desk: FleetDesk, command: str) -> None:
    """Do what a reason names; a worker comes as a row."""
    program, *words = shlex.split(command)
    assert program == "attractor", command
    if words[0] == "worker":
        options = dict(zip(words[1::2], words[2::2], strict=True))
        labels = (options["--label"],) if "--label" in options else ()
        desk.beat("new", pool=options["--pool"], labels=labels)
        desk.within(lambda fleet: fleet.table.sweep("new"))
        return
    done = desk.do(*words)
    assert done.returncode == 0, done.stderr


def pass_time(desk: FleetDesk, seconds: float) -> None:
    desk.rig(lambda rig: rig.pass_time(seconds))


def no_worker(desk: FleetDesk) -> None:
    desk.add("r", label="gpu")
    desk.beat(labels=("laptop",))


def draining(desk: FleetDesk) -> None:
    desk.add("r")
    desk.beat()
    assert desk.do("fleet", "drain", "w").returncode == 0


def full(desk: FleetDesk, pool: Pool, *universes: str) -> None:
    desk.beat(slots=9)
    desk.within(lambda fleet: fleet.table.set_pool(pool))
    for number, universe in enumerate(universes):
        desk.add(f"x{number}", universe=universe)
        assert isinstance(desk.claim(f"x{number}"), Claim)
    desk.add("r", universe="u")
    assert not isinstance(desk.claim("r"), Claim)


def behind(desk: FleetDesk) -> None:
    desk.beat(slots=1)
    for run_id in ("a", "b", "r"):
        desk.add(run_id)


def taking_over(desk: FleetDesk) -> None:
    desk.beat()
    desk.add("r")
    desk.claim("r")
    pass_time(desk, STALE_S + 1)
    desk.beat("other")


BY_PLACE = [
    (no_worker, "no_worker", "attractor worker --pool p --label gpu"),
    (draining, "draining", "attractor worker --pool p"),
    (
        lambda desk: full(desk, Pool("p", 2), "home", "v"),
        "pool_full",
        "attractor fleet limit p --concurrency 3",
    ),
    (
        lambda desk: full(desk, Pool("p", 5, 0.4), "u", "u"),
        "universe_full",
        "attractor fleet limit p --share 0.6",
    ),
    (taking_over, "taking_over", "attractor worker --pool p"),
]


@table(("make", "kind", "command"), BY_PLACE)
def test_reason_is_gone_after_its_command(
    tmp_path: Path,
    sqlite_template: Path,
    make,
    kind: str,
    command: str,  # pyright: ignore
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template)
    make(desk)
    assert desk.why("r")[::2] == (kind, command)
    obey(desk, command)
    # Nothing is in front of it any more: a free slot takes it.
    assert desk.why("r")[0] in ("", "behind", "taking_over")
    desk.beat("new")
    assert isinstance(desk.claim("r", "new"), Claim)
    assert desk.why("r") == ("", "", "")
