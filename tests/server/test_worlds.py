"""Worlds, actors, messages, dimensions and attention over HTTP, for all projects."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from attractor.factory.open_project import OpenProject
from attractor.server.service import Service
from tests.patience import wait_until
from tests.pipeline.projects import make_project
from tests.server.conftest import PAGE, SETTINGS, csrf_in, service_of, serving


@pytest.fixture
def client(project: Path) -> Iterator[httpx.Client]:
    """A client of a server, whose actors are stopped at the end."""
    with serving(service_of(project)) as server, server.client() as client:
        yield client
        for one in client.get("/api/v1/actors").json():
            client.post(f"/api/v1/actors/{one['project']['id']}/{one['name']}/stop")


def spawn(client: httpx.Client, words: str, **more: Any) -> dict[str, Any]:
    body = {"words": words, "backend": "simulate", "sandbox": "none", **more}
    made = client.post("/api/v1/actors", json=body)
    assert made.status_code == 201, made.text
    return made.json()


def test_rules_of_an_actor_are_listed_and_changed(client: httpx.Client) -> None:
    one = spawn(client, "say hello", name="one", permissions="ask", allow=["Bash(make *)"])
    place = f"/api/v1/actors/{one['project']['id']}/one/rules"
    changed = client.post(place, json={"deny": ["Edit(.github/*)"], "remove": ["Bash(make *)"]})
    assert changed.json() == client.get(place).json()
    assert changed.json()["rules"] == {"Edit(.github/*)": "deny"}
    for body in (
        {"deny": ["Bash("]},
        {"remove": ["Bash(x)"]},
        {"allow": ["Read"], "deny": ["Read"]},
    ):
        assert client.post(place, json=body).is_client_error
    assert client.get(place).json() == changed.json()


def test_actor_answers_a_message_and_is_archived(client: httpx.Client) -> None:
    one = spawn(client, "say hello", name="one")
    assert (one["name"], one["dimension"]) == ("one", "one")
    place = f"/api/v1/actors/{one['project']['id']}/one"
    sent = client.post(f"{place}/messages", json={"text": "and again"}).json()
    assert (sent["message"]["sender"]["kind"], sent["message"]["number"]) == ("person", 2)

    def answers() -> list[dict[str, Any]]:
        listed = client.get(f"{place}/messages").json()
        return [answer for answer in listed if answer["status"] == "answered"]

    wait_until(lambda: len(answers()) == 2)
    assert [answer["succeeded"] for answer in answers()] == [True, True]
    [world] = client.get("/api/v1/worlds").json()
    settings = client.get(f"/api/v1/worlds/{world['id']}/settings").json()
    [backend] = [one for one in settings if one["key"] == "backends.default"]
    assert (backend["value"], backend["origin"]) == ("simulate", "attractor.toml:2")
    page = client.get(f"/worlds/{world['id']}", headers=PAGE).text
    assert page.index("backends.default") < page.index("output.color")
    assert f'href="/actors/{world["id"]}/one"' in page
    assert [dimension["name"] for dimension in world["dimensions"]] == ["one"]
    [row] = client.get("/api/v1/attention").json()
    assert (row["need"], row["actor"]) == ("answered", "one")
    assert client.post(f"/api/v1/attention/{row['id']}/snooze", json={}).status_code == 204
    assert client.get("/api/v1/attention").json() == []
    assert client.post(f"{place}/seen").json()["status"] == "idle"
    assert client.post(f"{place}/archive").json()["status"] == "archived"
    assert client.get("/api/v1/actors").json() == []
    late = client.post(f"{place}/messages", json={"text": "more"})
    assert (late.status_code, late.json()["type"]) == (409, "urn:attractor:ActorArchived")
    removed = client.delete(f"/api/v1/dimensions/{one['project']['id']}/one").json()
    assert removed == {"name": "one", "kept": "", "ignored": []}


def test_actor_is_changed_renamed_cloned_and_taken_back(client: httpx.Client) -> None:
    one = spawn(client, "say hello", name="one")
    actors = f"/api/v1/actors/{one['project']['id']}"
    wait_until(lambda: client.get(f"{actors}/one").json()["answered"] == 1)
    none = client.post(f"{actors}/one/change", json={})
    assert (none.status_code, "no change" in none.json()["detail"]) == (400, True)
    wrong = client.post(f"{actors}/one/change", json={"arguments": ["--max-turns=5"]})
    assert "simulate takes no arguments" in wrong.json()["detail"]
    changed = client.post(f"{actors}/one/change", json={"model": "big"}).json()
    assert (changed["model"], changed["note"]) == ("big", "")
    renamed = client.post(f"{actors}/one/rename", json={"name": "two"})
    assert (renamed.json()["name"], renamed.json()["dimension"]) == ("two", "one"), renamed.text
    cloned = client.post(f"{actors}/two/clone", json={"name": "three"})
    assert (cloned.status_code, cloned.json()["dimension"]) == (201, "three"), cloned.text
    assert client.post(f"{actors}/two/clone", json={"name": "three"}).status_code == 409
    assert client.post(f"{actors}/two/unarchive").status_code == 409
    assert client.post(f"{actors}/two/stop").status_code == 200
    client.post(f"{actors}/two/archive")
    assert client.post(f"{actors}/two/unarchive").json()["status"] != "archived"


def test_page_of_an_actor_changes_renames_clones_and_takes_it_back(project: Path) -> None:
    with serving(service_of(project)) as server, server.client() as client:
        spawn(client, "say hello", name="one", sandbox="none", leads="most=2 usd=6")
        own = server.service.project_id
        with closing(server.browser()) as browser:
            place = f"/actors/{own}/one"

            def post(action: str, **form: str) -> str:
                csrf = csrf_in(browser.get(place).text)
                done = browser.post(f"{place}/{action}", data={"csrf": csrf, **form})
                return done.headers["location"]

            wait_until(lambda: client.get(f"/api/v1{place}").json()["answered"] == 1)
            assert "gave nothing; 6 USD left for others" in browser.get(place).text
            assert post("change", model="big") == place
            assert client.get(f"/api/v1{place}").json()["model"] == "big"
            assert post("clone", new="three") == f"/actors/{own}/three"
            assert post("clone", new="three") == place
            assert "three exists already" in browser.get(place).text
            place = post("rename", new="two")
            assert place == f"/actors/{own}/two"
            client.post(f"/api/v1{place}/archive")
            post("unarchive")
            assert client.get(f"/api/v1{place}").json()["status"] != "archived"


def test_actors_of_another_project_are_spawned_and_found(
    client: httpx.Client, tmp_path: Path
) -> None:
    folder = make_project(tmp_path / "second", **{"attractor.toml": SETTINGS})
    environ = {"ATTRACTOR_STATE_DIR": str(tmp_path / "state"), "PATH": "/usr/bin:/bin"}
    second = OpenProject(Service.of(folder, environ).project).identity.create_id()
    one = spawn(client, "say hello", project=second, read_only=False)
    assert one["project"] == {"id": second, "folder": str(folder)}
    listed = client.get("/api/v1/actors").json()
    assert [actor["project"]["id"] for actor in listed] == [second]
    wrong = client.get(f"/api/v1/actors/nosuch/{one['name']}")
    assert (wrong.status_code, "unknown project" in wrong.json()["detail"]) == (404, True)


def test_remarks_are_written_removed_and_sent(client: httpx.Client) -> None:
    one = spawn(client, "say hello", name="one")
    project = one["project"]["id"]
    place, actor = f"/api/v1/dimensions/{project}/one/remarks", f"/api/v1/actors/{project}/one"
    file = Path(one["folder"]) / "a.py"
    file.write_text("a = 1\nb = 2\n")
    written = [
        client.post(place, json={"file": "a.py", "line": line, "text": f"<b>{line}</b>"}).json()
        for line in (1, 2, 2)
    ]
    assert (written[0]["quoted"], written[0]["author"]["kind"]) == ("a = 1", "person")
    assert client.delete(f"{place}/{written[2]['id']}").status_code == 204
    gone = client.delete(f"{place}/{written[2]['id']}")
    outside = client.post(place, json={"file": "../x", "line": 1, "text": "why?"})
    assert (gone.status_code, outside.status_code) == (404, 400)
    file.write_text("a = 1\nb = 3\n")
    assert [each["stale"] for each in client.get(place).json()] == [False, True]
    sent = client.post(f"{actor}/remarks").json()["message"]
    assert sent["text"].startswith("2 remarks on your changes:\n\na.py:1\n> a = 1\n\n<b>1</b>")
    assert client.get(place).json() == []
    assert client.post(f"{actor}/remarks").status_code == 409


def test_each_change_of_a_world_is_an_event(client: httpx.Client) -> None:
    path = "/api/v1/worlds/events"
    with connect_sse(client, "GET", path) as it:
        stream = it.iter_sse()
        one = spawn(client, "say hello", name="one")
        actor = f"{one['project']['id']}/one"
        row = next(each for each in stream if each.event == "AttentionChanged").json()
        assert (row["project"], row["record"]["need"]) == (one["project"]["id"], "answered")
        client.post(f"/api/v1/actors/{actor}/seen")
        gone = next(each for each in stream if each.event == "AttentionGone").json()
        assert (gone["id"], gone["record"]) == (row["id"], None)
        client.post(f"/api/v1/actors/{actor}/archive")
        assert next(each for each in stream if each.event == "ActorGone").json()["id"] == actor
    with connect_sse(client, "GET", f"{path}?type=WorldChanged") as it:
        first = next(it.iter_sse())
        assert (first.event, [d["name"] for d in first.json()["record"]["dimensions"]]) == (
            "WorldChanged",
            ["one"],
        )
