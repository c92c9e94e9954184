"""Servers start what is due once, also several of them, and after kills."""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE, TimeoutExpired
from typing import Any

import httpx
import pytest

from attractor.automations.automation import AfterPromotion, TicketCommand, TriggerKind
from attractor.automations.schedule import CatchUp, Schedule
from attractor.automations.start import Starting
from attractor.automations.store import (
    AutomationFolder,
    create_automation,
    hold_starts,
    remove_automation,
)
from attractor.base.clock import ManualClock
from attractor.base.errors import Refused
from attractor.base.fenced import unfenced
from attractor.base.json import JsonObject
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operator_process import Scope
from attractor.server.automations import AT_ONCE, EVERY_S, AutomationLoop, AutomationProject
from attractor.server.processes import keyed_work
from attractor.server.processes.repeated import Repeated
from attractor.server.processes.run_processes import PROGRAM
from tests.automations.desk import PIPELINE, automation_in, make_opened, variables_of
from tests.base.running import command_lines
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import Process, begin_prepared
from tests.server.conftest import RunningServer, service_of, serving
from tests.tables import table

RUNS, NIGHTLY_RUNS = (f"/api/v1/automations/{name}/runs" for name in ("review", "nightly"))
EACH_MINUTE = Schedule("* * * * *", "UTC", CatchUp.ALL)
SECRET = "a-key-of-the-operator"
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"ticket": {"type": "string"}},
    "additionalProperties": False,
}


@contextmanager
def served(project: Path) -> Generator[Process]:
    """Serve a project by a process of its own, which is killed at the end of the block."""
    words = ["serve", "--port", "0", "--json"]
    server = begin_prepared(words, folder=project, variables=variables_of(project), stdout=PIPE)
    assert server.stdout
    try:
        with server.stdout as printed:
            assert "url" in json.loads(printed.readline())
            yield server
    finally:
        server.kill()
        server.wait(PATIENCE_S)


def triggers(opened: OpenProject) -> Sequence[dict[str, Any]]:
    """Return the triggers of all runs of a project, oldest first."""
    found = sorted(opened.project.runs_dir.glob("*/manifest.json"))
    return [json.loads(one.read_text())["options"]["trigger"] for one in found]


def await_runs(opened: OpenProject, runs: int) -> None:
    """Wait until a project has so many runs."""
    wait_until(lambda: len(triggers(opened)) >= runs)


def fresh(folder: AutomationFolder) -> AutomationFolder:
    """Return the folder without what was read before."""
    return AutomationFolder(folder.root)


def is_settled(folder: AutomationFolder, claims: int) -> bool:
    """Return whether so many claims were made, and each was carried out."""
    starts = fresh(folder).starts.read()
    return len(starts.last) >= claims and not starts.pending


@pytest.mark.crash
def test_two_servers_that_are_killed_start_each_occurrence_once(tmp_path: Path) -> None:
    opened = make_opened(tmp_path / "project")
    project = opened.project.root
    created = opened.now() - timedelta(minutes=4)
    folder = create_automation(automation_in(opened, created=created, schedule=EACH_MINUTE), opened)
    with ExitStack() as stack:
        servers = [stack.enter_context(served(project)) for _ in range(2)]
        for runs, server in enumerate(servers, 1):
            await_runs(opened, runs)
            server.kill()
        stack.enter_context(served(project))
        wait_until(lambda: is_settled(folder, 4))
        fresh(folder).starts.switch(is_paused=True, by="ann", now=opened.now())
    claimed = [start.claim for start in fresh(folder).starts.read().last]
    expected = EACH_MINUTE.between(created, opened.now())
    occurrences = [one.isoformat() for one, _ in zip(expected, claimed, strict=False)]
    assert [one.occurrence for one in claimed] == occurrences
    await_runs(opened, len(occurrences))
    assert sorted(one["occurrence"] for one in triggers(opened)) == occurrences
    made = [one.data["trigger"] for one in opened.ledger.entries() if one.kind == LineKind.CREATED]
    assert sorted(str(one["occurrence"]) for one in made if isinstance(one, dict)) == occurrences


def processes_of_claims() -> list[int]:
    """Return the processes that begin the run of a claim."""
    lines = command_lines()
    return [one for one in lines if any(word.startswith("--claimed=") for word in lines[one])]


@pytest.mark.crash
def test_claim_of_a_process_that_was_killed_before_its_run_starts_once(tmp_path: Path) -> None:
    opened = make_opened(tmp_path / "project")
    automation = automation_in(opened, schedule=None, has_http=True, schema=SCHEMA)
    folder = create_automation(automation, opened)
    lock = hold_starts(folder, 0)
    with served(opened.project.root) as server:
        claim = folder.starts.claim(
            TriggerKind.TICKET, "A-1", opened.project.machine.new_run_id, opened.now()
        )
        assert claim
        time.sleep(1)
        server.kill()
    service = service_of(opened.project.root)
    service = replace(service, processes=replace(service.processes, program=PROGRAM))
    with serving(service) as running, ThreadPoolExecutor(1) as pool:
        others = {*processes_of_claims()}
        with running.client(Scope.OPERATE) as client:
            asked = pool.submit(client.post, NIGHTLY_RUNS, json={"inputs": {}})
            wait_until(lambda: {*processes_of_claims()} - others)
            for number in {*processes_of_claims()} - others:
                os.kill(number, signal.SIGKILL)
            answer = asked.result(PATIENCE_S)
            assert (answer.status_code, answer.json()["status"]) == (201, "queued")
        start = fresh(folder).starts.read().find(answer.json()["id"])
        assert start
        assert (start.state, "ended without a result" in start.fault) == ("claimed", True)
        assert [row[1] for row in attention(running)] == [
            "a start waits, which failed: the process ended without a result"
        ]
        assert triggers(opened) == []
        lock.release()
        wait_until(lambda: is_settled(folder, 2))
        await_runs(opened, 2)
        time.sleep(2)
    assert [one["kind"] for one in triggers(opened)] == ["ticket", "http"]


@pytest.mark.crash
def test_start_that_is_ended_by_a_signal_is_begun_once(tmp_path: Path) -> None:
    opened = make_opened(tmp_path / "project")
    project = opened.project.root
    folder = create_automation(automation_in(opened), opened)
    for number in range(count(ci=4, full=20)):
        claim = folder.starts.claim(
            TriggerKind.SCHEDULE, str(opened.now()), opened.project.machine.new_run_id, opened.now()
        )
        assert claim
        words = ["automation", "run", "nightly", f"--claimed={claim.run_id}", "--json"]
        for pause in (number / count(ci=4, full=20), 60):
            process = begin_prepared(words, folder=project, variables=variables_of(project))
            with suppress(TimeoutExpired):
                process.wait(pause)
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
            start = fresh(folder).starts.read().find(claim.run_id)
            assert start
            made = [one for one in opened.ledger.entries(claim.run_id) if one.kind == "created"]
            # An occurrence is settled only if its run is known.
            assert start.state in ("begun" if made else "claimed", "claimed")
        assert (start.state, len(made)) == ("begun", 1)
    assert len(triggers(opened)) == count(ci=4, full=20)


def test_time_of_a_schedule_waits_while_no_process_is_free(tmp_path: Path) -> None:
    opened = make_opened(tmp_path / "project")
    begin = opened.now().replace(second=10)
    schedule = replace(EACH_MINUTE, catch_up=CatchUp.NONE)
    folder = create_automation(automation_in(opened, created=begin, schedule=schedule), opened)
    for number in range(AT_ONCE):
        folder.starts.claim(
            TriggerKind.TICKET, f"A-{number}", opened.project.machine.new_run_id, begin
        )
    full = replace(service_of(opened.project.root).processes, most=0)
    clock = ManualClock(begin)
    state = opened.project.machine.state_dir
    automations = AutomationLoop(state, lambda _: AutomationProject(opened, full), clock)
    look, end = automations.look, automations.end
    loop = Repeated("automations", look, pytest.fail, every_s=EVERY_S, end=end)
    loop.start()
    try:
        asyncio.run(clock.turn(timedelta(minutes=1)))
        wait_until(lambda: len(fresh(folder).starts.read().pending) > AT_ONCE)
        # Without a claim within a minute, it would be missed.
        asyncio.run(clock.turn(timedelta(minutes=5)))
        wait_until(lambda: len(fresh(folder).starts.read().pending) > AT_ONCE + 1)
    finally:
        loop.stop()
    scheduled = [one.kind for one in fresh(folder).starts.read().pending][AT_ONCE:]
    assert scheduled == [TriggerKind.SCHEDULE] * 2


@pytest.fixture
def opened(tmp_path: Path) -> OpenProject:
    return make_opened(tmp_path / "project")


@pytest.fixture
def running(opened: OpenProject) -> Generator[RunningServer]:
    with serving(service_of(opened.project.root)) as server:
        yield server


def start_token(server: RunningServer, opened: OpenProject, automation: str) -> dict[str, str]:
    """Return the headers with a token that starts runs of an automation."""
    secret = f"a-secret-token-of-{automation}"
    server.service.access.tokens.create(
        automation,
        Scope.START,
        secret,
        by="ann",
        now=opened.now(),
        projects=[opened.identity.project_id()],
        automation=automation,
    )
    return {"authorization": f"Bearer {secret}"}


def test_request_starts_a_run_with_the_inputs_that_the_schema_allows(
    running: RunningServer, opened: OpenProject
) -> None:
    automation = automation_in(
        opened,
        "review",
        schedule=None,
        has_http=True,
        schema=SCHEMA,
        inputs={"where": "lib"},
        max_cost_usd=1.5,
    )
    folder = create_automation(automation, opened)
    headers = start_token(running, opened, "review")
    with httpx.Client(base_url=running.url, headers=headers, timeout=PATIENCE_S) as client:
        wrong = client.post(RUNS, json={"inputs": {"where": "elsewhere"}})
        assert (wrong.status_code, "where is fixed" in wrong.text) == (400, True)
        done = client.post(RUNS, json={"inputs": {"ticket": "A-1"}})
        assert done.status_code == 201, done.text
        run = done.json()["id"]
        # The token does nothing else.
        assert client.get(f"/pipelines/{run}").status_code == 403
        assert client.get("/api/v1/automations/review").status_code == 403
        assert client.post("/pipelines", json={"file": "pipeline.dot"}).status_code == 403
        assert client.post("/api/v1/automations/other/runs", json={}).status_code == 404
    with running.client(Scope.READ) as client:
        assert client.post(RUNS, json={}).status_code == 403
        shown = client.get("/api/v1/automations/review").json()
        assert (shown["schema"], shown["starts"][0]["run_id"]) == (SCHEMA, run)
        assert [one["name"] for one in client.get("/api/v1/automations").json()] == ["review"]
    options = json.loads((opened.project.runs_dir / run / "manifest.json").read_text())["options"]
    inputs = {name: unfenced(text) for name, text in options["inputs"].items()}
    assert inputs == {"where": "lib", "ticket": "A-1"}
    assert inputs["ticket"] != options["inputs"]["ticket"]
    assert options["budgets"]["cost_usd"] == 1.5
    assert (options["trigger"]["automation"], options["trigger"]["kind"]) == ("review", "http")
    fresh(folder).starts.switch(is_paused=True, by="ann", now=opened.now())
    with httpx.Client(base_url=running.url, headers=headers) as client:
        paused = client.post(RUNS, json={})
        assert (paused.status_code, "is paused" in paused.text) == (409, True)


def test_token_of_another_automation_starts_nothing(
    running: RunningServer, opened: OpenProject
) -> None:
    create_automation(automation_in(opened, "review", has_http=True, schema=SCHEMA), opened)
    create_automation(automation_in(opened, "silent", schema=SCHEMA), opened)
    with httpx.Client(base_url=running.url, headers=start_token(running, opened, "silent")) as one:
        assert one.post(RUNS, json={}).status_code == 404
        refused = one.post("/api/v1/automations/silent/runs", json={})
        assert (refused.status_code, "create it with --http" in refused.text) == (400, True)
    assert triggers(opened) == []


def test_ticket_starts_one_run_and_an_invalid_one_needs_a_person(
    running: RunningServer, opened: OpenProject
) -> None:
    lines = ['{"id": "A-1", "inputs": {"ticket": "; touch stolen"}}', '{"id": "A-2"}']
    tickets = opened.project.root / "tickets.jsonl"
    tickets.write_text("\n".join([*lines, lines[0], '{"id": "A-3", "inputs": {"where": "x"}}']))
    command = TicketCommand("cat tickets.jsonl", "10s")
    automation = automation_in(opened, "bugs", schedule=None, tickets=command, schema=SCHEMA)
    folder = create_automation(automation, opened)
    wait_until(lambda: is_settled(folder, 2) and fresh(folder).starts.read().polled)
    assert sorted(one["occurrence"] for one in triggers(opened)) == ["A-1", "A-2"]
    assert attention(running) == [("bugs", "ticket A-3: invalid inputs: where is unknown")]


def attention(server: RunningServer) -> list[tuple[str, str]]:
    """Return names and reasons of the automations that need a person."""
    with server.client(Scope.READ) as client:
        rows: list[dict[str, Any]] = client.get("/api/v1/attention").json()
    wanted = [one for one in rows if one["need"] == "automation"]
    return [(one["name"], re.split(r";|\(", one["reason"])[0].strip()) for one in wanted]


def test_promotion_starts_the_automations_that_wait_for_it(
    running: RunningServer, opened: OpenProject
) -> None:
    project = opened.identity.create_id()
    promoted = {"pipeline": "plan", "branch": "main", "by": "ann"}
    old, new, other = (opened.project.machine.new_run_id() for _ in range(3))
    wanted = AfterPromotion(branch="main")

    def promote(run_id: str, project_id: str) -> None:
        made = {"project": project_id, "pipeline": "plan@1"}
        opened.ledger.append(LineKind.CREATED, run_id, made, now=opened.now())
        opened.ledger.append(LineKind.PROMOTED, run_id, promoted, now=opened.now())

    promote(old, project)
    folder = create_automation(
        automation_in(opened, "after", schedule=None, promotion=wanted), opened
    )
    create_automation(
        automation_in(opened, "never", schedule=None, promotion=AfterPromotion("fix")), opened
    )
    promote(other, "0" * 32)
    promote(new, project)
    wait_until(lambda: is_settled(folder, 1))
    time.sleep(2)
    assert [(one["automation"], one["occurrence"]) for one in triggers(opened)] == [
        ("after", f"main {new}")
    ]


def test_edited_automation_starts_nothing_and_is_a_row_of_attention(
    running: RunningServer, opened: OpenProject
) -> None:
    created = opened.now() - timedelta(minutes=2)
    command = TicketCommand("touch stolen", "10s")
    automation = automation_in(opened, created=created, schedule=None, has_http=True, schema=SCHEMA)
    folder = create_automation(automation, opened)
    record = json.loads(folder.record.read_text())
    schedule = {"cron": "* * * * *", "catch_up": "all"}
    edited = record | {"schedule": schedule, "tickets": {"command": command.command}}
    folder.record.write_text(json.dumps(edited))
    with running.client(Scope.OPERATE) as client:
        refused = client.post(NIGHTLY_RUNS, json={})
        assert (refused.status_code, "its record was edited" in refused.text) == (409, True)
    time.sleep(2.5)
    assert not (opened.project.root / "stolen").exists()
    assert triggers(opened) == []
    assert attention(running) == [("nightly", "its record was edited after it was created")]


def test_known_secret_in_a_request_is_recorded_nowhere(tmp_path: Path) -> None:
    pipeline = PIPELINE.replace("ticket=none", "ticket=none, key:secret")
    opened = make_opened(tmp_path / "project", pipeline)
    schema: JsonObject = {"properties": {"ticket": {}}}
    automation = automation_in(opened, schedule=None, has_http=True, schema=schema)
    create_automation(automation, opened)
    variables = {"SERVICE_KEY": SECRET, "ATTRACTOR_INPUT_KEY": "another-secret"}
    with serving(service_of(opened.project.root, **variables)) as running:
        with running.client(Scope.OPERATE) as client:
            refused = client.post(NIGHTLY_RUNS, json={"inputs": {"key": "a-secret-of-others"}})
            assert (refused.status_code, "the input key is a secret" in refused.text) == (400, True)
            done = client.post(NIGHTLY_RUNS, json={"inputs": {"ticket": {"log": f"with {SECRET}"}}})
            assert done.status_code == 201, done.text
        wait_until(lambda: [one["kind"] for one in triggers(opened)] == ["http"])
    written = b""
    for folder in (opened.project.runs_dir, opened.project.machine.state_dir):
        for file in folder.rglob("*"):
            # The process of the run may remove a file meanwhile.
            with suppress(FileNotFoundError, IsADirectoryError):
                written += file.read_bytes()
    assert b'{\\"log\\":\\"with ***\\"}' in written
    assert SECRET.encode() not in written
    assert b"a-secret-of-others" not in written


@table("is_paused", [False, True])
def test_forged_start_of_a_person_sets_no_fixed_input(tmp_path: Path, is_paused: bool) -> None:
    opened = make_opened(tmp_path / "project")
    folder = create_automation(automation_in(opened, inputs={"where": "lib"}), opened)
    new_run_id, at = opened.project.machine.new_run_id, opened.now() - timedelta(minutes=1)
    forged = folder.starts.claim(TriggerKind.PERSON, "forged", new_run_id, at, {"where": "stolen"})
    assert forged
    folder.starts.switch(is_paused=is_paused, by="ann", now=at)
    with (
        pytest.raises(Refused, match="only the command of a person begins"),
        Starting(fresh(folder), opened) as starting,
    ):
        starting.take(forged.run_id)
    with serving(service_of(opened.project.root)) as running:
        wait_until(lambda: is_settled(folder, 1))
        [row] = attention(running)
    assert "ended before its run had begun" in row[1]
    assert triggers(opened) == []


def test_start_that_is_refused_is_not_repeated(running: RunningServer, opened: OpenProject) -> None:
    automation = automation_in(opened, schedule=None, has_http=True, schema=SCHEMA)
    folder = create_automation(automation, opened)
    (opened.project.root / "pipeline.dot").unlink()
    with running.client(Scope.OPERATE) as client:
        refused = client.post(NIGHTLY_RUNS, json={})
        assert (refused.status_code, "pipeline.dot" in refused.text) == (400, True)
    assert is_settled(folder, 1)
    [row] = attention(running)
    assert "pipeline.dot" in row[1]


def test_start_of_a_removed_automation_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed_work, "MOST_AGAIN_S", 0.0)
    opened = make_opened(tmp_path / "project")
    automation = automation_in(opened, schedule=None, tickets=TicketCommand("true"))
    folder = create_automation(automation, opened)
    # The loop goes on with this one.
    create_automation(replace(automation, name="other", tickets=TicketCommand("false")), opened)
    tries, program = tmp_path / "tries", tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho >> {tries}\nexit 1\n")
    program.chmod(0o755)
    at = opened.now() - timedelta(minutes=1)
    folder.starts.claim(TriggerKind.TICKET, "A-1", opened.project.machine.new_run_id, at)
    service = service_of(opened.project.root)
    service = replace(service, processes=replace(service.processes, program=(str(program),)))
    with serving(service):
        wait_until(lambda: tries.exists() and tries.read_text().count("\n") > 1)
        remove_automation(folder, opened, by="ann")
        # The one that was under way, perhaps; then none, of about ten.
        time.sleep(0.5)
        before = tries.read_text()
        time.sleep(3)
        assert tries.read_text() == before
