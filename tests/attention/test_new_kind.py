"""A kind of attention that is one file is listed, shown and settled wherever the others are."""

import html
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from attractor.attention import sources
from attractor.attention.source import sources as known_kinds
from attractor.base.locks import SharedLock
from attractor.environments.orphan_processes import UNGUARDED
from tests.attention.test_every_kind import World, plain, served
from tests.browsers import browser
from tests.cli.running import run_here
from tests.server.conftest import csrf_in
from tests.tui.conftest import Person, sit

KIND = '''"""Rooms that are cold."""

from attractor.attention.evidence import Evidence
from attractor.attention.rows import AttentionRow, Choice, Field
from attractor.attention.source import Source

FACTS = {"now": "5 degrees\\x1b[2J", "y" * 90: "x" * 300}
DEGREES = Field("degrees", "To how many degrees", is_required=True)


def rows(look):
    cold = look.project.root / "cold"
    if cold.exists():

        def act(choice, fields, at):
            (look.project.root / "said").write_text(f"{choice} {dict(fields)} {at.by.name}")
            cold.unlink()
            return f"done: {choice}"

        yield AttentionRow(
            id=f"cold:room 7/a?b#c%d'e\\"f",
            need="cold",
            project=look.project,
            name="room 7",
            reason="it is \\u202ecold\\x1b[2J <b>here</b> \\n" + "x" * 300,
            since=look.now.replace(year=2020, microsecond=0),
            command="attractor attention next",
            choices=[Choice("heat", "heat it", "h", [DEGREES]), Choice("leave", "leave it", "l")],
            act=act,
            look=lambda opened: Evidence("Keep *all* warm", FACTS, "brr " + "x" * 300),
        )


part = Source(rows)
'''
NAME = "cold_rooms"
SCOPE = "from attractor.factory.ledger.tokens import Scope"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A project with a cold room."""
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    (kinds / f"{NAME}.py").write_text(KIND)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(kinds)])
    known_kinds.cache_clear()
    world = plain(tmp_path)
    (world.opened.project.root / "cold").touch()
    yield world
    known_kinds.cache_clear()


def said(world: World) -> str:
    assert not (world.opened.project.root / "cold").exists()
    return (world.opened.project.root / "said").read_text().rpartition(" ")[0]


def do(world: World, *words: str, typed: str = "") -> str:
    root = world.opened.project.root
    done = run_here(words, folder=root, variables=world.environ, typed=typed)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_new_kind_in_the_command(world: World) -> None:
    assert "room 7" in do(world, "attention")
    [row] = json.loads(do(world, "attention", "--json"))
    assert (row["need"], [one["key"] for one in row["choices"]]) == ("cold", ["heat", "leave"])
    assert "room 7: snoozed" in do(world, "snooze", "room 7")
    assert "room 7: shown again" in do(world, "snooze", "--wake")
    shown = do(world, "attention", "next", typed="melt\nheat 21\n")
    for words in (
        "now: 5 degrees",
        "Keep *all* warm",
        "brr",
        "heat DEGREES: heat it",
        "done: heat",
    ):
        assert words in shown
    assert "not understood: melt" in shown
    assert {"\x1b", "\u202e"}.isdisjoint(shown)
    assert said(world) == "heat {'degrees': '21'}"
    assert do(world, "attention") == "Nothing needs you.\n"


def test_new_kind_over_http_and_on_the_page(world: World) -> None:
    with served(world) as server, server.client() as client, closing(server.browser()) as person:
        [row] = client.get("/api/v1/attention").json()
        address = f"/api/v1/attention/{quote(row['id'], safe='')}"
        assert client.get(f"{address}/evidence").json()["facts"]["now"] == "5 degrees\x1b[2J"
        assert client.post(f"{address}/settle", json={"choice": "heat"}).status_code == 400
        page = person.get("/attention").text
        assert "<title>(1) Attention" in page
        for words in ("<em>all</em> warm", "5 degrees", "To how many degrees", "J &lt;b&gt;here"):
            assert words in page
        form = {"csrf": csrf_in(page), "row": row["id"], "choice": "heat", "degrees": "21"}
        assert html.escape(row["id"]) in page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
        person.post("/attention/settle", data=form)
        assert "Done: heat." in person.get("/attention").text
        assert said(world) == "heat {'degrees': '21'}"
        (world.opened.project.root / "cold").touch()
        done = client.post(f"{address}/settle", json={"choice": "leave"})
        assert done.json() == {"words": "done: leave"}
        assert said(world) == "leave {}"


def test_choice_with_a_scope_of_its_own_is_refused_to_who_lacks_it(world: World) -> None:
    kind = (Path(sources.__path__[-1]) / f"{NAME}.py").rename(f"{sources.__path__[-1]}/scoped.py")
    of_decide = 'Choice("leave", "leave it", "l", scope=Scope.DECIDE)'
    kind.write_text(
        KIND.replace('Choice("leave", "leave it", "l")', of_decide).replace(
            "from attractor.attention.source ", f"{SCOPE}\nfrom attractor.attention.source "
        )
    )
    with served(world) as server, server.client() as ann, server.client("decide") as bob:
        [row] = ann.get("/api/v1/attention").json()
        assert [one["scope"] for one in row["choices"]] == ["operate", "decide"]
        address = f"/api/v1/attention/{quote(row['id'], safe='')}/settle"
        assert ann.post(address, json={"choice": "leave"}).status_code == 403
        # A stage without a sandbox could type it in a terminal of its own.
        unguarded = SharedLock(world.state / UNGUARDED)
        unguarded.acquire()
        words = do(world, "attention", "next", typed="leave\n")
        unguarded.release()
        assert "this choice is refused while a stage executes without a sandbox" in words
        assert (world.opened.project.root / "cold").exists()
        assert bob.post(address, json={"choice": "leave"}).status_code == 200
    assert said(world) == "leave {}"


def test_new_kind_on_a_phone_without_scripts(world: World) -> None:
    with served(world) as server, browser() as started:
        page = started.new_context(java_script_enabled=False).new_page()
        page.set_viewport_size({"width": 320, "height": 640})
        page.goto(f"{server.url}/login?code={server.service.access.codes.create()}&here=1")
        page.goto(f"{server.url}/attention")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        page.get_by_label("To how many degrees").fill("21")
        page.get_by_role("button", name="Heat it").click()
        expect(page.get_by_role("status").filter(has_text="Done: heat.")).to_be_visible()
    assert said(world) == "heat {'degrees': '21'}"


def test_new_kind_in_the_terminal_interface(world: World) -> None:
    async def work(ann: Person) -> None:
        await ann.sees("room 7", lambda: ann.list)
        await ann.types("j")
        await ann.sees("cold\N{REPLACEMENT CHARACTER}[2J <b>here</b>", lambda: ann.right)
        await ann.sees("now: 5 degrees\N{REPLACEMENT CHARACTER}", lambda: ann.right)
        assert "h heat it  l leave it  z snooze" in ann.keys
        await ann.types("h", *"21", "enter")
        await ann.sees("done: heat", lambda: ann.text("#said"))
        await ann.sees("NEEDS YOU (0)", lambda: ann.list)

    with served(world) as server:
        sit(server, work)
    assert said(world) == "heat {'degrees': '21'}"
