"""Each kind of attention over HTTP: listed, shown, settled once, refused without the right."""

import asyncio
import html
import os
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from attractor.attention.fleet_needs import FleetNeed, FleetNeeds, publish_needs
from attractor.attention.source import sources
from attractor.automations.store import create_automation
from attractor.base.clock import SystemClock
from attractor.factory.lessons import memory_of
from attractor.factory.open_project import OpenProject
from attractor.factory.operator_process import Scope
from attractor.factory.promotion_queue import PromotionQueues, QueuedRun
from attractor.factory.proposals import Proposals, ProposedChange
from attractor.factory.pulls.readings import PullReadings
from attractor.factory.registration.drafts import drafts_folder
from attractor.growth.api.plans import plan_proposal
from attractor.growth.deployment.draft_store import DraftStore
from attractor.growth.deployment.start import start_release
from attractor.growth.deployment.targets import local
from attractor.growth.plans.plan import read_proposal
from attractor.memory.decisions import propose
from attractor.missions.records import Mission, Said, Word, create_mission
from attractor.server.service import Service
from attractor.worlds.actors import ActorFolder, LeadStopped, list_actors
from attractor.worlds.leads import LeadRule
from attractor.worlds.messages import TaskAtWork
from attractor.worlds.orders import here, mark_seen
from attractor.worlds.process import ActorProcess
from tests.attention.test_reading import FAILS, GATE
from tests.automations.desk import automation_in
from tests.cli.running import run_here
from tests.factory.flows import HOLDOUT, make_flow
from tests.factory.pulls.test_readings import SAID
from tests.growth.app import PROPOSAL
from tests.growth.deployment.living import Living, make_released
from tests.growth.deployment.test_draft_store import IDS, said, told
from tests.growth.deployment.test_start import kill_all
from tests.memory.test_lessons import LOCK
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git
from tests.scenarios.suites import write_suite
from tests.server.conftest import PAGE, RunningServer, quick, serving
from tests.tables import table
from tests.worlds.flows import ANN, actor_in, open_at, send_to

RUN = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none", "--workspace", "none")
NO_LANDING = "1 file conflicts:\n\n" + "x" * 3000
EVIDENCE = ("task", "facts", "said", "outputs", "changes")
IN_A_RUN = {"STARTED_BY_ATTRACTOR": "01ARZ3NDEKTSV4RRFFQ69G5FAV 1 1"}


@dataclass(frozen=True)
class World:
    """A project in which something needs a person."""

    opened: OpenProject
    app: Living | None = None

    @property
    def state(self) -> Path:
        return self.opened.project.machine.state_dir

    @property
    def environ(self) -> Mapping[str, str]:
        known = {"PATH": os.environ["PATH"], "HOME": str(self.state.parent), "LANG": "C.UTF-8"}
        return {**known, "ATTRACTOR_STATE_DIR": str(self.state)}

    def do(self, *words: str, typed: str = "", **variables: str) -> int:
        environ = {**self.environ, **variables}
        root = self.opened.project.root
        return run_here(words, folder=root, variables=environ, typed=typed).returncode

    def run(self, pipeline: str, *words: str) -> "World":
        (self.opened.project.root / "pipeline.dot").write_text(pipeline)
        assert self.do(*RUN, *words) == 3
        return self

    @property
    def actor(self) -> ActorFolder:
        return list_actors(self.state)[0]


def plain(folder: Path) -> World:
    world = World(open_at(folder))
    here(world.opened)
    return world


def asked(folder: Path) -> World:
    return plain(folder).run(GATE, "--interviewer", "park")


def answered_run(folder: Path) -> World:
    world = asked(folder)
    [run] = world.opened.project.runs_dir.glob("0*")
    assert world.do("answer", run.name, "Y") == 0
    return world


def unreadable(folder: Path) -> World:
    world = asked(folder)
    [events] = world.opened.project.runs_dir.glob("*/events.jsonl")
    events.write_text("no event\n")
    return world


def answered(folder: Path, pipeline: str = "") -> World:
    world = plain(folder)
    if pipeline:
        (folder / "project" / "pipeline.dot").write_text(pipeline)
        pipeline = str(folder / "project" / "pipeline.dot")
    actor = actor_in(world.opened, "worker", pipeline=pipeline)
    send_to(actor, world.opened, "first")
    ActorProcess(actor, world.opened).work(linger_s=0.05)
    return world


def blocked(folder: Path) -> World:
    world = plain(folder)
    actor = actor_in(world.opened, "worker")
    message = send_to(actor, world.opened, "first")
    run_id = world.opened.project.machine.new_run_id()
    actor.write_task(TaskAtWork(message, run_id, "no room"))
    return world


def held(folder: Path) -> World:
    world = answered(folder, FAILS.format(status=7))
    (folder / "project" / "attractor.toml").write_text("[factory]\nmax_same_cause = 1\n")
    mark_seen(world.actor, world.actor.read().answers[0].message.id, ANN, world.opened)
    send_to(world.actor, world.opened, "second")
    return world


def led_too_far(folder: Path) -> World:
    world = plain(folder)
    actor = actor_in(world.opened, "worker")
    actor.record(LeadStopped(LeadRule.STORM, "too many", world.opened.now()))
    return world


def of_app(app: Living) -> World:
    world = World(OpenProject(app.plane.project), app)
    world.opened.identity.create_id()
    return world


def drafted(folder: Path) -> World:
    return of_app(told(folder, said(IDS[0])))


def planned(folder: Path) -> World:
    world = of_app(make_released(folder / "app"))
    assert world.app
    plan_proposal(world.app.plane, "HEAD", read_proposal(PROPOSAL))
    return world


def down(folder: Path) -> World:
    world = of_app(make_released(folder / "app"))
    assert world.app
    asyncio.run(start_release(world.opened.project, world.app.releases, local.part))
    kill_all(world.app)
    return world


def judged(folder: Path) -> World:
    flow = make_flow(folder)
    flow.opened.identity.create_id()
    flow.launch()
    return World(flow.opened)


def queued(folder: Path) -> World:
    world = plain(folder)
    now = world.opened.now()
    run = QueuedRun(
        run_id="R" * 26, current="R" * 26, by="ann", queued=now, since=now, trouble=NO_LANDING
    )
    queues = PromotionQueues.of(world.opened)
    with queues.locked("fix/a b") as queue:
        queues.write(replace(queue, runs=[run]))
    return world


def proposed(folder: Path) -> World:
    world = plain(folder)
    PullReadings.of(world.opened).keep(replace(SAID, fault="403:\n" + "x" * 3000))
    return world


def automated(folder: Path) -> World:
    world = plain(folder)
    made = create_automation(automation_in(world.opened), world.opened)
    made.record.write_text(made.record.read_text().replace("pipeline.dot", "other.dot"))
    return world


def needed_by_fleet(folder: Path) -> World:
    world, now = plain(folder), SystemClock().now()
    need = FleetNeed("fleet:store", here(world.opened).project_id, "fleet", "away", now, "fleet")
    publish_needs(world.state, FleetNeeds(now, [need]))
    return world


def drafted_suite(folder: Path) -> World:
    world = plain(folder)
    place = drafts_folder(world.opened) / "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    write_suite(place / "drafted", made=HOLDOUT.format(wanted="made"))
    (place / "faults.json").write_text("{}")
    return world


def paused_mission(folder: Path) -> World:
    world = plain(folder)
    git(world.opened.project.root, "init", "--quiet")
    now = world.opened.now()
    mission = create_mission(
        Mission(name="night", intent="x", by="ann", created=now, base="0"), world.opened
    )
    mission.record(Word(Said.PAUSED, "ann", now))
    return world


def learnt(folder: Path) -> World:
    world = plain(folder)
    propose(LOCK, memory_of(world.opened), world.opened.now())
    return world


def with_proposal(folder: Path) -> World:
    world = plain(folder)
    now = world.opened.now()
    change = ProposedChange("R1", "R2", "A typo.", [], "main", "c", {"a.dot": "x"}, [], now)
    Proposals.of(world.opened).write(change)
    return world


Make = Callable[[Path], World]
Effect = Callable[[World, httpx.Client], object]


def run_is(status: str) -> Effect:
    def is_so(world: World, client: httpx.Client) -> bool:
        [run] = world.opened.project.runs_dir.glob("0*")
        found = client.get(f"/api/v1/runs/{run.name}").json()
        return status in (found["outcome"], found["status"])

    return is_so


def answers_are(*wanted: tuple[str, str]) -> Effect:
    def are_so(world: World, client: httpx.Client) -> bool:
        found = [(one.message.text, one.reason) for one in world.actor.read().answers]
        return [(text, why[:11]) for text, why in found] == [*wanted]

    return are_so


def draft_is(choice: str, reason: str) -> Effect:
    def is_so(world: World, client: httpx.Client) -> bool:
        answered = DraftStore(world.opened.project.runs_dir / "growth").answered().values()
        return [(one.choice, one.reason) for one in answered] == [(choice, reason)]

    return is_so


def app_answers(world: World, client: httpx.Client) -> bool:
    assert world.app
    return bool(world.app.get("/health")["ok"])


def stop_is_seen(world: World, client: httpx.Client) -> bool:
    return not world.actor.read().stopped_by


FAILED, NOT_BEGUN = "tool_comman", "not begun: "
KINDS: Sequence[tuple[str, Make, str, str, Mapping[str, str], Effect]] = [
    ("questions", asked, "question", "answer", {"answer": "Y"}, run_is("success")),
    ("questions", asked, "question", "answer", {"answer": "yes"}, run_is("success")),
    ("stopped_runs", answered_run, "answered", "go on", {}, run_is("success")),
    ("stopped_runs", answered_run, "answered", "cancel", {}, run_is("canceled")),
    ("answers", answered, "answered", "seen", {}, answers_are(("first", ""))),
    (
        "answers",
        answered,
        "answered",
        "send",
        {"text": "next"},
        answers_are(("first", ""), ("next", "")),
    ),
    ("tasks", blocked, "blocked", "go on", {}, answers_are(("first", ""))),
    (
        "tasks",
        blocked,
        "blocked",
        "start over",
        {},
        answers_are(("first", "started ove"), ("first", "")),
    ),
    ("tasks", blocked, "blocked", "leave", {}, answers_are(("first", "given up"))),
    ("holds", held, "held", "go on", {}, answers_are(("first", FAILED), ("second", FAILED))),
    ("holds", held, "held", "leave", {}, answers_are(("first", FAILED), ("second", NOT_BEGUN))),
    ("leads", led_too_far, "leads", "seen", {}, stop_is_seen),
    ("drafts", drafted, "draft", "accept", {}, draft_is("accepted", "")),
    ("drafts", drafted, "draft", "dismiss", {"reason": "no"}, draft_is("dismissed", "no")),
    ("apps", down, "app", "start", {}, app_answers),
]
UNSETTLED = [
    ("decisions", judged, "decision"),
    ("plans", planned, "plan"),
    ("pull_requests", proposed, "pull request"),
    ("suite_drafts", drafted_suite, "suite drafts"),
    ("missions", paused_mission, "mission"),
    ("lessons", learnt, "lessons"),
    ("proposals", with_proposal, "proposal"),
    ("queues", queued, "queue"),
    ("automations", automated, "automation"),
    ("fleet", needed_by_fleet, "fleet"),
    ("stopped_runs", unreadable, "unreadable"),
]


@contextmanager
def served(world: World) -> Generator[RunningServer]:
    service = quick(Service.of(world.opened.project.root, world.environ))
    with serving(service) as server:
        try:
            yield server
        finally:
            with server.client() as client:
                for one in client.get("/api/v1/actors").json():
                    client.post(f"/api/v1/actors/{one['project']['id']}/{one['name']}/stop")
            if world.app:
                world.app.stop()


def stranger(server: RunningServer) -> httpx.Client:
    """Return a person of another project."""
    tokens, now = server.service.access.tokens, server.service.opened.now()
    tokens.create("bob", Scope.DECIDE, "b" * 40, by="ann", now=now, projects=("0" * 32,))
    bound = {"authorization": f"Bearer {'b' * 40}"}
    return httpx.Client(base_url=server.url, headers=bound, timeout=PATIENCE_S)


def show(world: World, server: RunningServer, need: str) -> tuple[str, dict[str, Any]]:
    """Return address and record of the row, which everyone sees who may."""
    with server.client("read") as reader, stranger(server) as bob:
        rows = reader.get("/api/v1/attention").json()
        [row] = [one for one in rows if one["need"] == need]
        address = f"/api/v1/attention/{quote(row['id'], safe='')}"
        assert reader.get(f"{address}/evidence").json().keys() == {*EVIDENCE}
        page = reader.get("/attention", params={"row": row["id"]}, headers=PAGE)
        assert page.status_code == 200
        assert f'data-chosen="{html.escape(row["id"])}"' in page.text
        assert bob.get("/api/v1/attention").json() == []
        assert bob.get(f"{address}/evidence").status_code == 404
        for one in row["choices"] or [{"key": "seen"}]:
            body = {"choice": one["key"], "fields": {"text": "x", "answer": "Y"}}
            assert reader.post(f"{address}/settle", json=body).status_code == 403
            assert bob.post(f"{address}/settle", json=body).status_code == 404
            of_others = {**body, "rows": [row["id"]]}
            assert bob.post(f"{address}/settle", json=of_others).status_code == 404
            assert world.do("attention", "next", typed=f"{one['key']}\n", **IN_A_RUN) == 4
        assert reader.post(f"{address}/snooze", json={}).status_code == 403
        assert world.do("snooze", row["name"], **IN_A_RUN) == 4
        assert reader.get("/api/v1/attention").json() == rows
    return address, row


@table("kind, make, need, choice, fields, effect", KINDS)
def test_choice_is_done_once_by_one_of_two_people(
    tmp_path: Path,
    kind: str,
    make: Make,
    need: str,
    choice: str,
    fields: Mapping[str, str],
    effect: Effect,
) -> None:
    world = make(tmp_path)
    with served(world) as server, server.client() as client:
        address, row = show(world, server, need)
        body = {"choice": choice, "fields": fields}
        with ThreadPoolExecutor(2) as people:
            both = [people.submit(client.post, f"{address}/settle", json=body) for _ in range(2)]
        codes = sorted(one.result().status_code for one in both)
        assert codes[0] == 200, [one.result().text for one in both]
        assert codes[1] in (200, 404, 409), [one.result().text for one in both]
        wait_until(lambda: effect(world, client))
        assert client.post(f"{address}/settle", json=body).status_code == 404
        assert client.get(f"{address}/evidence").status_code == 404
        assert row["id"] not in [one["id"] for one in client.get("/api/v1/attention").json()]
        assert effect(world, client)


@table("kind, make, need", UNSETTLED)
def test_row_with_evidence_elsewhere_has_no_choice(
    tmp_path: Path, kind: str, make: Make, need: str
) -> None:
    world = make(tmp_path)
    with served(world) as server, server.client("decide") as client:
        address, row = show(world, server, need)
        assert row["choices"] == []
        refused = client.post(f"{address}/settle", json={"choice": "seen"})
        assert (refused.status_code, row["command"] in refused.text) == (400, True)
        assert client.post(f"{address}/snooze", json={}).status_code == 204
        assert client.get("/api/v1/attention").json() == []
        assert client.post(f"{address}/wake").status_code == 204
        assert client.get("/api/v1/attention").json() == [row]


def test_row_of_which_the_run_or_the_project_is_gone_says_so_and_hides_no_other(
    tmp_path: Path,
) -> None:
    world = answered(tmp_path)
    root = world.opened.project.root
    with served(world) as server, server.client() as client:
        address, _ = show(world, server, "answered")
        shutil.rmtree(world.opened.project.runs_dir)
        assert "cannot read" in client.get(f"{address}/evidence").json()["changes"]["remarks"]
        root.rename(tmp_path / "gone")
        assert "is gone" in client.get(f"{address}/evidence").json()["facts"]["not readable"]
        page = client.get("/attention", headers=PAGE)
        assert (page.status_code, "of the project is gone" in page.text) == (200, True)
        (tmp_path / "gone").rename(root)


def test_each_kind_is_tried() -> None:
    assert {case[0] for case in (*KINDS, *UNSETTLED)} == {*sources()}
