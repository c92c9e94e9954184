"""A person edits a pipeline in the browser, saves it, registers it, and compares its versions."""

import html
import re

import httpx

from tests.pipeline.projects import LINEAR
from tests.server.conftest import PAGE, RunningServer
from tests.server.runs import await_rest, start

LONGER = LINEAR.replace("plan -> make", "plan -> check -> make")
FAULTY = LINEAR.replace("plan -> make", "plan -> nowhere")
FILE = "pipeline.dot"
NAMES = (FILE, "faulty.dot", "unreadable.dot", "gone@1")


def known(text: str) -> str:
    found = re.search(r'name="known" value="(.*?)"', text)
    assert found
    return found[1]


def send(client: httpx.Client, to: str, **form: str) -> httpx.Response:
    return client.post(f"/editor{to}", data=form, headers=PAGE, follow_redirects=True)


def test_pipeline_is_checked_saved_and_registered(server: RunningServer) -> None:
    project = server.service.project.root
    with server.client("operate") as client:
        opened = client.get("/editor", params={"file": FILE}, headers=PAGE).text
        assert LINEAR.strip() in html.unescape(opened)
        assert '<a href="/specs" aria-current="page">Pipelines</a>' in opened
        checked = send(client, "?fragment=checked", file=FILE, source=FAULTY).text
        assert "nowhere" in checked
        assert "<svg" in checked
        text = LONGER.replace("\n", "\r\n")
        saved = send(client, "/save", file=FILE, source=text, known=known(opened))
        assert "Saved pipeline.dot." in saved.text
        assert (project / FILE).read_text() == LONGER
        late = send(client, "/save", file=FILE, source=LINEAR, known=known(opened))
        assert (late.status_code, "was changed meanwhile" in late.text) == (409, True)
        assert (project / FILE).read_text() == LONGER
        for source in (LINEAR, LONGER):
            assert "is registered." in send(client, "/register", file=FILE, source=source).text
        refused = send(client, "/register", file=FILE, source="digraph {")
        assert (refused.status_code, "digraph {" in refused.text) == (409, True)
        lost = send(client, "/save", file="../outside.dot", source=LONGER)
        assert (lost.status_code, LONGER.strip() in html.unescape(lost.text)) == (409, True)
        listed = client.get("/specs", headers=PAGE).text
        form = {"reason": "It is too old.", "token": "guessed"}
        kept = client.post("/specs/linear@1/retire", data=form, headers=PAGE).text
        assert "a token of the scope decide is required" in kept
        assert ('id="retire" open' in kept, ">It is too old.</textarea>" in kept) == (True, True)
        assert "guessed" not in kept
        form["token"] = server.token("decide")
        ended = client.post("/specs/linear@1/retire", data=form, headers=PAGE)
        assert "linear@1 is retired." in client.get(ended.headers["location"], headers=PAGE).text
        changes = client.get("/specs/linear@2", params={"before": "1"}, headers=PAGE).text
    assert 'href="/editor?file=pipeline.dot"' in listed
    assert "since version 1" in listed
    assert "check" in changes
    assert "<style" not in changes
    version = server.service.opened.pipelines.versions.find("linear")
    assert (version.number, version.by.startswith("ann-operate")) == (2, True)


def test_table_has_the_newest_result_the_problems_and_a_link_that_starts_a_run(
    server: RunningServer,
) -> None:
    project = server.service.project.root
    (project / "faulty.dot").write_text(FAULTY.replace("linear", "faulty"))
    (project / "unreadable.dot").write_bytes(b"\xff")
    with server.client("operate") as client:
        for source in (LINEAR, LONGER):
            await_rest(client, run := start(client, source))
        send(client, "/register", file="gone.dot", source=LINEAR.replace("linear", "gone"))
        page = client.get("/specs", headers=PAGE).text
    rows = {one: next(row for row in page.split("<tr ") if one in row) for one in NAMES}
    assert f'href="/runs/{run}"' in rows["pipeline.dot"]
    assert 'href="/start?file=pipeline.dot"' in rows["pipeline.dot"]
    assert re.search(r">[1-9] errors?<|>[1-9] errors?,", rows["faulty.dot"])
    assert ("/start" in rows["unreadable.dot"], "/start" in rows["gone@1"]) == (False, False)


def test_reading_token_saves_nothing(server: RunningServer) -> None:
    with server.client("read") as client:
        for to in ("/save", "/register"):
            assert send(client, to, file="new.dot", source=LINEAR).status_code == 403
    assert not (server.service.project.root / "new.dot").exists()
