"""Commands and pages read the same from the recorded runs as before, byte for byte.

`runs.tar.xz` has the runs and their state folder, `read.tar.xz` what is read from them now.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from attractor import __version__
from attractor.base.clock import SystemClock
from attractor.base.events import Event
from attractor.base.json import JsonObject
from attractor.records.tracing.spans import Span, Spans, close, fold
from attractor.server.service import Service
from tests.archives import unpack
from tests.cli.running import run_here
from tests.golden_runs.golden import FOLDER, MADE_IN, Golden, opened
from tests.server.conftest import serving

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""The time at which the runs are read: pages and lists show ages."""

RUNS = (
    "linear",
    "failed tool",
    "third attempt",
    "branches",
    "branches in a branch",
    "for each item",
    "waits at a gate",
    "goal gate tried again",
    "gate answered",
    "restarted",
    "first restart",
    "second restart",
    "child answered",
    "child waits",
    "two managers",
    "out of budget",
    "canceled",
    "before a fork",
    "fork",
    "before a rewind",
    "rewound",
    "killed in a stage",
    "killed in a branch and resumed",
    "changed graph",
    "no-go",
    "promoted",
    "rebased",
    "waits for a limit",
)
"""The runs, in the order in which `scripts/keep-golden-runs` makes them."""

COMMANDS = (
    "status",
    "status --json",
    "status --stages",
    "status --stages --json",
    "status --context",
    "status --context --json",
    "logs",
    "logs --diff",
    "diagnose",
    "diagnose --json",
    "report",
    "report --json",
    "render --format json",
    "history --json",
    "gate --json",
)
LISTS = ("runs", "runs --json", "history", "history --all --json", "report --json", "audit verify")
VIEWS = ("/", "/events?all=yes", "/changes", "/context", "/checkpoint", "/decision")
TABS = ("", "details")


@dataclass(frozen=True)
class Desk:
    """The unpacked runs, with a server of them."""

    folder: Path
    browser: httpx.Client

    @property
    def roots(self) -> Mapping[str, Path]:
        found = sorted(one.parent for one in self.folder.glob("project/runs/*/manifest.json"))
        return dict(zip(RUNS, found, strict=True))

    def command(self, *words: str) -> str:
        """Return the output of a command; errors and other statuses are added."""
        done = run_here(words, folder=self.folder / "project", variables=variables(self.folder))
        failure = f"{done.stderr}exit status {done.returncode}\n" if done.returncode else ""
        return self.evened(done.stdout + failure)

    def page(self, address: str) -> str:
        answer = self.browser.get(address)
        return self.evened(f"{answer.status_code}\n{answer.text}")

    def evened(self, text: str) -> str:
        """Replace folder, version, scripts, styles, session, digests, and the types of events."""
        text = text.replace(str(self.folder), MADE_IN).replace(__version__, "VERSION")
        text = re.sub(r'(name="csrf" value=)"[^"]*"', r'\1"CSRF"', text)
        text = re.sub(r"(?s)<(style|script)>.*?</\1>", r"<\1></\1>", text)
        text = re.sub(r'(data-version="[\w-]+)-[0-9a-f]{16}"', r'\1-DIGEST"', text)
        text = re.sub(r' data-types="[^"]*"', ' data-types="ALL"', text)
        return re.sub(r"/static/\w+/", "/static/DIGEST/", text)


def variables(folder: Path) -> Mapping[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LOGNAME": "clerk",
        "ATTRACTOR_STATE_DIR": str(folder / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(folder / "workspaces"),
    }


def now_of_runs(_: SystemClock) -> datetime:
    return NOW


@pytest.fixture(scope="module")
def golden() -> Iterator[Golden]:
    with opened("read") as golden:
        yield golden


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("golden")
    unpack(FOLDER / "runs.tar.xz", folder)
    (folder / "workspaces").mkdir()
    # A store borrows objects from the project by its path.
    for file in folder.glob("state/stores/*/objects/info/alternates"):
        file.write_text(file.read_text().replace(MADE_IN, str(folder)))
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        # Commands make their clock themselves; times are printed in the time zone of the machine.
        patch.setattr(SystemClock, "now", now_of_runs)
        patch.setenv("TZ", "UTC")
        time.tzset()
        service = Service.of(folder / "project", variables(folder))
        browser = stack.enter_context(closing(stack.enter_context(serving(service)).browser()))
        yield Desk(folder, browser)
    time.tzset()


@pytest.mark.parametrize("run", RUNS)
def test_a_recorded_run_is_read_as_before(desk: Desk, golden: Golden, run: str) -> None:
    root = desk.roots[run]
    found = dict[str, str]()
    for one in (root, *sorted(root.glob("children/*"))):
        prefix = "" if one == root else f"{one.name}/"
        found |= {f"{prefix}{name}": text for name, text in read_run(desk, one).items()}
        assert json_lines(desk.command("logs", str(one), "--json")) == journal(one)
    html = desk.folder / f"{run}.html"
    desk.command("report", root.name, "--html", str(html))
    found["report.html"] = desk.evened(html.read_text())
    golden.check(run, found)


def read_run(desk: Desk, root: Path) -> Mapping[str, str]:
    """Return what is read from a run, or from a child."""
    found = dict[str, str]()
    for command in COMMANDS:
        name, *options = command.split()
        found[command] = desk.command(name, str(root), *options)
    name = root.name if root.parent.name == "runs" else f"{root.parent.parent.name}:{root.name}"
    found |= {f"page{view}": desk.page(f"/runs/{quote(name)}{view}".rstrip("/")) for view in VIEWS}
    found["spans"] = "\n".join(spans(root))
    for stage in json.loads(desk.command("status", str(root), "--stages", "--json"))["stages"]:
        place = f"{quote(name)}/stages/{quote(stage['id'])}"
        for tab in TABS:
            address = f"/runs/{place}?tab={tab}&fragment=stage"
            found[f"stages/{stage['id']} {tab}"] = desk.page(address)
        if (root / stage["node"] / "transcript.jsonl").exists():
            address = f"/api/v1/runs/{place}/transcript?limit=5"
            found[f"stages/{stage['id']} transcript"] = desk.page(address)
            found[f"{stage['node']} logs"] = desk.command(
                "logs", str(root), "--stage", stage["node"]
            )
    return found


def spans(root: Path) -> Sequence[str]:
    """Return the spans of the events, as they end."""
    folded, ended = Spans(), list[Span]()
    for event in map(Event.from_record, journal(root)):
        step = fold(folded, event)
        folded = step.spans
        ended += step.ended
    return [json.dumps(asdict(one), default=str) for one in (*ended, *close(folded))]


def journal(root: Path) -> Sequence[JsonObject]:
    return json_lines((root / "events.jsonl").read_text())


def json_lines(text: str) -> Sequence[JsonObject]:
    return [json.loads(line) for line in text.splitlines()]


def test_all_recorded_runs_are_listed_as_before(desk: Desk, golden: Golden) -> None:
    found = {one: desk.command(*one.split()) for one in LISTS}
    golden.check("all", {**found, "page": desk.page("/runs"), "audit": desk.page("/audit")})
