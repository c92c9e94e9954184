import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import pytest

from attractor.base.errors import ChainBroken, ExitCode, LockHeld, VerificationError
from attractor.base.hash_chain import seal
from attractor.base.ids import new_run_id
from attractor.base.json import JsonObject
from attractor.factory.errors import ClockSetBack
from attractor.factory.ledger.ledger import BACKUP, HEAD_FILE, KEY_FILE, LEDGER_FILE, Ledger
from tests.patience import PATIENCE_S

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def filled(folder: Path) -> Ledger:
    ledger = Ledger(folder)
    for number in range(3):
        ledger.append("evaluated", f"run-{number % 2}", {"n": number}, now=NOW)
    return ledger


def test_appended_line_is_read_back_by_run(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "state")
    assert [entry.data["n"] for entry in ledger.entries()] == [0, 1, 2]
    assert [entry.data["n"] for entry in ledger.entries("run-0")] == [0, 2]
    [first, *_] = ledger.entries()
    assert (first.kind, first.run_id, first.time) == ("evaluated", "run-0", NOW.isoformat())


def test_all_lines_are_parsed_once(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    head, key, lines = ledger.head(), (tmp_path / KEY_FILE).read_bytes(), list[str]()
    record: JsonObject = {"kind": "ended", "run_id": "", "time": NOW.isoformat(), "data": {}}
    for _ in range(2000):
        link = seal(record, head, key=key)
        head, lines = link.head, [*lines, f"{link.line}\n"]
    with ledger.file.open("a") as file:
        file.writelines(lines)

    def seconds(read: Callable[[], object]) -> float:
        begin = process_time()
        read()
        return process_time() - begin

    verified, read = (
        min(seconds(one) for _ in range(3))
        for one in (ledger.verify, lambda: list(ledger.entries()))
    )
    assert read < 2 * verified
    assert len(list(ledger.entries())) == 2003


def test_an_empty_ledger_has_no_entries(tmp_path: Path) -> None:
    assert list(Ledger(tmp_path).entries()) == []


@pytest.mark.parametrize("number", [1, 3])
def test_changed_line_is_found_by_its_readers(tmp_path: Path, number: int) -> None:
    ledger = filled(tmp_path)
    changed = ledger.file.read_bytes().replace(f'"n":{number - 1}'.encode(), b'"n":7')
    ledger.file.write_bytes(changed)
    for read in (
        lambda: list(ledger.entries()),
        lambda: list(ledger.entries("run-0")),
        lambda: ledger.append("decided", "run-0", {}, now=NOW, once=True),
    ):
        with pytest.raises(ChainBroken, match=f"ledger.jsonl: line {number} was") as caught:
            read()
        assert caught.value.exit_code is ExitCode.BROKEN
    assert ledger.file.read_bytes() == changed


def test_line_is_appended_without_reading_earlier_lines(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    whole = ledger.file.read_bytes()
    ledger.file.write_bytes(whole.replace(b'"n":0', b'"n":7'))
    assert ledger.append("ended", "run-9", {}, now=NOW)
    flaw = ledger.verify().flaw
    assert flaw
    assert flaw.line == 1


def test_lines_of_a_run_are_found_by_its_time(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    times = [NOW + timedelta(hours=number // 3) for number in range(30)]
    runs = [new_run_id(time, os.urandom) for time in times]
    for time, run_id in zip(times, runs, strict=True):
        ledger.append("created", run_id, {"beside": runs[0]}, now=time)
    ledger.append("ended", runs[0], {}, now=times[-1])
    kinds = {one: [entry.kind for entry in ledger.entries(one)] for one in runs}
    assert kinds == {one: ["created"] for one in runs} | {runs[0]: ["created", "ended"]}


def test_time_before_the_last_line_or_the_run_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    early = NOW - timedelta(minutes=1)
    run_id = new_run_id(NOW, os.urandom)
    with pytest.raises(ClockSetBack, match=f"but {run_id} is from 2026-01-02T03:04:05"):
        ledger.append("decided", run_id, {}, now=early)
    ledger.append("created", run_id, {}, now=NOW)
    for other in ("", "run-1", run_id):
        with pytest.raises(ClockSetBack, match="but the last record of the ledger is from 2026-"):
            ledger.append("decided", other, {}, now=early)
    # This writer read the clock before another writer, but got the lock after it.
    slow = ledger.append("ended", run_id, {}, now=NOW - timedelta(seconds=5))
    assert slow
    assert slow.time == NOW.isoformat()


def test_lines_before_and_after_a_corrected_clock_are_found(tmp_path: Path) -> None:
    """After a correction of the clock, later lines are compared with it."""
    ledger, year = Ledger(tmp_path), timedelta(days=365)
    assert ledger.correct_clock(by="ann", proof="token", now=NOW) is None
    times = [NOW, NOW + timedelta(hours=1), NOW + year, NOW + year + timedelta(hours=1)]
    runs = [new_run_id(time, os.urandom) for time in times]
    for time, run_id in zip(times, runs, strict=True):
        # Gaps of any length are normal.
        ledger.append("created", run_id, {}, now=time)
    now = NOW + timedelta(days=1)
    with pytest.raises(ClockSetBack) as caught:
        ledger.append("ended", runs[0], {}, now=now)
    assert "attractor audit clock" in caught.value.hint
    corrected = ledger.correct_clock(by="ann", proof="token", now=now)
    assert corrected
    assert corrected.data == {"ahead": times[-1].isoformat(), "by": "ann", "proof": "token"}
    assert ledger.correct_clock(by="ann", proof="token", now=now) is None
    later = [new_run_id(now + timedelta(hours=number), os.urandom) for number in range(20)]
    for number, run_id in enumerate(later):
        ledger.append("created", run_id, {}, now=now + timedelta(hours=number))
    end = now + timedelta(days=1)
    for run_id in (*runs, *later):
        assert ledger.append("ended", run_id, {}, now=end)
        assert [one.kind for one in ledger.entries(run_id)] == ["created", "ended"]
        assert ledger.append("ended", run_id, {}, now=end, once=True) is None
    with pytest.raises(ClockSetBack):
        ledger.append("ended", runs[0], {}, now=now)
    ledger.require_intact()
    assert ledger.latest_ahead() == times[-1]
    # A second correction, and a process that died before it wrote the head.
    ledger.append("ended", "", {}, now=end + year)
    head = (tmp_path / HEAD_FILE).read_bytes()
    assert ledger.correct_clock(by="ann", proof="token", now=end)
    (tmp_path / HEAD_FILE).write_bytes(head)
    assert ledger.append("ended", runs[3], {}, now=end)
    for run_id, count in ((runs[3], 3), (later[7], 2), (runs[0], 2)):
        assert len([*ledger.entries(run_id)]) == count
    assert ledger.latest_ahead() == end + year


def test_decision_is_backed_up(tmp_path: Path) -> None:
    ledger, backup = filled(tmp_path), tmp_path / BACKUP
    names = (LEDGER_FILE, HEAD_FILE)
    for kind in ("decided", "promoted"):
        ledger.append(kind, "run-0", {}, now=NOW)
        assert [(backup / one).read_bytes() for one in names] == [
            (tmp_path / one).read_bytes() for one in names
        ]
    backed_up = (backup / LEDGER_FILE).read_bytes()
    ledger.append("ended", "run-0", {}, now=NOW)
    assert (backup / LEDGER_FILE).read_bytes() == backed_up
    for one in names:
        (tmp_path / one).write_bytes((backup / one).read_bytes())
    assert [one.kind for one in ledger.entries()][3:] == ["decided", "promoted"]


def test_backup_of_lost_lines_is_kept(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    old = {one: (tmp_path / one).read_bytes() for one in (LEDGER_FILE, HEAD_FILE)}
    ledger.append("decided", "run-0", {"n": "lost"}, now=NOW)
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    ledger.append("decided", "run-1", {}, now=NOW)
    [kept] = (tmp_path / BACKUP).glob("ledger.until-*.jsonl")
    assert b'"n":"lost"' in kept.read_bytes()
    assert (tmp_path / BACKUP / LEDGER_FILE).read_bytes() == ledger.file.read_bytes()


def test_line_without_the_key_does_not_verify(tmp_path: Path) -> None:
    ledger, forger = filled(tmp_path / "ours"), filled(tmp_path / "theirs")
    ledger.file.write_bytes(forger.file.read_bytes())
    with pytest.raises(ChainBroken, match="line 1"):
        list(ledger.entries())


def test_without_the_key_the_chain_is_checked_and_the_seals_are_not(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    (tmp_path / "ledger.key").unlink()
    verdict = ledger.verify()
    assert (verdict.flaw, verdict.unchecked_seals) == (None, 3)
    with pytest.raises(VerificationError, match="missing key of"):
        ledger.append("decided", "run-0", {}, now=NOW)


def test_only_the_owner_can_read_the_key(tmp_path: Path) -> None:
    filled(tmp_path / "state")
    assert stat.S_IMODE((tmp_path / "state" / "ledger.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime;"
        "from attractor.factory.ledger.ledger import Ledger;"
        "[Ledger(Path(sys.argv[1])).append('evaluated', sys.argv[2], {'n': n},"
        " now=datetime(2026, 1, 1, tzinfo=UTC)) for n in range(5)]"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path, f"run-{number}"])
        for number in range(4)
    ]
    assert [writer.wait(timeout=PATIENCE_S) for writer in writers] == [0, 0, 0, 0]
    entries = list(Ledger(tmp_path).entries())
    assert len(entries) == 20
    assert [one.data["n"] for one in entries if one.run_id == "run-2"] == [0, 1, 2, 3, 4]


def test_locked_ledger_rejects_other_writers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attractor.factory.ledger.ledger.PATIENCE_S", 0.0)
    ledger, other = filled(tmp_path), Ledger(tmp_path)
    with ledger.locked("test"):
        with pytest.raises(LockHeld):
            other.append("decided", "run-0", {}, now=NOW)
        with ThreadPoolExecutor(1) as thread, pytest.raises(LockHeld):
            thread.submit(ledger.append, "decided", "run-0", {}, now=NOW).result()
        entry = ledger.append("decided", "run-1", {}, now=NOW)
    assert other.append("decided", "run-0", {}, now=NOW)
    assert [one for one in ledger.entries("run-1") if one.kind == "decided"] == [entry]
    assert entry
    assert entry.line == ledger.file.read_text().splitlines()[3]


def test_unique_line_is_not_added_twice(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.append("decided", "run-1", {"n": 1}, now=NOW, once=True)
    assert ledger.append("decided", "run-1", {"n": 2}, now=NOW, once=True) is None
    assert ledger.append("decided", "run-2", {"n": 3}, now=NOW, once=True)
    assert [entry.data["n"] for entry in ledger.entries()] == [1, 3]


def test_a_ledger_that_was_cut_short_is_found(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    lines = ledger.file.read_bytes().splitlines(keepends=True)
    for kept in range(3):
        ledger.file.write_bytes(b"".join(lines[:kept]))
        with pytest.raises(
            ChainBroken, match=f"ledger.jsonl: line {kept + 1} is missing"
        ) as caught:
            list(ledger.entries())
        assert caught.value.exit_code is ExitCode.BROKEN
        with pytest.raises(ChainBroken):
            ledger.append("decided", "run-0", {}, now=NOW)
        assert ledger.verify().flaw
    ledger.file.unlink()
    with pytest.raises(ChainBroken):
        list(ledger.entries())


def test_crash_before_the_head_is_repaired(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    behind = (tmp_path / HEAD_FILE).read_bytes()
    ledger.append("decided", "run-0", {}, now=NOW)
    (tmp_path / HEAD_FILE).write_bytes(behind)
    assert len(list(ledger.entries())) == 4
    ledger.append("decided", "run-1", {}, now=NOW)
    whole = ledger.file.read_bytes().splitlines(keepends=True)
    assert len(whole) == 5
    ledger.file.write_bytes(b"".join(whole[:4]))
    with pytest.raises(ChainBroken, match="line 5 is missing"):
        list(ledger.entries())


def test_crash_before_the_first_line_is_no_error(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.seal_of("words")
    assert list(ledger.entries()) == []
    (tmp_path / KEY_FILE).unlink()
    assert ledger.append("decided", "run-0", {}, now=NOW)
    assert len(list(ledger.entries())) == 1


def test_missing_or_changed_head_is_detected(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "ours")
    head = tmp_path / "ours" / HEAD_FILE
    good = head.read_bytes()
    assert stat.S_IMODE(head.stat().st_mode) == 0o600
    forger = filled(tmp_path / "theirs")
    for bad in (
        good.replace(b'"seq":3', b'"seq":1'),
        (tmp_path / "theirs" / HEAD_FILE).read_bytes(),
        b"{}",
        b"half a he",
    ):
        head.write_bytes(bad)
        with pytest.raises(VerificationError, match=r"ledger\.head"):
            list(ledger.entries())
    head.unlink()
    with pytest.raises(VerificationError, match=r"ledger\.head is missing"):
        ledger.append("decided", "run-0", {}, now=NOW)
    assert len(list(forger.entries())) == 3


def test_missing_ledger_is_reported_and_not_recreated(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    ledger.file.unlink()
    with pytest.raises(VerificationError, match=r"missing ledger .*ledger\.jsonl"):
        ledger.append("decided", "run-0", {}, now=NOW)
    assert not ledger.file.exists()
    (tmp_path / KEY_FILE).unlink()
    for ask in (
        lambda: list(ledger.entries()),
        lambda: ledger.append("decided", "run-0", {}, now=NOW),
    ):
        with pytest.raises(VerificationError, match="missing key of"):
            ask()
    (tmp_path / HEAD_FILE).unlink()
    assert list(ledger.entries()) == []
    with pytest.raises(
        VerificationError, match=r"missing ledger .*ledger\.jsonl and key"
    ) as caught:
        ledger.require_there()
    assert "state folder" in caught.value.hint


def test_incomplete_last_line_is_no_error(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    with ledger.file.open("ab") as file:
        file.write(b'{"kind":"deci')
    assert len(list(ledger.entries())) == 3
    assert ledger.append("decided", "run-0", {}, now=NOW, once=True)
    assert [one.kind for one in ledger.entries()][3:] == ["decided"]
