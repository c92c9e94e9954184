"""Pages of a caller that may only read: no forms that change something, and one line about it."""

import re
from contextlib import closing

import httpx
import pytest

from tests.patience import PATIENCE_S
from tests.server.conftest import PAGE, RunningServer, csrf_in
from tests.server.runs import GATE, await_rest, start

FAILING = """digraph failing { start [shape=Mdiamond]; exit [shape=Msquare]
    test [shape=parallelogram, max_retries=0, tool_command="exit 3"]
    start -> test -> exit }"""
PAGES = ("/runs", "/attention", "/start", "/specs", "/suites", "/profiles", "/growth", "/system")
LINE = "You can read here, and change nothing."


@pytest.fixture
def runs(server: RunningServer) -> list[str]:
    """A run that asks, and a failed one."""
    with server.client() as client:
        started = [start(client, GATE), start(client, FAILING)]
        for run in started:
            await_rest(client, run)
    return started


def forms_of(page: str) -> set[str]:
    return set(re.findall(r'<form method="post" action="([^"?]+)', page))


def test_reader_sees_no_form_that_changes_something(server: RunningServer, runs: list[str]) -> None:
    with (
        httpx.Client(base_url=server.url, headers=PAGE, timeout=PATIENCE_S) as reader,
        closing(server.browser()) as operator,
    ):
        reader.post("/login", data={"token": server.token("read")})
        own = [f"/runs/{run}" for run in runs]
        pages = (*PAGES, *own, f"{own[0]}/stages/build", f"{own[1]}/decision", f"{own[1]}/fork")
        for address in pages:
            answer = reader.get(address)
            assert answer.status_code == 200, address
            assert answer.text.count(LINE) == 1, address
            # Comparing runs changes nothing.
            assert forms_of(answer.text) <= {"/logout", "/runs/several"}, address
            assert not re.search(r'<textarea|name="why"|value="cancel"|id="fork-menu"', answer.text)
            shown = operator.get(address).text
            assert LINE not in shown, address
        assert {f"{own[0]}/answer", f"{own[0]}/cancel"} <= forms_of(operator.get(own[0]).text)
        assert f"{own[1]}/fork" in forms_of(operator.get(own[1]).text)
        question = reader.get(own[0]).text
        assert "Ship it?" in question
        assert "<kbd>S</kbd> Ship" in question
        csrf = csrf_in(question)
        refused = reader.post(f"{own[0]}/answer", data={"csrf": csrf, "choice": "S"})
        assert (refused.status_code, "this needs operate" in refused.text) == (403, True)
        checked = reader.get("/editor").text
        assert ">Check</button>" in checked
        assert "Save to the file" not in checked
        assert reader.post("/logout", data={"csrf": csrf}).headers["location"] == "/login"
