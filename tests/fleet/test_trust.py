"""A worker with the shipped rights executes runs, and can do nothing else to the fleet."""

import json
import re
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import boto3  # pyright: ignore[reportMissingTypeStubs]
import httpx
import psycopg
import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]

from attractor.base.errors import Refused
from attractor.base.json import content_hash
from attractor.fleet.database.database import open_database
from attractor.fleet.database.table import SqlTable
from attractor.fleet.decisions import MOST_LOST
from attractor.fleet.errors import BlobChanged, ForeignDatabase
from attractor.fleet.fleet import open_blobs
from attractor.fleet.records import (
    EVALUATE,
    AttemptEnd,
    Claim,
    NewRun,
    NotClaimed,
    Pool,
    Reason,
    ReasonKind,
    RowState,
    Spent,
    Worker,
    worker_id,
)
from attractor.fleet.store.blobs import MARKER
from attractor.fleet.universes import Caps
from attractor.fleet.views.reasons import in_words, remedy
from tests.examples import ROOT, RUNBOOKS
from tests.fleet.living import LivingFleet, living
from tests.fleet.postgres import USER, Cluster
from tests.fleet.rigs import SqlRig, sql_rig
from tests.fleet.s3 import s3_server
from tests.fleet.test_evaluations import start_run
from tests.patience import PATIENCE_S, wait_until
from tests.scenarios.suites import write_files, write_suite

FILES = ROOT / "examples" / "fleet"
ROLE, OTHER, EVALUATORS = "attractor_box1", "attractor_box2", "attractor_box3"
SEALED_STORE = "s3://fleet/sealed"
MINE, THEIRS = worker_id("mine"), worker_id("theirs")
HUMAN = AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.HUMAN))
ENDED = AttemptEnd(state=RowState.ENDED)


def restricted(owner_url: str) -> str:
    """Give workers their role in a database, and return the address that they get."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        # Twice: after an upgrade it is executed again.
        for _ in range(2):
            connection.execute((FILES / "agents.sql").read_bytes())
        for login, role in ((ROLE, "agents"), (OTHER, "agents"), (EVALUATORS, "evaluators")):
            # Another test made it.
            with suppress(psycopg.errors.DuplicateObject):
                made = f"create role {login} login in role attractor_{role}"
                connection.execute(made.encode())
    return owner_url.replace(f"//{USER}@", f"//{ROLE}@")


@dataclass
class Rows:
    """The rows of a fleet as its server and two of its workers reach them."""

    url: str
    owner: SqlRig
    mine: SqlTable
    theirs: SqlTable

    async def add(self, run_id: str, pool: str = "p") -> None:
        new = NewRun(run_id=run_id, head="h0", pool=pool, engine="1", max_cost_usd=4.0)
        await self.owner.table.add(new)

    async def claim(self, run_id: str) -> Claim:
        """Let the first worker claim a run."""
        claim = await self.claim_or_wait(run_id)
        assert isinstance(claim, Claim)
        return claim

    async def claim_or_wait(self, run_id: str) -> Claim | NotClaimed:
        await self.mine.beat(a_worker(MINE))
        return await self.mine.claim(run_id, (await self.run(run_id)).attempt, MINE)

    async def run(self, run_id: str) -> Any:
        return await self.mine.run(run_id)

    async def lose_mine(self) -> None:
        """Let the first worker die, and the second one sweep."""
        await self.owner.pass_time(30)
        await self.theirs.beat(a_worker(THEIRS))
        await self.theirs.sweep(THEIRS)


@pytest.fixture
async def rows(cluster: Cluster, postgres_template: str) -> AsyncGenerator[Rows]:
    owner_url = cluster.new_database(template=postgres_template)
    url = restricted(owner_url)
    async with (
        sql_rig(owner_url) as owner,
        sql_rig(url, "mine") as mine,
        sql_rig(url, "theirs") as theirs,
    ):
        yield Rows(url, owner, mine.table, theirs.table)


def a_worker(name: str) -> Worker:
    return Worker(
        id=name, name=name, pool="p", engine="1", slots=2, labels=("x",), began=0.0, beat=0.0
    )


@pytest.mark.anyio
async def test_workers_claim_commit_park_and_take_over_with_their_rights(rows: Rows) -> None:
    await rows.owner.table.set_pool(Pool("p", 1))
    await rows.owner.table.set_caps("home", Caps(max_cost_usd_per_day=50.0))
    for name in ("r", "next"):
        await rows.add(name)
    claim = await rows.claim("r")
    assert (await rows.claim_or_wait("next")).reason.kind is ReasonKind.POOL_FULL  # pyright: ignore
    claim = await rows.mine.commit(claim, "h1", Spent(1.5, 10))
    await rows.mine.set_reason(claim, Reason(ReasonKind.STORE_UNREACHABLE))
    assert (await rows.owner.table.tenants())[0].spent == Spent(1.5, 10)
    # Models paid for what was rewound, too.
    assert await rows.owner.table.order("r", "steer", {"text": "hurry"})
    claim = await rows.mine.commit(claim, "h2", Spent(1.0, 5), ["steer"])
    assert not (await rows.run("r")).orders
    assert (await rows.owner.table.tenants())[0].spent == Spent(1.5, 10)
    await rows.mine.end(claim, AttemptEnd(state=RowState.PARKED, wake_at=1.0))
    assert (await rows.run("next")).attempt == 2
    await rows.mine.end(await rows.claim("next"), ENDED)
    for lost in range(MOST_LOST):
        await rows.theirs.sweep(THEIRS)
        assert (await rows.run("r")).lost == lost
        await rows.claim("r")
        await rows.lose_mine()
    assert (await rows.run("r")).reason.kind is ReasonKind.POISON
    await rows.owner.table.want("r")
    claim = await rows.claim("r")
    await rows.owner.table.cancel("r")
    await rows.lose_mine()
    assert (await rows.run("r")).state is RowState.ENDED
    await rows.add("held")
    await rows.owner.table.hold("held", "server:s")
    await rows.lose_mine()
    assert (await rows.run("held")).state is RowState.QUEUED
    await rows.mine.drain(MINE)
    await rows.mine.leave(MINE)
    assert [worker.id for worker in await rows.mine.workers()] == [THEIRS]


ATTACKS: Sequence[LiteralString] = (
    # A commit, an end and a takeover of a run whose owner is alive.
    "update fleet_run set head = 'x', seq = seq + 1 where run_id = 'theirs'",
    "update fleet_run set head = 'x', seq = seq + 1, owner = fleet_me() where run_id = 'theirs'",
    "update fleet_run set owner = fleet_me(), epoch = epoch + 1 where run_id = 'theirs'",
    "update fleet_run set state = 'ended', owner = '' where run_id = 'theirs'",
    "update fleet_run set state = 'queued', owner = '', attempt = attempt + 1, epoch = epoch + 1 "
    "where run_id = 'theirs'",
    "update fleet_run set state = 'parked', owner = '', epoch = epoch + 1 where run_id = 'theirs'",
    "update fleet_run set cost_usd = 0 where run_id = 'theirs'",
    # With a commit of its own.
    "update fleet_run set head = 'x' where run_id = 'mine'",
    """update fleet_run set orders = '{"steer": {}}' where run_id = 'mine'""",
    """update fleet_run set orders = '{"steer": null}' where run_id = 'mine'""",
    "update fleet_run set orders = '{}' where run_id = 'ordered'",
    "update fleet_run set seq = seq + 2 where run_id = 'mine'",
    "update fleet_run set epoch = epoch + 1 where run_id = 'mine'",
    "update fleet_run set cost_usd = 'nan' where run_id = 'mine'",
    "update fleet_run set wake_at = 'infinity' where run_id = 'mine'",
    "update fleet_run set details = '[]' where run_id = 'mine'",
    "update fleet_run set state = 'lost' where run_id = 'mine'",
    "insert into fleet_head values ('mine', 9, 'x', 0)",
    "insert into fleet_head select run_id, seq, head, 0 from fleet_run where run_id = 'theirs'",
    # Runs that nobody owns.
    "update fleet_run set state = 'ended' where run_id = 'waiting'",
    "update fleet_run set state = 'queued' where run_id = 'waiting'",
    "update fleet_run set wake_at = 1 where run_id = 'waiting'",
    "update fleet_run set head = 'x', seq = seq + 1 where run_id = 'waiting'",
    "update fleet_run set state = 'running', epoch = epoch + 1, owner = fleet_me() "
    "where run_id = 'waiting'",
    "update fleet_run set state = 'running', owner = fleet_me() where run_id = 'queued'",
    "update fleet_run set epoch = epoch + 2 where run_id = 'queued'",
    "update fleet_run set lost = 2 where run_id = 'queued'",
    "update fleet_run set state = 'parked' where run_id = 'queued'",
    "update fleet_run set attempt = 2147483647 where run_id = 'queued'",
    "update fleet_run set state = 'running', epoch = epoch + 1, owner = 'server:x' "
    "where run_id = 'queued'",
    "update fleet_run set state = 'running', epoch = epoch + 1, owner = fleet_me(), head = 'x' "
    "where run_id = 'queued'",
    "update fleet_run set state = 'queued' where run_id = 'ended'",
    # Limits and places of runs.
    "update fleet_run set max_cost_usd = 1e9 where run_id = 'mine'",
    "update fleet_run set max_tokens = null where run_id = 'mine'",
    "update fleet_run set universe = 'u', project = 'q', actor = 'a' where run_id = 'mine'",
    "update fleet_run set pool = 'q', priority = 0 where run_id = 'queued'",
    "update fleet_run set cancel = true where run_id = 'theirs'",
    "update fleet_universe set caps = '{}'",
    "update fleet_universe set cost_usd = 0",
    "update fleet_universe set cost_usd = 'nan'",
    "update fleet_universe set day = day + 1, cost_usd = 0",
    "update fleet_universe set archived = true",
    "update fleet_pool set concurrency = 99",
    "update fleet_pool set share = 0.5",
    "insert into fleet_pool values ('q', 0, 1)",
    "insert into fleet_run select * from fleet_run",
    "delete from fleet_run",
    # Other workers, the lease of sweeps, and the fleet itself.
    "update fleet_worker set beat = 0 where id <> fleet_me()",
    "update fleet_worker set is_draining = true where id <> fleet_me()",
    "update fleet_worker set beat = 'infinity'",
    "update fleet_worker set id = 'x'",
    "delete from fleet_worker",
    "insert into fleet_worker values ('x', '', '', '', 1, '[]', 1, 1, false)",
    f"insert into fleet_worker values (fleet_me(), '', '', '', 1, '[{'1' * 5000}]', 1, 1, false)",
    f"update fleet_run set details = '{{\"pool\": \"{'x' * 20_000}\"}}' where run_id = 'mine'",
    "lock table fleet_worker in exclusive mode",
    "lock table fleet_run in exclusive mode",
    "update fleet_lease set holder = 'x', until = 1",
    "update fleet_lease set holder = fleet_me(), until = 1e18",
    "update fleet_meta set format = 0",
    # The guard.
    "alter table fleet_run disable trigger all",
    "drop trigger fleet_guard on fleet_run",
    "drop policy fleet_change on fleet_worker",
    "set session_replication_role = replica",
    "create or replace function fleet_me() returns text language sql as 'select ''x'''",
    "create function public.sha256(bytea) returns bytea language sql as 'select $1'",
    "update dbos.dbos_migrations set version = 0",
    "delete from dbos.workflow_status",
    f"set role {USER}",
)


@pytest.mark.anyio
async def test_attacks_by_sql_fail_and_change_nothing(rows: Rows) -> None:
    await rows.owner.table.set_pool(Pool("p", 9))
    for name in ("mine", "theirs", "ordered", "waiting", "queued", "ended"):
        await rows.add(name)
    for name, end in (("waiting", HUMAN), ("ended", ENDED)):
        claim = await rows.mine.commit(await rows.claim(name), "h1", Spent(1.0, 10))
        await rows.mine.end(claim, end)
    await rows.claim("mine")
    await rows.theirs.beat(a_worker(THEIRS))
    for name in ("theirs", "ordered"):
        assert isinstance(await rows.theirs.claim(name, 1, THEIRS), Claim)
    await rows.owner.table.order("ordered", "steer", {"text": "hurry"})
    with psycopg.connect(rows.url) as connection:
        for attack in ATTACKS:
            await rows.theirs.beat(a_worker(THEIRS))
            connection.execute("select set_config('fleet.token', 'mine', true)")
            before = contents(connection)
            try:
                done = connection.execute(attack)
                assert (attack, done.rowcount) == (attack, 0)
                assert contents(connection) == before, attack
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.SerializationFailure):
                pass
            connection.rollback()


@pytest.mark.anyio
async def test_only_workers_that_evaluate_claim_evaluations_and_nothing_else(rows: Rows) -> None:
    await rows.add("r.evaluation.1.1", EVALUATE)
    await rows.add("r")
    with pytest.raises(Refused, match=f"{MINE} may not change run r.evaluation.1.1"):
        await rows.claim("r.evaluation.1.1")
    async with sql_rig(rows.url.replace(ROLE, EVALUATORS), "evaluates") as evaluator:
        own = worker_id("evaluates")
        await evaluator.table.beat(a_worker(own))
        with pytest.raises(Refused, match=f"{own} may not change run r"):
            await evaluator.table.claim("r", 1, own)
        claim = await evaluator.table.claim("r.evaluation.1.1", 1, own)
        assert isinstance(claim, Claim)
        await evaluator.table.end(await evaluator.table.commit(claim, "h1"), ENDED)
    assert (await rows.run("r.evaluation.1.1")).state is RowState.ENDED


@pytest.mark.anyio
async def test_people_see_invalid_reasons_and_refusals(rows: Rows) -> None:
    await rows.add("mine")
    await rows.mine.set_reason(await rows.claim("mine"), Reason(ReasonKind.POOL_FULL))
    run = await rows.run("mine")
    assert in_words(run.reason) == "pool_full, with invalid figures"
    assert remedy(run.reason, run) == "attractor fleet why mine"
    with psycopg.connect(rows.url) as connection:
        connection.execute("select set_config('fleet.token', 'mine', true)")
        for details in (f'{{"until": {"1" * 5000}}}', '{"until": 1e999}', '{"pool": "\\ud800"}'):
            connection.execute("update fleet_run set details = %s", [details])
            connection.commit()
            assert in_words((await rows.run("mine")).reason) == "pool_full, with invalid figures"
            connection.execute("select set_config('fleet.token', 'mine', true)")
        connection.execute("update fleet_run set reason = 'x'")
        connection.commit()
        connection.execute("select set_config('fleet.token', 'thief', true)")
        connection.execute(
            "insert into fleet_worker "
            "values (fleet_me(), 't', 'p', '1', 1, %s, 1, fleet_now(), false)",
            ['["\\ud800"]'],
        )
    assert (await rows.run("mine")).reason is None
    [thief] = [one for one in await rows.owner.table.workers() if one.name == "t"]
    assert thief.labels == ()
    with pytest.raises(Refused, match="denies access: permission denied for table fleet_pool"):
        await rows.mine.set_pool(Pool("q", 1))
    with psycopg.connect(rows.url) as connection:
        for number in ("x", "9" * 5000, "7"):
            connection.execute(
                "insert into dbos.workflow_status (workflow_uuid, name, priority, completed_at) "
                "values (%s, 'attempt', 1, 9e18)",
                [f"mine:{number}"],
            )
    [_, invented] = await rows.owner.table.attempts("mine")
    assert (invented.number, datetime.fromtimestamp(invented.ended, UTC).year) == (7, 5138)


@pytest.mark.anyio
async def test_rights_of_workers_are_given_by_a_server_that_may_create_roles(
    cluster: Cluster,
) -> None:
    url = cluster.new_database()
    server_url = url.replace(f"//{USER}@", "//attractor_server@")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create role attractor_server login")
        name = url.rpartition("/")[2]
        connection.execute(f"alter database {name} owner to attractor_server".encode())
        async with sql_rig(server_url):
            pass
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="create role"):
            restricted(server_url)
        connection.execute("alter role attractor_server createrole")
        restricted(server_url)
    async with sql_rig(server_url.replace("attractor_server", ROLE), "mine") as mine:
        await mine.table.beat(a_worker(MINE))


LOCKS: Sequence[LiteralString] = (
    "alter role {} set search_path = pg_temp",
    "alter role {} in database {} set search_path = pg_temp",
)


@pytest.mark.anyio
async def test_stolen_login_locks_no_other_machine_out(rows: Rows) -> None:
    name = rows.url.rpartition("/")[2]
    with psycopg.connect(rows.url, autocommit=True) as thief:
        for role in (ROLE, "attractor_agents"):
            thief.execute(f"set role {role}".encode())
            for lock in LOCKS:
                thief.execute(lock.format(role, name).encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                thief.execute(f"alter role {OTHER} set search_path = pg_temp".encode())
    try:
        async with sql_rig(rows.url.replace(ROLE, OTHER), "other") as other:
            await other.table.beat(a_worker(worker_id("other")))
        with pytest.raises(ForeignDatabase, match="is not the database of a fleet"):
            await open_database(rows.url, "mine")
    finally:
        page = (RUNBOOKS / "a-lost-worker.md").read_text()
        repairs = re.findall('psql .*/fleet --command "(.*)"', page)
        assert len(repairs) == 4
        with psycopg.connect(rows.url.replace(ROLE, USER), autocommit=True) as superuser:
            for repair in repairs:
                superuser.execute(repair.replace(" fleet ", f" {name} ").encode())
    (await open_database(rows.url, "mine")).close()


def contents(connection: psycopg.Connection) -> Mapping[str, Sequence[Any]]:
    """Return all rows that can be read."""
    tables = connection.execute(
        "select quote_ident(table_schema) || '.' || quote_ident(table_name) "
        "from information_schema.tables where table_schema in ('public', 'dbos')"
    ).fetchall()
    return {
        name: connection.execute(f"select t::text from {name} t order by 1".encode()).fetchall()
        for (name,) in tables
    }


PIPELINE = """digraph linear {
  start [shape=Mdiamond]; done [shape=Msquare]
  make [shape=parallelogram, tool_command="env > made.txt; echo made"]
  ask [shape=hexagon, label="Good?"]
  more [shape=parallelogram, tool_command="sleep 2; echo more >> made.txt"]
  train [type="scenarios"]
  last [shape=parallelogram, tool_command="cat readme.txt >> made.txt"]
  start -> make -> ask
  ask -> more [label="[Y] Yes"]
  more -> train -> last -> done
}
"""
SUITE = """
name = "todo"
pipeline = "linear"
[gate]
must = ["quetzal"]
"""
TRAIN = """
id = "zebra"
title = "The zebra runs"
story = "A zebra runs at noon."
fixtures = ["hooves.txt"]

[[steps]]
name = "run"
run = "cat hooves.txt made.txt"

[[checks]]
kind = "stdout"
step = "run"
contains = "more"
"""
SEALED = """
id = "quetzal"
title = "The quetzal sings"
story = "A quetzal sings at dawn."

[[steps]]
name = "sing"
run = "grep more made.txt"

[[checks]]
kind = "exit"
step = "sing"
"""


def make_bucket(endpoint: str) -> Sequence[Mapping[str, str]]:
    """Make a bucket; return the variables of its owner, and of workers with the shipped policy.

    Workers that evaluate have the same policy for the store of sealed suites.
    """
    client(endpoint, "s3").create_bucket(Bucket="fleet")
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    owner = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    shipped = (FILES / "agents-bucket-policy.json").read_text()
    sealed = shipped.replace("/store/", "/sealed/")
    found: list[Mapping[str, str]] = []
    for name, policy in (("owner", owner), ("agents", shipped), ("evaluators", sealed)):
        people = client(endpoint, "iam")
        people.create_user(UserName=name)
        people.put_user_policy(UserName=name, PolicyName="fleet", PolicyDocument=policy)
        key = people.create_access_key(UserName=name)["AccessKey"]
        secret = {"AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        found.append({"AWS_ACCESS_KEY_ID": key["AccessKeyId"], **secret})
    # From now on, every request is checked.
    httpx.post(f"{endpoint}/moto-api/reset-auth", content=b"0").raise_for_status()
    return found


def client(endpoint: str, service: str, keys: Mapping[str, str] | None = None) -> Any:
    connect: Any = vars(boto3)["client"]  # without types
    keys = keys or {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    return connect(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        **{name.lower(): value for name, value in keys.items()},
    )


@pytest.fixture
def fleet(tmp_path: Path, cluster: Cluster, postgres_template: str) -> Iterator[LivingFleet]:
    """A fleet whose workers have only the rights of the shipped files."""
    owner_url = cluster.new_database(template=postgres_template)
    with s3_server() as environ:
        owner, agents, evaluators = make_bucket(environ["AWS_ENDPOINT_URL"])
        url, sealed = restricted(owner_url), {"ATTRACTOR_FLEET__SEALED_STORE": SEALED_STORE}
        with living(
            tmp_path,
            PIPELINE,
            database=owner_url,
            store="s3://fleet/store",
            more={**environ, **owner, **sealed},
            at_workers={**agents, "ATTRACTOR_FLEET__URL": url},
            at_evaluators={**evaluators, "ATTRACTOR_FLEET__URL": url.replace(ROLE, EVALUATORS)},
        ) as fleet:
            suite = write_suite(tmp_path / "suite", suite=SUITE, quetzal=SEALED)
            train = {"train/zebra.scenario.toml": TRAIN, "fixtures/hooves.txt": "four hooves"}
            write_files(suite, train)
            fleet.attractor("suite", "register", str(suite))
            fleet.attractor("profile", "create", "lenient", "--allow", "isolation_unverified")
            yield fleet


@pytest.mark.crash
def test_run_moves_between_workers_that_reach_no_suite_and_no_decision(fleet: LivingFleet) -> None:
    run_id = fleet.begin("--sandbox", "none", "--suite", "todo", "--profile", "lenient")
    first = fleet.start_worker()
    fleet.wait_parked(run_id)
    fleet.attractor("answer", run_id, "Yes")
    wait_until(lambda: fleet.row(run_id).owner != "", fleet.logs)
    fleet.kill(first)
    fleet.start_worker()
    fleet.wait(run_id, "evaluating")
    assert fleet.row(run_id).epoch > 2
    assert [*fleet.stages(run_id)] == ["start", "make", "ask", "more", "train", "last"]
    assert "four hooves" in (fleet.project / "runs" / run_id / "train/scenarios.txt").read_text()
    texts = [*seen_by(fleet)]
    assert is_in(texts, b"hello")
    assert not is_in(texts, b"quetzal")
    owners = set(re.findall("worker=([0-9a-f]{24})", fleet.logs()))
    assert len(owners) == 2
    secrets = {worker_id(one.decode()) for text in texts for one in set(HEX.findall(text))}
    assert not owners & secrets
    refuse_changes(fleet)
    resumed = start_run(fleet, "resume", run_id)
    # A worker with the login of others tells that, and ends.
    evaluators = fleet.at_evaluators["ATTRACTOR_FLEET__URL"]
    fleet.at_evaluators["ATTRACTOR_FLEET__URL"] = fleet.at_workers["ATTRACTOR_FLEET__URL"]
    assert fleet.start_evaluator().wait(PATIENCE_S) == 4
    assert "denies access: worker" in fleet.logs()
    fleet.at_evaluators["ATTRACTOR_FLEET__URL"] = evaluators
    fleet.start_evaluator()
    assert resumed.wait(PATIENCE_S) == 0
    assert "1 of 1 trials satisfied" in fleet.attractor("gate", run_id)
    assert is_in([*read_all(fleet, fleet.more)], b"quetzal")
    assert not is_in([*seen_by(fleet)], b"quetzal")
    refuse_suites(fleet)
    assert "No problems found" in fleet.attractor("audit", "verify")
    assert "No problems found" in fleet.attractor("fleet", "check", "--deep")
    # No machine of a worker has a ledger or its key.
    files = {path.name for path in fleet.folder.glob("machine-*/**/*")}
    assert files
    assert not files & {path.name for path in (fleet.folder / "state").glob("ledger*/**/*")}


HEX = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def seen_by(fleet: LivingFleet) -> Iterator[bytes]:
    """Yield all that a worker can read in database and store, also what is compressed."""
    with psycopg.connect(fleet.at_workers["ATTRACTOR_FLEET__URL"]) as connection:
        rows = contents(connection)
    # No ledger, suite or decision has a table here.
    assert {name for name in rows if name.startswith("public.")} == {
        f"public.fleet_{name}"
        for name in ("head", "lease", "meta", "pool", "run", "tail", "universe", "worker")
    }
    yield repr(rows).encode()
    yield from read_all(fleet, fleet.at_workers)


def read_all(fleet: LivingFleet, environ: Mapping[str, str]) -> Iterator[bytes]:
    """Yield all files of the bucket that the keys in variables may read."""
    store = client(fleet.more["AWS_ENDPOINT_URL"], "s3", keys_of(environ))
    for page in store.get_paginator("list_objects_v2").paginate(Bucket="fleet"):
        for item in page["Contents"]:
            with suppress(ClientError):
                content = store.get_object(Bucket="fleet", Key=item["Key"])["Body"].read()
                yield content
                yield from inflated(content)


def refuse_suites(fleet: LivingFleet) -> None:
    """Try to read and to add files in the store of sealed suites with the keys of a worker."""
    store = as_worker(fleet)
    found = store.list_objects_v2(Bucket="fleet", Prefix="sealed/universes")["Contents"]
    assert len(found) > 10
    for item in found:
        with pytest.raises(ClientError, match="Denied"):
            store.get_object(Bucket="fleet", Key=item["Key"])
    with pytest.raises(ClientError, match="Denied"):
        store.put_object(Bucket="fleet", Key=found[0]["Key"], Body=b"x")


def inflated(content: bytes) -> Iterator[bytes]:
    """Yield the texts of Git objects in a pack or a file."""
    for found in re.finditer(b"x[\x01\x5e\x9c\xda]", content):
        try:
            yield zlib.decompressobj().decompress(content[found.start() :])
        except zlib.error:
            continue


def is_in(texts: Sequence[bytes], word: bytes) -> bool:
    return any(word in text.lower() for text in texts)


def as_worker(fleet: LivingFleet) -> Any:
    return client(fleet.more["AWS_ENDPOINT_URL"], "s3", keys_of(fleet.at_workers))


def keys_of(environ: Mapping[str, str]) -> Mapping[str, str]:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {name: environ[name] for name in names}


def refuse_changes(fleet: LivingFleet) -> None:
    """Try to delete and to replace objects with the keys of a worker."""
    store = as_worker(fleet)
    key = store.list_objects_v2(Bucket="fleet", Prefix="store/universes")["Contents"][0]["Key"]
    attacks: Sequence[Callable[[], object]] = (
        lambda: store.delete_object(Bucket="fleet", Key=key),
        lambda: store.put_object(Bucket="fleet", Key=f"store/{MARKER}", Body=b"x"),
        lambda: store.put_object(Bucket="fleet", Key="store/universes/home/clock", Body=b""),
        lambda: store.put_object(Bucket="fleet", Key="other", Body=b""),
        lambda: store.delete_bucket(Bucket="fleet"),
    )
    for attack in attacks:
        with pytest.raises(ClientError, match="Denied"):
            attack()
    [error] = store.delete_objects(Bucket="fleet", Delete={"Objects": [{"Key": key}]})["Errors"]
    assert error["Code"] == "AccessDenied"


@pytest.mark.anyio
async def test_read_finds_a_blob_that_was_replaced(tmp_path: Path) -> None:
    with s3_server() as environ:
        owner, agents, _ = make_bucket(environ["AWS_ENDPOINT_URL"])
        await open_blobs("s3://fleet/store", {**environ, **owner})
        blobs = await open_blobs("s3://fleet/store", {**environ, **agents})
        digest = await blobs.put(b"content")
        assert await blobs.put(b"content") == digest == content_hash(b"content")
        # The stand-in does not know the condition of the policy, which refuses this on S3.
        key = f"store/universes/home/blobs/{digest}"
        store = client(environ["AWS_ENDPOINT_URL"], "s3", agents)
        store.put_object(Bucket="fleet", Key=key, Body=b"another")
        with pytest.raises(BlobChanged):
            await blobs.get(digest)
        with pytest.raises(Refused):
            await blobs.remove([digest], -1.0)
