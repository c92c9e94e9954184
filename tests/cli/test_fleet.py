"""The commands of the fleet, over a real fleet on SQLite; workers are rows."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from syrupy.assertion import SnapshotAssertion

from attractor import __version__
from attractor.fleet.database.schema import RUNS
from attractor.fleet.decisions import STALE_S
from attractor.fleet.records import AttemptEnd, Claim, Pool, Reason, ReasonKind, RowState, Spent
from attractor.fleet.universes import Caps
from tests.cli.fleet_desk import (
    LONG_S,
    FleetDesk,
    fleet_desk as fleet_desk,  # a fixture
    sqlite_template as sqlite_template,  # a fixture
)
from tests.fleet.rigs import SqlRig
from tests.fleet.runs import ASKS, ProjectInFleet
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
    desk.lose_workers()
    desk.beat("other")


def full_pool(desk: FleetDesk) -> None:
    full(desk, Pool("p", 2), "home", "v")


def full_share(desk: FleetDesk) -> None:
    full(desk, Pool("p", 5, 0.4), "u", "u")


def capped(desk: FleetDesk, caps: Caps, *names: str) -> None:
    desk.beat(slots=9)
    desk.within(lambda fleet: fleet.table.set_pool(Pool("p", 9)))
    desk.within(lambda fleet: fleet.table.add_universe("u", caps))
    for name in (*names, "r"):
        desk.add(name, universe="u", actor=name, max_cost_usd=2.5)
    for name in names:
        assert isinstance(desk.claim(name), Claim)
    assert not isinstance(desk.claim("r"), Claim)


def capped_actors(desk: FleetDesk) -> None:
    capped(desk, Caps(max_working_actors=1), "a")


def capped_cost(desk: FleetDesk) -> None:
    capped(desk, Caps(max_cost_usd_per_day=5.5), "a", "b")


def capped_share(desk: FleetDesk) -> None:
    capped(desk, Caps(share=0.2), "a")


def capped_later(desk: FleetDesk) -> None:
    desk.beat(slots=9)
    desk.within(lambda fleet: fleet.table.add_universe("u"))
    for name in ("a", "r"):
        desk.add(name, universe="u")
    spend(desk, "a", 0.5)
    desk.within(lambda fleet: fleet.table.set_caps("u", Caps(max_cost_usd_per_day=5.5)))
    assert not isinstance(desk.claim("r"), Claim)


def spend(desk: FleetDesk, name: str, cost_usd: float) -> None:
    claim = desk.claim(name)
    assert isinstance(claim, Claim)
    following = desk.within(lambda fleet: fleet.table.commit(claim, "x", Spent(cost_usd)))
    desk.within(lambda fleet: fleet.table.end(following, AttemptEnd(state=RowState.ENDED)))


BY_PLACE = [
    (capped_actors, "limit", "attractor universe caps u --max-working-actors 2"),
    (capped_cost, "budget", "attractor universe caps u --max-cost-usd-per-day 7.5"),
    (capped_later, "budget", "attractor universe caps u --max-cost-usd-per-day none"),
    (capped_share, "limit", "attractor universe caps u --share 0.23"),
    (no_worker, "no_worker", "attractor worker --pool p --label gpu"),
    (draining, "draining", "attractor worker --pool p"),
    (full_pool, "pool_full", "attractor fleet limit p --concurrency 3"),
    (full_share, "universe_full", "attractor fleet limit p --share 0.6"),
    (taking_over, "taking_over", "attractor worker --pool p"),
    (behind, "behind", "attractor worker --pool p"),
]


@table(("make", "kind", "command"), BY_PLACE)
def test_reason_is_gone_after_its_command(
    tmp_path: Path,
    sqlite_template: Path,
    make: Callable[[FleetDesk], None],
    kind: str,
    command: str,
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


def test_reason_of_a_refused_run_is_what_is_full_now(fleet_desk: FleetDesk) -> None:
    desk = fleet_desk
    desk.beat(slots=9)
    desk.within(lambda fleet: fleet.table.set_pool(Pool("p", 1)))
    desk.within(lambda fleet: fleet.table.add_universe("u", Caps(max_cost_usd_per_day=5.0)))
    for name in ("a", "r"):
        desk.add(name, universe="u", max_cost_usd=2.0)
    assert isinstance(desk.claim("a"), Claim)
    assert not isinstance(desk.claim("r"), Claim)
    assert desk.why("r")[0] == "pool_full"
    # A stage may cost more than was left of a budget.
    spend(desk, "a", 4.0)
    assert desk.why("r")[::2] == ("budget", "attractor universe caps u --max-cost-usd-per-day 6")
    assert desk.read("fleet", "demand") == []
    desk.do("universe", "caps", "u", "--max-cost-usd-per-day", "5.5")
    assert "max_cost_usd_per_day of u is 5.5: 4 used" in desk.why("r")[1]


PARKED = [
    (Reason(ReasonKind.PAUSED, {"stopped": "no model"}), 0, "stopped: no model", ""),
    (
        Reason(ReasonKind.POISON, {"worker": "w", "lost": 3}),
        0,
        "it lost 3 workers in one stage",
        "",
    ),
    (None, 9e9, "waits for a timer until 2255-03-14 16:00:00 UTC", ""),
    (Reason(ReasonKind.LIMIT, {"stopped": "m"}), 9e9, "at its limit until 2255-03-14 16:00", ""),
    (
        Reason(ReasonKind.BUDGET, {"stopped": "the budget max_cost_usd is exhausted: 2 of 1"}),
        0,
        "has used up a budget: the budget max_cost_usd",
        " --max-cost-usd 4.00",
    ),
]


def test_parked_run_continues_in_its_pool(tmp_path: Path, sqlite_template: Path) -> None:
    desk = FleetDesk(
        tmp_path,
        sqlite_template,
        "digraph x { start [shape=Mdiamond]; "
        "exit [shape=Msquare]; a [shape=parallelogram, tool_command=true]; start -> a -> exit }",
    )
    begun = desk.do("run", "pipeline.dot", "--on", "p")
    run_id = begun.stdout.strip()
    assert f"'attractor resume {run_id}' delivers and evaluates it" in begun.stderr
    assert desk.why(run_id)[0] == "no_worker"
    desk.beat()
    for reason, wake_at, words, more in PARKED:
        end = AttemptEnd(state=RowState.PARKED, reason=reason, wake_at=wake_at)
        desk.end(run_id, end)
        kind, said, command = desk.why(run_id)
        assert kind == (reason.kind if reason else "timer")
        assert words in said
        assert command == f"attractor resume {run_id}{more}"
        obey(desk, command)
        assert desk.run(run_id).state is RowState.QUEUED
        assert desk.why(run_id)[0] == "behind"
    events = (desk.project / "runs" / run_id / "events.jsonl").read_text()
    assert '"set_by_caller":{"cost_usd":4.0' in events
    again = desk.do("resume", run_id)
    assert again.returncode == 4
    assert f"run {run_id} is queued: it is the next one of its queue" in again.stderr
    desk.end(run_id, AttemptEnd(state=RowState.PARKED))
    other = desk.do("resume", run_id, "--interviewer", "console")
    assert (other.returncode, "only budgets can be changed" in other.stderr) == (2, True)
    for words in (["pause", run_id], ["steer", run_id, "Hurry"]):
        refused = desk.do(*words)
        assert (refused.returncode, "no worker executes" in refused.stderr) == (4, True)
    desk.do("resume", run_id)
    assert f"run {run_id}: paused" in desk.do("pause", run_id, "--reason", "lunch").stdout
    kind, said, command = desk.why(run_id)
    assert (kind, command) == ("paused", f"attractor resume {run_id}")
    assert "paused by" in said
    assert ": lunch" in said


def test_question_is_gone_after_its_answer(tmp_path: Path, sqlite_template: Path) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, ASKS)
    run_id = desk.within(lambda fleet: ProjectInFleet(fleet, desk.project).park(pool="p"))
    kind, _, command = desk.why(run_id)
    assert (kind, command) == ("human", f"attractor answer {run_id}")
    assert "Good?" in desk.do(*command.split()[1:]).stdout
    # A run of the fleet asks at no terminal.
    assert "resume" not in desk.do("status", run_id).stdout
    obey(desk, f"{command} Yes")
    desk.beat()
    assert desk.why(run_id)[0] == "behind"
    assert isinstance(desk.claim(run_id), Claim)
    assert desk.why(run_id) == ("", "", "")


def test_run_of_a_worker_says_what_it_waits_for(fleet_desk: FleetDesk) -> None:
    desk = fleet_desk
    desk.beat(slots=1)
    for run_id in ("a", "b", "c"):
        desk.add(run_id)
    assert desk.why("c") == (
        "behind",
        "behind 2 runs of its queue (1 slot of 1 worker)",
        "attractor worker --pool p",
    )
    claim = desk.claim("a")
    assert isinstance(claim, Claim)
    assert desk.why("a") == ("", "", "")
    away = Reason(ReasonKind.STORE_UNREACHABLE)
    desk.within(lambda fleet: fleet.table.set_reason(claim, away))
    assert desk.why("a")[::2] == ("store_unreachable", "attractor fleet status")
    desk.end("b", AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.HUMAN)))
    assert desk.why("b")[::2] == ("human", "attractor answer b")
    desk.within(lambda fleet: fleet.table.hold("b", "server:s"))
    assert desk.why("b") == ("paused", "server:s changes it", "attractor fleet why b")
    desk.lose_workers()
    assert desk.why("a")[0] == "no_worker"
    desk.add("old", engine="0.0.1")
    _, words, command = desk.why("old")
    assert words == "no worker serves pool p, attractor 0.0.1 (there are no workers)"
    assert command == "pip install 'attractor[fleet]==0.0.1' && attractor worker --pool p"


def test_lists_for_people(fleet_desk: FleetDesk, snapshot: SnapshotAssertion) -> None:
    desk = fleet_desk
    empty = [desk.do("fleet", word).stdout for word in ("queue", "workers", "pool", "demand")]
    desk.beat("w1", labels=("gpu", "laptop"))
    desk.beat("w2", name="second", pool="evaluate")
    desk.within(lambda fleet: fleet.table.drain("w2"))
    # Who changes a run now is no worker.
    desk.beat("server:s", pool="", engine="", slots=0)
    desk.add("a")
    desk.claim("a", "w1")
    desk.add("b", universe="u")
    desk.add("c", pool="evaluate")
    desk.add("d")
    desk.end("d", AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.HUMAN)), "w1")
    limited = desk.do("fleet", "limit", "p", "--concurrency", "4", "--share", "0.5")
    # Ages do not depend on the speed of this machine.
    older = sa.update(RUNS).values(changed=RUNS.c.changed - 7300)
    desk.rig(lambda rig: rig.database.transact(lambda one, _: one.execute(older) and None))
    shown = [
        desk.do("fleet", *words).stdout
        for words in (
            ["status"],
            ["queue"],
            ["queue", "--universe", "u"],
            ["queue", "--pool", "none"],
            ["workers"],
            ["pool"],
            ["demand"],
            ["demand", "--format", "prometheus"],
            ["why", "c"],
            ["head", "a"],
        )
    ]
    text = "\n".join([*empty, limited.stdout, *shown])
    assert text.replace(str(desk.state), "STATE").replace(__version__, "VERSION") == snapshot
    [first, *_] = desk.read("fleet", "workers")
    assert (first["id"], first["runs"], first["status"]) == ("w1", ["a"], "serving")
    assert desk.read("fleet", "head", "a")["files"] == 2
    assert desk.read("fleet", "status")["pools"]["p"]["parked"] == 1


def test_demand_counts_what_limits_leave_room_for(fleet_desk: FleetDesk) -> None:
    desk = fleet_desk
    desk.beat(slots=9)
    for number in range(5):
        desk.add(f"u{number}", universe="u")
        desk.add(f"v{number}", universe="v", label="gpu")
    assert [one["startable"] for one in desk.read("fleet", "demand")] == [5, 5]
    desk.claim("u0")
    desk.do("fleet", "limit", "p", "--concurrency", "4", "--share", "0.5")
    assert {one["universe"]: one["startable"] for one in desk.read("fleet", "demand")} == {
        "u": 1,
        "v": 2,
    }
    # A lost worker takes no room: another one has to come.
    desk.lose_workers()
    assert sum(one["startable"] for one in desk.read("fleet", "demand")) == 4
    desk.add("due", pool="q")
    desk.beat("w2", pool="q")
    desk.end("due", AttemptEnd(state=RowState.PARKED, wake_at=1.0), "w2")
    assert desk.read("fleet", "demand")[-1]["pool"] == "q"


def test_names_and_limits_that_make_no_sense_are_refused(fleet_desk: FleetDesk) -> None:
    desk = fleet_desk
    for name in ("w1", "w2"):
        desk.beat(name, name=f"host-{name}")
    desk.add("AAA1")
    desk.add("AAA2")
    for words, fault in [
        (["limit", "p"], "missing limit"),
        (["limit", "p", "--share", "nan"], "invalid limits"),
        (["limit", "p", "--share", "0"], "invalid limits"),
        (["limit", "p", "--share", "1.5"], "invalid limits"),
        (["limit", "p", "--concurrency", "-1"], "not in the range"),
        (["limit", "p@1+x", "--concurrency", "1"], "invalid name"),
        (["drain", "host"], "ambiguous worker"),
        (["drain", "nobody"], "unknown worker"),
        (["why", "AAA"], "several runs"),
        (["why", "BBB"], "no run"),
        (["why", "%"], "no run"),
        (["head", ""], "several runs"),
    ]:
        done = desk.do("fleet", *words)
        assert (done.returncode, fault in done.stderr) == (2, True), (words, done.stderr)
    assert desk.read("fleet", "pool")[0]["concurrency"] == 0
    assert desk.do("fleet", "drain", "host-w1").returncode == 0
    assert desk.read("fleet", "why", "AAA1")["run_id"] == "AAA1"


def test_check_finds_each_damage(fleet_desk: FleetDesk) -> None:
    desk = fleet_desk
    desk.beat()
    for run_id in ("fine", "gone", "changed", "queued", "dead", "removed"):
        desk.add(run_id)
    assert desk.read("fleet", "check", "--deep")["differences"] == []
    desk.beat("dead")
    desk.claim("dead", "dead")

    async def plant(rig: SqlRig) -> None:
        await rig.finish("queued:1")
        await rig.pass_time(LONG_S + STALE_S)
        remove = sa.delete(RUNS).where(RUNS.c.run_id == "removed")
        await rig.database.transact(lambda connection, _: connection.execute(remove) and None)

    desk.rig(plant)
    blobs = desk.state / "fleet" / "store" / "universes" / "home"
    head = desk.run("gone").head
    (blobs / head[:2] / head[2:4] / head).unlink()
    [file] = [one for one in blobs.rglob("*") if one.is_file() and one.read_bytes() == b"changed"]
    file.chmod(0o600)
    file.write_bytes(b"CHANGED")
    copy = desk.project / "runs" / "lost"
    copy.mkdir(parents=True)
    (copy / "elsewhere.json").write_text("{}")
    shallow = json.loads(desk.do("fleet", "check", "--json").stdout)
    assert [(one["run_id"], one["kind"]) for one in shallow["differences"]] == [
        ("dead", "owner_dead"),
        ("lost", "row_missing"),
        ("queued", "attempt_missing"),
        ("removed", "attempt_unknown"),
        ("gone", "blob_missing"),
    ]
    assert (shallow["unreached"], shallow["unreached_bytes"]) == (7, None)
    deep = desk.do("fleet", "check", "--deep")
    assert deep.returncode == 6
    assert (
        f"run changed: head {desk.run('changed').head[:12]}, commit 0: the content" in deep.stdout
    )
    assert "run lost: " in deep.stdout
    # One worker repairs what it can.
    desk.beat()
    desk.within(lambda fleet: fleet.table.sweep("w"))
    left = json.loads(desk.do("fleet", "check", "--json").stdout)["differences"]
    assert {one["kind"] for one in left} == {"row_missing", "attempt_unknown", "blob_missing"}
