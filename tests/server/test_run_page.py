"""The page of a run and the list of runs, without JavaScript."""

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from attractor.factory.decisions.lock import lock_run
from attractor.factory.open_project import OpenProject
from tests.cli.running import run_here
from tests.patience import wait_until
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, csrf_in, service_of, serving
from tests.server.runs import UNTIL_GO, WAITING, await_rest, await_status, start
from tests.spec.runs import project_in
from tests.spec.test_account_limits import desk
from tests.tables import table

NASTY = "<script>alert(1)</script>"
PIPELINE = f"""digraph hello {{ graph [goal="Say {NASTY}"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    plan  [prompt="Plan: $goal", label="Plan {NASTY}"]
    make  [shape=parallelogram, tool_command="echo '{NASTY}' | tee 'a<b>.py'"]
    ask   [shape=hexagon, label="Ship {NASTY}?"]
    never [prompt="Not reached"]
    start -> plan -> make -> ask
    ask -> exit  [label="[S] Ship {NASTY}"]
    ask -> never [label="[A] Again"]
    never -> exit }}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for all tests of this module."""
    folder = tmp_path_factory.mktemp("run-page")
    with serving(
        service_of(make_project(folder / "project", **{"attractor.toml": SETTINGS}))
    ) as it:
        yield it


@pytest.fixture(scope="module")
def parked(server: RunningServer) -> Iterator[tuple[httpx.Client, str]]:
    """A browser's client, and the address of a run that waits at a human gate."""
    with server.client("operate") as client:
        run = start(client, PIPELINE, workspace="isolated", sandbox="none")
        await_rest(client, run)
    with closing(server.browser()) as browser:
        yield browser, f"/runs/{run}"


PAGES = {
    "": [
        '<span class="muted">ask, ',
        "<figcaption",
        'name="choice" value="S"',
        "Again",
        'aria-label="plan: done',
    ],
    "/stages/plan": ["Response", 'data-node="plan" aria-current="true"'],
    "/stages/plan@1.1?tab=prompt": ["Plan: Say"],
    "/stages/make?tab=changes": ["a&lt;b&gt;.py", 'class="added"'],
    "/stages/make?tab=changes&view=split": ["One column", "a&lt;b&gt;.py"],
    "/stages/make": ["Standard output", "&lt;script&gt;alert(1)"],
    "/stages/make?tab=details": ["Outcome", "success", "tool_command", "To <b>ask</b>"],
    "/stages/make?tab=files": ["stdout.txt"],
    "/stages/make/files/stdout.txt": ["&lt;script&gt;"],
    "/stages/never": ["The run has not reached this stage."],
    "/changes": ["a&lt;b&gt;.py"],
    "/events": ["make: started", "run is executing"],
    "/events?all=yes&type=StageStarted&node=make": ["make: started"],
    f"/events?before={10**15}": ["make: started"],
    "/context": ["graph.goal"],
    "/checkpoint": ["completed_nodes", "Next stage"],
    "/checkpoint?part=context": ["graph.goal", ">State</a>"],
}


@pytest.mark.parametrize("view", PAGES)
def test_view_of_a_run_reads_without_a_script(parked: tuple[httpx.Client, str], view: str) -> None:
    browser, address = parked
    answer = browser.get(address + view)
    assert answer.status_code == 200, answer.text
    for words in PAGES[view]:
        assert words in answer.text, words
    assert NASTY not in answer.text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", answer.text)


def test_fragments_are_the_same_elements_as_in_the_page(
    parked: tuple[httpx.Client, str],
) -> None:
    browser, address = parked
    names = ["head", "question", "graph", "stage", "timeline"]
    text = browser.get(address, params={"fragment": ",".join(names)}).text
    found = re.findall(r'^<(?:section|div)[^>]* id="(\w+)"[^>]* data-part=', text, re.MULTILINE)
    assert found == names
    assert "<html" not in text
    assert browser.get(address, params={"fragment": "head,"}).status_code == 422


def test_child_run_has_a_page_below_its_run(
    server: RunningServer, parked: tuple[httpx.Client, str]
) -> None:
    browser, address = parked
    root = server.service.root(address.rpartition("/")[2])
    shutil.copytree(root, root.parent / "copy")
    (root / "children").mkdir(exist_ok=True)
    (root.parent / "copy").rename(root / "children" / "make@1.1")
    page = browser.get(f"{address}:make@1.1").text
    assert f'<a class="mono" href="{address}">' in page
    assert f'href="{address}:make@1.1/stages/plan"' in page
    assert browser.get(f"{address}:make@1.1/stages/plan").status_code == 200
    shutil.rmtree(root / "children")


def test_page_of_a_run_lists_its_incidents(
    server: RunningServer, parked: tuple[httpx.Client, str]
) -> None:
    browser, address = parked
    assert 'aria-label="Incidents"' not in browser.get(address).text
    with lock_run(
        server.service.root(address.rpartition("/")[2]), OpenProject(server.service.project)
    ) as run:
        run.emit("HoldoutLeaked", {"suite": f"todo {NASTY}", "places": 2}, sync=True)
    for query in ({}, {"fragment": "head"}):
        text = browser.get(address, params=query).text
        assert 'aria-label="Incidents"' in text
        assert "</time> a holdout of suite todo &lt;script&gt;" in " ".join(text.split())
        assert NASTY not in text


@table(
    "view",
    [
        "/stages/none",
        f"/stages/make@{'9' * 5000}",
        "/stages/make/files/none",
        "/stages/make/files/..%2fmanifest.json",
    ],
)
def test_unknown_stage_or_file_is_not_found(parked: tuple[httpx.Client, str], view: str) -> None:
    browser, address = parked
    assert browser.get(address + view).status_code == 404


def test_list_of_runs_has_waiting_runs_on_top_and_finds_words_and_filters(
    parked: tuple[httpx.Client, str],
) -> None:
    browser, address = parked
    listed = browser.get("/runs").text
    first, *others = re.findall(r'<tr role="row".*?</tr>', listed[listed.index("<tbody") :], re.S)
    assert f'href="{address}"' in first
    assert f'action="{address}/answer"' in others[0]
    assert ">Again <kbd>A</kbd>" in others[0]
    assert not any(f'href="{address}"' in one for one in others[1:])
    assert NASTY not in listed
    for query, is_found in (
        ({"q": f"HELLO needs say {address.rpartition('/')[2]}"}, True),
        ({"q": "hello failed"}, False),
        ({"q": "%"}, False),
        ({"goal": "say <"}, True),
        ({"goal": "100%"}, False),
        ({"status": "awaiting_human", "pipeline": "hello", "since": "1d"}, True),
        ({"status": "failed"}, False),
        ({"before": address.rpartition("/")[2]}, False),
    ):
        part = browser.get("/runs", params={**query, "fragment": "list"}).text
        assert (f'href="{address}"' in part) == is_found, query


STAGES = f"""digraph stages {{ start [shape=Mdiamond]; exit [shape=Msquare]
    one  [shape=parallelogram, tool_command="true"]
    two  [shape=parallelogram, tool_command="{UNTIL_GO}"]
    last [shape=parallelogram, max_retries=0, tool_command="echo broken >&2; exit 3"]
    start -> one -> two -> last -> exit }}"""


def test_list_of_runs_says_what_runs_and_why_a_run_failed(
    server: RunningServer, parked: tuple[httpx.Client, str]
) -> None:
    browser, address = parked
    go = server.service.project.root / "go"
    with server.client("operate") as client:
        run = start(client, STAGES, goal="Watch stages")
        await_status(client, run, lambda one: one["stage"] == "two")
        now = browser.get("/runs", params={"fragment": "now,list"}).text
        assert "<b>1</b> running" in now
        assert re.search(
            r"Watch stages.*stage 2 of 3 \(two\).*<progress value=\"1\" max=\"3\"", now, re.S
        )
        go.touch()
        await_rest(client, run)
    go.unlink()
    page = browser.get("/runs").text
    assert "<title>(1) Runs" in page
    assert re.search(r">Today <b class=\"number\">\$[0-9.]+<", page)
    [failed] = [one for one in page.split("<tr ") if f'href="/runs/{run}"' in one]
    assert "exit code 3: broken" in failed
    # The question says what the run changed so far.
    for text in (page, browser.get(address).text):
        assert re.search(rf'<a href="{address}/changes">1 file, \+1 −0: a&lt;b&gt;.py</a>', text)


def test_run_that_waits_for_a_limit_is_listed_until_when_and_asks_no_person(
    tmp_path: Path,
) -> None:
    with desk(tmp_path, after=60) as account:
        account.start()
        wait_until(lambda: account.status()["status"] == "waiting")
        with (
            serving(service_of(project_in(tmp_path))) as server,
            closing(server.browser()) as browser,
        ):
            page = browser.get("/runs").text
            own = browser.get(f"/runs/{account.roots()[-1].name}").text
    held = page[page.index('id="list"') :]
    assert "running (waits for limit)" in held
    for text in (held, own):
        assert re.search("limit of anthropic.*", text)
        assert "until <time" in text
    assert "<b>0</b> waiting for a person" in page
    assert "<b>0</b> running" in page
    assert "<title>Runs" in page


def test_report_is_one_file_without_secrets_and_requests(
    server: RunningServer, parked: tuple[httpx.Client, str], tmp_path: Path
) -> None:
    host, run = server.service.project, parked[1].rpartition("/")[2]
    file = tmp_path / "report.html"
    result = run_here(
        ["report", run, "--html", str(file)],
        folder=host.root,
        variables={**host.machine.environ, "SOME_API_KEY": "Plan: Say"},
    )
    assert (result.returncode, result.stdout) == (0, f"written: {file}\n")
    text = file.read_text()
    for words in (
        '<span class="muted">ask, ',
        'id="stage-make@1.1"',
        "a&lt;b&gt;.py",
        "make: started",
    ):
        assert words in text, words
    assert 'id="stage-never"' in text
    assert NASTY not in text
    assert not re.search(r"<script|<form|<link|<img|(?:src|action)=|href=\"(?!#)", text)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(re.findall(r'id="([^"]+)"', text))


IN_BRANCHES = """digraph split { start [shape=Mdiamond]; exit [shape=Msquare]
    build [shape=parallelogram, tool_command="true"]
    both  [shape=component]; meet [shape=tripleoctagon]
    left  [shape=parallelogram, max_retries=0, tool_command="exit 3"]
    right [shape=parallelogram, max_retries=0, tool_command="exit 4"]
    start -> build -> both; both -> left -> meet; both -> right -> meet; meet -> exit }"""


def test_failed_run_and_each_stage_are_retried_with_other_limits(server: RunningServer) -> None:
    """A fork cannot begin in a branch: it begins at the parallel node."""
    with closing(server.browser()) as browser, server.client() as client:
        run = start(client, IN_BRANCHES)
        await_rest(client, run)
        address = f"/runs/{run}"
        page = browser.get(address).text
        first = page.partition('id="head-actions"')[2].partition("</form>")[0]
        assert 'name="at" value="both@1"' in first
        assert "Retry from both</button>" in first
        menu = page.partition('id="fork-at"')[2].partition("</select>")[0]
        assert re.findall(r">(\w+@1)<", menu) == ["meet@1", "both@1", "build@1", "start@1"]
        stage = browser.get(f"{address}/stages/build").text
        assert re.search(r" selected[^>]*>build@1</option>", stage)
        assert "Retry from here</button>" in stage
        assert "Retry from both</button>" in browser.get(f"{address}/stages/left").text
        sent = {"csrf": csrf_in(page), "at": "build@1", "max_tokens": "77", "model": "m-9"}
        refused = browser.post(f"{address}/fork", data={**sent, "max_tokens": "many"})
        assert 'id="max_tokens-fault" role="alert"' in refused.text
        retried = browser.post(f"{address}/fork", data=sent).headers["location"].rpartition("/")[2]
        await_rest(client, retried)
        manifest = (server.service.root(retried) / "manifest.json").read_text()
        assert '"tokens": 77' in manifest
        assert '"model": "m-9"' in manifest
        shared = start(client, IN_BRANCHES, workspace="in-place", sandbox="none")
        await_rest(client, shared)
        assert "Retry from" not in browser.get(f"/runs/{shared}").text


def test_time_of_a_cut_stage_counts_and_is_named(server: RunningServer) -> None:
    with closing(server.browser()) as browser, server.client() as client:
        run = start(client, WAITING)
        await_status(client, run, lambda status: status["stage"] == "wait")
        time.sleep(1.1)
        [worker] = [one for one in client.get("/api/v1/workers").json() if one["run_id"] == run]
        os.kill(worker["pid"], signal.SIGTERM)
        await_rest(client, run)
        page = browser.get(f"/runs/{run}").text
        assert re.search(r"stages took <b[^>]*>[1-9][^<]*</b> \([1-9][^)]* of it cut\)", page)
        stage = browser.get(f"/runs/{run}/stages/wait").text.partition('id="stage"')[2]
        assert re.search(r'<span class="muted number push">[1-9][^<]*, cut</span>', stage)
        (server.service.project.root / "go").touch()
        browser.post(f"/runs/{run}/resume", data={"csrf": csrf_in(page)})
        await_status(client, run, lambda status: status["status"] != "executing")
        await_rest(client, run)
        assert "of it cut)" in browser.get(f"/runs/{run}").text
        assert " of it cut</span>" in browser.get(f"/runs/{run}/stages/wait").text


def test_answers_pauses_and_forks_by_forms(parked: tuple[httpx.Client, str]) -> None:
    browser, address = parked
    token = csrf_in(browser.get(address).text)

    def send(form: str, **fields: str) -> httpx.Response:
        fields = {"csrf": token, **fields}
        return browser.post(address + form, data=fields, follow_redirects=True)

    refused = send("/pause")
    assert 'class="notice tone-bad"' in refused.text
    assert "nothing-like-this" in send("/answer", choice="nothing-like-this").text
    forked = send("/fork", at="make@1")
    assert str(forked.url) != str(browser.base_url.join(address))
    assert "Forked from run" in forked.text
    assert "Answered ask: S; a new process continues the run." in send("/answer", choice="S").text
    await_rest(browser, address.rpartition("/")[2])
    assert '<span class="muted">ask, ' not in browser.get(address).text
    assert f'action="{address}/answer"' not in browser.get("/runs").text
    assert browser.post(address + "/cancel", data={"why": "x"}).status_code == 403
