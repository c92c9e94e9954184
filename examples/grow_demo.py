"""An app grown from desires, by the six steps of getting started, in a new folder.

It makes a fresh repository for an example of `pipelines/growth/`, and types there the commands of a
person: desires become a specification, a plan, a simulation, a build by the crew, a decision and a
running app. Exits with 0 after the deployment, and with 5 if the gate says no-go.

The models' answers come from a script. With --live they come from a real model.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path

from demo import (
    CLONE,
    NO_GO,
    USAGE,
    LiveModel,
    Stage,
    Surprise,
    choose_policy,
    find_live_model,
    make_environ,
    sandbox_of,
    say,
    sign_in,
)

from attractor.backends.models import newest_model
from attractor.growth.apps.packages import copy_packages
from attractor.growth.apps.skeleton import STACK
from attractor.growth.apps.stack import stacks
from attractor.growth.building import shipped_pipeline
from attractor.growth.deployment import app_supervisor
from attractor.growth.deployment.release import Releases
from attractor.growth.deployment.targets import local
from attractor.growth.first_app.files import settings_text
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin

EXAMPLES = CLONE / "pipelines" / "growth"
FARM = "farmer-contract-allocation"
PARKED = 3
DRAFTED = "2026-03-01"
SCRIPTED = LiveModel("anthropic", newest_model("anthropic"), "")


def main() -> int:
    """Grow an example."""
    parser = argparse.ArgumentParser(description="Grow an app from desires.")
    parser.add_argument("--example", default=FARM, help="a folder of pipelines/growth")
    parser.add_argument("--script", default="twin.py", help="a script of the models")
    parser.add_argument("--live", action="store_true", help="ask a real model")
    given = parser.parse_args()
    live = find_live_model(os.environ) if given.live else None
    if given.live and live is None:
        return USAGE
    if live:
        say(f"Live: {live.name} of {live.provider} plans, writes and judges the app.")
    else:
        say("The models are scripts: this shows the machinery, not that a model writes good code.")
    with open_farm(given.example, given.script, live) as stage:
        try:
            return grow(stage, EXAMPLES / given.example)
        except Surprise as surprise:
            say(f"\nThe demo ended early: {surprise}. Everything is in {stage.folder}.")
            return surprise.code
        finally:
            stop(stage)


@contextmanager
def open_farm(example: str, script: str, live: LiveModel | None) -> Generator[Stage]:
    """Yield a new folder for the app; unless it is live, a twin of all providers runs."""
    folder = Path(tempfile.mkdtemp(prefix="attractor-grow-"))
    twin = ProviderTwin(load_script(EXAMPLES / example / script))
    with nullcontext() if live else in_background(twin) as started:
        variables = dict(started.environ()) if started else {}
        yield App(folder, make_environ(folder, variables), live)


class App(Stage):
    """The stage of the demo, with the repository of the app."""

    @property
    def project(self) -> Path:
        """The repository of the app."""
        return self.folder / "app"


def grow(stage: Stage, example: Path) -> int:
    """Take the six steps; return the exit status of the deployment."""
    prepare(stage, example)
    say("\n# 3. Desires become a specification")
    first = str(stage.ask("spec", "normalize", "spec.yaml")["spec_graph_id"])
    spec = str(stage.ask("spec", "normalize", "desires.json", "--base", first)["spec_graph_id"])
    stage.attractor("spec", "diff", first, spec)
    say("\n# 4. The same specification, drawn three ways")
    for mode in ("flowchart", "mindmap", "board"):
        stage.attractor("spec", "render", spec, "--mode", mode, "--output", f"../{mode}.svg")
    say("\n# 5. Plan, simulate, deploy")
    plan = str(stage.ask("grow", "plan", spec)["plan_id"])
    stage.attractor("grow", "review", plan)
    stage.attractor("grow", "simulate", plan, "--rehearse")
    status = stage.attractor("grow", "deploy", plan, expected=(PARKED, NO_GO))
    if stage.live:
        stage.attractor("gate", "latest", expected=(0, NO_GO))
    if status == NO_GO:
        stage.attractor("gate", "latest", "--operator", expected=(NO_GO,))
        say(f"\nNo-go: nothing was promoted (exit status {NO_GO}). Everything: {stage.folder}")
        return NO_GO
    say("\n# A person decides, in another terminal; then the deployment goes on")
    person = sign_in(stage)
    reason = "All hidden scenarios pass."
    person.attractor("decide", "latest", "--approve", "--reason", reason)
    stage.attractor("grow", "deploy", plan)
    look(stage, example)
    say("\n# 6. The history: what changed, and the lineage")
    stage.attractor("grow", "lineage")
    stage.attractor("audit", "verify")
    say(f"\nThe app, its drawings and all records: {stage.folder}")
    return 0


def prepare(stage: Stage, example: Path) -> None:
    """Make the repository and the control plane of an app, at a terminal."""
    stage.project.mkdir()
    policy = choose_policy(stage, is_automatic=True)
    say("\n# 1. A new repository, with the packages that the app needs")
    make_repository(stage, example, stage.live or SCRIPTED)
    say("\n# 2. The control plane: a profile, and the sealed suite of the app")
    stage.attractor("profile", "create", "demo", *policy)
    suite = f"scenarios/{example.name}"
    stage.attractor("suite", "register", suite, *sandbox_of(policy))
    stage.type("git add scenarios && git commit --quiet --message 'Seal the suite'")


def make_repository(stage: Stage, example: Path, model: LiveModel) -> None:
    """Write the repository of the app before its first plan."""
    app = stage.project
    (app / "pipelines").mkdir(parents=True)
    (app / "spec").mkdir()
    for name in ("crew", "tester"):
        shutil.copy(shipped_pipeline(name), app / "pipelines")
    for name in ("spec.yaml", "desires.json"):
        shutil.copy(example / name, app)
    shutil.copy(example / "development.toml", app / "spec")
    shutil.copytree(CLONE / "scenarios" / example.name, app / "scenarios" / example.name)
    copy_packages(stacks()[STACK].packages, app / "packages")
    shutil.copytree(example / "recordings", app / "runs" / "growth" / "recordings")
    (app / ".gitignore").write_text("/runs/\n/packages/\n")
    settings = settings_text(example.name, "demo", model.provider, model.name)
    (app / "attractor.toml").write_text(settings)
    stage.type("git init --quiet --initial-branch main")
    stage.type("git config user.name You && git config user.email you@localhost")
    stage.type("git add --all && git commit --quiet --message 'Desires, and how the app may grow'")


def look(stage: Stage, example: Path) -> None:
    """Send the records of a tester's draft to the running app, and print its answers."""
    # Drafts have a fixed date; the running app has the clock of the machine.
    text = (example / "drafts.json").read_text("utf-8").replace(DRAFTED, str(date.today()))
    draft = json.loads(text)[0]
    posts = [(f"/data/{entity}", records) for entity, records in draft["given"].items()]
    for path, body in [*posts, (f"/run/{draft['run']}", None)]:
        ask(stage, path, json.dumps(body).encode())
    for path in ("/health", draft["expect"][0]["get"]):
        say(f"\n$ curl -H accept:application/json {app_url(stage)}{path}\n{ask(stage, path)}")


def ask(stage: Stage, path: str, body: bytes | None = None) -> str:
    """Return the answer of the running app."""
    headers = {"accept": "application/json", "content-type": "application/json"}
    request = urllib.request.Request(f"{app_url(stage)}{path}", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def app_url(stage: Stage) -> str:
    """Return the address of the running app."""
    return str(json.loads((releases_of(stage) / app_supervisor.NOTE).read_text())["url"])


def releases_of(stage: Stage) -> Path:
    """Return the folder of the releases of the app."""
    return stage.project / "runs" / "growth" / "releases"


def stop(stage: Stage) -> None:
    """Stop the running app, if there is one."""
    if releases_of(stage).is_dir():
        with local.drained(Releases(releases_of(stage))):
            say("\nThe app was stopped; 'attractor grow deploy' starts the next one.")


if __name__ == "__main__":
    sys.exit(main())
