"""An app begun by one command: its printed commands lead on, without a file that is typed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from attractor.growth.building import shipped_example
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.cli.plain_desk import Desk
from tests.cli.terminals import sit
from tests.counts import IS_FULL
from tests.growth.model import objects, questions
from tests.pipeline.projects import git
from tests.ports import free_port
from tests.prepared import PROGRAM

DOCUMENT = "identity: {purpose: Share the garden}\ndata_contracts: {entities: [{name: Bed}]}\n"
BED = {"type": "add_field", "entity": "bed", "name": "watered", "field_type": "date"}
MODEL = "gpt-5.6"
PARKED = 3


@dataclass
class AppDesk(Desk):
    """An empty folder, in which an app is begun, and the variables of its models."""

    models: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def place(self) -> Path:
        (self.folder / "app").mkdir(exist_ok=True)
        return self.folder / "app"

    @property
    def environ(self) -> Mapping[str, str]:
        return {**super().environ, **self.models}

    def answer(self, *words: str) -> Any:
        ended = self.do(*words, "--json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def decide(self) -> None:
        """Approve the last run, as a person at a terminal."""
        words = [PROGRAM, "decide", "latest", "--approve", "--reason", "All scenarios pass."]
        with sit(words, cwd=self.place, environ=self.environ) as sitting:
            sitting.until("approved by")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[AppDesk]:
    desk = AppDesk(tmp_path)
    yield desk
    desk.end()


@pytest.mark.parametrize(
    ("example", "checked"),
    [("lending", 1), ("farmer-contract-allocation", 2), ("immigration-policy-impact", 2)],
)
def test_example_is_begun_planned_and_simulated_offline(
    desk: AppDesk, example: str, checked: int
) -> None:
    begun = desk.answer("grow", "init", "--example", example)
    assert begun["suite"]["trials"] == 6
    assert git(desk.place, "status", "--short") == ""
    assert git(desk.place, "log", "--format=%s").splitlines() == [
        "Seal the suite",
        f"Begin {example}",
    ]
    assert not (desk.place / "spec" / "nodes").exists()
    hidden = desk.place / "scenarios" / example / "holdout"
    assert len({one.read_text().splitlines()[0] for one in hidden.iterdir()}) == 1
    *_, next_ = begun["next"]
    assert next_ == f"attractor grow plan {begun['spec_graph_id']}"
    with in_background(ProviderTwin(load_script(shipped_example(example) / "twin.py"))) as twin:
        desk.models = twin.environ()
        plan = desk.answer(*next_.split()[1:])
    assert plan["deployable"] is True
    assert plan["identity"]["machine_checked"] == checked
    simulated = desk.answer("grow", "simulate", plan["plan_id"], "--no-rehearse")
    assert (simulated["is_first"], simulated["faults"]) == (True, [])
    again = desk.do("grow", "init", "--example", example)
    assert (again.returncode, f"has the app {example}" in again.stderr) == (4, True)


def test_app_of_a_person_is_begun_in_a_repository_from_a_document_and_desires(
    desk: AppDesk,
) -> None:
    git(desk.place, "init", "--quiet")
    (desk.place / "notes.txt").write_text("mine")
    (desk.place / ".gitignore").write_text("*.log\n")
    document, desires = desk.folder / "garden.yaml", desk.folder / "desires.json"
    document.write_text(DOCUMENT)
    desires.write_text(json.dumps([{"goal": "Water every bed"}]))
    words = ("grow", "init", "--name", "garden", "--from", str(document))
    begun = desk.answer(*words, "--from", str(desires))
    assert "1 desire" in begun["spec_summary"]
    assert (desk.place / ".gitignore").read_text() == "*.log\n/runs/\n/packages/\n"
    assert git(desk.place, "status", "--short") == "?? notes.txt\n"
    proposal = desk.folder / "proposal.json"
    proposal.write_text(json.dumps({"morphs": [BED], "tests": []}))
    spec = begun["next"][-1].split()[-1]
    plan = desk.answer("grow", "plan", spec, "--proposal", str(proposal))
    assert (plan["deployable"], plan["risk"]) == (True, "medium")


@pytest.mark.parametrize(
    ("text", "next_"),
    [
        ("identity: {purpose: Share the garden}", 'spec normalize "what you wish" --base'),
        (DOCUMENT, "grow plan"),
    ],
    ids=["purpose", "document"],
)
def test_app_without_desires_names_the_command_that_leads_on(
    desk: AppDesk, text: str, next_: str
) -> None:
    begun = begin(desk, text)
    assert begun["next"] == [f"attractor {next_} {begun['spec_graph_id']}"]
    assert (begun["name"], begun["model"]) == ("app", "")


def begin(desk: AppDesk, *texts: str, model: str = "") -> Any:
    """Begin an app from texts of documents and desires."""
    words = ["--model", model] if model else []
    for number, text in enumerate(texts):
        file = desk.folder / f"{number}.yaml"
        file.write_text(text)
        words += ["--from", str(file)]
    return desk.answer("grow", "init", *words)


def test_document_is_planned_built_and_deployed_without_an_id_and_a_model(desk: AppDesk) -> None:
    begin(desk, f"{DOCUMENT}interface: {{panels: [{{name: All beds, shows: [Bed]}}]}}\n")
    plan = desk.answer("grow", "plan")
    assert plan["plain"][0] == "the panel 'All beds' lists all records"
    for words, code in (("simulate", 0), ("deploy", PARKED)):
        ended = desk.do("grow", words, plan["plan_id"])
        assert ended.returncode == code, ended.stdout + ended.stderr
    desk.decide()
    assert desk.do("grow", "deploy", plan["plan_id"]).returncode == 0
    try:
        page = httpx.get(desk.answer("grow", "open")["url"], headers={"accept": "text/html"}).text
        assert "All beds" in page
    finally:
        desk.do("grow", "stop")
    again = desk.do("grow", "plan")
    assert (again.returncode, "no desires in sg-" in again.stderr) == (2, True)


def test_step_that_needs_a_model_is_refused_before_a_run(desk: AppDesk) -> None:
    work = "workflows: {pipelines: [{name: Daily, steps: [{name: Water, reads: [Bed]}]}]}\n"
    begin(desk, DOCUMENT + work)
    plan = desk.answer("grow", "plan")
    refused = desk.do("grow", "simulate", plan["plan_id"])
    assert refused.returncode == 4
    assert "only a model writes: the step 'Water'" in refused.stderr
    assert "pass --model MODEL" in refused.stderr
    assert desk.do("runs", "--json").stdout.strip() == "[]"


def test_wishes_without_a_model_name_the_specification_that_needs_none(desk: AppDesk) -> None:
    first = begin(desk, DOCUMENT, "goal: Water every bed", "goal: Weed every bed")
    refused = desk.do("grow", "plan")
    assert refused.returncode == 2
    base = refused.stderr.split("plan without the desires: attractor grow plan ")[1].split()[0]
    plan = desk.answer("grow", "plan", base)
    assert (plan["morphs"], plan["desires"]) == ([], [])
    assert first["spec_graph_id"] != base
    desk.do("spec", "normalize", "identity: {purpose: Share tools}")
    several = desk.do("grow", "plan")
    assert "2 specifications" in several.stderr


def test_model_is_tried_before_anything_is_written_or_paid(desk: AppDesk) -> None:
    refusing = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1"}
    document, proposal = desk.folder / "garden.yaml", {"morphs": [BED], "tests": []}
    document.write_text(DOCUMENT)
    desk.models = refusing
    refused = desk.do("grow", "init", "--from", str(document), "--model", MODEL)
    assert refused.returncode == 2
    assert "the model provider openai does not answer" in refused.stderr
    assert [*desk.place.iterdir()] == []
    with in_background(ProviderTwin(objects(proposal))) as twin:
        desk.models = twin.environ()
        begun = begin(desk, DOCUMENT, "goal: Water every bed", model=MODEL)
        assert begun["model"] == f"{MODEL} of openai"
        assert f'model = "{MODEL}"' in (desk.place / "attractor.toml").read_text()
        desk.models = refusing
        unpaid = desk.do("grow", "plan")
        assert "does not answer" in unpaid.stderr
        desk.models = twin.environ()
        assert desk.answer("grow", "plan", "--model", "gpt-6-sol")["deployable"] is True
        models = [one.model for one in questions(twin)]
    assert models == ["gpt-6-sol"]


def test_settings_for_another_suite_are_kept_and_refused(desk: AppDesk) -> None:
    (desk.place / "attractor.toml").write_text('[factory]\nsuite = "other"\n')
    ended = desk.do("grow", "init", "--example", "lending")
    assert ended.returncode == 2
    assert 'write suite = "lending"' in ended.stderr
    assert not (desk.place / "spec").exists()


def test_person_is_asked_for_purpose_and_wishes(desk: AppDesk) -> None:
    program = [PROGRAM, "grow", "init", "--name", "street"]
    with sit(program, cwd=desk.place, environ=desk.environ) as sitting:
        for asked, typed in (
            ("What is the app for", "Lend tools"),
            ("Wish 1", "List tools"),
            ("Wish 2", "Two weeks at most"),
            ("Wish 3", "Remind by mail"),
        ):
            sitting.until(asked)
            sitting.type(f"{typed}\n")
        sitting.until("attractor grow plan sg-")


@contextmanager
def models(desk: AppDesk, start: str, wait: str) -> Generator[Mapping[str, str]]:
    """Type the lines that start the script of an example; yield the variables that they set."""
    shell = subprocess.run(
        ["bash", "-c", f"{start}\necho pid=$!\n{wait}\nenv"],
        cwd=desk.place,
        env={**desk.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(one.split("=", 1) for one in shell.stdout.splitlines() if "=" in one)
    try:
        yield {key: value for key, value in found.items() if key.endswith(("_KEY", "_URL"))}
    finally:
        os.kill(int(found["pid"]), signal.SIGTERM)


@pytest.mark.skipif(not IS_FULL, reason="builds an app for a minute or more; set COUNTS=full")
def test_printed_commands_lead_from_nothing_to_a_running_first_stage(desk: AppDesk) -> None:
    start, wait, planning = desk.answer("grow", "init", "--example", "lending")["next"]
    with models(desk, start, wait) as desk.models:
        plan = str(desk.answer(*planning.split()[1:])["plan_id"])
        for words, code in (("simulate", 0), ("deploy", PARKED)):
            ended = desk.do("grow", words, plan)
            assert ended.returncode == code, ended.stdout + ended.stderr
        desk.decide()
        ended = desk.do("grow", "deploy", plan)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    try:
        page = httpx.get(desk.answer("grow", "open")["url"], headers={"accept": "text/html"}).text
        assert "To bring back" in page
    finally:
        desk.do("grow", "stop")
