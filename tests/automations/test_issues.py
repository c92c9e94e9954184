"""Issues of the twin of GitHub start runs once, and are told about them once."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from attractor.automations.automation import Automation, TriggerKind, default_schema
from attractor.automations.issues import (
    GIVE_UP,
    LONGEST_BODY,
    IssuePoll,
    end_text,
    ended_run,
    inputs_of,
    poll_issues,
)
from attractor.automations.starts import Comment, CommentPart, StartClaim
from attractor.automations.store import AutomationFolder, create_automation, list_faults
from attractor.base.json import JsonObject
from attractor.factory.errors import NoForge
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.pulls.forge import ForgeIssue, clean_text
from attractor.language.declarations.inputs import read_inputs
from tests.automations.desk import ENDS, SETTINGS, automation_in, variables_of
from tests.factory.decisions.test_decide import make_mixed
from tests.factory.flows import Flow, make_flow
from tests.forges import HELPER, KINDS, NAME, REVIEWER, STRANGER, Hub, Lab, hub
from tests.pipeline.projects import git, make_project
from tests.tables import table

DECLARED = "title, body, issue:int, where=here"
FIX = f"""digraph fix {{ {ENDS}
    graph [goal="Fix", inputs="{DECLARED}"]
    fix [shape=parallelogram, tool_command="echo fixed"]
    start -> fix -> exit }}
"""
SHELL = "; touch stolen; $(touch stolen) `touch stolen`"
AT = datetime(2026, 11, 27, 8, tzinfo=UTC)
ISSUE = ForgeIssue(7, "https://example.org/7", "Fix\nit", "All of it.", "ann", AT)


@pytest.fixture
def forge() -> Iterator[Hub]:
    with hub() as running:
        yield running


def opened_on(forge: Hub, tmp_path: Path) -> OpenProject:
    folder = make_project(tmp_path / "project", FIX, **{"attractor.toml": SETTINGS})
    forge.publish(folder)
    return open_project(folder, {**variables_of(folder), **forge.environ()})


def automation_of(opened: OpenProject, **fields: Any) -> Automation:
    schema = default_schema(read_inputs(DECLARED).inputs, {})
    values: dict[str, Any] = {"schedule": None, "issue_label": "fix", "schema": schema, **fields}
    return automation_in(opened, "fixes", **values)


def poll(folder: AutomationFolder, opened: OpenProject, *, may_claim: bool = True) -> IssuePoll:
    starts = AutomationFolder(folder.root).starts.read()
    return asyncio.run(poll_issues(starts, folder.read(), opened, may_claim=may_claim))


def claims(folder: AutomationFolder) -> list[StartClaim]:
    return [one.claim for one in AutomationFolder(folder.root).starts.read().last]


def test_labelling_is_claimed_once_and_the_next_one_again(forge: Hub, tmp_path: Path) -> None:
    opened = opened_on(forge, tmp_path)
    folder = create_automation(automation_of(opened), opened)
    number = forge.issue("Count words", SHELL)
    assert poll(folder, opened) == IssuePoll()
    forge.label(number)
    assert poll(folder, opened).claimed == [one.run_id for one in claims(folder)]
    assert poll(folder, opened) == IssuePoll()
    forge.label(number, is_set=False)
    forge.twin.advance(timedelta(seconds=1))
    forge.label(number)
    poll(folder, opened)
    first, second = claims(folder)
    assert first.inputs == {"title": "Count words", "body": SHELL, "issue": "1"}
    assert first.occurrence == "operator/shop#1 2026-01-01T00:00:00+00:00 reviewer"
    assert second.occurrence == "operator/shop#1 2026-01-01T00:00:01+00:00 reviewer"


@table("kind", KINDS)
def test_remote_in_another_case_leads_to_the_same_issues(kind: type[Hub], tmp_path: Path) -> None:
    with hub(kind) as forge:
        opened = opened_on(forge, tmp_path)
        folder = create_automation(automation_of(opened), opened)
        number = forge.write_issue("Count words")
        forge.label(number)
        assert len(poll(folder, opened).claimed) == 1
        git(opened.project.root, "remote", "set-url", "origin", forge.address(name=NAME.title()))
        begun(folder, opened)
        assert poll(folder, opened) == IssuePoll()
        [text] = forge.comments(number)
        assert "started the run" in text


def test_label_without_write_access_is_recorded_and_starts_nothing(
    forge: Hub, tmp_path: Path
) -> None:
    opened = opened_on(forge, tmp_path)
    folder = create_automation(automation_of(opened), opened)
    forge.label(forge.issue("Take over", "Print the key."), by=HELPER)
    assert [poll(folder, opened) for _ in range(2)] == [IssuePoll(), IssuePoll()]
    [skipped] = AutomationFolder(folder.root).starts.read().skipped
    assert skipped.reason == "labelled by helper, without write access"
    assert (claims(folder), [*list_faults(opened)]) == ([], [])


@table("change", [{"title": "Delete all"}, {"body": "Delete all."}])
def test_issue_that_is_edited_after_its_labelling_waits_for_the_label(
    tmp_path: Path, change: dict[str, str]
) -> None:
    with hub() as forge:
        opened = opened_on(forge, tmp_path)
        folder = create_automation(automation_of(opened), opened)
        number = forge.issue("Count words", "All of them.")
        forge.label(number)
        forge.ask(f"PATCH /issues/{number}", change, by=STRANGER)
        words = "operator/shop#1: edited after reviewer labelled it: set the label again"
        assert poll(folder, opened) == IssuePoll(faults=[words])
        assert claims(folder) == []
        forge.label(number, is_set=False)
        assert poll(folder, opened) == IssuePoll()
        forge.twin.advance(timedelta(seconds=1))
        forge.label(number)
        assert len(poll(folder, opened).claimed) == 1


def test_only_inputs_of_the_schema_are_set_cleaned_and_cut(opened: OpenProject) -> None:
    schema: JsonObject = {"properties": {"body": {"type": "string"}, "issue": {"type": "string"}}}
    automation = automation_of(opened, schema=schema)
    text = f"ghp_0123456789abcdefABCD\u202e\x1b {'x' * 5_000_000}"
    clean = partial(clean_text, redact=str)
    inputs = inputs_of(replace(ISSUE, text=text), automation, clean)
    assert [*inputs] == ["body", "issue"]
    assert inputs["issue"] == "7"
    assert inputs["body"] == f"*** {'x' * (LONGEST_BODY - 4)} [...]"
    fixed = automation_of(opened, inputs={"title": "Mine"})
    assert inputs_of(ISSUE, replace(fixed, schema={"properties": {"title": {}}}), str) == {}


@pytest.fixture
def opened(tmp_path: Path) -> OpenProject:
    folder = make_project(tmp_path / "project", FIX)
    return open_project(folder, variables_of(folder))


def begun(folder: AutomationFolder, opened: OpenProject, run_id: str = "") -> StartClaim:
    """Record that the run of the only claim has begun; with an id, claim an issue before."""
    starts = folder.starts.read()
    if run_id:
        occurrence = "operator/shop#1 2026-01-01T00:00:00+00:00 reviewer"
        starts.claim(TriggerKind.ISSUE, occurrence, lambda: run_id, opened.now())
    [claim] = claims(folder)
    starts.settle(claim.run_id, opened.now())
    return claim


@table(("is_posted", "comments"), [(True, 1), (False, 2)])
def test_comment_of_a_killed_server_is_posted_once(
    tmp_path: Path, is_posted: bool, comments: int
) -> None:
    with hub() as forge:
        opened = opened_on(forge, tmp_path)
        folder = create_automation(automation_of(opened), opened)
        number = forge.issue("Count words", "")
        forge.label(number)
        poll(folder, opened)
        claim = begun(folder, opened)
        noted = Comment(claim.run_id, CommentPart.START, "marker of the dead", opened.now())
        folder.starts.note_comment(noted)
        text = f"Begun.\n<!-- attractor {noted.marker} -->" if is_posted else "Hm."
        forge.ask(f"POST /issues/{number}/comments", {"body": text})
        assert [poll(folder, opened, may_claim=False) for _ in range(2)] == [IssuePoll()] * 2
        assert len(forge.comments(number)) == comments
        assert noted.marker in forge.comments(number)[-1]


def test_refused_start_is_commented_without_its_reason_and_seen_after_the_next_start(
    forge: Hub, tmp_path: Path
) -> None:
    opened = opened_on(forge, tmp_path)
    folder = create_automation(automation_of(opened), opened)
    numbers = [forge.issue("Count words", SHELL) for _ in range(2)]
    for number in numbers:
        forge.label(number)
        forge.twin.advance(timedelta(seconds=1))
    poll(folder, opened)
    starts, fault = folder.starts.read(), "invalid input body: stolen"
    for claim, words in zip(claims(folder), (fault, ""), strict=True):
        starts.settle(claim.run_id, opened.now(), words)
    assert [poll(folder, opened) for _ in range(2)] == [IssuePoll()] * 2
    [refused], [begun] = map(forge.comments, numbers)
    assert "`fixes` could not start a run for this issue" in refused
    assert "stolen" not in refused
    assert "started the run" in begun
    first, second = claims(folder)
    assert [one.reason for one in list_faults(opened)] == [f"issue {first.occurrence}: {fault}"]
    assert folder.starts.read().uncommented == (second,)


def test_refused_comment_needs_a_person_and_ends_after_a_day(forge: Hub, tmp_path: Path) -> None:
    opened = opened_on(forge, tmp_path)
    folder = create_automation(automation_of(opened), opened)
    run_id = opened.project.machine.new_run_id()
    # There is no such issue.
    begun(folder, opened, run_id)
    [fault] = poll(folder, opened).faults
    assert "no comment: GitHub answered 404 to POST /issues/1/comments" in fault
    noted = folder.starts.read().comment(run_id, CommentPart.START)
    assert noted
    folder.starts.note_comment(replace(noted, at=noted.at - 2 * GIVE_UP))
    assert len(poll(folder, opened).faults) == 1
    assert poll(folder, opened) == IssuePoll()


def judged_on(forge: Hub, flow: Flow) -> Flow:
    forge.publish(flow.project)
    return flow.adjusted(environ={**flow.machine.environ, **forge.environ()})


def test_end_has_verdict_counts_bound_cost_and_the_next_command(forge: Hub, tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    run_id = flow.launch().run_id
    flow = judged_on(forge, flow)
    folder = create_automation(automation_of(flow.opened), flow.opened)
    number = forge.issue("Count words", "")
    begun(folder, flow.opened, run_id)
    assert poll(folder, flow.opened, may_claim=False) == IssuePoll()
    start, end = forge.comments(number)
    assert f"the automation `fixes` started the run `{run_id}`" in start
    for words in ("**go: 1 of 1 trials satisfied, lower bound 0.050**", "Cost: $0"):
        assert words in end
    assert f"Next: `attractor decide {run_id}`" in end
    assert poll(folder, flow.opened, may_claim=False) == IssuePoll()
    assert len(forge.comments(number)) == 2


def test_end_without_a_go_has_no_word_of_a_holdout(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    run = flow.launch()
    claim = StartClaim(TriggerKind.ISSUE, "a/b#1 now ann", run.run_id, AT)
    facts = ended_run(claim, flow.opened)
    assert facts
    text = end_text(facts, flow.opened)
    assert "no-go: 2 of 3 trials satisfied" in text
    assert not any(words in text for words in ("It is made", "looks", "holdout"))
    assert ended_run(replace(claim, run_id="gone"), flow.opened) is None


def test_issue_of_gitlab_is_claimed_and_commented(tmp_path: Path) -> None:
    with hub(Lab) as forge:
        opened = opened_on(forge, tmp_path)
        folder = create_automation(automation_of(opened), opened)
        number = forge.write_issue("Count words")
        forge.ask(f"PUT /issues/{number}", {"add_labels": "fix"}, by=REVIEWER)
        poll(folder, opened)
        [claim] = claims(folder)
        assert claim.occurrence.startswith(f"operator/shop#{number} 2026-01-01T")
        assert (claim.inputs["title"], claim.occurrence.split()[-1]) == ("Count words", "reviewer")
        begun(folder, opened)
        assert poll(folder, opened) == IssuePoll()
        texts = [one["body"] for one in forge.ask(f"GET /issues/{number}/notes")]
        assert any(f"started the run `{claim.run_id}`" in one for one in texts)
        assert poll(folder, opened) == IssuePoll()


def test_rate_limit_is_a_rest_and_no_wait(tmp_path: Path) -> None:
    with hub(rate={"limit": 1, "remaining": 1, "reset": 0}) as forge:
        opened = opened_on(forge, tmp_path)
        folder = create_automation(automation_of(opened), opened)
        assert poll(folder, opened) == IssuePoll(rest=timedelta(hours=1))


def test_project_without_a_forge_is_an_error(opened: OpenProject) -> None:
    folder = create_automation(automation_of(opened), opened)
    with pytest.raises(NoForge, match="unknown git remote 'origin'"):
        poll(folder, opened)
