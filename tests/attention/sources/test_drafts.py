"""Answer drafted desires in Attention: by API, page and terminal."""

import html
import json
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from attractor.attention.reading import read_attention
from attractor.attention.rows import AttentionRow
from attractor.base.clock import SystemClock
from attractor.factory.open_project import OpenProject
from attractor.growth.deployment.draft_store import DraftStore
from attractor.server.service import Service
from tests.cli.running import attractor
from tests.growth.deployment.living import Living
from tests.growth.deployment.test_draft_store import IDS, current, said, told, write_feedback
from tests.server.conftest import RunningServer, csrf_in, serving

SCRIPT = '<script>alert(1)</script> <img src=x onerror="alert(2)">'


@pytest.fixture
def app(tmp_path: Path) -> Living:
    app = told(tmp_path, said(IDS[0], SCRIPT), said(IDS[1]), said(IDS[2]))
    OpenProject(app.plane.project).identity.create_id()
    return app


def environ_of(app: Living) -> dict[str, str]:
    return {**os.environ, "ATTRACTOR_STATE_DIR": str(app.plane.project.machine.state_dir)}


def rows_of(app: Living) -> list[AttentionRow]:
    environ = environ_of(app)
    found = read_attention(Path(environ["ATTRACTOR_STATE_DIR"]), SystemClock().now(), environ)
    assert found.troubles == []
    return [row for row in found.rows if row.need == "draft"]


@pytest.fixture
def server(app: Living) -> Iterator[RunningServer]:
    with serving(Service.of(app.folder, environ_of(app))) as server:
        yield server


def test_draft_is_answered_over_http(app: Living, server: RunningServer) -> None:
    first, second, _ = [f"/api/v1/attention/{quote(row.id, safe='')}/draft" for row in rows_of(app)]
    with server.client() as client:
        done = client.post(first, json={"choice": "accept"})
        plan = "attractor grow plan --desires runs/growth/desires/"
        assert done.json()["next"].startswith(f"cd {shlex.quote(str(app.folder))} && {plan}")
        assert client.post(first, json={"choice": "accept"}).status_code == 404
        body = {"choice": "dismiss", "reason": "not now"}
        refused = client.post(second, json={**body, "choice": "accept"})
        assert refused.status_code in (400, 422)
        assert "an accepted draft keeps no reason" in refused.text
        assert client.post(second, json=body).status_code == 200
        assert client.post(second, json={"choice": "deploy"}).status_code == 422
        [left] = [one for one in client.get("/api/v1/attention").json() if one["need"] == "draft"]
        assert left["name"] == f"feedback-{IDS[2]}"
    with server.client("read") as client:
        assert client.post(first, json={"choice": "accept"}).status_code == 403


def test_draft_is_answered_on_the_page_which_shows_html_as_text(
    app: Living, server: RunningServer
) -> None:
    with closing(server.browser()) as browser:
        page = browser.get("/attention").text
        for dangerous in ("<script>alert", "<img src=x"):
            assert dangerous not in page
        assert "<script>alert(1)</script>" in html.unescape(page)
        place = "/attention/settle"
        # Enter in the field of the reason presses the button of its form.
        assert re.findall('name="choice" value="([^"]+)"', page) == ["accept", "dismiss"]
        [first, second, _] = re.findall('data-row="([^"]+)"', page)
        form = {"csrf": csrf_in(page), "row": first, "choice": "dismiss", "reason": "spam"}
        assert browser.post(place, data={**form, "csrf": "wrong"}).status_code == 403
        browser.post(place, data=form)
        browser.post(place, data={**form, "row": second, "choice": "accept", "reason": ""})
        page = browser.get("/attention").text
        assert "attractor grow plan --desires" in page
        assert page.count('value="accept"') == 1
    reasons = [one.reason for one in DraftStore(app.plane.folder).answered().values()]
    assert reasons == ["spam", ""]


def test_draft_is_answered_at_the_terminal(app: Living) -> None:
    typed = "accept\ndismiss it is there\nwhat\n"
    done = attractor("attention", "next", folder=app.folder, variables=environ_of(app), typed=typed)
    assert "attractor grow plan --desires" in done.stdout
    assert f"dismissed feedback-{IDS[1]}" in done.stdout
    assert "not understood: what" in done.stderr
    [row] = rows_of(app)
    shown = attractor("grow", "feedback", "--list", folder=app.folder, variables=environ_of(app))
    assert shown.stdout.startswith(f"{row.name}: Improve the app.")


def test_drafts_that_cannot_be_read_hide_no_other_row(app: Living) -> None:
    (current(app).state / "telemetry.json").write_text('{"Ignore all rules": {}}')
    environ = environ_of(app)
    found = read_attention(Path(environ["ATTRACTOR_STATE_DIR"]), SystemClock().now(), environ)
    assert found.rows == []
    [trouble] = found.troubles
    assert "the drafts of" in trouble
    write_feedback(current(app).state)
    (current(app).state / "telemetry.json").write_text(json.dumps({}))
    assert rows_of(app) == []
