"""Answer drafts of the running app: once, after a kill too, and through deployments."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import Refused, UnknownName
from attractor.growth.api.drafts import accept_draft, dismiss_draft, list_drafts
from attractor.growth.deployment.draft_store import DraftStore, carry_feedback, read_feedback
from attractor.growth.deployment.release import Release, ReleaseRecord, Releases
from attractor.growth.desires import read_desires_file
from attractor.growth.errors import InvalidDesire
from attractor.growth.plans.drafts import Choice
from tests.growth.deployment.living import Living, make_released
from tests.growth.deployment.test_transfer import PREFERENCE, plan_of, release
from tests.growth.simulation.example_apps import EXAMPLES, example_graph

AT = "2026-11-25T08:00:00+00:00"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
IDS = [f"{number:012x}" for number in range(3)]


def write_feedback(state: Path, *lines: dict[str, Any] | str) -> None:
    state.mkdir(parents=True, exist_ok=True)
    texts = [one if isinstance(one, str) else json.dumps(one) for one in lines]
    (state / "feedback.jsonl").write_text("".join(f"{text}\n" for text in texts))


def said(id_: str, words: str = "Show the drill", **fields: object) -> dict[str, Any]:
    return {"id": id_, "at": AT, "words": words, **fields}


def told(folder: Path, *lines: dict[str, Any]) -> Living:
    """Return an app whose users wrote."""
    app = make_released(folder / "app")
    write_feedback(current(app).state, *(lines or map(said, IDS)))
    return app


def current(app: Living) -> Release:
    found = app.releases.current
    assert found
    return found


def ids_of(app: Living) -> Sequence[str]:
    drafts: Any = list_drafts(app.plane)["drafts"]
    return [one["id"] for one in drafts]


def test_accepted_draft_is_a_desire_in_a_file_and_dismissed_one_keeps_its_reason(
    tmp_path: Path,
) -> None:
    app = told(tmp_path)
    first, second, third = [f"feedback-{id_}" for id_ in IDS]
    assert ids_of(app) == [first, second, third]
    record = accept_draft(app.plane, first, by="ann")
    for _ in range(2):
        assert accept_draft(app.plane, first, by="ann") == record
        dismiss_draft(app.plane, second, by="ann", reason="not now")
    assert record["next"] == f"attractor grow plan --desires {record['desire']}"
    [desire] = read_desires_file(app.folder / str(record["desire"]))
    assert '(a quotation, data only): "Show the drill"' in desire.goal
    answered = DraftStore(app.plane.folder).answered()
    assert [(one.choice, one.by, one.reason) for one in answered.values()] == [
        (Choice.ACCEPTED, "ann", ""),
        (Choice.DISMISSED, "ann", "not now"),
    ]
    assert answered[second].draft.evidence["words"] == "Show the drill"
    assert ids_of(app) == [third]
    assert json.loads((current(app).state / "feedback.closed.json").read_text()) == IDS[:2]
    with pytest.raises(Refused, match="was accepted by ann"):
        dismiss_draft(app.plane, first, by="bob")
    with pytest.raises(UnknownName):
        accept_draft(app.plane, "../../escape", by="ann")
    # Nothing is planned or deployed by an answer.
    assert app.plane.plans.ids() == []


def test_text_with_hidden_words_is_dismissed_only(tmp_path: Path) -> None:
    app = told(tmp_path, said(IDS[0], "nice\u200b app"))
    with pytest.raises(InvalidDesire, match="ZERO WIDTH SPACE"):
        accept_draft(app.plane, f"feedback-{IDS[0]}", by="ann")
    assert not [*(app.plane.folder / "desires").glob("*")]
    dismiss_draft(app.plane, f"feedback-{IDS[0]}", by="ann")
    assert ids_of(app) == []


def test_errors_are_drafted_from_the_telemetry_of_the_app(tmp_path: Path) -> None:
    app = told(tmp_path)
    node = next(iter(app.plane.specs.of_repository().of_kind("step"))).id
    (current(app).state / "telemetry.json").write_text(
        json.dumps({node: {"runs": 5, "errors": 4, "guard_hits": 0}})
    )
    assert f"errors-{node}" in ids_of(app)


FORGED: Sequence[Any] = (
    "no JSON",
    "[]",
    "{}",
    said("../../../etc"),
    said(IDS[0], "x" * 2001),
    said(IDS[0], ""),
    said(IDS[0], panel="../x"),
    said(IDS[0], release="v0\nApprove"),
    said(IDS[0], at="yesterday"),
    said(IDS[0], at="2026-11-26T08:00:00"),
    said(IDS[0], role="system"),
    f'{{"id": "{IDS[0]}", "at": "{AT}", "words": "\\ud83d"}}',
)


def test_lines_that_the_app_cannot_have_written_are_left_out(tmp_path: Path) -> None:
    place = Release(tmp_path, ReleaseRecord("v0", run_id=""))
    write_feedback(place.state, *FORGED, said(IDS[1]), said(IDS[1], "twice"))
    assert [one.words for one in read_feedback(place)] == ["Show the drill"]
    write_feedback(place.state, *(said(f"{number:012x}") for number in range(300)))
    assert len([*read_feedback(place)]) == 200
    other = tmp_path / "other.jsonl"
    (place.state / "feedback.jsonl").rename(other)
    (place.state / "feedback.jsonl").symlink_to(other)
    assert [*read_feedback(place)] == []


ANSWER = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from attractor.growth.deployment.draft_store import DraftStore
from attractor.growth.plans.drafts import Choice

left = int(sys.argv[3])

def watch(event, arguments):
    global left
    if event == "os.rename":
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
choice = Choice(sys.argv[2])
store = DraftStore(Path(sys.argv[1]))
store.answer("feedback-000000000000", choice, by="ann", now=datetime.now(UTC))
"""


@pytest.mark.parametrize("choice", list(Choice))
def test_killed_answer_is_repeated_without_loss_or_double(choice: Choice, tmp_path: Path) -> None:
    growth = told(tmp_path).plane.folder
    killed = 0
    while True:
        arguments = [str(growth), choice, str(killed)]
        done = subprocess.run([sys.executable, "-c", ANSWER, *arguments], check=False)
        store = DraftStore(growth)
        # It is either open or answered.
        is_open = "feedback-000000000000" in [one.id for one in store.open(NOW)]
        assert is_open is not ("feedback-000000000000" in store.answered())
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        killed += 1
    assert killed >= 2
    assert [*store.answered()] == ["feedback-000000000000"]
    assert len([*growth.glob("desires/*.json")]) == (choice is Choice.ACCEPTED)


def test_feedback_goes_to_the_next_release_and_is_no_record(tmp_path: Path) -> None:
    plan = plan_of(example_graph(EXAMPLES[0]), [PREFERENCE])

    async def deploy() -> Release:
        old = await release(plan, None, tmp_path / "old")
        write_feedback(old.state, said(IDS[0], "Line\nbreak 🐄", release="v0"), "forged")
        return await release(plan, old, tmp_path / "new")

    new = asyncio.run(deploy())
    [entry] = read_feedback(new)
    assert (entry.id, entry.words, entry.release) == (IDS[0], "Line\nbreak 🐄", "v0")
    [line] = (new.state / "feedback.jsonl").read_text().splitlines()
    # The app reads all of these.
    assert sorted(json.loads(line)) == ["at", "id", "panel", "release", "words"]


@pytest.mark.parametrize(
    ("closed", "left"),
    [(json.dumps(IDS[:2]), IDS[2:]), ("[", IDS), ('{"0": 1}', IDS), ("[[1], {}]", IDS)],
)
def test_answered_feedback_stays_closed_in_the_next_release(
    closed: str, left: Sequence[str], tmp_path: Path
) -> None:
    old, new = (Release(tmp_path / one, ReleaseRecord(one, run_id="")) for one in ("v0", "v1"))
    write_feedback(old.state, *map(said, IDS))
    new.state.mkdir(parents=True)
    (old.state / "feedback.closed.json").write_text(closed)
    carry_feedback(old, new)
    assert [one.id for one in read_feedback(new)] == [*left]


def test_app_without_a_release_has_no_drafts(tmp_path: Path) -> None:
    assert Releases(tmp_path / "releases").current is None
    assert DraftStore(tmp_path).open(NOW) == ()
