"""Automations in the state folder and in the ledger."""

import json
import shutil
from pathlib import Path

import pytest

from attractor.automations.automation import Rights, TriggerKind
from attractor.automations.errors import ChangedAutomation, InvalidAutomation
from attractor.automations.store import (
    REFUSED_FOR,
    create_automation,
    find_automation,
    list_automations,
    list_faults,
    recorded_digests,
    remove_automation,
    verified,
)
from attractor.base.errors import Refused, UnknownName
from attractor.factory.ledger.tokens import TokenStore, digest_of
from attractor.factory.open_project import OpenProject
from attractor.factory.operator_process import Scope
from tests.automations.desk import automation_in, make_opened
from tests.tables import table

SECRET = "a-secret-of-the-test"


@pytest.fixture
def opened(tmp_path: Path) -> OpenProject:
    return make_opened(tmp_path / "project")


def test_created_automation_is_found_as_it_was_made(opened: OpenProject) -> None:
    automation = automation_in(opened, max_cost_usd=1.5, max_duration="2h")
    create_automation(automation, opened)
    folder = find_automation("night", opened)
    assert verified(folder, opened) == automation
    assert recorded_digests(opened.ledger) == {automation.digest: automation.project}
    assert [one.name for one in list_automations(folder.root.parents[3], automation.project)] == [
        "nightly"
    ]
    assert [*list_faults(opened)] == []


def test_second_automation_of_a_name_is_refused(opened: OpenProject) -> None:
    create_automation(automation_in(opened), opened)
    with pytest.raises(Refused, match="the automation nightly exists already"):
        create_automation(automation_in(opened, max_tokens=5), opened)
    with pytest.raises(UnknownName, match="unknown automation 'weekly'"):
        find_automation("weekly", opened)
    with pytest.raises(InvalidAutomation, match=r"invalid name '\.\./up'"):
        create_automation(automation_in(opened, "../up"), opened)


@table(
    ("field", "value"),
    [
        ("max_cost_usd", 1000.0),
        ("profile", "loose"),
        ("pipeline", "other.dot"),
        ("rights", {"by": "root"}),
        ("tickets", {"command": "touch stolen"}),
        ("colour", "red"),
        ("name", "other"),
    ],
)
def test_edited_record_starts_nothing_and_needs_a_person(
    tmp_path: Path, field: str, value: object
) -> None:
    opened = make_opened(tmp_path / "project")
    folder = create_automation(automation_in(opened, max_cost_usd=1.0), opened)
    folder.record.write_text(json.dumps(json.loads(folder.record.read_text()) | {field: value}))
    with pytest.raises(ChangedAutomation, match="the automation nightly starts no runs"):
        verified(folder, opened)
    [fault] = list_faults(opened)
    assert (fault.name, fault.key) == ("nightly", "edited")
    remove_automation(folder, opened, by="ann")
    assert [*list_faults(opened)] == []


def test_damaged_journal_is_a_fault_of_its_own_automation(opened: OpenProject) -> None:
    for name in ("first", "nightly", "weekly"):
        folder = create_automation(automation_in(opened, name), opened)
        folder.starts.note_poll(opened.now(), "the command failed")
    damaged = find_automation("nightly", opened).root / "starts.jsonl"
    damaged.write_text(f"{damaged.read_text()}garbage\n")
    assert [(fault.name, fault.reason, fault.key[:6]) for fault in list_faults(opened)] == [
        ("first", "the command failed", "poll:2"),
        ("nightly", f"invalid line in {damaged}", "starts"),
        ("weekly", "the command failed", "poll:2"),
    ]


def test_removed_automation_that_is_restored_starts_nothing(
    opened: OpenProject, tmp_path: Path
) -> None:
    folder = create_automation(automation_in(opened), opened)
    shutil.copytree(folder.root, tmp_path / "copy")
    remove_automation(folder, opened, by="ann")
    assert recorded_digests(opened.ledger) == {}
    shutil.copytree(tmp_path / "copy", folder.root)
    with pytest.raises(ChangedAutomation, match="its record was edited"):
        verified(find_automation("nightly", opened), opened)


def test_automation_ends_with_the_token_of_its_creator(opened: OpenProject) -> None:
    tokens = TokenStore(opened.project.machine.state_dir)
    tokens.create("bob", Scope.OPERATE, SECRET, by="ann", now=opened.now())
    rights = Rights("bob", digest_of(SECRET))
    folder = create_automation(automation_in(opened, rights=rights), opened)
    assert verified(folder, opened).rights == rights
    tokens.revoke("bob", by="ann", now=opened.now())
    with pytest.raises(ChangedAutomation, match="the token bob, with which it was created"):
        verified(folder, opened)


@table(("scope", "is_for"), [(Scope.READ, True), (Scope.OPERATE, False), (Scope.START, True)])
def test_automation_has_no_right_that_a_token_does_not_have(
    tmp_path: Path, scope: Scope, is_for: bool
) -> None:
    opened = make_opened(tmp_path / "project")
    own = opened.identity.create_id()
    tokens = TokenStore(opened.project.machine.state_dir)
    projects = [own if is_for else "0" * 32]
    tokens.create("bob", scope, SECRET, by="ann", now=opened.now(), projects=projects)
    rights = Rights("bob", digest_of(SECRET))
    folder = create_automation(automation_in(opened, rights=rights), opened)
    with pytest.raises(ChangedAutomation, match="has no such right any more"):
        verified(folder, opened)


def test_removing_an_automation_revokes_its_tokens(opened: OpenProject) -> None:
    folder = create_automation(automation_in(opened, has_http=True), opened)
    tokens, project = TokenStore(opened.project.machine.state_dir), opened.identity.project_id()
    for name in ("nightly", "weekly"):
        tokens.create(
            f"{name}-token",
            Scope.START,
            name,
            by="ann",
            now=opened.now(),
            projects=[project],
            automation=name,
        )
    remove_automation(folder, opened, by="ann")
    assert [one.name for one in tokens.list()] == ["weekly-token"]
    assert not folder.root.exists()


def test_creation_that_was_killed_is_repeated(opened: OpenProject) -> None:
    tokens = TokenStore(opened.project.machine.state_dir)
    automation = automation_in(opened, has_http=True)
    # The folder is made last.
    shutil.rmtree(create_automation(automation, opened, "first-secret").root)
    with pytest.raises(UnknownName):
        find_automation("nightly", opened)
    again = automation_in(opened, has_http=True, max_tokens=5)
    folder = create_automation(again, opened, "second-secret")
    [token] = tokens.list()
    assert (token.digest, token.automation) == (digest_of("second-secret"), "nightly")
    assert [*recorded_digests(opened.ledger)] == [again.digest]
    assert verified(folder, opened) == again
    remove_automation(folder, opened, by="ann")
    assert (tokens.list(), recorded_digests(opened.ledger)) == ((), {})


def test_failed_command_needs_a_person_until_it_is_well_and_a_refused_start_for_days(
    opened: OpenProject,
) -> None:
    starts = create_automation(automation_in(opened), opened).starts
    now, new_run_id = opened.now(), opened.project.machine.new_run_id
    starts.note_poll(now, "the command failed")
    first = starts.claim(TriggerKind.TICKET, "A-1", new_run_id, now)
    assert first
    starts.settle(first.run_id, now, "unknown profile")
    assert [fault.reason for fault in list_faults(opened)] == [
        "the command failed",
        "ticket A-1: unknown profile",
    ]
    starts.note_poll(now, "")
    second = starts.claim(TriggerKind.TICKET, "A-2", new_run_id, now)
    assert second
    starts.settle(second.run_id, now)
    assert [fault.reason for fault in list_faults(opened)] == ["ticket A-1: unknown profile"]
    for is_paused in (True, False):
        starts.switch(is_paused=is_paused, by="ann", now=opened.now())
    assert [*list_faults(opened)] == []
    old = now - REFUSED_FOR
    for occurrence, at in (("A-3", old), ("A-4", opened.now()), ("A-5", opened.now())):
        claim = starts.claim(TriggerKind.TICKET, occurrence, new_run_id, at)
        assert claim
        starts.settle(claim.run_id, at, "unknown profile")
    [fault] = list_faults(opened)
    assert fault.reason == "ticket A-5: unknown profile (and 1 earlier)"
