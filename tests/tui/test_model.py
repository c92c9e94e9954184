"""The screen as data: rows, the chosen one, and the request of each key."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attractor.attention.sources import answers, drafts, questions, tasks
from attractor.engine.questions.question import Option, Question, QuestionKind
from attractor.pipeline.status import RunStatusView, allowed_actions
from attractor.records.open_work import StageInFlight
from attractor.records.summary import RunOverview
from attractor.tui.client import Actor, Attention, Evidence, Message, Run
from attractor.tui.model import (
    Listing,
    Row,
    Section,
    actions_for,
    fit,
    line_of,
    lines_of,
    messages_of,
    overview_of,
    row_of_actor,
    row_of_need,
)
from attractor.worlds.status import ActorStatus
from tests.layers import ROOT, read_modules
from tests.tables import table

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PROJECT = {"id": "p1", "folder": "/home/ann/shop"}
YES = [{"key": "Y", "label": "[Y] Yes"}, {"key": "N", "label": "[N] No"}]


CHOICES = {
    "interrupted": tasks.choices_of(ActorStatus.INTERRUPTED),
    "draft": drafts.CHOICES,
    **dict.fromkeys(("failed", "review", "answered"), answers.CHOICES),
}


def options_of(question: dict[str, Any]) -> list[Option]:
    return [Option(one["key"], one["label"]) for one in question["options"]]


def need(kind: str, of: str = "1", actor: str = "", **more: Any) -> Attention:
    record: dict[str, Any] = {
        "id": f"{kind}:{of}",
        "need": kind,
        "project": PROJECT,
        "name": actor or f"run-{of}",
    }
    record |= {"actor": actor, "run_id": f"run-{of}", "reason": "Ship it?", "since": NOW}
    asked = [
        Question(one["id"], one["text"], QuestionKind(one["kind"]), options_of(one), "gate")
        for one in more.get("questions", ())
    ]
    offered = [one for each in asked for one in questions.choices_of(each)]
    offered += CHOICES.get(kind, ()) if not more.get("rows") else answers.CHOICES[:1]
    record["choices"] = [one.to_record() for one in offered]
    return Attention.model_validate({**record, "cost_usd": 0.5, "command": "", **more})


def question(of: str, text: str = "Ship it?", actor: str = "fixer", **more: Any) -> Attention:
    asked = {"id": f"gate@{of}", "text": text, "kind": "multiple_choice", "options": YES, **more}
    return need("question", of, actor, questions=[asked])


def actor(name: str = "fixer", status: str = "idle", **more: Any) -> Actor:
    record = {"name": name, "project": PROJECT, "status": status, "plain": status, "since": NOW}
    record |= {"dimension": name, "run": "", "last_run": "run-1", "waiting": 0, "cost_usd": 0.0}
    return Actor.model_validate({**record, "reason": "", **more})


AT_WORK = [(StageInFlight("run-1", "make", 1, 1, "", Path()), ())]


def run(
    status: str, at_work: Sequence[tuple[StageInFlight, tuple[str, ...]]] = (), **more: Any
) -> Run:
    overview = RunOverview("run-1", Path("/run-1"), "p.dot", "goal", NOW, status, **more)
    return Run(overview, (), allowed_actions(RunStatusView(overview, "run-1", at_work)))


def keys(row: Row, of: Run | None = None) -> dict[str, str]:
    pairs = [(one.key, one.label) for one in actions_for(row, of) if one.key]
    assert len({key for key, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_failed_tasks_of_one_cause_are_below_their_common_row() -> None:
    tasks = [need("failed", of, name) for of, name in (("1", "a"), ("2", "b"))]
    group = need("failed", "cause", rows=[task.model_dump() for task in tasks])
    rows = Listing().refresh([group], [actor("a", "failed"), actor("b", "failed")]).rows
    assert [row.id for row in rows[:3]] == ["failed:cause", "failed:1", "failed:2"]
    [seen] = [one for one in actions_for(rows[0], None) if one.key == "s"]
    assert seen.request.path == "/api/v1/attention/failed%3Acause/settle"
    body: dict[str, Any] = {"choice": "seen", "fields": {}, "rows": ["failed:1", "failed:2"]}
    assert seen.filled([]).body == body
    assert keys(rows[1])["s"] == "mark as reviewed"


def test_chosen_row_stays_under_the_cursor_while_others_come_and_go() -> None:
    listing = Listing().refresh([question("1"), question("2", actor="b")], [actor(), actor("b")])
    assert listing.chosen_id == "question:1"
    listing = listing.choose("question:2").refresh([question("2", actor="b")], [actor("b")])
    assert [row.id for row in listing.rows] == ["question:2", "actor:p1/b"]
    assert listing.chosen_id == "question:2"
    listing = listing.refresh([question("3", actor="b")], [actor("b")])
    assert [(row.id, row.is_settled) for row in listing.of(Section.ATTENTION)] == [
        ("question:2", True),
        ("question:3", False),
    ]
    listing = listing.choose(listing.next_need())
    assert [row.id for row in listing.rows] == ["question:3", "actor:p1/b"]
    assert listing.choose("actor:p1/b").next_need() == "question:3"
    assert Listing().next_need() == ""


def test_answer_names_the_question_that_was_shown() -> None:
    before = Listing().refresh([question("1")], [actor()])
    shown = before.chosen
    assert shown
    first, second, words, *_ = actions_for(shown, None)
    path = "/api/v1/attention/question%3A1/settle"
    assert (first.key, first.label, first.request.path) == ("1", "[Y] Yes", path)
    assert first.filled([]).body == {"choice": "answer", "fields": {"answer": "Y"}, "rows": []}
    assert (second.key, words.filled(["maybe"]).body["fields"]) == ("2", {"answer": "maybe"})
    after = before.refresh([question("2", "Delete it?")], [actor()]).chosen
    assert after
    assert {"1", "2", "a"}.isdisjoint(keys(after))


@table(
    "row, of, wanted",
    [
        (row_of_need(question("1", kind="yes_no", options=[]), {}), None, "1:yes 2:no a: z:"),
        (row_of_need(need("interrupted", actor="x"), {("p1", "x"): actor("x", "interrupted")}),
         None, "g:go-on b:start-over l:leave z: K:stop c: C: S:"),
        (row_of_need(need("review", actor="x"), {("p1", "x"): actor("x", "review")}), None,
         "s:mark-as-reviewed z: h:archive K:stop c: C: S:"),
        (row_of_need(need("decision"), {}), run("awaiting_human", phase="decision", suite="s@1"),
         "z: y:approve n:reject W:waive B: x:cancel v: f: w:"),
        (row_of_need(need("limit"), {}), run("executing", why_stopped="budget"),
         "z: r:resume x:cancel f: w:"),
        (row_of_actor(actor(status="working")),
         run("executing", AT_WORK, is_live=True, actor="fixer", workspace="worktree"),
         "p:pause i:steer x:cancel K:stop c: C: S:"),
        (row_of_actor(actor(status="working")),
         run("executing", is_live=True, is_paused=True, actor="fixer", workspace="worktree"),
         "r:resume x:cancel K:stop c: C: S:"),
        (row_of_need(need("draft"), {}), None, "a:make-it-a-desire x:dismiss-it z:"),
        (row_of_need(need("plan"), {}), run("approved", suite="s@1", promoted_to="main"),
         "z: A: P:promote B:rebase R:roll-back f: w:"),
    ],
)  # fmt: skip
def test_keys_fit_what_is_chosen(row: Row, of: Run | None, wanted: str) -> None:
    found = keys(row, of)
    assert list(found) == [pair.partition(":")[0] for pair in wanted.split()]
    for pair in wanted.split():
        key, _, label = pair.partition(":")
        assert not label or found[key].replace(" ", "-") == label


def test_remark_names_file_and_line() -> None:
    [remark, _] = [
        one
        for one in actions_for(row_of_actor(actor(status="idle")), None)
        if one.key in "cC" and one.key
    ]
    taken = [text for text in ("a.py", "a.py:0", "a:b.py:12") if remark.prompts[0].takes(text)]
    assert taken == ["a:b.py:12"]
    body = remark.filled([*taken, "why?"]).body
    assert body == {"text": "why?", "file": "a:b.py", "line": 12}


def test_requests_name_project_and_actor() -> None:
    row = row_of_need(need("interrupted", actor="x"), {("p1", "x"): actor("x", "interrupted")})
    requests = {one.key: one.request for one in actions_for(row, None)}
    assert requests["g"].path == "/api/v1/attention/interrupted%3A1/settle"
    assert requests["l"].body == {"choice": "leave", "fields": {}, "rows": []}
    assert requests["z"].path == "/api/v1/attention/interrupted%3A1/snooze"
    assert (requests[""].method, requests[""].path) == ("DELETE", "/api/v1/dimensions/p1/x")


@table(
    "text, width, shown",
    [("fixer", 7, "fixer  "), ("fixer", 4, "fix…"), ("日本語", 5, "日本…"), ("日本語", 4, "日… "),
     ("a\x1b[31m", 9, "a\N{REPLACEMENT CHARACTER}[31m   "), ("", 0, ""), ("fixer", -6, "")],
)  # fmt: skip
def test_text_is_fitted_into_columns(text: str, width: int, shown: str) -> None:
    assert fit(text, width) == shown


def test_line_names_the_need_and_marks_the_chosen_row() -> None:
    row = row_of_need(question("1", actor="fixer"), {})
    later = NOW + timedelta(minutes=3)
    assert line_of(row, later, 40, is_chosen=True) == "> fixer         3m question: Ship it?   "
    assert len(line_of(row, later, 30, is_chosen=False)) == 30
    settled = replace(row, status="settled", is_settled=True)
    assert "settled" in line_of(settled, later, 40, is_chosen=False)


def test_question_is_shown_with_what_an_answer_needs() -> None:
    words = {"attempt": "make@1.1", "outcome": "success", "lines": ["12 passed\x07"]}
    files = [{"path": "new.txt", "added": 1, "deleted": 0}]
    record = {"outputs": [words], "changes": {"files": files}}
    evidence = Evidence.model_validate(record)
    lines = overview_of(row_of_need(question("1"), {}), None, [], evidence)
    assert lines[-4:] == [
        "make@1.1: success",
        "  | 12 passed\N{REPLACEMENT CHARACTER}",
        "CHANGED: 1 file (d: diff)",
        "  new.txt +1 -0",
    ]


def test_texts_of_agents_are_shown_as_texts() -> None:
    asked = question("1", "[bold]Ship[/bold]\n\x1b[2Jit?\tnow")
    lines = overview_of(row_of_need(asked, {}), None, [])
    assert lines[:3] == ["QUESTION", "[bold]Ship[/bold]", "\N{REPLACEMENT CHARACTER}[2Jit? now"]
    assert lines_of("a\r\nb\rc") == ["a", "b\N{REPLACEMENT CHARACTER}c"]
    message = {"text": "do\x07", "sent": NOW, "sender": {"kind": "actor", "name": "lead\x07"}}
    answered = {"message": message, "status": "answered"}
    record = {**answered, "succeeded": False, "reason": "broke", "words": "no", "files": ["a"]}
    shown = messages_of([Message.model_validate(record)])
    assert shown[0].endswith("  actor lead\N{REPLACEMENT CHARACTER}")
    assert shown[1:] == [
        "    do\N{REPLACEMENT CHARACTER}",
        "  failed; 1 file changed",
        "    broke",
        "    no",
        "",
    ]


def test_room_knows_the_api_only() -> None:
    allowed = {"base", "language", "engine", "records", "pipeline", "tui"}
    rooms = {
        one.target.split(".")[1]
        for module in read_modules(ROOT)
        if module.room == "tui"
        for one in module.imports
        if one.target.startswith("attractor.")
    }
    assert rooms <= allowed
