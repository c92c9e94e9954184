"""The pages of what needs a person, and of actors, over all projects, in Chromium."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from attractor.attention.rows import AttentionRow
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder
from attractor.server.pages import attention
from attractor.server.pages.attention import order_rows
from attractor.server.service import Service
from attractor.worlds.actors import Actor, ActorFolder, create_actor, list_actors
from attractor.worlds.messages import Sender, SenderKind
from attractor.worlds.orders import here, mark_seen, send
from attractor.worlds.status import ActorStatus, read_actor
from tests.browsers import chromium, keep_picture
from tests.patience import wait_until
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.test_pages_in_a_browser import look_at

START = datetime(2026, 1, 1, tzinfo=UTC)
ANN = Sender(SenderKind.PERSON, "ann")
ASK = """digraph ask {
  start [shape=Mdiamond]; done [shape=Msquare]
  make [shape=parallelogram, tool_command="echo '<i>all</i> 12 tests pass'"]
  gate [shape=hexagon, label="Ship <b>it</b>?"]
  start -> make -> gate
  gate -> done [label="[Y] Yes"]
}
"""
KEEP = """digraph keep {
  start [shape=Mdiamond]; done [shape=Msquare]
  gate [shape=hexagon, label="Keep it?"]
  start -> gate
  gate -> done [label="[K] Keep"]
  gate -> drop [label="[D] Drop"]
  drop -> done
}
"""
FAILS = """digraph fails {
  start [shape=Mdiamond]; done [shape=Msquare]
  test [shape=parallelogram, tool_command="exit 7"]
  start -> test -> done
}
"""
WORKS = "digraph works { start [shape=Mdiamond]; done [shape=Msquare]; start -> work -> done }"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of one project, beside another one whose actor asks a question."""
    other = make_project(tmp_path / "other", ASK, **{"attractor.toml": SETTINGS})
    service = service_of(make_project(tmp_path / "project", **{"attractor.toml": SETTINGS}))
    service.opened.identity.create_id()
    opened = Service.of(other, service.processes.environ).opened
    with serving(service) as running:
        actor = spawn(opened, "asker", pipeline=str(other / "pipeline.dot"))
        wait_until(lambda: read_actor(actor).status is ActorStatus.ASKING)
        yield running
        with running.client() as client:
            client.post(f"/api/v1/actors/{actor.project.project_id}/asker/stop")


def spawn(opened: OpenProject, name: str, *, pipeline: str) -> ActorFolder:
    actor = Actor(
        name=name,
        spawner=ANN,
        created=opened.now(),
        pipeline=pipeline,
        backend="simulate",
        workspace="none",
        sandbox="none",
    )
    folder = create_actor(actor, here(opened), opened.project.machine.state_dir)
    send(folder, "- ship <i>it</i>", ANN, opened)
    return folder


def sign_in(server: RunningServer, page: Page) -> None:
    page.goto(f"{server.url}/login?code={server.service.access.codes.create()}&here=1")


def test_question_of_another_project_is_answered_in_place(server: RunningServer) -> None:
    with chromium() as screen:
        page = screen.page
        sign_in(server, page)
        page.get_by_role("link", name="Attention").click()
        row = page.get_by_role("region", name="Chosen row")
        expect(row.get_by_text("Ship <b>it</b>?")).to_be_visible()
        expect(page.get_by_role("figure")).to_have_text("make@1.1: success<i>all</i> 12 tests pass")
        keep_picture(page, "attention")
        assert look_at(page, "attention", page.url) == []
        # Enter in the reason presses no choice.
        page.get_by_role("textbox", name="Reason").fill("the tests pass")
        page.get_by_role("textbox", name="Reason").press("Enter")
        expect(page.get_by_role("textbox", name="Reason")).to_have_value("the tests pass")
        page.get_by_role("button", name="Yes Y").click()
        expect(page.get_by_role("status").filter(has_text="Answered")).to_be_visible()
        expect(page.get_by_role("textbox", name="Next task")).to_be_visible()
        # What a person types stays, although the rows are read again each second.
        [action] = Path(server.service.project.root.parent).glob("other/runs/*/events.jsonl")
        assert "the tests pass" in action.read_text()
        page.get_by_role("textbox", name="Next task").fill("and deploy it")
        page.wait_for_timeout(2500)
        expect(page.get_by_role("textbox", name="Next task")).to_have_value("and deploy it")
        page.get_by_role("button", name="Send the next task").click()
        expect(page.get_by_role("status").filter(has_text="Taken")).to_be_visible()
        row.get_by_role("link", name="asker").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("asker")
        expect(page.get_by_text("and deploy it")).to_be_visible()
        expect(page.get_by_text("Ship <b>it</b>?")).to_be_visible()
        assert look_at(page, "actor", page.url) == []
        page.get_by_role("button", name="Yes Y").click()
        expect(page.get_by_role("status").filter(has_text="Answered")).to_be_visible()
        page.get_by_role("link", name="Agents").click()
        expect(page.get_by_role("link", name="asker")).to_be_visible()
        page.get_by_role("cell").get_by_role("link", name="other").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("other")
        assert look_at(page, "world", page.url) == []
        assert [one for one in screen.said if not one.startswith("asks for")] == []


def test_failed_tasks_of_one_cause_are_answered_at_once(server: RunningServer) -> None:
    state = server.service.project.machine.state_dir
    [asker] = list_actors(state)
    opened = Service.of(asker.project.root, server.service.processes.environ).opened
    (asker.project.root / "fails.dot").write_text(FAILS)
    for name in ("first", "second"):
        failed = spawn(opened, name, pipeline=str(asker.project.root / "fails.dot"))
        wait_until(lambda folder=failed: read_actor(folder).status is ActorStatus.FAILED)
    with chromium() as screen:
        page = screen.page
        sign_in(server, page)
        page.goto(f"{server.url}/attention")
        rows = page.get_by_role("list", name="Rows").get_by_role("link")
        expect(rows).to_have_count(4)
        rows.filter(has_text="2 tasks").click()
        group = page.get_by_role("article", name="2 tasks: failed")
        expect(group.get_by_text("exit code 7 (fails test)")).to_be_visible()
        assert look_at(page, "attention_cause", page.url) == []
        group.get_by_role("button", name="Mark all as reviewed").click()
        expect(page.get_by_role("status").filter(has_text="Seen.")).to_be_visible()
        expect(rows).to_have_count(1)
    with server.client() as client:
        refused = client.post("/api/v1/attention/cause:none/seen")
        assert refused.status_code == 404


def test_held_messages_are_let_go_on_and_left(server: RunningServer) -> None:
    [asker] = list_actors(server.service.project.machine.state_dir)
    root = asker.project.root
    opened = Service.of(root, server.service.processes.environ).opened
    (root / "fails.dot").write_text(FAILS)
    (root / "attractor.toml").write_text(f"{SETTINGS}[factory]\nmax_same_cause = 2\n")
    broken = spawn(opened, "broken", pipeline=str(root / "fails.dot"))
    for text in ("second", "third", "fourth"):
        send(broken, text, ANN, opened)
    wait_until(lambda: len(broken.read().answers) == 2)
    with chromium() as screen, server.client() as client:
        page = screen.page
        sign_in(server, page)
        page.goto(f"{server.url}/attention")
        rows = page.get_by_role("list", name="Rows").get_by_role("link")
        rows.filter(has_text="held").click()
        row = page.get_by_role("article", name="fails: held")
        expect(row.get_by_text("exit code 7; 2 messages not begun")).to_be_visible()
        assert look_at(page, "attention_held", page.url) == []
        row.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("status").filter(has_text="One begins.")).to_be_visible()
        expect(rows.filter(has_text="3 runs stopped for one cause")).to_be_visible()
        rows.filter(has_text="held").click()
        [held] = [one for one in client.get("/api/v1/attention").json() if one["need"] == "held"]
        assert "1 message not begun" in held["reason"]
        address = f"/api/v1/attention/{quote(held['id'], safe='')}/held"
        assert client.post(address, json={"choice": "wait"}).status_code == 422
        assert client.post(f"{address}x", json={"choice": "leave"}).status_code == 404
        row.get_by_role("button", name="Leave").click()
        expect(page.get_by_role("status").filter(has_text="Answered as not begun.")).to_be_visible()
        expect(row).to_have_count(0)
        assert client.post(address, json={"choice": "leave"}).status_code == 404
    assert [bool(one.run_id) for one in broken.read().answers] == [True, True, True, False]


def test_rows_are_chosen_settled_and_snoozed_by_keys(server: RunningServer) -> None:
    [asker] = list_actors(server.service.project.machine.state_dir)
    root = asker.project.root
    opened = Service.of(root, server.service.processes.environ).opened
    (root / "works.dot").write_text(WORKS)
    (root / "fails.dot").write_text(FAILS)
    for name, file in (("works", "works.dot"), ("fails", "fails.dot")):
        made = spawn(opened, name, pipeline=str(root / file))
        wait_until(lambda folder=made: len(folder.read().answers) == 1)
    with chromium() as screen:
        page = screen.page
        sign_in(server, page)
        page.goto(f"{server.url}/attention")
        row = page.get_by_role("region", name="Chosen row")
        rows = page.get_by_role("list", name="Rows").get_by_role("link")
        expect(row.get_by_role("heading", name="asker", exact=True)).to_be_visible()
        page.keyboard.press("j")
        expect(row.get_by_role("heading", name="works", exact=True)).to_be_visible()
        # Markdown of a task is shown as such, and nothing of it as HTML.
        expect(row.get_by_role("listitem").filter(has_text="ship <i>it</i>")).to_be_visible()
        page.keyboard.press("z")
        expect(row.get_by_label("For how long")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_text("1 item snoozed")).to_be_visible()
        expect(row.get_by_role("heading", name="fails", exact=True)).to_be_visible()
        # It stays when the rows are read again, and when another row is chosen.
        page.keyboard.press("k")
        page.wait_for_timeout(2000)
        page.get_by_role("button", name="Undo").click()
        expect(rows).to_have_count(3)
        expect(row.get_by_role("heading", name="works", exact=True)).to_be_visible()
        for _ in range(2):
            # At once, nobody can have read the row.
            page.keyboard.press("s")
            page.wait_for_timeout(1100)
            expect(row.get_by_role("heading", name="works", exact=True)).to_be_visible()
            page.keyboard.press("s")
            expect(row.get_by_role("heading", name="fails", exact=True)).to_be_visible()
            page.get_by_role("button", name="Undo").click()
            expect(row.get_by_role("heading", name="works", exact=True)).to_be_visible()
        page.wait_for_timeout(1100)
        page.keyboard.press("s")
        expect(rows).to_have_count(2)
        page.keyboard.press("k")
        expect(row.get_by_role("heading", name="asker", exact=True)).to_be_visible()
        # What another person settles is shown so.
        page.keyboard.press("j")
        expect(row.get_by_role("heading", name="fails", exact=True)).to_be_visible()
        mark_seen(made, made.read().answers[0].message.id, ANN, opened)
        expect(row.get_by_text("This was settled or has changed meanwhile.")).to_be_visible()
        expect(rows).to_have_count(1)


def test_keys_of_the_page_answer_no_question_and_what_was_chosen_of_the_list_stays(
    server: RunningServer,
) -> None:
    [asker] = list_actors(server.service.project.machine.state_dir)
    root = asker.project.root
    opened = Service.of(root, server.service.processes.environ).opened
    (root / "keep.dot").write_text(KEEP)
    keeper = spawn(opened, "keeper", pipeline=str(root / "keep.dot"))
    wait_until(lambda: read_actor(keeper).status is ActorStatus.ASKING)
    with chromium() as screen:
        page = screen.page
        sign_in(server, page)
        page.goto(f"{server.url}/attention?need=question")
        row = page.get_by_role("region", name="Chosen row")
        page.keyboard.press("j")
        expect(row.get_by_role("heading", name="keeper", exact=True)).to_be_visible()
        # A letter answers a question when a person can have read it.
        page.wait_for_timeout(1500)
        page.keyboard.press("k")
        expect(row.get_by_role("heading", name="asker", exact=True)).to_be_visible()
        page.keyboard.press("j")
        expect(row.get_by_role("button", name="Keep 1")).to_be_visible()
        page.wait_for_timeout(1500)
        page.keyboard.press("1")
        expect(page.get_by_role("status").filter(has_text="Answered gate: K")).to_be_visible()
        expect(row.get_by_role("heading", name="asker", exact=True)).to_be_visible()
        assert "need=question" in page.url
        page.goto(f"{server.url}/attention?need=plan")
        expect(page.get_by_text("Nothing of this kind and project")).to_be_visible()


def test_every_row_is_reached_over_pages(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [asker] = list_actors(server.service.project.machine.state_dir)
    opened = Service.of(asker.project.root, server.service.processes.environ).opened
    second = spawn(opened, "second", pipeline=str(asker.project.root / "pipeline.dot"))
    wait_until(lambda: read_actor(second).status is ActorStatus.ASKING)
    monkeypatch.setattr(attention, "PAGE_SIZE", 1)
    with closing(server.browser()) as browser:
        for address, shown, left_out in (
            ("/attention", "asker", "second"),
            ("/attention?from=1", "second", "asker"),
            ("/attention?newest=yes", "second", "asker"),
        ):
            rows = browser.get(address).text.partition('id="rows"')[2]
            assert f">{shown}</a>" in rows, address
            assert f">{left_out}</a>" not in rows, address
            assert "12 tests pass" in rows
    with server.client() as client:
        client.post(f"/api/v1/actors/{second.project.project_id}/second/stop")


def test_newest_failure_is_on_the_first_page_of_many_answers(tmp_path: Path) -> None:
    project = ProjectFolder("p", tmp_path, tmp_path / "runs")

    def row(number: int, need: str, *, rows: Sequence[AttentionRow] = ()) -> AttentionRow:
        return AttentionRow(
            id=f"{need}:{number}",
            need=need,
            project=project,
            name="",
            reason="",
            since=START + timedelta(seconds=number),
            command="",
            rows=rows,
            message="m" if need == "answered" else "",
        )

    # The newest task of the oldest cause failed last.
    cause = row(0, "failed", rows=[row(0, "failed"), row(400, "failed")])
    answers = [row(number, "answered") for number in range(1, 300)]
    rows = [cause, *answers[:200], row(200, "question"), *answers[200:]]
    found, ahead = order_rows(rows, newest=False)
    assert sorted(found, key=lambda one: one.id) == sorted(rows, key=lambda one: one.id)
    assert ahead == 12
    assert [one.id for one in found[:3]] == [cause.id, "question:200", "answered:299"]
    assert [one.id for one in found[ahead : ahead + 2]] == ["answered:1", "answered:2"]
    assert order_rows(rows, newest=True)[0][0] is cause
    assert order_rows(rows[:50], newest=False) == (rows[:50], 0)
