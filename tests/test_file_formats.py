"""Every file format has a schema that accepts our own files and refuses invalid ones."""

import asyncio
import json
import re
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from attractor.base.records import write_record
from attractor.engine.journal.events import Action
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.open_project import OpenProject
from attractor.factory.pulls.feedback import PullRequestFeedback
from attractor.factory.pulls.forge import CheckState, ForgeCheck, ForgeRemark
from attractor.factory.resources.profiles import make_profile
from attractor.factory.resources.versions import RETIRED, Ending
from attractor.growth.api.drafts import dismiss_draft
from attractor.growth.api.intake import Intake
from attractor.growth.api.plans import plan_proposal, simulate
from attractor.growth.apps.skeleton import write_app
from attractor.growth.building import build_plan
from attractor.growth.deployment.backup import Backup
from attractor.growth.deployment.deploy import note, open_deployment
from attractor.growth.deployment.release import ReleaseRecord, Releases
from attractor.growth.lineage import next_stage, rollback_stage, write_stage
from attractor.growth.plans.plan import read_proposal
from attractor.growth.plans.store import REJECTION, PlanState
from attractor.twins.recordings.recording import BodyPiece, Recording
from docs.file_formats import FOLDER, FORMATS, write_schema
from tests.cli.running import attractor
from tests.examples import ROOT, fences
from tests.factory.flows import HOLDOUT, Flow
from tests.factory.resources.stores import register
from tests.growth.app import PROPOSAL, make_app
from tests.growth.deployment.test_draft_store import IDS, said, write_feedback
from tests.pipeline.projects import make_project, open_project
from tests.scenarios.suites import SUITE, write_suite
from tests.tables import table

Found = tuple[str, Any]

# A question, branches, and a prompt in a file, so that the run has files of every kind.
PIPELINE = """
digraph all_of_it {
    graph [goal="Write it"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    plan  [prompt="@plan.md"]
    fork  [shape=component]
    left  [shape=parallelogram, tool_command="echo left > left.txt"]
    right [shape=parallelogram, tool_command="exit 3"]
    join  [shape=tripleoctagon]
    gate  [shape=hexagon, label="Good?"]
    start -> plan -> fork
    fork -> left -> join
    fork -> right -> join
    join -> gate
    gate -> exit [label="[Y] Yes"]
    gate -> plan [label="[N] No"]
}
"""


VALIDATORS: dict[str, Any] = {
    one.stem: Draft202012Validator(json.loads(one.read_text("utf-8")))
    for one in FOLDER.glob("*.json")
}


def errors(name: str, value: object) -> list[str]:
    """Return the errors of a value under the schema of a format."""
    # JSON has no dates: a TOML validator with a JSON schema gets them as texts.
    plain = json.loads(json.dumps(value, default=str))
    return [f"{name} {one.json_path}: {one.message}" for one in VALIDATORS[name].iter_errors(plain)]


def written(folder: Path) -> Iterator[Found]:
    """Yield the files that people write: of the repository, a new project, and the docs."""
    new = folder / "new"
    new.mkdir()
    (new / "total.py").write_text("print()\n")
    wish = ("--wish", "Add up.", "--example", "python3 total.py 1 => 1", "--example", "ls => 2")
    done = attractor("init", "--yes", *wish, folder=new)
    assert done.returncode == 0, done.stderr
    endings = {
        "agent.toml": "agent",
        ".scenario.toml": "scenario",
        "suite.toml": "suite",
        "twin.toml": "service-twin",
        ".test.toml": "pipeline-test",
        "development.toml": "development",
        "attractor.toml": "settings",
    }
    of_repository = ("pipelines", "scenarios", "agents", "examples")
    for place in (*(ROOT / one for one in of_repository), new):
        for file in sorted(place.rglob("*.toml")):
            table = tomllib.loads(file.read_text("utf-8"))
            names = [one for end, one in endings.items() if file.name.endswith(end)]
            for name in names or ["twin-script"] * ("rules" in table):
                yield name, table
    pages = {
        "settings.md": "settings",
        "resources.md": "profile",
        "growth-plans.md": "development",
        "twin-scripts.md": "twin-script",
        "service-twins.md": "service-twin",
        "outcomes.md": "outcomes",
        "define-agents.md": "agent",
        "prompts-and-inputs.md": "inputs",
        "suites.md": "requirements",
    }
    for fence in fences("toml"):
        if name := pages.get(fence.page.name):
            table = tomllib.loads(fence.text)
            if name == "requirements" and "requirement" not in table:
                continue
            yield name, table
            if name == "outcomes":
                yield from (("report", one) for one in table.values() if isinstance(one, dict))


def recorded(folder: Path) -> Iterator[Found]:
    """Yield the files of a run that failed its suite, with a decision of every kind."""
    project = make_project(folder / "project", PIPELINE, **{"plan.md": "Plan: $goal\n"})
    flow = Flow(project, OpenProject(open_project(project)))
    stores, now = flow.opened, flow.machine.clock.now()
    suite = write_suite(
        folder / "suite",
        suite=SUITE.replace("linear", "all_of_it"),
        made=HOLDOUT.format(wanted="made"),
        kept=HOLDOUT.replace("made", "readme").format(wanted="hello").replace("Ann", "Bob"),
    )
    register(stores.suites, suite, now=now)
    profile = make_profile("lenient", ("isolation_unverified",))
    stores.profiles.create(profile, by="ann", now=now)
    result = flow.launch(interviewer="recording:auto_approve")
    flow.waive(result, "made")
    flow.decide(result, DecisionKind.APPROVED)
    flow.amend(result, note="It was waived, because it asks for too much.")
    flow.promote(result)
    flow.roll_back(result)
    flow.make_token()
    TokenStore(flow.machine.state_dir).revoke("ann-decide", by="ann", now=flow.machine.clock.now())
    [lenient] = stores.profiles.versions.versions("lenient")
    stores.profiles.versions.end(lenient, Ending(RETIRED, flow.machine.clock.now(), "ann", "Old."))
    identity = flow.opened.identity
    identity.adopt(identity.project_id(), flow.evaluator.ledger, by="ann", now=now)
    run, state = result.directory, folder / "state"
    leave_order(run / "inbox", Order(Action.STEER, "ann", value="Hurry"), name="1")
    found = {
        "manifest": "manifest.json",
        "run": "run.json",
        "event": "events.jsonl",
        "checkpoint": "checkpoint.json",
        "status": "plan/status.json",
        "final": "final.json",
        "stored-files": "graph.files.json",
        "order": "inbox/1.json",
        "answers": "answers.jsonl",
        "feedback": "feedback.json",
        "gate-report": "evaluation/1/report.json",
    }
    files = [
        *((name, run / path) for name, path in found.items()),
        ("ledger-line", state / "ledger.jsonl"),
        ("ledger-line", run / "decisions.jsonl"),
        ("suite-lock", suite / "suite.lock.json"),
        *(("stored-trial", one) for one in state.glob("results/*/*/*.json")),
        *(("service-recording", one) for one in ROOT.glob("examples/twins/*/recordings/*.jsonl")),
    ]
    for name, file in files:
        yield from read(name, file)
    piece = BodyPiece(at=0.1, text="{}")
    made = Recording(version=1, wire="openai", path="/v1/responses", status=200, body=(piece,))
    yield "provider-recording", json.loads(made.to_json())


def read(name: str, file: Path) -> Iterator[Found]:
    """Yield the record of a JSON file, or the records of its lines."""
    text = file.read_text("utf-8")
    for one in text.splitlines() if file.suffix == ".jsonl" else [text]:
        yield name, json.loads(one)


def grown(folder: Path) -> Iterator[Found]:
    """Yield the files of an app with a simulated plan and a roll-back, and of the examples."""
    control_plane = make_app(folder / "app")
    app = control_plane.repository
    made = plan_proposal(control_plane, "HEAD", read_proposal(PROPOSAL))
    simulate(control_plane, str(made["plan_id"]))
    plan = control_plane.plans.load(str(made["plan_id"]))
    write_app(plan.result, app)
    stages = [first := next_stage([], plan), next_stage([first], plan)]
    for stage in (*stages, rollback_stage(stages, first)):
        write_stage(stage, app)
    opened, made_for = control_plane.project, control_plane.plans.folder_of(plan.id)
    built = asyncio.run(build_plan(opened, made_for, plan, branch="main"))
    with open_deployment(made_for, "deploy") as journal:
        note(journal, PlanState.DEPLOYING, by="ann")
        note(journal, PlanState.PARKED, run_id="r", waits_for=REJECTION)
    releases = Releases(control_plane.releases)
    running = releases.begin(ReleaseRecord(built.stage, run_id="r"))
    copytree(app / "spec", running.tree / "spec")
    write_feedback(running.state, {**said(IDS[0]), "panel": "", "release": "v0"})
    releases.complete(running, None)
    releases.switch(built.stage)
    dismiss_draft(control_plane, f"feedback-{IDS[0]}", by="ann", reason="not now")
    examples = ROOT / "pipelines" / "growth"
    files = {
        "spec-node": app.glob("spec/nodes/*/*.json"),
        "spec-stage": app.glob("spec/lineage/*.json"),
        "generated": app.glob("app/generated.json"),
        "growth-plan": control_plane.folder.glob("plans/*/plan.json"),
        "growth-simulation": control_plane.folder.glob("plans/*/simulation/*/report.json"),
        "growth-build": control_plane.folder.glob("plans/*/build.json"),
        "growth-deployment": control_plane.folder.glob("plans/*/deployment.jsonl"),
        "release": control_plane.folder.glob("releases/*/release.json"),
        "app-feedback": control_plane.folder.glob("releases/*/state/feedback.jsonl"),
        "answered-draft": control_plane.folder.glob("drafts/*.json"),
        "spec-record": control_plane.folder.glob("specs/*/record.json"),
        "app-recording": examples.glob("*/recordings/*/recording.json"),
        "app-traffic": examples.glob("*/recordings/*/traffic.jsonl"),
        "desires": examples.glob("*/desires.json"),
        "proposal": examples.glob("*/proposal.json"),
    }
    for name, found in files.items():
        for file in found:
            yield from read(name, file)
    yield "proposal", PROPOSAL
    checks = [ForgeCheck("lint", CheckState.FAILED, "unused import")]
    remarks = [ForgeRemark("line-1", "ann", "Why?")]
    yield "pull-request", write_record(PullRequestFeedback("ann/shop", 1, checks, remarks))
    backed_up = Backup("v0", "0" * 64, "2026-01-05T00:00:00+00:00", "0" * 64, {"bed": ""})
    yield "app-backup", write_record(backed_up)
    yield "growth-intake", write_record(Intake("wish.txt", "sg-1", problem="unclear"))
    yield "desires", {"goal": "Know the weather", "cadence": "daily"}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """Our own files, each with the name of its format."""
    folder = tmp_path_factory.mktemp("formats")
    return [*recorded(folder), *written(folder), *grown(folder)]


def test_schemas_are_up_to_date() -> None:
    files = {one.stem: one.read_text("utf-8") for one in FOLDER.glob("*.json")}
    wanted = {name: write_schema(name) for name in FORMATS}
    stale = [name for name in files | wanted if files.get(name) != wanted.get(name)]
    assert stale == [], "type: make docs"


def test_page_lists_every_schema() -> None:
    page = (FOLDER.parent / "file-formats.md").read_text("utf-8")
    assert re.findall(r"\| \[([a-z-]+)\]\(schemas/\1\.json\) \|", page) == list(FORMATS)


def test_our_own_files_satisfy_their_schemas(ours: list[Found]) -> None:
    found = [one for name, value in ours for one in errors(name, value)]
    assert found == [], "correct docs/file_formats.py, then type: make docs"
    assert {name for name, _ in ours} == set(FORMATS)
    lines = {value["kind"] for name, value in ours if name == "ledger-line"}
    rare = {LineKind.ENDED, LineKind.LEAKED, LineKind.BURNED, LineKind.CLOCK_CORRECTED}
    rare |= {LineKind.TRIAL_UNJUDGED, LineKind.UNFINISHED, LineKind.TRIALS_REPLAYED}
    rare |= {LineKind.TASK_REMOVED, LineKind.SUITE_MEASURED, LineKind.RELEASED}
    rare |= {LineKind.RACE_BEGUN, LineKind.RACE_ENDED, LineKind.MISSION_LANDED}
    rare |= {LineKind.PROPOSAL_APPLIED}
    rare |= {LineKind.PROPOSED, LineKind.PULL_REQUEST_READ, LineKind.PROPOSAL_ENDED}
    rare |= {LineKind.AUTOMATION_CREATED, LineKind.AUTOMATION_REMOVED}
    assert {*LineKind} - lines == rare


def test_every_schema_refuses_an_unknown_key_or_a_wrong_value(ours: list[Found]) -> None:
    for name, value in dict(ours).items():
        assert errors(name, {**value, "colour": [None]} | {"position": 1}), name


@table(
    ("name", "path", "value"),
    [
        ("settings", ["output"], {"color": "sometimes"}),
        ("suite", ["trials"], {"n": "three"}),
        ("scenario", ["checks", 0, "kind"], "guess"),
        ("scenario", ["checks", 0, "colour"], "red"),
        ("scenario", ["steps", 0], {"name": "no run, service or port"}),
        ("agent", ["limits"], {"time": 30}),
        ("twin-script", ["rules", 0, "answer"], {"txt": "Hello"}),
        ("service-twin", ["routes", 0, "kind"], "guess"),
        ("service-twin", ["routes", 0, "path"], 1),
        ("service-twin", ["faults"], [{"kind": "delayed"}]),
        ("outcomes", ["plan"], "succeeded"),
        ("event", ["type"], "StageStarted"),
        ("ledger-line", ["data"], {}),
        ("ledger-line", ["kind"], "guessed"),
        ("final", ["outcome"], "good"),
        ("gate-report", ["rules", 0, "passed"], "yes"),
        ("spec-node", ["kind"], "guess"),
        ("spec-node", ["edges"], {"guess": []}),
        ("spec-stage", ["kind"], "guess"),
        ("growth-plan", ["morphs", 0, "morph", "type"], "guess"),
        ("growth-plan", ["morphs", 0, "morph", "colour"], "red"),
        ("proposal", ["morphs"], []),
        ("growth-simulation", ["pins", "depth"], "guess"),
        ("growth-deployment", ["waits_for"], "guess"),
        ("app-traffic", ["request", "method"], "guess"),
    ],
)
def test_broken_file_is_refused(
    ours: list[Found], name: str, path: list[str | int], value: object
) -> None:
    broken = deepcopy(dict(ours)[name])
    *outer, last = path
    place = broken
    for key in outer:
        place = place[key]
    place[last] = value
    assert errors(name, broken)
