"""The journal of an automation: each occurrence is claimed once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count as numbers
from pathlib import Path

import pytest

from attractor.automations.automation import TriggerKind
from attractor.automations.starts import StartClaim, Starts
from attractor.base.errors import VerificationError
from tests.counts import count

NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def starts_in(folder: Path) -> Starts:
    return Starts(folder / "starts.jsonl", NOW).read()


def claim(
    starts: Starts, occurrence: str, kind: TriggerKind = TriggerKind.TICKET
) -> StartClaim | None:
    return starts.claim(kind, occurrence, lambda: f"run of {occurrence}", NOW)


def test_occurrence_is_claimed_once_by_many_servers(tmp_path: Path) -> None:
    occurrences = [f"A-{number}" for number in range(count(ci=20, full=500))]
    numbered = numbers()

    def serve(_: int) -> Sequence[StartClaim | None]:
        starts = starts_in(tmp_path)
        return [
            starts.claim(TriggerKind.TICKET, one, lambda: f"run {next(numbered)}", NOW)
            for one in occurrences
        ]

    with ThreadPoolExecutor(4) as pool:
        made = [one for found in pool.map(serve, range(4)) for one in found if one]
    assert sorted(one.occurrence for one in made) == sorted(occurrences)
    assert len({one.run_id for one in made}) == len(occurrences)
    assert len(starts_in(tmp_path).pending) == len(occurrences)


def test_same_words_of_two_triggers_are_two_occurrences(tmp_path: Path) -> None:
    starts = starts_in(tmp_path)
    assert claim(starts, "A-1", TriggerKind.TICKET)
    assert claim(starts, "A-1", TriggerKind.PROMOTION)
    assert not claim(starts, "A-1", TriggerKind.TICKET)


def test_claim_is_pending_until_it_is_settled_once(tmp_path: Path) -> None:
    ours, theirs = starts_in(tmp_path), starts_in(tmp_path)
    made = claim(ours, "A-1")
    assert made
    assert theirs.read().pending == (made,)
    theirs.settle(made.run_id, NOW)
    ours.settle(made.run_id, NOW, "too late")
    assert ours.pending == ()
    found = starts_in(tmp_path).find(made.run_id)
    assert found
    assert found.state == "begun"
    assert starts_in(tmp_path).find("another run") is None


def test_failed_try_leaves_a_claim_open_until_it_is_settled(tmp_path: Path) -> None:
    starts = starts_in(tmp_path)
    made = claim(starts, "A-1")
    assert made
    for _ in range(2):
        starts.note_failed_try(made.run_id, NOW, "no space left")
    assert (tmp_path / "starts.jsonl").read_bytes().count(b"\n") == 2
    again = starts_in(tmp_path)
    assert again.pending == (made,)
    assert [one.fault for one in again.failed_tries] == ["no space left"]
    again.settle(made.run_id, NOW)
    again.note_failed_try(made.run_id, NOW, "too late")
    [start] = again.last
    assert (start.state, start.fault, again.failed_tries) == ("begun", "", ())


def test_schedule_counts_from_the_last_claim_or_the_end_of_a_pause(tmp_path: Path) -> None:
    starts = starts_in(tmp_path)
    claim(starts, (NOW + MINUTE).isoformat(), TriggerKind.SCHEDULE)
    assert (starts.since, starts.counts_from) == (NOW + MINUTE, NOW)
    assert starts.switch(is_paused=True, by="ann", now=NOW + 2 * MINUTE)
    assert not starts.switch(is_paused=True, by="bob", now=NOW + 3 * MINUTE)
    assert not claim(starts, (NOW + 4 * MINUTE).isoformat(), TriggerKind.SCHEDULE)
    assert claim(starts, "by hand", TriggerKind.PERSON)
    assert starts.switch(is_paused=False, by="ann", now=NOW + 5 * MINUTE)
    assert (starts.since, starts.counts_from) == (NOW + 5 * MINUTE, NOW + 5 * MINUTE)


def test_pause_by_another_process_ends_claims_at_once(tmp_path: Path) -> None:
    ours, theirs = starts_in(tmp_path), starts_in(tmp_path)
    theirs.switch(is_paused=True, by="ann", now=NOW)
    assert not claim(ours, "A-1")


def test_torn_line_of_a_killed_writer_is_no_claim(tmp_path: Path) -> None:
    starts = starts_in(tmp_path)
    claim(starts, "A-1")
    with (tmp_path / "starts.jsonl").open("ab") as file:
        file.write(b'{"kind":"claimed","data":{"kind":"ticket","occ')
    assert claim(starts_in(tmp_path), "A-2")
    assert [one.occurrence for one in starts_in(tmp_path).pending] == ["A-1", "A-2"]


def test_damaged_journal_is_an_error(tmp_path: Path) -> None:
    claim(starts_in(tmp_path), "A-1")
    with (tmp_path / "starts.jsonl").open("ab") as file:
        file.write(b'{"kind":"claimed","data":{}}\n')
    with pytest.raises(VerificationError, match="invalid line in"):
        starts_in(tmp_path)
