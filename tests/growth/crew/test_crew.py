"""The crew's graph on a real app: a real run, a real provider twin, real processes of the app."""

import asyncio
import shutil
from pathlib import Path

import pytest

from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.growth.building import shipped_pipeline
from attractor.growth.specification.document import read_document
from attractor.records.request import RunRequest
from attractor.scenarios.sealed_suite import seal_suite
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.cli.running import attractor
from tests.counts import IS_FULL
from tests.growth.app import make_app
from tests.growth.apps.test_services import write_own_twin
from tests.growth.crew.crew_script import BODY, HOME, STEP
from tests.growth.crew.test_answers import ADAPTER
from tests.growth.model import objects, project_with_model
from tests.pipeline.projects import adjusted, git
from tests.scenarios.suites import write_suite

SUITE = 'name = "copies"\npipeline = "crew"\n'
SPEC = read_document(
    """
identity: {purpose: Copy items}
data_contracts: {entities: [{name: Item, fields: [note]}, {name: Copy, fields: [note]}]}
evidence_policy: {sources: [Calendar]}
workflows:
  pipelines: [{name: Daily, steps: [{name: Copying, reads: [Item, Calendar], writes: [Copy]}]}]
interface: {panels: [{name: Home, shows: [Copy]}]}
acceptance_tests: [Bad items are not copied]
"""
)


# Six starts of an app: its health, two drafts, and the mutants for each of them.
def test_crew_builds_an_app_after_a_wrong_answer_and_a_veto(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    make_app(folder, SPEC)
    write_own_twin(folder)
    script = load_script(Path(__file__).with_name("crew_script.py"))
    with in_background(ProviderTwin(script)) as twin:
        opened = adjusted(project_with_model(twin, folder), root=folder)
        request = RunRequest(file=shipped_pipeline("crew"), sandbox="none", evaluate=False)
        result = asyncio.run(start_run(request, OpenProject(opened)))
    assert result.reason == "completed"
    assert result.completed == (
        *("start", "gateway", "skeleton", "compiler", "toolsmith", "compiler", "surface"),
        *("safety", "compiler", "surface", "safety", "verify", "tester", "build", "deployer"),
        "historian",
    )
    journal = (result.directory / "events.jsonl").read_text()
    assert journal.count('"CrewAnswerRefused"') == 1
    assert (result.context["build.kept"], result.context["build.refused"]) == (
        ["one-copy"],
        ["a-list"],
    )
    assert isinstance(artifact := result.context["deployer.artifact"], dict)
    assert artifact["spec_hash"] == SPEC.spec_hash
    [kept] = result.directory.glob("build/one-copy.scenario.toml")
    assert "/run/daily" in kept.read_text()
    require_adoptable(folder, result.run_id)
    tree = f"refs/heads/attractor/run/{result.run_id}"
    assert git(folder, "show", f"{tree}:{STEP}") == BODY.strip() + "\n"
    changed = git(folder, "diff", "--name-only", "HEAD", tree).splitlines()
    assert {STEP, HOME, "app/generated.json", "tools/checklist.py"} <= {*changed}
    assert all(one.startswith(("app/", "tools/")) for one in changed)


@pytest.mark.skipif(not IS_FULL, reason="at full counts only: its crew is that of the test above")
def test_nine_steps_lead_from_a_desire_to_a_proposal(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    make_app(folder, SPEC)
    write_own_twin(folder)
    script = load_script(Path(__file__).with_name("crew_script.py"))
    with in_background(ProviderTwin(script)) as twin:
        opened = adjusted(project_with_model(twin, folder), root=folder)
        request = RunRequest(
            file=shipped_pipeline("growth"),
            inputs={"desires": '[{"goal": "know contracts"}]'},
            interviewer="auto_approve",
            sandbox="none",
            evaluate=False,
        )
        result = asyncio.run(start_run(request, OpenProject(opened)))
    assert result.completed == (
        *("start", "desire", "refine", "propose", "check", "simulate", "review", "migrate"),
        *("deploy", "monitor"),
    )
    assert result.reason == "completed"
    tree = f"refs/heads/attractor/run/{result.run_id}"
    assert "contracts" in git(folder, "show", f"{tree}:spec/nodes/source/contracts.json")
    assert git(folder, "show", f"{tree}:{STEP}") == BODY.strip() + "\n"
    assert git(folder, "log", "--format=%s", "main") == "Begin\n"


def require_adoptable(project: Path, run: str) -> None:
    """Adopt the draft of a run into suites: for train by default, as a holdout with the flag."""
    shutil.copy(shipped_pipeline("crew"), project)
    for flag, split in (("--json", "train"), ("--holdout", "holdout")):
        suite = write_suite(project / "runs" / split, suite=SUITE)
        words = ("suite", "adopt", run, str(suite), "one-copy", flag)
        done, again = (attractor(*words, folder=project) for _ in range(2))
        assert done.returncode == 0, done.stderr
        linted = attractor("suite", "lint", str(suite), folder=project)
        assert linted.returncode == 0, linted.stdout
        sealed = seal_suite(suite, project / "runs" / "sealed")
        assert "one-copy" in [one.id for one in sealed.suite.of_split(split)]
        assert (again.returncode, "one-copy.scenario.toml exists" in again.stderr) == (2, True)


JUDGE = """
digraph judge {{
  start [shape=Mdiamond]
  exit [shape=Msquare]
  build [shape=parallelogram, tool_command="{command}"]
  safety [type="growth.safety", agent="safety"]
  start -> build -> safety -> exit
}}
"""
BREACH = "sed -i s/Copy/Sell/ spec/nodes/domain/domain.json"
APPROVAL = {"verdict": "approve"}
VETO = {"verdict": "veto", "reasons": ["words of the agent"]}


@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("true", APPROVAL, ""),
        ("true", VETO, "veto of safety: words of the agent"),
        (BREACH, APPROVAL, "identity: 'purpose': purpose changes"),
    ],
)
def test_safety_agent_permits_no_breach_and_its_veto_stands(
    command: str, answer: object, reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    make_app(folder, SPEC)
    pipeline = tmp_path / "judge.dot"
    pipeline.write_text(JUDGE.format(command=command))
    with in_background(ProviderTwin(objects(answer))) as twin:
        opened = adjusted(project_with_model(twin, folder), root=folder)
        request = RunRequest(file=pipeline, sandbox="none", evaluate=False)
        result = asyncio.run(start_run(request, OpenProject(opened)))
    assert (reason in result.reason) if reason else result.reason == "completed"


PROPOSE = """
digraph propose {
  start [shape=Mdiamond]
  exit [shape=Msquare]
  skeleton [type="growth.skeleton"]
  compiler [type="growth.crew", agent="compiler"]
  toolsmith [type="growth.crew", agent="toolsmith"]
  start -> skeleton -> compiler -> toolsmith -> exit
}
"""


def test_run_ends_with_a_proposed_adapter_that_a_person_plans(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    make_app(folder, SPEC)
    pipeline = tmp_path / "propose.dot"
    pipeline.write_text(PROPOSE)
    script = objects({"services": ["weather"]}, {"ready": [], "adapter": ADAPTER})
    with in_background(ProviderTwin(script)) as twin:
        opened = adjusted(project_with_model(twin, folder), root=folder)
        request = RunRequest(file=pipeline, sandbox="none", evaluate=False)
        result = asyncio.run(start_run(request, OpenProject(opened)))
    assert "toolsmith proposes adapter.json, twin.toml: a person decides" in result.reason
    tree = f"refs/heads/attractor/run/{result.run_id}"
    assert "weather" not in git(folder, "ls-tree", "-r", "--name-only", tree)
    file = result.directory / "toolsmith" / "adapter.json"
    done = attractor("grow", "plan", "--proposal", str(file), folder=folder)
    assert "add_adapter name=Weather" in done.stdout, done.stderr
    assert "risk high" in done.stdout
