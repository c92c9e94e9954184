"""Lessons are proposed, taken, dropped and exported; what is wrong is refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from attractor.base.clock import SystemClock
from attractor.base.errors import AttractorError, Refused, UnknownName, VerificationError
from attractor.engine.journal.events import EventLog
from attractor.engine.storage.secrets import Redactor
from attractor.factory.lessons import find_fault, memory_of
from attractor.factory.open_project import OpenProject
from attractor.memory.decisions import drop, find_gone, propose, require_lesson, take
from attractor.memory.records import (
    Lesson,
    LessonCite,
    LessonDropped,
    LessonHistory,
    LessonProposed,
    read_memory,
)
from tests.cli.running import run_here
from tests.factory.flows import make_flow
from tests.scenarios.suites import SUITE
from tests.tables import table
from tests.worlds.flows import open_at

NOW = datetime(2027, 1, 1, tzinfo=UTC)
RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
SECRET = "sk-very-secret-value-1234"
LOCK = Lesson(
    what="Hold the lock of the index while pages are written",
    why="two writers mixed their pages",
    cites=(LessonCite(RUN, 7),),
    run_id=RUN,
    task="build",
    files=("index.py",),
)


def other(what: str, seq: int = 8, **more: Any) -> Lesson:
    return replace(LOCK, what=what, cites=(LessonCite(RUN, seq),), **more)


def nothing(text: str) -> str:
    return ""


def redacted(text: str) -> str:
    return text.replace(SECRET, "[redacted]")


@pytest.fixture
def opened(tmp_path: Path) -> OpenProject:
    opened = open_at(tmp_path)
    opened.identity.create_id()
    add_run(opened, RUN)
    (opened.project.root / "index.py").write_text("")
    return opened


def add_run(opened: OpenProject, run_id: str) -> Path:
    root = opened.project.runs_dir / run_id
    root.mkdir(parents=True)
    log = EventLog(root / "events.jsonl", run_id=run_id, clock=SystemClock(), redactor=Redactor())
    for _ in range(20):
        log.append("Noted", {})
    log.close()
    return root


def memory(opened: OpenProject, *words: str, **variables: str) -> CompletedProcess[str]:
    environ = {**opened.project.machine.environ, **variables}
    return run_here(["memory", *words], folder=opened.project.root, variables=environ)


@table(
    ("lesson", "words"),
    [
        (other(""), "`what` is empty"),
        (other(" \n"), "`what` is empty"),
        (other("x" * 201), "more than 200 characters"),
        (other("x" * (1 << 20)), "more than 200 characters"),
        (other("red\x1b[31m"), "control character"),
        (other("two\nlines"), "line break"),
        (other("turned \u202e round"), "control character"),
        (other("half \ud800"), "control character"),
        (other("well", why="\x00"), "`why` contains"),
        (other(f"use {SECRET}"), "a secret"),
        (other("well", files=["/etc/passwd"]), "invalid path"),
        (other("well", files=["a/../../b"]), "invalid path"),
        (other("well", files=["x"] * 11), "more than 10"),
        (replace(LOCK, cites=[LessonCite("01BX5ZZKBKACTAV9WEVGEMMVRZ", 1)]), "unknown run"),
        (replace(LOCK, cites=[LessonCite("../../etc", 1)]), "unknown run"),
        (replace(LOCK, cites=[LessonCite(RUN, 0)]), "no event 0"),
        (replace(LOCK, cites=[LessonCite(RUN, 99)]), "no event 99"),
    ],
)
def test_invalid_lesson_is_refused(tmp_path: Path, lesson: Lesson, words: str) -> None:
    opened = open_at(tmp_path)
    add_run(opened, RUN)
    with pytest.raises(AttractorError, match=words):
        require_lesson(lesson, opened.project.runs_dir, redacted)
    require_lesson(LOCK, opened.project.runs_dir, redacted)


def test_run_proposes_three_lessons_and_none_twice(tmp_path: Path) -> None:
    place = tmp_path / "memory.jsonl"
    for at, what in enumerate(("Name the port", "Close the file", "Sort the keys")):
        propose(other(what, at + 10), place, NOW)
    with pytest.raises(Refused, match="proposed 3 lessons already"):
        propose(other("One more", 20), place, NOW)
    with pytest.raises(Refused, match="same words or evidence, and is proposed"):
        propose(other("SORT,  the keys!", 30, run_id="another"), place, NOW)
    assert len(read_memory(place).open) == 3


def test_dropped_lesson_is_not_shown_again_and_a_paraphrase_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "memory.jsonl"
    propose(LOCK, place, NOW)
    drop(LOCK.id, place, "ann", NOW)
    same = replace(LOCK, what="hold THE lock of the index, while pages are written!", run_id="b")
    evidence = replace(LOCK, what="Something else altogether", run_id="b")
    for again in (same, evidence):
        with pytest.raises(Refused, match="is dropped"):
            propose(again, place, NOW)
    similar = other("Hold the lock of the index while all pages are written", run_id="b")
    [beside] = propose(similar, place, NOW)
    assert beside.lesson == LOCK
    assert [one.lesson for one in read_memory(place).open] == [similar]
    assert not propose(other("Test first", 11, run_id="b"), place, NOW)


def test_equal_proposals_before_a_drop_are_not_shown_after_it() -> None:
    twin = replace(LOCK, run_id="b")
    lines = [LessonProposed(LOCK, NOW), LessonProposed(twin, NOW)]
    assert len(LessonHistory(lines).open) == 2
    assert not LessonHistory([*lines, LessonDropped(LOCK.id, "ann", NOW)]).open


def test_person_takes_a_lesson_and_drops_it_later(tmp_path: Path) -> None:
    place = tmp_path / "memory.jsonl"
    propose(LOCK, place, NOW)
    assert not read_memory(place).taken
    take(LOCK.id[:4], place, "ann", NOW, nothing)
    [view] = read_memory(place).taken
    assert (view.by, view.lesson) == ("ann", LOCK)
    with pytest.raises(Refused, match="taken already, by ann"):
        take(LOCK.id, place, "bob", NOW, nothing)
    drop(LOCK.id, place, "bob", NOW + timedelta(days=1))
    assert not read_memory(place).taken
    with pytest.raises(UnknownName, match="unknown lesson"):
        take("nothing", place, "ann", NOW, nothing)


def test_line_cut_in_half_is_skipped_and_an_invalid_one_reported(tmp_path: Path) -> None:
    place = tmp_path / "memory.jsonl"
    propose(LOCK, place, NOW)
    whole = place.read_bytes()
    place.write_bytes(whole + whole[: len(whole) // 2])
    assert len(read_memory(place).open) == 1
    propose(other("Close the file"), place, NOW)
    assert len(read_memory(place).open) == 2
    place.write_bytes(b'{"kind":"taken"}\n')
    with pytest.raises(VerificationError, match="invalid line"):
        read_memory(place)


def test_commands_list_take_export_and_drop(opened: OpenProject) -> None:
    place = memory_of(opened)
    assert "no lessons" in memory(opened).stdout
    propose(LOCK, place, NOW)
    shown = memory(opened, "list").stdout
    assert f"{LOCK.id}  proposed  Hold the lock" in shown
    assert f"attractor memory take {LOCK.id}" in shown
    assert memory(opened, "export").stdout == "No lesson is taken.\n"
    assert memory(opened, "take", LOCK.id).returncode == 0
    [exported] = json.loads(memory(opened, "export", "--json").stdout)
    assert (exported["id"], exported["status"]) == (LOCK.id, "taken")
    assert memory(opened, "drop", LOCK.id[:5]).returncode == 0
    similar = other("Hold the lock of the index while all pages are written")
    propose(similar, place, NOW)
    assert f"like the dropped {LOCK.id}" in memory(opened, "list").stdout
    [listed] = json.loads(memory(opened, "list", "--json").stdout)
    assert [one["id"] for one in listed["dropped_before"]] == [LOCK.id]


def test_lesson_whose_run_or_file_is_gone_is_marked(opened: OpenProject) -> None:
    runs, root = opened.project.runs_dir, opened.project.root
    assert not find_gone(LOCK, runs, root)
    (root / "index.py").unlink()
    (runs / RUN / "events.jsonl").unlink()
    assert find_gone(LOCK, runs, root) == [f"run {RUN}", "file index.py"]
    propose(LOCK, memory_of(opened), NOW)
    assert "  gone: file index.py" in memory(opened, "list").stdout


def test_commands_are_refused_in_a_run(opened: OpenProject) -> None:
    propose(LOCK, memory_of(opened), NOW)
    for words in (["list"], ["take", LOCK.id], ["drop", LOCK.id], ["export"]):
        done = memory(opened, *words, STARTED_BY_ATTRACTOR=f"{RUN} 1 1")
        assert done.returncode == 4
        assert "only for the operator" in done.stderr
    assert len(read_memory(memory_of(opened)).open) == 1


def test_lesson_with_words_of_a_holdout_or_the_canary_is_not_taken(tmp_path: Path) -> None:
    opened = make_flow(tmp_path, suite=SUITE).opened
    [name] = opened.suites.versions.names()
    canary = opened.suites.open(opened.suites.versions.find(name)).canary
    place = memory_of(opened)
    for at, what in enumerate((f"Write {canary}", "ANN looks into the file, so write it")):
        lesson = other(what, at + 1)
        propose(lesson, place, NOW)
        with pytest.raises(Refused, match=r"contains (the canary|words of a holdout)"):
            take(lesson.id, place, "ann", NOW, partial(find_fault, opened))
    propose(LOCK, place, NOW)
    take(LOCK.id, place, "ann", NOW, partial(find_fault, opened))
    assert [one.lesson.id for one in read_memory(place).taken] == [LOCK.id]
