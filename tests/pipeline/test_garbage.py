"""Files of a run are kept as long as the run can continue."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.base.ids import new_run_id
from attractor.engine.run_folder.layout import create_run_directory
from attractor.engine.run_folder.result import Landing
from attractor.engine.state.run_state import (
    APPROVED,
    AWAITING_ANSWER,
    AWAITING_DECISION,
    BOOTING,
    CANCELED,
    EVALUATING,
    EXECUTING,
    FAILED,
    REJECTED,
    RunStatus,
)
from attractor.pipeline.garbage import YET, Keeping, Rules, Whereabouts, need_of
from attractor.records.summary import RESULT_LANDED, summarize
from tests.engine.graphs import line
from tests.engine.runs import RUN_ID, Workplace, manifest

NOW = datetime.now(UTC)
LATER = Rules(NOW + timedelta(days=8), timedelta(days=7))
AT_ONCE = Rules(NOW + timedelta(seconds=1), timedelta())
RIGHT_ON = [BOOTING, EXECUTING]
JUDGED = [*RIGHT_ON, EVALUATING, AWAITING_DECISION]
ROADS = {
    FAILED: [*RIGHT_ON, FAILED],
    CANCELED: [CANCELED],
    REJECTED: [*JUDGED, REJECTED],
    APPROVED: [*JUDGED, APPROVED],
    EXECUTING: RIGHT_ON,
    EVALUATING: [*RIGHT_ON, EVALUATING],
    AWAITING_DECISION: JUDGED,
    AWAITING_ANSWER: [*RIGHT_ON, AWAITING_ANSWER],
}


def at(folder: Path, status: RunStatus) -> Workplace:
    place = Workplace(folder / "runs" / RUN_ID, line("a"))
    with place.open() as run:
        for one in ROADS[status]:
            run.change_status(one)
    return place


def need(place: Workplace, rules: Rules = LATER, *, is_promoted: bool = False) -> Keeping:
    return need_of(RUN_ID, Whereabouts((place.root,), True, is_promoted), rules)


@pytest.mark.parametrize("status", [FAILED, CANCELED, REJECTED], ids=str)
def test_final_run_needs_no_files(tmp_path: Path, status: RunStatus) -> None:
    found = need(at(tmp_path, status))
    assert (found.is_needed, found.why) == (False, f"it is {status}")


@pytest.mark.parametrize(
    "status", [EXECUTING, EVALUATING, AWAITING_ANSWER, AWAITING_DECISION, APPROVED], ids=str
)
def test_run_that_can_continue_keeps_all_files(tmp_path: Path, status: RunStatus) -> None:
    assert need(at(tmp_path, status)).is_needed


def test_undecided_run_of_another_project_is_named_by_its_directory(tmp_path: Path) -> None:
    place = at(tmp_path, AWAITING_DECISION)
    here = tmp_path / "project" / "runs" / RUN_ID
    for places, name in (((place.root,), RUN_ID), ((place.root, here), str(place.root))):
        found = need_of(RUN_ID, Whereabouts(places, is_known=True), LATER)
        assert found.why == (
            f"no suite judges it, and no branch has its result (end it: attractor cancel {name})"
        )


def test_run_stays_landed_without_its_branch(tmp_path: Path) -> None:
    place = at(tmp_path, AWAITING_DECISION)
    with place.open() as run:
        run.emit(RESULT_LANDED, {"branch": "main", "commit": "0123456789abcdef"})
    assert summarize(place.root).landed_on == "main (0123456789ab)"
    assert need(place).why == "it landed on main (0123456789ab)"


def test_promoted_run_needs_no_workspace(tmp_path: Path) -> None:
    place = at(tmp_path, APPROVED)
    assert need(place).is_needed
    assert not need(place, is_promoted=True).is_needed


def test_recent_run_keeps_its_files(tmp_path: Path) -> None:
    place = at(tmp_path, FAILED)
    week = Rules(NOW + timedelta(days=6), timedelta(days=7))
    assert need(place, week).why == "it is failed, less than 7d ago (too recent)"
    assert not need(place, AT_ONCE).is_needed


def test_gc_tolerates_a_clock_that_was_set_back(tmp_path: Path) -> None:
    place = at(tmp_path, FAILED)
    assert not need(place, Rules(NOW - timedelta(days=1), timedelta())).is_needed


def test_locked_run_keeps_its_files(tmp_path: Path) -> None:
    place = at(tmp_path, FAILED)
    with place.open():
        assert need(place).why == "a process is running it"


def test_corrupt_run_keeps_its_files(tmp_path: Path) -> None:
    place = at(tmp_path, FAILED)
    journal = place.root / "events.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"failed"', b'"fooled"'))
    assert "are corrupt" in need(place).why
    (place.root / "manifest.json").write_text("{}")
    assert "are corrupt" in need(place).why


def test_run_without_manifest_keeps_its_files(tmp_path: Path) -> None:
    place = at(tmp_path, FAILED)
    (place.root / "manifest.json").unlink()
    found = need(place)
    assert found.is_needed
    assert "manifest.json is missing" in found.why


def lost(places: list[Path], rules: Rules, *, is_known: bool = True) -> Keeping:
    run_id = new_run_id(NOW, lambda count: bytes(count))
    return need_of(run_id, Whereabouts(places, is_known), rules)


def test_run_without_directory_needs_no_files(tmp_path: Path) -> None:
    place = tmp_path / "project" / "runs" / "x"
    place.parent.mkdir(parents=True)
    assert lost([place], LATER).why == "its run directory is gone"
    assert not lost([place], LATER).is_needed
    place.parent.rmdir()
    assert not lost([place], LATER).is_needed


def test_run_of_a_missing_project_is_freed_on_request(tmp_path: Path) -> None:
    place = tmp_path / "project" / "runs" / "x"
    assert "--missing-projects" in lost([place], LATER).why
    anyway = Rules(LATER.now, LATER.older_than, missing_projects=True)
    assert not lost([place], anyway).is_needed


def test_approved_run_without_directory_keeps_its_trees_until_it_is_promoted(
    tmp_path: Path,
) -> None:
    places, run_id = [tmp_path / "runs" / "x"], new_run_id(NOW, lambda count: bytes(count))
    approved = Whereabouts(places, is_known=True, is_approved=True)
    found = need_of(run_id, approved, LATER)
    assert (found.is_needed, found.may_ask) == (True, False)
    landed = need_of(run_id, replace(approved, landing=Landing("main", "0" * 40)), LATER)
    assert (landed.is_needed, landed.may_ask) == (True, True)
    assert not need_of(run_id, replace(approved, is_promoted=True), LATER).is_needed


def test_a_run_that_may_be_just_being_made_is_left_alone(tmp_path: Path) -> None:
    here = tmp_path / "runs" / "x"
    assert lost([here], AT_ONCE, is_known=False).is_needed
    hour = Rules(NOW + timedelta(hours=1, seconds=1), timedelta())
    assert lost([here], hour, is_known=False).why == "no recorded run uses it"
    # A suggested age must free something.
    for rules in (AT_ONCE, Rules(NOW, timedelta(days=7))):
        assert not lost([here], rules, is_known=False).why.endswith(YET)
    day = Rules(NOW + timedelta(hours=2), timedelta(days=1))
    assert (
        lost([here], day, is_known=False).why
        == "no recorded run uses it, less than 1d ago (too recent)"
    )
    assert not lost([here], hour, is_known=False).is_needed


def test_name_that_is_no_run_id_is_not_removed(tmp_path: Path) -> None:
    assert need_of("my-folder", Whereabouts((tmp_path,)), LATER).is_needed


def test_a_run_that_was_moved_within_its_project_is_found(tmp_path: Path) -> None:
    place = at(tmp_path, EXECUTING)
    begun = tmp_path / "earlier" / RUN_ID
    found = need_of(RUN_ID, Whereabouts((begun, place.root), is_known=True), LATER)
    assert (found.is_needed, found.directory) == (True, place.root)


def test_directory_of_another_run_does_not_count(tmp_path: Path) -> None:
    place = tmp_path / "runs" / "x"
    create_run_directory(place, manifest(line("a"), run_id="0" * 26), "digraph {}")
    assert lost([place], LATER).why == "its run directory is gone"
