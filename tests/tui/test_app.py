"""The terminal interface by keyboard, against a server with real actors."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.widgets import Input

from attractor.attention.fleet_needs import FleetNeed, FleetNeeds, publish_needs
from attractor.base.errors import VerificationError
from attractor.tui import app
from attractor.tui.app import AttractorTui
from attractor.tui.client import ApiClient, Worlds
from tests.attention.test_reading import FAILS, GATE
from tests.patience import PATIENCE_S, wait_until
from tests.tui.conftest import (
    MIDDLE,
    PHONE,
    WIDE,
    LateClient,
    Person,
    Relay,
    World,
    sit,
    sit_behind_relay,
)
from tests.tui.test_model import actor, question
from tests.worlds.desks import SLOW, kill_process

BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
TASK = "[red]do[/red] more"


def test_question_is_answered_by_its_key(world: World) -> None:
    world.spawn("ask", GATE)

    async def work(ann: Person) -> None:
        await ann.sees("question: Ship it?", lambda: ann.list)
        await ann.types("J")
        await ann.types("j")
        await ann.sees("> ask", lambda: ann.list.partition("ACTORS")[2])
        await ann.types("k")
        await ann.sees("1  [Y] Yes", lambda: ann.right)
        await ann.sees("make@1.1: success", lambda: ann.right)
        await ann.sees("  | [Simulated] Response for stage: make", lambda: ann.right)
        assert "1 [Y] Yes  2 [N] No  a answer in words  z snooze" in ann.keys
        ann.keep_picture("terminal")
        await ann.types("1")
        await ann.sees("answered", lambda: ann.text("#said"))
        await ann.sees("settled", lambda: ann.list)
        assert "[Y] Yes" not in ann.keys
        await ann.sees("answered: ", lambda: ann.list)
        await ann.types("J", "s")
        await ann.sees("NEEDS YOU (0)", lambda: ann.list)
        await ann.sees("idle", lambda: ann.list)

    sit(world.server, work)
    assert world.needs() == []


def test_no_key_acts_on_the_first_rows_before_the_server_answers(world: World) -> None:
    world.spawn("ask", GATE)
    wait_until(world.needs)
    first = Worlds.from_records(world.http.get("/api/v1/attention").json(), world.actors())

    async def main() -> None:
        has_started = asyncio.Event()
        client = LateClient(world.server.url, {"authorization": f"Bearer {world.server.token()}"})

        async def connect() -> ApiClient:
            await has_started.wait()
            return client

        app = AttractorTui(lambda: first, connect)
        async with app.run_test(size=WIDE) as pilot:
            ann = Person(app, pilot, client)
            await ann.sees("question: Ship it?", lambda: ann.list)
            await ann.types("1", "e", "m", *TASK, "enter")
            await ann.sees("message to ask: the server is starting", lambda: ann.text("#said"))
            assert "[Y] Yes" not in ann.keys
            has_started.set()
            await ann.sees("make: success", lambda: ann.right)
            assert world.needs() == ["question"]
            await ann.types("1")
            await ann.sees("settled", lambda: ann.list)
            assert ann.app.query_one("#message", Input).value == TASK

    asyncio.run(main())
    assert world.needs() == []


def test_diff_events_and_messages_are_shown_and_a_message_is_sent(world: World) -> None:
    one = world.spawn_simulated("fixer", "say hello")
    [place] = world.http.get("/api/v1/worlds").json()[0]["dimensions"]
    Path(place["folder"], "readme.txt").write_text("good bye\n")

    async def work(ann: Person) -> None:
        await ann.sees("answered: ", lambda: ann.list)
        await ann.types("J", "d")
        await ann.sees("+good bye", lambda: ann.right)
        for _ in range(2):
            await ann.types("e")
            await ann.sees("stages ended", lambda: ann.right)
        run = world.actors()[0]["last_run"]
        assert world.http.post(f"/api/v1/runs/{run}/cancel", json={}).is_success
        async with asyncio.timeout(PATIENCE_S):
            events = [one async for one in ann.app.client.events(run, 0)]
        assert [one.seq for one in events] == [*range(1, len(events) + 1)]
        await ann.types("t", "m", *TASK, "enter")
        await ann.sees(TASK, lambda: ann.right)
        assert ann.app.query_one("#message", Input).value == ""
        assert ann.app.focused is ann.app.query_one("#list")
        # A remark needs a line; all are sent as one message.
        await ann.types("d", "c", *"readme.txt", "enter", *":1", "enter", *"in German", "enter")
        await ann.sees("REMARKS (1; C: send all)", lambda: ann.right)
        await ann.sees("readme.txt:1", lambda: ann.right)
        await ann.types("C", "t")
        await ann.sees("in German", lambda: ann.right)
        await ann.types("N", *"make it", "enter")
        await ann.sees("no model is chosen", lambda: ann.text("#said"))
        # A corrupt journal is said once, after its events.
        with world.desk.place.joinpath("runs", run, "events.jsonl").open("ab") as journal:
            journal.write(b"{}\n")
        with pytest.raises(VerificationError, match="lacks seq"):
            events = [one async for one in ann.app.client.events(run, 0)]

    sit(world.server, work, MIDDLE)
    place = f"/api/v1/actors/{one['project']['id']}/fixer/messages"
    sent, remarks = (one["message"] for one in world.http.get(place).json()[1:])
    assert (sent["text"], sent["sender"]["kind"]) == (TASK, "person")
    assert "good bye" in remarks["text"]


def test_phone_shows_one_column_and_a_cut_task_goes_on(world: World) -> None:
    world.spawn("slow", SLOW)
    wait_until(lambda: (world.desk.folder / "again").exists())
    kill_process(world.desk, "slow")

    async def work(ann: Person) -> None:
        screen = ann.app.screen
        await ann.sees("interrupted: ", lambda: ann.list)
        assert ann.columns == (40, 0)
        await ann.types("J", "enter")
        await ann.sees("INTERRUPTED", lambda: ann.right)
        assert ann.columns == (0, 40)
        assert "g go on  b start over  l leave" in ann.keys
        await ann.types("escape", "t")
        await ann.sees("[messages]", lambda: ann.right)
        assert ann.app.focused is ann.app.query_one("#body")
        await ann.types("escape", "o", "escape")
        assert ann.columns == (40, 0)
        assert screen.max_scroll_x == 0
        await ann.types("K", "escape")
        await ann.types("g")
        await ann.sees("slow goes on", lambda: ann.text("#said"))
        await ann.sees("s answered", lambda: ann.list)
        await ann.types("J", "z", "enter")
        await ann.sees("NEEDS YOU (0)", lambda: ann.list)

    sit(world.server, work, PHONE)
    assert [one["status"] for one in world.actors()] == ["idle"]


def test_held_message_is_let_go_on_and_left_by_keys(world: World) -> None:
    (world.desk.place / "attractor.toml").write_text("[factory]\nmax_same_cause = 1\n")
    world.spawn("broken", FAILS.format(status=7))
    wait_until(lambda: world.needs() == ["failed"])
    world.desk.do("actor", "seen", "broken")
    for text in ("second", "third"):
        world.desk.do("message", "send", "broken", text)

    async def work(ann: Person) -> None:
        await ann.sees("held: 1 run stopped", lambda: ann.list)
        await ann.types("J")
        await ann.sees("2 messages not begun", lambda: ann.right)
        assert "g go on  l leave  z snooze" in ann.keys
        await ann.types("g")
        await ann.sees("one begins", lambda: ann.text("#said"))
        await ann.sees("held: 2 runs stopped", lambda: ann.list)
        await ann.types("J", "l")
        await ann.sees("answered as not begun", lambda: ann.text("#said"))
        await ann.waits(lambda: world.needs() == [])

    sit(world.server, work)


def test_key_of_a_replaced_question_answers_nothing(world: World) -> None:
    world.spawn("ask", GATE)

    async def work(ann: Person) -> None:
        await ann.sees("question: Ship it?", lambda: ann.list)
        await ann.types("J")
        ann.client.is_late = True
        [row] = world.http.get("/api/v1/attention").json()
        address = f"/api/v1/runs/{row['run_id']}/answer"
        world.http.post(address, json={"answer": "N"})

        def is_replaced() -> bool:
            rows = world.http.get("/api/v1/attention").json()
            return [one["need"] for one in rows] == ["question"] and rows[0]["id"] != row["id"]

        await ann.waits(is_replaced)
        await ann.types("1")
        await ann.sees("[Y] Yes: ", lambda: ann.text("#said"))

    sit(world.server, work)
    [row] = world.http.get("/api/v1/attention").json()
    assert row["questions"][0]["id"] == "gate@2.1"


def test_changes_are_streamed_and_read_anew_after_a_lost_connection(world: World) -> None:
    one = world.spawn_simulated("fixer", "say hello")
    project, state = one["project"]["id"], world.server.service.project.machine.state_dir
    place = f"/api/v1/actors/{project}/fixer"

    async def work(ann: Person, relay: Relay) -> None:
        await ann.sees("answered: ", lambda: ann.list)
        for order, seen in (("seen", "NEEDS YOU (0)"), ("archive", "ACTORS (0)")):
            await ann.waits(lambda: ann.client.is_following)
            # From here on, only the stream tells.
            ann.client.has_lists = False
            old = FleetNeed(
                order, project, "run", f"before {order}", BEFORE, "attractor fleet status"
            )
            publish_needs(state, FleetNeeds(datetime.now(UTC), [old]))
            await ann.sees(f"before {order}", lambda: ann.list.partition("answered: ")[0])
            publish_needs(state, FleetNeeds(datetime.now(UTC)))
            assert (await asyncio.to_thread(world.http.post, f"{place}/{order}")).is_success
            await ann.sees(seen, lambda: ann.list)
            ann.client.has_lists, ann.client.is_following = True, False
            relay.cut()

    sit_behind_relay(world.server, work)


def test_lists_are_read_behind_a_proxy_that_holds_the_stream_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "POLL_PAUSE_S", 0.2)

    async def work(ann: Person, relay: Relay) -> None:
        await ann.sees("NEEDS YOU (0)", lambda: ann.list)
        await asyncio.to_thread(world.spawn_simulated, "fixer", "say hello")
        await ann.sees("answered: ", lambda: ann.list)
        assert not ann.client.is_following

    sit_behind_relay(world.server, work, holds_back="/api/v1/worlds/events")


def test_palette_lists_the_actions_without_a_key(world: World) -> None:
    world.spawn_simulated("fixer", "say hello")

    async def work(ann: Person) -> None:
        await ann.sees("fixer", lambda: ann.list)
        screen = ann.app.screen
        titles = [one.title for one in ann.app.get_system_commands(screen)]
        assert {"remove dimension", "submit", "new actor"} <= {*titles}
        assert "remove dimension" not in ann.keys

    sit(world.server, work)


def test_many_actors_and_events_are_drawn_quickly() -> None:
    actors = [actor(f"a{number}") for number in range(100)]

    async def main() -> None:
        client = LateClient("http://127.0.0.1:9", {})
        client.is_late = True
        app = AttractorTui(Worlds, client.connected)
        async with app.run_test(size=WIDE) as pilot:
            times = list[float]()
            for turn in range(40):
                actors[turn % 100] = actor(f"a{turn % 100}", "working", waiting=turn)
                begun = time.process_time()
                app.take([question(str(turn))], actors)
                app.lines += [f"event {turn}.{number}" for number in range(5)]
                await pilot.pause()
                times.append(time.process_time() - begun)
            # Processor time: also that is longer while the machine has other work. Half of the
            # redraws are quick, and 95 % are not slow.
            assert sorted(times)[20] < 0.1
            assert sorted(times)[-3] < 0.3

    asyncio.run(main())
