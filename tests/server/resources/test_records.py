"""The records that the server shows are those of the command line."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from attractor.base.clock import SystemClock
from attractor.base.json import Json
from attractor.factory.decisions.decide import DecisionKind
from attractor.records.transcript import TRANSCRIPT
from attractor.server.service import Service
from tests.cli.running import attractor
from tests.factory.flows import HOLDOUT, make_flow
from tests.server.conftest import RunningServer, serving

KEY = "sk-not-shown"
HIDDEN = "Ann looks into the file"


@dataclass(frozen=True)
class Desk:
    """A project with an approved run and a run without a suite, its server, and the commands."""

    server: RunningServer
    project: Path
    variables: Mapping[str, str]
    judged: str
    other: str
    clients: Mapping[str, httpx.Client]

    def read(self, *words: str) -> Any:
        """Return the JSON answer of a command."""
        named = [word.format(run=self.judged) for word in words]
        done = attractor(*named, "--json", folder=self.project, variables=self.variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def get(self, path: str, scope: str = "read", **params: object) -> httpx.Response:
        """Return the answer of the server to a caller with a scope."""
        at = f"/api/v1/{path.format(run=self.judged)}"
        return self.clients[scope].get(at, params=params or None)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    flow = make_flow(tmp_path_factory.mktemp("records"))
    judged = flow.launch()
    flow.decide(judged, DecisionKind.APPROVED)
    file = flow.project / "pipeline.dot"
    file.write_text(file.read_text().replace("echo made", "echo other"))
    other = flow.launch(suite="")
    variables = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    environ = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": KEY, **variables}
    with ExitStack() as stack:
        server = stack.enter_context(serving(Service.of(flow.project, environ)))
        scopes = ("read", "operate", "decide")
        clients = {scope: stack.enter_context(server.client(scope)) for scope in scopes}
        yield Desk(server, flow.project, variables, judged.run_id, other.run_id, clients)


SAME: list[tuple[str, tuple[str, ...]]] = [
    ("runs/{run}", ("status", "{run}")),
    ("runs/{run}/context", ("status", "{run}", "--context")),
    ("runs/{run}/diff", ("logs", "{run}", "--diff")),
    ("runs/{run}/stages/make@1/diff", ("logs", "{run}", "--diff", "--stage", "make")),
    ("runs/{run}/costs", ("report", "{run}")),
    ("workers", ("runs", "--live")),
    ("models?provider=openai", ("models", "--provider", "openai")),
    ("rules", ("rules",)),
    ("rules/dead_end", ("rules", "dead_end")),
    ("profiles/lenient", ("profile", "show", "lenient")),
    ("pipelines/linear@1", ("pipeline", "show", "linear@1")),
    ("suites/todo", ("suite", "show", "todo")),
    ("suites/todo/history", ("suite", "history", "todo")),
    ("audit/verification", ("audit", "verify")),
]


@pytest.mark.parametrize(("path", "words"), SAME, ids=[path for path, _ in SAME])
def test_record_equals_the_output_of_the_command(
    desk: Desk, path: str, words: tuple[str, ...]
) -> None:
    answer = desk.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.json() == desk.read(*words)
    assert HIDDEN not in answer.text


LISTS: list[tuple[str, tuple[str, ...]]] = [
    ("runs", ("runs",)),
    ("profiles", ("profile", "list")),
    ("pipelines", ("pipeline", "list")),
    ("suites", ("suite", "list")),
    ("history", ("history",)),
    ("runs/{run}/stages", ("status", "{run}", "--stages")),
]


@pytest.mark.parametrize(("path", "words"), LISTS, ids=[path for path, _ in LISTS])
def test_list_equals_the_output_of_the_command_page_by_page(
    desk: Desk, path: str, words: tuple[str, ...]
) -> None:
    found: list[Any] = []
    cursor, pages = "", 0
    while cursor or not pages:
        page = desk.get(path, limit=1, cursor=cursor).json()
        assert len(page["items"]) == 1
        found, cursor, pages = found + page["items"], page["next"], pages + 1
    received = desk.read(*words)
    assert found == (received["stages"] if "--stages" in words else received)
    assert found == desk.get(path).json()["items"]
    invalid = desk.get(path, cursor="W10")
    assert (invalid.status_code, invalid.json()["detail"]) == (400, "invalid cursor")


def test_figures_of_all_runs_are_those_of_the_commands(desk: Desk) -> None:
    assert desk.get("costs").json()["days"] == desk.read("report", "--daily")["days"]
    assert desk.get("report").json()["groups"] == desk.read("report")["groups"]
    assert desk.get("report", since="2100-01-01").json()["groups"] == []
    used, found = desk.get("disk").json(), desk.read("gc", "--usage")
    assert [one["path"] for one in used["folders"]] == [one["path"] for one in found["folders"]]
    states = desk.get("runs/{run}/states").json()
    assert states == desk.read("render", "{run}", "--format", "json")["run"]
    timeline = desk.get("runs/{run}/timeline").json()
    assert timeline == desk.read("status", "{run}", "--stages")["timeline"]


def test_runs_are_filtered(desk: Desk) -> None:
    for filters, runs in (
        ({"status": "approved"}, [desk.judged]),
        ({"suite": "todo@1"}, [desk.judged]),
        ({"pipeline": "linear", "since": "1d"}, [desk.other, desk.judged]),
        ({"pipeline": "none"}, []),
        ({"goal": "say HELLO", "limit": "1"}, [desk.other]),
        ({"goal": "goodbye"}, []),
        ({"live": "true"}, []),
    ):
        items = desk.get("runs", **filters).json()["items"]
        assert [one["run_id"] for one in items] == runs, filters
    assert desk.get("runs", since="soon").json()["detail"] == "invalid time in since: soon"


def test_holdouts_are_shown_to_callers_who_decide_only(desk: Desk) -> None:
    for path, words in (
        ("suites/todo", ("suite", "show", "todo", "--operator")),
        ("suites/todo/history", ("suite", "history", "todo", "--operator")),
    ):
        assert desk.get(path, "operate", operator=True).status_code == 403
        assert desk.get(path, "decide", operator=True).json() == desk.read(*words)
    assert HIDDEN in HOLDOUT
    assert HIDDEN in desk.get("suites/todo", "decide", operator=True).text
    for path in ("suites/todo", "suites", "audit/ledger?limit=500", "history", "runs/{run}/costs"):
        assert HIDDEN not in desk.get(path, "decide").text


def test_files_of_a_stage_are_text_and_no_others_are_read(desk: Desk) -> None:
    at = "runs/{run}/stages/make@1.1/files"
    names = [one["name"] for one in desk.get("runs/{run}/stages/make").json()["files"]]
    assert names == ["diff.patch", "status.json", "stderr.txt", "stdout.txt"]
    answer = desk.get(f"{at}/status.json")
    assert answer.json()["outcome"] == "success"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    folder = desk.project / "runs" / desk.judged / "make"
    (folder / "page.html").write_text("<script>alert(1)</script>")
    (folder / "raw").write_bytes(b"\xff")
    (folder / "link").symlink_to("/etc/passwd")
    # A program's session is not redacted.
    (folder / "session.json").write_text("{}")
    shown = desk.get("runs/{run}/stages/make").json()["files"]
    assert "session.json" not in [one["name"] for one in shown]
    assert desk.get(f"{at}/page.html").headers["content-type"].startswith("text/plain")
    raw = desk.get(f"{at}/raw").headers
    assert raw["content-type"] == "application/octet-stream"
    assert raw["content-disposition"].startswith("attachment")
    for name in ("link", "session.json", "history", "..%2fmanifest.json", "%2e%2e", "none", "%00"):
        assert desk.get(f"{at}/{name}").status_code == 404, name
    assert desk.get("runs/..%2f{run}/stages").status_code == 404
    assert desk.get("runs/{run}/stages/%2e%2e/files/manifest.json").status_code == 404


def test_child_runs_are_shown_below_their_run(desk: Desk) -> None:
    runs = desk.project / "runs"
    shutil.copytree(runs / desk.other, runs / desk.judged / "children" / "make@1.1")
    child = desk.get("runs/{run}:make@1.1").json()
    assert child == desk.read("status", "{run}:make@1.1")
    assert child["run_id"] == desk.other
    for name in ("none", "..", "make@1.1%2f.."):
        assert desk.get(f"runs/{{run}}:{name}").status_code == 404
    shutil.rmtree(runs / desk.judged / "children")


def test_transcript_is_paged_and_followed(desk: Desk) -> None:
    at = "runs/{run}/stages/make/transcript"
    assert desk.get(at).json() == {"items": [], "next": ""}
    file = desk.project / "runs" / desk.judged / "make" / TRANSCRIPT
    said = [json.dumps({"kind": "ASSISTANT_TEXT_END", "text": text}) for text in "abc"]
    file.write_text("\n".join(said[:2]) + "\n")
    first = desk.get(at, limit=1).json()
    second = desk.get(at, limit=1, cursor=first["next"], follow=True).json()
    assert [one["body"] for one in first["items"] + second["items"]] == [["a"], ["b"]]
    with file.open("a") as writing:
        writing.write(f"{said[2]}\n")
    third = desk.get(at, cursor=second["next"]).json()
    assert ([one["body"] for one in third["items"]], third["next"]) == ([["c"]], "")


def test_ledger_has_the_lines_of_the_project(desk: Desk) -> None:
    ledger = desk.server.service.opened.ledger
    foreign: dict[str, Json] = {"project": "another", "directory": "/x"}
    for kind in ("created", "decided"):
        ledger.append(kind, "R9", foreign, now=SystemClock().now())
    items = desk.get("audit/ledger", limit=500).json()["items"]
    lines = [one for one in ledger.entries() if one.run_id != "R9"]
    assert [one["seq"] for one in items] == [one.head.seq for one in reversed(lines)]
    recorded = desk.read("history", "--all")[::-1]
    for line in recorded:
        # Hashes of tokens are for the scope `decide`.
        if line["kind"] == "token_created":
            del line["data"]["digest"]
    assert items == recorded
    assert desk.read("history", "--all", "--since", "2100-01-01") == []
    assert {"created", "evaluated", "decided"} <= {one["kind"] for one in items}
    about = desk.get("audit/ledger", run=desk.judged, kind="decided").json()["items"]
    assert [one["data"]["verdict"] for one in about] == ["approved"]
    printed = attractor(
        *("history", desk.judged, "--all"), folder=desk.project, variables=desk.variables
    ).stdout.splitlines()
    assert [line for line in printed if f"decided  {desk.judged}  approved  " in line]
    assert not [line for line in printed if desk.other in line]
    page = desk.get("audit/ledger", limit=2).json()
    following = desk.get("audit/ledger", limit=2, cursor=page["next"]).json()["items"]
    assert page["items"] + following == items[:4]


def test_versions_of_one_resource_are_listed(desk: Desk) -> None:
    listed = desk.get("pipelines", name="linear").json()["items"]
    assert listed == desk.get("pipelines").json()["items"]
    assert desk.get("pipelines", name="line").json() == {"items": [], "next": ""}


def test_pipelines_are_compared_by_meaning(desk: Desk) -> None:
    record = desk.get("pipeline-diff", before="linear@1", after="linear").json()
    assert record == desk.read("diff", "linear@1", "linear@2")
    assert "make" in json.dumps(record)
    same = desk.get("pipeline-diff", before="linear", after="linear").json()
    assert same != record
    assert desk.get("pipeline-diff", before="linear@9", after="linear").status_code == 404


def test_providers_are_shown_without_keys(desk: Desk) -> None:
    answer = desk.get("providers")
    found = {one["provider"]: one for one in answer.json()}
    assert found["openai"]["set_by"] == "OPENAI_API_KEY"
    assert not found["anthropic"]["is_set"]
    assert KEY not in answer.text
