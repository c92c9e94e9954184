"""Commands about automations."""

import json
from datetime import UTC, datetime
from pathlib import Path

from attractor.automations.store import AutomationFolder
from attractor.base.json import JsonObject
from tests.automations.desk import PIPELINE, SETTINGS
from tests.cli.git_desk import GitDesk, desk as desk
from tests.pipeline.projects import git
from tests.tables import table

NIGHTLY = ("automation", "create", "nightly", "pipeline.dot", "--cron", "0 3 * * *")


def make(desk: GitDesk, pipeline: str = PIPELINE) -> None:
    desk.make(pipeline, **{"attractor.toml": SETTINGS})


def test_automation_is_created_listed_run_paused_and_removed(desk: GitDesk) -> None:
    make(desk)
    created = desk.json(*NIGHTLY, "--zone", "Europe/Vienna", "--max-cost-usd", "2")
    assert (created["name"], created["max_cost_usd"], "token" in created) == ("nightly", 2, False)
    [listed] = desk.json("automation", "list")
    assert (listed["next"][-6:], listed["starts"]) == ("+00:00", [])
    done = desk.do("automation", "run", "nightly", "--input", "ticket=A-1", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    shown = desk.json("automation", "show", "nightly")
    [start] = shown["starts"]
    assert (start["kind"], start["state"], start["run_id"]) == ("person", "begun", result["run_id"])
    options = json.loads((desk.runs()[-1] / "manifest.json").read_text())["options"]
    assert options["inputs"] == {"ticket": "A-1"}
    assert options["trigger"]["automation"] == "nightly"
    assert options["budgets"]["cost_usd"] == 2
    [folder] = (desk.state / "projects").glob("*/automations/nightly")
    AutomationFolder(folder).starts.note_poll(datetime.now(UTC), "the command failed")
    assert desk.json("automation", "show", "nightly")["trouble"] == ["the command failed"]
    lines = desk.do("automation", "show", "nightly").stdout.splitlines()
    assert {"trouble: the command failed", "budget of a run: 2 USD"} <= {*lines}
    assert (lines[0], "begun, run" in lines[-1]) == ("automation nightly: pipeline.dot", True)
    paused = desk.json("automation", "pause", "nightly")
    assert paused == {"name": "nightly", "is_paused": True, "is_change": True}
    assert "paused" in desk.do("automation", "list").stdout
    assert not desk.json("automation", "pause", "nightly", "--off")["is_paused"]
    assert desk.json("automation", "remove", "nightly")["is_removed"]
    assert desk.json("automation", "list") == []
    assert (desk.state / "ledger.jsonl").read_text().count('"kind":"automation_') == 2


def test_automation_of_issues_lists_its_label(desk: GitDesk) -> None:
    make(desk, PIPELINE.replace("ticket=none", "title, body"))
    words = ("automation", "create", "fixes", "pipeline.dot", "--issue-label", "fix")
    refused = desk.do(*words)
    assert (refused.returncode, "unknown git remote 'origin'" in refused.stderr) == (2, True)
    assert desk.json("automation", "list") == []
    git(desk.project, "remote", "add", "origin", "https://github.com/ada/shop.git")
    created = desk.json(*words)
    assert (created["issue_label"], [*created["schema"]["properties"]]) == (
        "fix",
        ["title", "body"],
    )
    shown = desk.do("automation", "show", "fixes").stdout
    assert "starts: issues with the label fix" in shown
    assert "budget of a run: none" in shown


def test_automation_without_an_api_key_says_so(desk: GitDesk) -> None:
    make(desk, 'digraph a { s [shape=Mdiamond]; e [shape=Msquare]; w [prompt="x"]; s -> w -> e }')
    assert "it starts nothing" not in desk.do(*NIGHTLY).stdout
    desk.do("automation", "remove", "nightly")
    (desk.project / "attractor.toml").write_text("")
    assert "it starts nothing: node w: missing llm_model" in desk.do(*NIGHTLY).stdout


def test_token_of_an_automation_is_printed_once(desk: GitDesk) -> None:
    make(desk, PIPELINE.replace("ticket=none", "ticket, count:int"))
    words = ("automation", "create", "review", "pipeline.dot", "--http", "--input", "where=lib")
    created = desk.json(*words)
    assert len(created["token"]) > 30
    assert created["token"] not in (desk.state / "tokens.json").read_text()
    [token] = desk.json("token", "list")
    assert token["scope"] == "start"
    assert [*created["schema"]["properties"]] == ["ticket", "count"]
    own: JsonObject = {"type": "object", "additionalProperties": False}
    (desk.project / "schema.json").write_text(json.dumps(own))
    other = desk.json(*words[:2], "other", *words[3:], "--inputs-schema", "schema.json")
    assert other["schema"] == own


def test_automation_keeps_the_pipeline_of_the_gallery_as_it_was_created(desk: GitDesk) -> None:
    desk.make("digraph {}", **{"attractor.toml": SETTINGS, "Makefile": "test:\n\t@true\n"})
    created = desk.json("automation", "create", "h1", "gallery:feature", "--goal", "x", "--http")
    assert (created["pipeline"], created["inputs"]) == ("feature@1", {"test": "make test"})
    done = desk.do("automation", "run", "h1")
    assert done.returncode == 0, done.stderr


@table(
    ("words", "fault"),
    [
        (["pipeline.dot"], "nothing starts the automation nightly"),
        (["pipeline.dot", "--cron", "0 0 30 2 *"], "no month has this day"),
        (["pipeline.dot", "--cron", "daily"], "write five fields"),
        (["pipeline.dot", "--cron", "0 3 * * *", "--zone", "Mars"], "unknown time zone 'Mars'"),
        (["pipeline.dot", "--http", "--input", "colour=red"], "unknown input 'colour'"),
        (["pipeline.dot", "--http", "--input", "times=x"], "times must be an integer"),
        (["none.dot", "--http"], "none.dot"),
        (["pipeline.dot", "--tickets", "ls", "--every", "1s"], "would run too often"),
        (["pipeline.dot", "--http", "--profile", "none"], "unknown profile 'none'"),
    ],
)
def test_automation_that_could_start_nothing_is_refused(
    tmp_path: Path, words: list[str], fault: str
) -> None:
    desk = GitDesk(tmp_path)
    make(desk)
    done = desk.do("automation", "create", "nightly", *words)
    assert (done.returncode, fault in done.stderr) == (2, True), done.stderr
    assert desk.json("automation", "list") == []


def test_second_automation_of_a_name_and_an_unknown_one_are_refused(desk: GitDesk) -> None:
    make(desk)
    assert desk.do(*NIGHTLY).returncode == 0
    again = desk.do(*NIGHTLY)
    assert (again.returncode, "exists already" in again.stderr) == (4, True)
    unknown = desk.do("automation", "run", "nightli")
    assert (unknown.returncode, "did you mean nightly" in unknown.stderr) == (2, True)


def test_edited_automation_starts_nothing(desk: GitDesk) -> None:
    make(desk)
    desk.do(*NIGHTLY, "--max-cost-usd", "1")
    [record] = desk.state.glob("projects/*/automations/nightly/automation.json")
    record.write_text(record.read_text().replace('"max_cost_usd":1.0', '"max_cost_usd":100.0'))
    done = desk.do("automation", "run", "nightly")
    assert (done.returncode, "its record was edited" in done.stderr) == (6, True), done.stderr
    assert desk.runs() == []
    [row] = desk.json("attention")
    assert (row["need"], row["name"]) == ("automation", "nightly")
