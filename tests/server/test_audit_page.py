"""A person reads the ledger in the browser, and verifies the records."""

import html
import re

import pytest

from attractor.base.clock import SystemClock
from attractor.engine.errors import RecordBroken
from attractor.factory.history.entries import line_words
from attractor.factory.ledger.ledger import LineKind
from attractor.server.pages.audit import PAGE_SIZE
from tests.server.conftest import PAGE, Judged, RunningServer
from tests.tables import table


def show(server: RunningServer, query: str = "") -> str:
    """Return the page with a query, without its encoding."""
    with server.client("read") as client:
        answer = client.get(f"/audit?{query}", headers=PAGE)
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def lines_in(text: str) -> list[int]:
    """Return the numbers of the lines of a page."""
    return [int(one) for one in re.findall(r'data-label="No." class="number muted">(\d+)', text)]


def test_lines_are_shown_in_words_filtered_and_paged(judged: Judged) -> None:
    server, run = judged
    text = show(server)
    numbers = lines_in(text)
    assert numbers == [*range(numbers[0], 0, -1)]
    assert f'href="/runs/{run}"' in text
    for words in ("pipeline linear@1", "evaluation 1: 2 of 3 trials satisfied", "suite todo@1"):
        assert words in text, words
    assert "It is made" not in text
    assert len(lines_in(show(server, f"run={run}&kind=created"))) == 1
    assert "No line matches." in show(server, f"run={run}&kind=burned")
    ledger, now = server.service.opened.ledger, SystemClock().now()
    for _ in range(PAGE_SIZE):
        ledger.append(LineKind.TOKEN_REVOKED, "", {"name": "old", "by": "ann"}, now=now)
    text = show(server)
    older = re.search(r'href="/audit\?([^"]*)" rel="next"', text)
    assert older
    assert len(lines_in(text)) == PAGE_SIZE
    # Each call of `show` created a token, which adds a line to the ledger.
    assert lines_in(show(server, older[1]))[-len(numbers) :] == numbers


def test_flaws_are_shown_with_remedies(judged: Judged) -> None:
    server, run = judged
    assert "no problems found" in show(server, "verify=true")
    manifest = server.service.project.runs_dir / run / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    text = show(server, f"verify=true&run={run}")
    assert f"{manifest} was changed" in text
    assert "Remedy: restore it from a backup" in text


@table("kind", LineKind)
def test_every_kind_of_line_has_words(kind: LineKind) -> None:
    with pytest.raises(RecordBroken):
        line_words(kind, {"rationale": 1})
