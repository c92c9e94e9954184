"""What a head may bring into a project, and what of a project a worker may see."""

import asyncio
import json
import os
import shutil
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.base.errors import Refused, VerificationError
from attractor.base.ids import new_run_id
from attractor.base.json import canonical_json
from attractor.cli.invocation import Invocation
from attractor.cli.runs.dispatch import restore_in_fleet
from attractor.engine.journal.events import RunRestarting
from attractor.engine.run_folder.open_run import open_run
from attractor.engine.storage.secrets import Redactor
from attractor.factory.errors import CopiedRun
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.settle import record_cancel, settle_ended
from attractor.factory.register import record_restart
from attractor.fleet.decisions import HOLDER
from attractor.fleet.dispatch.dispatch import NOT_FOR_WORKERS, copy_fence, without_tables
from attractor.fleet.fleet import KEEP_BLOBS_S, Fleet, open_blobs
from attractor.fleet.records import AttemptEnd, Claim, Reason, ReasonKind, RowState
from attractor.fleet.store.heads import HeadTree
from tests.cli.fleet_desk import (
    FleetDesk,
    sqlite_template as sqlite_template,  # a fixture
)
from tests.fleet.runs import ProjectInFleet
from tests.fleet.test_workers import ROUNDS
from tests.pipeline.projects import open_project

PIPELINE = "digraph one { start [shape=Mdiamond]; done [shape=Msquare]; start -> done }"
KEPT = frozenset({"fleet", "notify"})


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("runs/{other}/manifest.json", "a file of another run"),
        ("stores/{other}/HEAD", "a file of another run"),
        ("stores/{run}/config", "no file of a store"),
        ("stores/{run}/hooks/post-checkout", "no file of a store"),
        ("stores/{run}/pack/alternates", "no file of a store"),
        ("runs/{run}/elsewhere.json", "a file of the server"),
        ("runs/{run}/run.lock", "a file of the server"),
        ("runs/{run}/evaluation/1/report.json", "a file of the server"),
        ("runs/{run}/graph.0.dot", "a file of the server"),
        ("runs/{run}/manifest.json", "another manifest"),
    ],
)
def test_head_with_a_file_that_is_not_of_its_run_is_refused(
    name: str, fault: str, tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run, other = (desk.do("run", "pipeline.dot", "--on", "p").stdout.strip() for _ in range(2))
    desk.beat()
    name = name.format(run=run, other=other)

    commit(desk, run, name)
    done = desk.do("cancel", run)
    assert done.returncode != 0
    assert fault in done.stderr
    assert name in done.stderr
    assert not [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and path.read_bytes() == b"mine" and "store" not in path.parts
    ]
    assert not desk.run(run).owner.startswith(HOLDER)


@pytest.mark.parametrize("kind", ["journal", "checkpoint", "itself"])
def test_worker_cannot_name_another_run_as_the_restart_of_its_own(
    kind: str, tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run, other = (desk.do("run", "pipeline.dot", "--on", "p").stdout.strip() for _ in range(2))
    desk.beat()
    restarts = [] if kind == "itself" else [other]
    other = restarts[0] if restarts else run
    for name, content in restarted(desk, run, other, kind).items():
        commit(desk, run, f"runs/{run}/{name}", content)
        desk.within(lambda fleet: fleet.table.want(run))
    desk.within(lambda fleet: fleet.table.cancel(run))
    assert "which is another run" in desk.do("status", run).stderr
    ended = [one for one in Ledger(desk.state).entries(other) if one.kind == LineKind.ENDED]
    assert not ended
    assert not restarts or desk.read("status", restarts[0])["status"] == "queued"


def restarted(desk: FleetDesk, run: str, other: str, kind: str) -> dict[str, bytes]:
    """Return the journal of a run that another one continues, or also its checkpoint."""
    folder = desk.state / run
    shutil.copytree(desk.project / "runs" / run, folder)
    with open_run(
        folder, clock=SystemClock(), redactor=Redactor(), fences=copy_fence, before_end=None
    ) as opened:
        opened.record(RunRestarting(other, "start", 1))
    files = {"events.jsonl": (folder / "events.jsonl").read_bytes()}
    if kind == "checkpoint":
        files = {"checkpoint.json": canonical_json({"run": {"restarted_as": other}}).encode()}
    return files


def test_run_of_a_head_that_is_new_here_is_executed_elsewhere(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run = desk.do("run", "pipeline.dot", "--on", "p").stdout.strip()
    desk.beat()
    name = new_run_id(datetime.now(UTC), os.urandom)
    root = desk.project / "runs" / name
    for file in ("graph.dot", "events.jsonl", "manifest.json"):
        content = (root.with_name(run) / file).read_text().replace(run, name)
        if file == "manifest.json":
            content = canonical_json(json.loads(content) | {"parent": name, "restart": 1})
        commit(desk, run, f"runs/{name}/{file}", content.encode())
        desk.within(lambda fleet: fleet.table.want(run))
    desk.do("status", run)
    assert (root / "manifest.json").exists()
    done = desk.do("resume", name)
    assert done.returncode != 0
    assert f"run {name} is no restart of run {name}" in done.stderr


def test_damaged_run_continues_from_its_last_whole_head(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run = desk.do("run", "pipeline.dot", "--on", "p").stdout.strip()
    desk.beat()
    commit(desk, run, f"runs/{run}/first.txt")
    whole = desk.run(run).head
    assert desk.do("status", run).returncode == 0
    assert "is whole" in desk.do("fleet", "head", run, "--restore").stderr
    desk.do("resume", run)
    commit(desk, run, f"runs/{run}/second.txt")
    assert desk.do("status", run).returncode == 0
    head = desk.run(run).head
    [blob] = (desk.state / "fleet" / "store").rglob(head)
    blob.unlink()
    desk.do("resume", run)
    reason = Reason(ReasonKind.PAUSED, {"stopped": f"no blob {head}", "damaged": head})
    desk.end(run, AttemptEnd(state=RowState.PARKED, reason=reason))
    assert f"last whole head: {whole[:12]}, commit 1" in desk.do("fleet", "why", run).stdout

    command = desk.why(run)[2]
    assert command == f"attractor fleet head {run} --restore"
    done = desk.do(*command.split()[1:])
    assert "from commit 1" in done.stdout, done.stderr
    found, root = desk.run(run), desk.project / "runs" / run
    assert (found.state, found.seq, found.reason) == (RowState.QUEUED, 3, None)
    assert (root / "first.txt").exists()
    assert not (root / "second.txt").exists()
    events = [json.loads(line) for line in (root / "events.jsonl").read_text().splitlines()]
    assert head in events[-1]["data"]["why"]
    assert ": head " not in desk.do("fleet", "check", "--deep").stdout


def test_restart_after_the_last_whole_head_is_ended_and_stays_readable(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, ROUNDS)
    run = desk.within(lambda fleet: ProjectInFleet(fleet, desk.project).park(pool="p"))
    [restart] = [one.name for one in (desk.project / "runs").glob("0*") if one.name != run]
    # A restart has no row of its own.
    assert "No problems found" in desk.do("fleet", "check").stdout
    [blob] = (desk.state / "fleet" / "store").rglob(desk.run(run).head)
    blob.unlink()
    done = desk.do("fleet", "head", run, "--restore")
    assert "from commit 0" in done.stdout, done.stderr
    assert (desk.run(run).state, desk.read("status", run)["status"]) == ("queued", "queued")
    assert desk.read("status", restart)["status"] == "canceled"
    assert desk.do("audit", "verify").returncode == 0
    assert "No problems found" in desk.do("fleet", "check").stdout


def test_question_and_budgets_of_a_run_are_those_of_its_last_restart(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, ROUNDS)
    run = desk.within(lambda fleet: ProjectInFleet(fleet, desk.project).park(pool="p"))
    [restart] = [one.name for one in (desk.project / "runs").glob("0*") if one.name != run]
    assert f"attractor answer {restart}" in desk.do("resume", run).stderr
    desk.do("answer", restart, "Yes")
    desk.beat()
    desk.end(run, AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.BUDGET)))
    done = desk.do("resume", run, "--max-cost-usd", "5")
    assert done.returncode == 0, done.stderr
    raised = [
        name
        for name in (run, restart)
        if '"cost_usd":5' in (desk.project / "runs" / name / "events.jsonl").read_text()
    ]
    assert raised == [restart]


def test_run_that_a_worker_ended_before_its_restart_is_not_executed_here(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, ROUNDS)
    run = desk.within(lambda fleet: ProjectInFleet(fleet, desk.project).park(pool="p"))
    root = desk.project / "runs" / run
    [restart] = [one for one in root.parent.glob("0*") if one != root]
    shutil.rmtree(restart)
    (root / "elsewhere.json").unlink()
    settled = asyncio.run(settle_ended(root, OpenProject(open_project(desk.project))))
    assert (settled.root, settled.state.is_restarting) == (root, True)
    assert not settled.needs_resume


def test_head_that_is_whole_or_was_committed_meanwhile_is_kept(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run = desk.do("run", "pipeline.dot", "--on", "p").stdout.strip()
    desk.beat()
    commit(desk, run, f"runs/{run}/first.txt")
    # A worker of an earlier version commits without a note.
    desk.within(lambda fleet: fleet.table.drop_heads(run, after=0, until=1))
    refused = desk.do("fleet", "head", run, "--restore").stderr
    assert "is whole" in refused
    assert f"attractor resume {run}" in refused

    judged = desk.run(run)
    desk.do("resume", run)
    commit(desk, run, f"runs/{run}/second.txt")
    [blob] = (desk.state / "fleet" / "store").rglob(judged.head)
    blob.unlink()
    monkeypatch.chdir(desk.project)
    invocation = Invocation({**os.environ, "ATTRACTOR_STATE_DIR": str(desk.state)})
    with pytest.raises(Refused, match="newer head"):
        restore_in_fleet(invocation, judged)
    assert (desk.run(run).seq, desk.run(run).state) == (2, RowState.PARKED)


def test_copy_whose_head_the_store_has_no_longer_gets_the_last_one(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run = desk.do("run", "pipeline.dot", "--on", "p").stdout.strip()
    desk.beat()
    first = desk.run(run).head
    commit(desk, run, f"runs/{run}/note.txt")
    desk.age_blobs(KEEP_BLOBS_S + 60)
    desk.rig(lambda rig: rig.pass_time(KEEP_BLOBS_S + 60))
    desk.within(lambda fleet: fleet.remove_old_blobs())
    assert not [*(desk.state / "fleet" / "store").rglob(first)]
    done = desk.do("cancel", run)
    assert done.returncode == 0, done.stderr
    assert (desk.project / "runs" / run / "note.txt").read_bytes() == b"mine"


def test_diagnosis_of_a_run_in_the_fleet_names_the_fleet(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run = desk.do("run", "pipeline.dot", "--on", "p").stdout.strip()
    told = desk.do("diagnose", run).stdout
    assert "waits there for a worker" in told
    assert f"attractor fleet why {run}" in told
    assert "attractor resume" not in told


def test_worker_with_the_store_of_another_fleet_does_not_begin(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    desk.do("run", "pipeline.dot", "--on", "p")
    other = tmp_path / "other"
    asyncio.run(open_blobs(str(other), {}))
    done = desk.do("worker", "--pool", "p", variables={"ATTRACTOR_FLEET__STORE": str(other)})
    assert (done.returncode, "of another fleet" in done.stderr) == (4, True), done.stderr


@pytest.mark.parametrize("is_seen", [False, True])
def test_run_that_was_canceled_without_a_worker_is_not_resumed(
    is_seen: bool, tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run = desk.do("run", "pipeline.dot", "--on", "p").stdout.strip()
    desk.within(lambda fleet: fleet.table.cancel(run))
    if is_seen:
        assert desk.read("status", run)["status"] == "canceled"
    done = desk.do("resume", run)
    assert (done.returncode, f"{run} is canceled, which is final" in done.stderr) == (4, True)
    entries = Ledger(desk.state).entries(run)
    assert [one.data["status"] for one in entries if one.kind == LineKind.ENDED] == ["canceled"]
    assert desk.do("audit", "verify").returncode == 0


@pytest.mark.parametrize(
    ("workspace", "hint"),
    [(["desk"], "--label LABEL"), (["in-place", "--label", "l"], "--workspace isolated")],
)
def test_run_on_files_of_one_machine_is_refused_without_a_dimension_and_a_label(
    workspace: Sequence[str], hint: str, tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    desk.do("dimension", "add", "desk")
    done = desk.do("run", "pipeline.dot", "--on", "p", "--workspace", *workspace)
    assert done.returncode == 4
    assert "works on files of one machine" in done.stderr
    assert hint in done.stderr


def commit(desk: FleetDesk, run_id: str, name: str, content: bytes = b"mine") -> None:
    """Let a worker add a file to the head of a run, and park the run."""

    async def work(fleet: Fleet) -> None:
        run = await fleet.table.run(run_id)
        assert run
        claim = await fleet.table.claim(run_id, run.attempt, "w")
        assert isinstance(claim, Claim)
        tree = await HeadTree.load(await fleet.blobs_of(run.universe), claim.head)
        await tree.put(name, content)
        claim = await fleet.table.commit(claim, await tree.save())
        await fleet.table.end(claim, AttemptEnd(state=RowState.PARKED))

    desk.within(work)


@pytest.mark.parametrize(
    "text",
    [
        'fleet.url = "x"\n"notify" = {command = "x"}\nkeep = 1\n[project]\nname = "n"\n',
        '[fleet]\nurl = "x"\n[fleet.more]\na = 1\n[project]\nname = "fleet"\n',
        '"fl\\u0065et".url = "x"\n[project]\ntext = """\n[fleet]\n"""\n[notify]\na = 1\n',
        '[project]\nfleet = "kept"\n[[notify]]\na = 1\n[ notify . more ]\na = 1\n[other]\na = 1\n',
    ],
)
def test_settings_without_tables_say_the_rest_alike(text: str) -> None:
    rest = {name: value for name, value in tomllib.loads(text).items() if name not in KEPT}
    assert tomllib.loads(without_tables(text, KEPT)) == rest


def test_settings_whose_secrets_cannot_be_cut_out_are_refused() -> None:
    with pytest.raises(Refused, match="agent.mcp in a form that cannot be kept from workers"):
        without_tables('agent = { mcp = { a = "x" } }\n', NOT_FOR_WORKERS)


def test_secrets_of_servers_and_adapters_of_agents_stay_here() -> None:
    text = """[agent]
mcp.a.headers = {Authorization = "x"}
most = 1
[agent.mcp.b]
command = "b"
[agent.mcp.b.env]
KEY = "x"
[growth.adapters.mail]
token = "x"
"""
    assert tomllib.loads(without_tables(text, NOT_FOR_WORKERS)) == {"agent": {"most": 1}}


def test_restart_whose_suite_a_worker_changed_is_refused(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run = desk.do("run", "pipeline.dot", "--on", "p").stdout.strip()
    runs, opened = desk.project / "runs", OpenProject(open_project(desk.project))
    before = (runs / run / "manifest.json").read_text()

    def restart_with(parent: dict[str, str], own: dict[str, object]) -> None:
        name = new_run_id(datetime.now(UTC), os.urandom)
        shutil.copytree(runs / run, runs / name)
        kept: dict[str, object] = json.loads(before)
        if parent:
            write(runs / run / "manifest.json", json.dumps(kept | parent))
        write(
            runs / name / "manifest.json",
            json.dumps(kept | {"run_id": name, "parent": run, "restart": 1} | own),
        )
        try:
            record_restart(opened, runs / name)
        finally:
            write(runs / run / "manifest.json", before)

    weaker = {"suite": "weaker@1"}
    options = json.loads(before)["options"]
    restart_with({}, {})
    restart_with({}, {"options": options | {"model": "m"}})
    changes: Sequence[dict[str, object]] = (
        {"agents": "0" * 64},
        {"options": options | {"workspace": "in-place"}},
        {"options": options | {"promoted_by": "rm"}},
        {"run_id": run},
    )
    for parent, own in ((weaker, weaker), ({}, weaker), *(({}, one) for one in changes)):
        with pytest.raises((VerificationError, CopiedRun)):
            restart_with(parent, {**own})


def test_cancel_of_a_run_with_the_id_of_another_ends_neither(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run, other = (desk.do("run", "pipeline.dot", "--on", "p").stdout.strip() for _ in range(2))
    root, opened = desk.project / "runs" / run, OpenProject(open_project(desk.project))
    write(root / "manifest.json", (root / "manifest.json").read_text().replace(run, other))
    with pytest.raises(CopiedRun):
        record_cancel(root, opened, copy_fence)
    assert [one.kind for one in Ledger(desk.state).entries(other)] == [LineKind.CREATED]


def write(file: Path, text: str) -> None:
    file.chmod(0o600)
    file.write_text(text)
