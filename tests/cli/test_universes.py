"""The commands of universes, over a real fleet on SQLite: caps, worlds and bound tokens."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.open_project import open_project
from attractor.factory.resources.profiles import make_profile
from attractor.fleet.database.schema import RUNS
from attractor.fleet.records import AttemptEnd, Claim, Pool, Reason, ReasonKind, RowState, Spent
from tests.backends.test_outside import install
from tests.cli.fleet_desk import (
    FleetDesk,
    sqlite_template as sqlite_template,  # a fixture
)
from tests.factory.resources.stores import register
from tests.fleet.living import living
from tests.patience import wait_until
from tests.pipeline.projects import make_project
from tests.scenarios.suites import write_suite

QUICK = """digraph quick {
  start [shape=Mdiamond]; done [shape=Msquare]
  make [shape=parallelogram, tool_command="true"]
  plan [prompt="Plan"]
  start -> make -> plan -> done
}
"""
TWO_STAGES = """digraph two {
  start [shape=Mdiamond]; done [shape=Msquare]
  one [prompt="first report"]; two [prompt="then report"]
  start -> one -> two -> done
}
"""
ON = ("run", "pipeline.dot", "--on", "p", "--backend", "simulate")


@pytest.fixture
def desk(tmp_path: Path, sqlite_template: Path) -> FleetDesk:
    return FleetDesk(tmp_path, sqlite_template, QUICK)


def refused(desk: FleetDesk, code: int, words: str, *command: str, **variables: str) -> None:
    done = desk.do(*command, variables=variables)
    assert (done.returncode, words in done.stderr) == (code, True), (command, done.stderr)


def begin(desk: FleetDesk, *words: str) -> str:
    done = desk.do(*ON, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_universe_shows_caps_with_sources_runs_and_space(desk: FleetDesk) -> None:
    desk.beat()
    desk.within(lambda fleet: fleet.table.set_pool(Pool("p", 8, 0.5)))
    made = desk.do("universe", "create", "u", "--max-cost-usd-per-day", "10", "--share", "0.25")
    assert (made.returncode, "--universe u" in made.stdout) == (0, True), made.stderr
    first = begin(desk, "--universe", "u", "--max-cost-usd", "3")
    capped = desk.do("universe", "caps", "u", "--world", "project", "--max-cost-usd-per-day", "4")
    assert capped.stdout == "world u/project: max_cost_usd_per_day $4.00\n", capped.stderr
    second = begin(desk, "--max-cost-usd", "3")
    assert desk.run(second).universe == "u"
    claim = desk.claim(first)
    assert isinstance(claim, Claim)
    desk.within(lambda fleet: fleet.table.commit(claim, claim.head, Spent(1.5, 20, 5)))
    assert not isinstance(desk.claim(second), Claim)
    shown = desk.do("universe", "show", "u").stdout
    for words in (
        "spent today: $1.50 + unknown, 20 tokens",
        "\nmax_cost_usd_per_day: $10.00 (universe u)",
        "\nshare of pool p: 25% (universe u)",
        "\nworld u/project: spent today $1.50 + unknown",
        "\n  max_cost_usd_per_day: $4.00 (world u/project)",
        "max_cost_usd_per_day of u/project is 4: 1.5 used, 1.5 reserved by executed runs, and the "
        "run needs 3",
    ):
        assert words in shown, shown
    record = desk.read("universe", "show", "u")
    blobs = [one for one in (desk.state / "fleet/store/universes/u").rglob("*") if one.is_file()]
    assert record["bytes"] == sum(one.stat().st_size for one in blobs)
    assert (record["blobs"], len(record["runs"])) == (len(blobs), 2)
    kind, _, command = desk.why(second)
    assert (kind, command) == (
        "budget",
        "attractor universe caps u --world project --max-cost-usd-per-day 6",
    )
    [home, row] = desk.read("universe", "list")
    assert (home["name"], row["running"], row["queued"], row["cost_usd"]) == ("home", 1, 1, 1.5)


def test_caps_refuse_at_submission(desk: FleetDesk) -> None:
    desk.do("universe", "create", "u", "--max-cost-usd-per-day", "5", "--backends", "agent,codex")
    u = (*ON, "--universe", "u")
    refused(desk, 4, "--max-cost-usd 5", *u)
    refused(desk, 4, "the run may use 6", *u, "--max-cost-usd", "6")
    refused(desk, 4, "universe u does not allow these backends: simulate", *u, "--max-cost-usd=1")
    refused(desk, 2, "unknown universe 'v'", *ON, "--universe", "v")
    refused(desk, 2, "need --on POOL", "run", "pipeline.dot", "--universe", "u")
    refused(desk, 2, "need --on POOL", "run", "pipeline.dot", "--priority", "5")
    refused(desk, 2, "--on names no pool", "run", "pipeline.dot", "--on", "")
    assert desk.do("universe", "caps", "u", "--backends", "none").returncode == 0
    run_id = begin(desk, "--universe", "u", "--max-cost-usd", "1")
    refused(desk, 4, "a world of universe u, not of home", *ON, "--universe", "home")
    desk.beat()
    desk.end(run_id, AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.BUDGET)))
    refused(desk, 4, "the run may use 9", "resume", run_id, "--max-cost-usd", "9")
    assert desk.do("resume", run_id, "--max-cost-usd", "2").returncode == 0
    assert desk.run(run_id).max_cost_usd == 2.0
    assert desk.do("universe", "archive", "u").returncode == 0
    refused(desk, 4, "universe u is archived", *ON, "--max-cost-usd", "1")
    # What was refused left no run behind.
    left = [one.name for one in (desk.project / "runs").iterdir() if one.is_dir()]
    assert left == [run_id]
    assert len(desk.read("fleet", "queue")["runs"]) == 1


def test_race_whose_attempts_a_pool_would_refuse_does_not_begin(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, QUICK.replace("digraph quick", "digraph linear"))
    opened = open_project(desk.project, {"ATTRACTOR_STATE_DIR": str(desk.state)})
    folder = write_suite(tmp_path / "suite")
    register(opened.suites, folder, now=opened.now())
    profile = make_profile("lenient", ("isolation_unverified",))
    opened.profiles.create(profile, by="ann", now=opened.now())
    desk.do("universe", "caps", "home", "--backends", "codex")
    words = ("race", "pipeline.dot", "--attempts", "2", "--with", "simulate", "--on", "p")
    judged = ("--suite", "todo", "--profile", "lenient")
    refused(desk, 4, "does not allow these backends: simulate", *words, *judged)
    assert list(opened.ledger.mentioning("race_begun")) == []


def test_invalid_universes_and_caps_are_refused(desk: FleetDesk) -> None:
    desk.do("universe", "create", "u")
    for code, words, command in (
        (2, "invalid name 'U'", ["create", "U"]),
        (2, "invalid name '../x'", ["create", "../x"]),
        (4, "already exists", ["create", "u"]),
        (2, "unknown universe 'v'", ["show", "v"]),
        (2, "unknown universe 'v'", ["caps", "v", "--share", "0.5"]),
        (2, "unknown universe 'v'", ["archive", "v"]),
        (4, "cannot be archived", ["archive", "home"]),
        (2, "missing cap", ["caps", "u"]),
        (2, "invalid share", ["caps", "u", "--share", "2"]),
        (2, "invalid value 'x'", ["caps", "u", "--max-tokens-per-day", "x"]),
        (2, "invalid max_cost", ["caps", "u", "--max-cost-usd-per-day", "-1"]),
        (2, "invalid max_cost", ["caps", "u", "--max-cost-usd-per-day", "nan"]),
        (2, "no share", ["caps", "u", "--world", "project", "--share", "0.5"]),
        (2, "unknown world", ["caps", "u", "--world", "other", "--models", "m"]),
    ):
        refused(desk, code, words, "universe", *command)


def test_head_of_another_universe_reads_nothing(desk: FleetDesk) -> None:
    for name in ("u", "v"):
        desk.do("universe", "create", name)
        desk.add(f"{name}1", universe=name)
    stolen = sa.update(RUNS).where(RUNS.c.run_id == "v1").values(head=desk.run("u1").head)
    assert desk.do("fleet", "head", "v1").returncode == 0
    # Even with the same files, only what was put there is there.
    desk.within(lambda fleet: fleet.database.transact(lambda one, _: one.execute(stolen) and None))
    refused(desk, 6, "no blob", "fleet", "head", "v1")


def test_token_of_a_universe_reaches_no_other_one(tmp_path: Path, desk: FleetDesk) -> None:
    own = begin(desk, "--universe", "home")
    desk.do("universe", "create", "u")
    mine, desk.project = desk.project, make_project(tmp_path / "other", QUICK)
    other = begin(desk, "--universe", "u")
    secret = secrets.token_hex(8)
    TokenStore(desk.state).create("ann", "decide", secret, by="ann", now=datetime.now(UTC))
    made = desk.do(
        "token", "create", "bob", "--universe", "home", variables={"ATTRACTOR_TOKEN": secret}
    )
    assert made.returncode == 0, made.stderr
    bound = {"ATTRACTOR_TOKEN": made.stdout.strip()}
    desk.beat()
    desk.end(other, AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.PAUSED)))
    for words in (
        ["fleet", "why", other],
        ["fleet", "head", other],
        ["answer", other, "yes"],
        ["resume", other],
        ["cancel", other],
        ["universe", "show", "u"],
    ):
        refused(desk, 2, "for other projects", *words, **bound)
    for words in ((), ("--universe", "u"), ("--universe", "home")):
        refused(desk, 2, "for other projects", *ON, *words, **bound)
    for words in (["create", "w"], ["caps", "u", "--share", "0.5"], ["archive", "u"]):
        refused(desk, 2, "for some projects only", "universe", *words, **bound)
    for words in (["drain", "w1"], ["limit", "p", "--concurrency", "1"]):
        refused(desk, 2, "for some projects only", "fleet", *words, **bound)
    desk.do("universe", "create", "w")
    whole = {"ATTRACTOR_TOKEN": secret}
    refused(desk, 2, "no worlds yet", "token", "create", "c", "--universe", "w", **whole)
    assert desk.run(other).state is RowState.PARKED
    shown = desk.do("fleet", "queue", "--json", variables=bound)
    assert [one["run_id"] for one in json.loads(shown.stdout)["runs"]] == [own]
    desk.project = mine
    assert desk.do("fleet", "why", own, variables=bound).returncode == 0
    assert desk.do("universe", "show", "home", variables=bound).returncode == 0


@pytest.mark.crash
def test_worker_settles_what_its_runs_spend(tmp_path: Path) -> None:
    environ = install(tmp_path, "claude")
    path = {name: environ[name] for name in ("PATH", "ANTHROPIC_API_KEY")}
    with living(tmp_path, TWO_STAGES, more=path) as fleet:
        fleet.attractor("universe", "create", "u", "--max-cost-usd-per-day", "2")
        fleet.start_worker("--slots", "1")
        for spent in (0.5, 1.0):
            words = ("--universe", "u", "--max-cost-usd", "1", "--backend", "claude")
            run_id = fleet.begin(*words, "--sandbox", "none")
            wait_until(lambda: fleet.row(run_id).state is RowState.ENDED, fleet.logs)  # noqa: B023
            assert (fleet.row(run_id).cost_usd, fleet.row(run_id).tokens) == (0.5, 44)
            shown = json.loads(fleet.attractor("universe", "show", "u", "--json"))
            assert shown["spent"] == {"cost_usd": spent, "tokens": 88 * spent, "unpriced_tokens": 0}
