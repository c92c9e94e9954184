"""Write to the people of a generated app: the page, its limits, and the file that keeps it."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from attractor.growth.simulation.traffic import read_recording
from tests.browsers import browser
from tests.growth.apps.lending import write_lending
from tests.growth.apps.test_pages import client as client, require_look, served

WORDS = "A drill is missing.\r\nAnd <b>a saw</b> & so on 🐄"


def state(folder: Path) -> Path:
    """Return the folder of the state, which lies beside the tree."""
    [file] = folder.rglob("state.sqlite")
    return file.parent


def kept(folder: Path) -> list[dict[str, Any]]:
    file = state(folder) / "feedback.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_words_are_kept_once_with_panel_and_time_and_after_a_restart(tmp_path: Path) -> None:
    tree = write_lending(tmp_path / "tree")
    with served(tree) as client:
        assert 'href="/tell?panel=due_back"' in client.get("/panels/due_back").text
        assert '<option value="due_back" selected>' in client.get("/tell?panel=due_back").text
        for _ in range(2):
            sent = client.post("/tell", data={"words": WORDS, "panel": "due_back"})
            assert "Thank you." in sent.text
    with served(tree) as client:
        client.post("/tell", data={"words": "Nice", "panel": "<unknown>"})
    first, second = kept(tmp_path)
    assert re.fullmatch("[0-9a-f]{12}", first.pop("id"))
    assert first == {
        "at": "2026-11-26T08:00:00+00:00",
        "panel": "due_back",
        "release": "",
        "words": WORDS.replace("\r\n", "\n"),
    }
    assert (second["words"], second["panel"]) == ("Nice", "")


REFUSED = {
    "": "Please write something.",
    " \n": "Please write something.",
    "<i>" + "x" * 2000: "these are 2003.",
}


def test_missing_and_long_words_are_refused_and_kept_in_the_form(
    client: httpx.Client, tmp_path: Path
) -> None:
    for words, fault in REFUSED.items():
        page = client.post("/tell", data={"words": words})
        assert page.status_code == 422
        assert fault in page.text
        assert "<i>" not in page.text
        assert words.strip().replace("<i>", "&lt;i&gt;") in page.text
    assert kept(tmp_path) == []


def test_open_entries_are_limited_until_they_are_answered(
    client: httpx.Client, tmp_path: Path
) -> None:
    for number in range(200):
        assert client.post("/tell", data={"words": f"{number}"}).status_code == 200
    refused = client.post("/tell", data={"words": "<b>One more</b>"})
    assert refused.status_code == 429
    assert "Please try again in a few days." in refused.text
    assert "&lt;b&gt;One more" in refused.text
    closed = [one["id"] for one in kept(tmp_path)[:150]]
    (state(tmp_path) / "feedback.closed.json").write_text(json.dumps(closed))
    assert client.post("/tell", data={"words": "One more"}).status_code == 200
    assert [one["words"] for one in kept(tmp_path)][::50] == ["150", "One more"]


def test_other_sites_and_large_forms_are_refused(client: httpx.Client, tmp_path: Path) -> None:
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "same-site"}):
        sent = client.post("/tell", data={"words": "Buy"}, headers=headers)
        assert sent.status_code == 403
    assert client.post("/tell", data={"words": "x" * 2_000_000}).status_code == 413
    assert kept(tmp_path) == []


def test_feedback_is_not_recorded_as_traffic(tmp_path: Path) -> None:
    with served(write_lending(tmp_path / "tree"), APP_RECORDING=str(tmp_path / "taped")) as client:
        client.post("/tell", data={"words": "Secret wish"})
        client.get("/data/tool")
    [exchange] = read_recording(tmp_path / "taped").exchanges
    assert exchange.request.path == "/data/tool"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_person_without_scripts_writes_from_a_panel(
    width: int, height: int, client: httpx.Client
) -> None:
    with browser() as started:
        size: Any = {"width": width, "height": height}
        page = started.new_page(viewport=size, color_scheme="dark")
        for path in ("tell", "tell?sent=yes"):
            page.goto(f"{client.base_url}/{path}")
            require_look(page)
        page = started.new_page(viewport=size, java_script_enabled=False)
        page.goto(f"{client.base_url}/panels/due_back")
        page.get_by_role("link", name="Tell us").click()
        assert page.get_by_label("What is it about?").input_value() == "due_back"
        page.get_by_label("Your words").fill("The dates are hard to read.")
        page.get_by_role("button", name="Send").click()
        assert "Thank you." in page.get_by_role("status").inner_text()


def test_views_of_panels_and_slow_answers_are_counted(tmp_path: Path) -> None:
    tree = write_lending(tmp_path / "tree")
    slow = "def rows(records, context):\n    time.sleep(1.1)\n    return Panel('', 1, [])\n"
    head = "import time\nfrom app.contract import Panel\n"
    (tree / "app" / "panels" / "wishes.py").write_text(head + slow)
    with served(tree) as client:
        client.get("/")
        client.get("/panels/tools")
        client.get("/panels/tools", headers={"accept": "application/json"})
        counts = client.get("/telemetry").json()
    none = {"errors": 0, "guard_hits": 0}
    assert counts["wishes"] == {"runs": 1, **none, "slow": 1}
    # The 26th of November 2026.
    assert counts["tools"] == {"runs": 3, **none, "views": 2, "last_view": 739_946}


def test_lines_that_the_app_did_not_write_are_left_out(
    client: httpx.Client, tmp_path: Path
) -> None:
    client.post("/tell", data={"words": "One"})
    with (state(tmp_path) / "feedback.jsonl").open("a") as file:
        file.write('{\n[]\n{"words": "Two"}\n')
    assert "Thank you." in client.post("/tell", data={"words": "Three"}).text
    assert [one["words"] for one in kept(tmp_path)] == ["One", "Three"]
