"""Twenty rows of six kinds are settled by the keyboard alone, in Chromium."""

from pathlib import Path

from playwright.sync_api import expect

from attractor.server.service import Service
from attractor.worlds.messages import TaskAtWork
from attractor.worlds.orders import mark_seen
from attractor.worlds.process import ActorProcess
from tests.attention.test_every_kind import RUN, World, plain
from tests.attention.test_reading import FAILS, GATE
from tests.browsers import chromium
from tests.server.conftest import quick, serving
from tests.worlds.flows import ANN, actor_in, send_to

KEYS = {"question": "y", "blocked": "l", "held": "l", "failed": "s"}
"""The keys of the choices that begin nothing; `g` lets a run go on, `s` marks an answer."""


def populate(world: World) -> None:
    """Make five questions, four answered runs, six answers, and five other things."""
    opened, runs = world.opened, world.opened.project.runs_dir
    files = {name: opened.project.root / f"{name}.dot" for name in ("pipeline", "fails", "other")}
    for name, text in (("pipeline", GATE), ("fails", FAILS.format(status=7))):
        files[name].write_text(text)
    files["other"].write_text(FAILS.format(status=8))
    (opened.project.root / "attractor.toml").write_text("[factory]\nmax_same_cause = 2\n")
    for number in range(9):
        assert world.do(*RUN, "--interviewer", "park") == 3
        if number < 4:
            assert world.do("answer", max(runs.glob("0*")).name, "Y") == 0
    for number in range(9):
        actor = actor_in(opened, f"actor-{number}")
        message = send_to(actor, opened, "work")
        if number < 3:
            actor.write_task(TaskAtWork(message, opened.project.machine.new_run_id(), "no room"))
        else:
            ActorProcess(actor, opened).work(linger_s=0.05)
    for name in ("one", "two", "held"):
        file = files["other" if name == "held" else "fails"]
        actor = actor_in(opened, name, pipeline=str(file))
        for _ in range(2 if name == "held" else 1):
            send_to(actor, opened, "test it")
            ActorProcess(actor, opened).work(linger_s=0.05)
    mark_seen(actor, actor.read().answers[-1].message.id, ANN, opened)
    send_to(actor, opened, "once more")


def test_twenty_rows_of_six_kinds_are_settled_by_keys(tmp_path: Path) -> None:
    world = plain(tmp_path)
    populate(world)
    service = quick(Service.of(world.opened.project.root, world.environ))
    with serving(service) as server, server.client() as client, chromium() as screen:
        found = client.get("/api/v1/attention").json()
        assert (len(found), len({(row["need"], bool(row["actor"])) for row in found})) == (20, 6)
        page = screen.page
        page.goto(f"{server.url}/login?code={service.access.codes.create()}&here=1")
        page.goto(f"{server.url}/attention")
        settled = set[str]()
        while len(settled) < 20:
            row = page.locator("#row")
            expect(row.locator("article")).to_be_visible()
            chosen, label = row.get_attribute("data-chosen"), row.locator("article")
            assert chosen
            need = str(label.get_attribute("aria-label")).rpartition(": ")[2]
            key = KEYS.get(need) or str(
                row.locator("form button[data-key]").first.get_attribute("data-key")
            )
            # A key settles a row only when a person can have read it.
            page.wait_for_timeout(1100)
            page.keyboard.press(key)
            expect(row).not_to_have_attribute("data-chosen", chosen)
            settled.add(chosen)
        left = {row["id"] for row in client.get("/api/v1/attention").json()}
        assert not left & {row["id"] for row in found}
