"""A living app with a suite, whose plans are simulated, deployed and decided in tests."""

import asyncio
import json
import shutil
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attractor.base.ids import new_run_id
from attractor.config.tables import read_section
from attractor.factory.decisions.decide import Decision, DecisionKind, decide
from attractor.factory.decisions.lock import lock_run
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.open_project import OpenProject
from attractor.factory.resources.profiles import Profile
from attractor.growth.api import plans
from attractor.growth.apps.process import import_state
from attractor.growth.apps.skeleton import write_app
from attractor.growth.building import build_plan, run_crew
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.deploy import Deployment, deploy
from attractor.growth.deployment.integrity import record_release
from attractor.growth.deployment.release import (
    NONE,
    ExpectedRelease,
    ReleaseRecord,
    Releases,
    tree_hash,
)
from attractor.growth.deployment.rollback import roll_back
from attractor.growth.deployment.targets import local
from attractor.growth.lineage import DeployedStage, next_stage, write_stage
from attractor.growth.plans.plan import Plan, read_proposal
from attractor.growth.plans.store import PlanState
from attractor.growth.simulation.report import Depth
from attractor.records.lookup import find_run
from attractor.scenarios.carried_paths import read_carried
from attractor.scenarios.suite_reader import read_suite
from attractor.workspaces.preparation import Preparation
from tests.factory.flows import ANN, HOLDOUT
from tests.factory.resources.stores import register
from tests.growth.app import make_app
from tests.growth.deployment.tiny_app import APP
from tests.growth.test_lineage import plan_of
from tests.patience import PATIENCE_S
from tests.pipeline.projects import adjusted, git, open_project
from tests.scenarios.suites import write_suite

CREW = """
digraph crew {
  start [shape=Mdiamond]
  exit [shape=Msquare]
  build [shape=parallelogram, tool_command="ls packages spec/lineage > app/built.txt"]
  start -> build -> exit
}
"""
GENERATED = CREW.replace("start -> build", "start -> skeleton -> build").replace(
    "build [", 'skeleton [type="growth.skeleton"]\n  build [', 1
)
"""The crew for a generated app, whose code follows the specification."""
SUITE = 'name = "farm"\npipeline = "crew"\n'
SETTINGS = """
[factory]
suite = "farm"
profile = "lenient"
[workspace]
carry_read_only = ["packages"]
"""
NEW_FIELD = {"type": "add_field", "entity": "Block", "name": "soil", "default": "loam"}
REASON = "The farm wants it so."


@dataclass(frozen=True)
class Living:
    """An app and its control plane."""

    folder: Path

    @property
    def plane(self) -> ControlPlane:
        wanted = Preparation(carry_read_only=("packages",))
        opened = open_project(self.folder)
        return ControlPlane(adjusted(opened, suite="farm", profile="lenient", preparation=wanted))

    @property
    def releases(self) -> Releases:
        return Releases(self.plane.releases)

    def plan(self, *morphs: dict[str, Any], is_simulated: bool = True) -> Plan:
        """Make a plan for the present app, and simulate it."""
        proposal = read_proposal({"morphs": [*morphs], "tests": []})
        spec = self.plane.specs.save(self.plane.specs.of_repository())
        plan = self.plane.plans.load(
            str(plans.plan_proposal(self.plane, spec, proposal)["plan_id"])
        )
        if is_simulated:
            plans.simulate(self.plane, plan.id)
        return plan

    def deploy(self, plan: Plan, *, variant: str = "") -> Deployment:
        return asyncio.run(
            deploy(
                self.plane,
                plan,
                branch="main",
                pipeline=self.folder / "pipelines" / "crew.dot",
                target=local.part,
                by="ann",
                variant=variant,
            )
        )

    def rehearse(self, plan: Plan) -> str:
        """Build a plan without an evaluation, as a simulation does; return the run."""
        opened, folder = self.plane.project, self.plane.plans.folder_of(plan.id)
        crew = self.folder / "pipelines" / "crew.dot"
        build = asyncio.run(build_plan(opened, folder, plan, branch="main"))
        return asyncio.run(run_crew(opened, build, pipeline=crew, evaluate=False)).run_id

    def roll_back(self, to: str = "") -> Deployment:
        return asyncio.run(roll_back(self.plane, to, branch="main", target=local.part, by="ann"))

    def decide(self, run_id: str, verdict: DecisionKind = DecisionKind.APPROVED) -> None:
        opened = self.plane.project
        with lock_run(find_run(run_id, opened.runs_dir), OpenProject(opened)) as run:
            decide(run, Evaluator(OpenProject(opened)), Decision(verdict, ANN, REASON))

    def register_suite(self) -> None:
        """Register the suite beside the app, with the carried paths as they are."""
        opened, suite = OpenProject(self.plane.project), self.folder.parent / "suite"
        paths = read_carried(read_suite(suite), opened.project.preparation, self.folder)
        now = opened.project.machine.clock.now()
        register(Evaluator(opened).opened.suites, suite, now=now, carried=paths.content)

    def make_token(self) -> str:
        """Create a token, as a person does at a terminal, and return its secret."""
        secret = "secret-of-the-test-to-decide"
        opened = self.plane.project
        tokens = TokenStore(opened.machine.state_dir)
        tokens.create("ann-decide", "decide", secret, by="ann", now=opened.machine.clock.now())
        return secret

    def grow(self, *morphs: dict[str, Any]) -> Deployment:
        """Plan, deploy, approve, and deploy to the end."""
        plan = self.plan(*morphs)
        if plan.is_first:
            plans.simulate(self.plane, plan.id, Depth.REHEARSAL)
        self.decide(self.deploy(plan).run_id)
        return self.deploy(plan)

    def state_of(self, plan: Plan) -> PlanState:
        return self.plane.plans.state(plan)

    @property
    def stage(self) -> str:
        current = self.releases.current
        return current.record.stage if current else ""

    @property
    def url(self) -> str:
        return str(json.loads((self.releases.folder / "keeper.json").read_text())["url"])

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def post(self, path: str, *records: dict[str, str]) -> None:
        for one in records:
            request = urllib.request.Request(self.url + path, json.dumps(one).encode())
            urllib.request.urlopen(request, timeout=PATIENCE_S).close()

    def records(self, entity: str = "block") -> Sequence[dict[str, str]]:
        return self.get(f"/data/{entity}")["records"]

    def commit(self, name: str) -> str:
        return git(self.folder, "rev-parse", name).strip()

    @property
    def expected(self) -> ExpectedRelease:
        """Return what the ledger would say of the release as it is."""
        current = self.releases.current
        assert current
        return ExpectedRelease(current.record.sandbox, tree_hash(current.files()))

    def start(self, environ: Mapping[str, str], services: Mapping[str, str] | None = None) -> str:
        """Start the release as it is; tests change its code."""
        return local.start(self.releases, environ, self.expected, services or {})

    def stop(self) -> None:
        """Stop the app; another test needs the machine."""
        with local.drained(self.releases):
            pass


def make_living(folder: Path, *, is_generated: bool = False) -> Living:
    """Make an app without a deployed plan: the smallest one (default), or a generated one."""
    plane = make_app(folder)
    files = {
        **({} if is_generated else {"app/__main__.py": APP}),
        "pipelines/crew.dot": GENERATED if is_generated else CREW,
        "attractor.toml": SETTINGS,
        ".gitignore": "runs/\npackages/\n__pycache__/\n",
    }
    (folder / "packages").mkdir()
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    if is_generated:
        write_app(plane.specs.of_repository(), folder)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "App")
    evaluator, now = Evaluator(OpenProject(plane.project)), plane.project.machine.clock.now()
    holdout = HOLDOUT.replace("made.txt", "app/built.txt").replace("equals", "contains")
    write_suite(folder.parent / "suite", suite=SUITE, made=holdout.format(wanted="v0"))
    Living(folder).register_suite()
    policy = {"allow": ["isolation_unverified"], "protected_paths": ["/spec"]}
    lenient = read_section(Profile, {"name": "lenient", "policy": policy})
    evaluator.opened.profiles.create(lenient, by="ann", now=now)
    return Living(folder)


def make_released(folder: Path, *, is_generated: bool = False, sandbox: str = NONE) -> Living:
    """Make an app whose seed was released with one record, without a run of the crew."""
    app = make_living(folder, is_generated=is_generated)
    seed = next_stage([], plan_of())
    write_stage(seed, folder)
    (folder / "app" / "built.txt").write_text("v0.json\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Seed")
    record = _promoted(app, seed, sandbox)
    new = app.releases.begin(record)
    for name in ("app", "spec"):
        shutil.copytree(folder / name, new.tree / name)
    asyncio.run(import_state(new.tree, new.state, {"block": ({"id": "b1", "crop": "rye"},)}))
    app.releases.complete(new, None)
    app.releases.switch(seed.stage)
    record_release(app.plane.project, app.releases.open(seed.stage))
    return app


def _promoted(app: Living, stage: DeployedStage, sandbox: str) -> ReleaseRecord:
    """Let the ledger promote the last commit, and return the record of its release."""
    project = app.plane.project
    OpenProject(project).identity.create_id()
    now = project.machine.clock.now()
    run_id, commit = new_run_id(now, project.machine.randomness), app.commit("HEAD")
    promotion = {"branch": "main", "base": app.commit("HEAD~1"), "commit": commit, "tag": ""}
    data = {**promotion, "decision": "", "rebased_from": "", "by": "ann"}
    Ledger(project.machine.state_dir).append(LineKind.PROMOTED, run_id, data, now=now)
    plan_id = str(stage.plan["plan_id"])
    return ReleaseRecord(stage.stage, run_id, commit, plan_id, sandbox=sandbox)
