"""No way leads from a run to the drafts of a suite: holdouts, reference, wrong solutions."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote

import pytest

from attractor.server.access.limits import UNLIMITED
from attractor.server.service import Service
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.cli.test_agent import ProjectDesk
from tests.factory.registration.drafted import drafted, specification
from tests.factory.registration.test_drafts import MODEL, script, specify
from tests.needs import needs_sandbox
from tests.pipeline.projects import git
from tests.scenarios.suites import write_files
from tests.server.conftest import serving
from tests.server.test_hidden_wrong_solutions import addresses
from tests.server.test_mcp_tools import working_in

SECRET = re.compile("quokka-[0-9a-z]+|numbat-[0-9]")
"""Holdouts and their texts, the reference, and wrong solutions; ids of sentences."""

PIPELINE = """digraph look {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    plan  [prompt="Plan"]
    look  [shape=parallelogram, tool_command="sh look.sh 2>/dev/null; true"]
    start -> plan -> look -> exit
}"""
SEARCH = (
    "find -L {} -maxdepth 9 '(' -path '*/usr' -o -path '*/proc' -o -path '*/sys' -o -path '*/etc' "
    "-o -path '*/lib' -o -path '*/bin' ')' -prune -o -type f -size -64k '(' -name '*.toml' "
    "-o -name '*.patch' -o -name '*.json*' -o -name '*.py' ')' -print "
    "| head -n 2000 | xargs -rd '\\n' cat"
)
OBJECTS = "git --git-dir={} cat-file --batch-all-objects --batch"
OF_PROCESS = "for one in /proc/[0-9]*; do {}; done"
WAYS = {
    "parents": SEARCH.format(".. ../.."),
    "home": SEARCH.format("{home}"),
    "runs": SEARCH.format("{home}/project/runs"),
    "state": SEARCH.format("{home}/state"),
    "drafts": "cat {draft}/drafted/*/* {draft}/draft/* {draft}/result.patch",
    "names": "find {home}",
    "sealed": "cat {home}/state/suites/sealed/*/*/*",
    "results": "cat {home}/state/results/*/*/* {home}/state/ledger.jsonl {home}/state/*.db",
    "workspaces": SEARCH.format("{home}/workspaces"),
    "temporary files": SEARCH.format("/tmp/{name} /var/tmp /dev/shm"),
    "link": "ln -s {draft} out; cat out/drafted/*/*; rm out",
    "own objects": OBJECTS.format(".git"),
    "own refs": "git log --all --patch",
    "objects of the project": OBJECTS.format("{home}/project/.git"),
    "worktrees of the project": "git --git-dir={home}/project/.git worktree list; ls -R {home}",
    "stores": f"for one in {{home}}/state/stores/*; do {OBJECTS.format('$one')}; done",
    "variables": "env",
    "variables of processes": OF_PROCESS.format("cat $one/environ $one/cmdline"),
    "folders of processes": OF_PROCESS.format("cat $one/cwd/scenarios/*/*/* $one/cwd/*/*/*"),
    "roots of processes": OF_PROCESS.format("cat $one/root{draft}/drafted/*/*"),
}
"""Commands of an agent, by names of ways."""

OPEN = {"home", "state", "drafts", "names", "sealed", "workspaces", "link", "stores"}
"""The ways that lead there without a sandbox."""

COMMANDS = (
    *(
        "status {}",
        "gate {}",
        "gate {} --operator",
        "report {}",
        "diagnose {}",
        "render {}",
        "runs",
    ),
    *("logs {}", "logs {} --stage draft", "suite show words --operator", "suite take {} words"),
    *("fork {} draft", "rewind {} draft", "rebase {}", "promote {}", "evaluate {}", "history"),
)
"""Commands in a process of a run; {} is the run that drafted."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectDesk]:
    """A project whose suite was drafted and taken, with a red run, and one with its feedback."""
    desk = ProjectDesk(tmp_path_factory.mktemp("hidden"))
    desk.place.mkdir()
    specify(desk.place, specification(2))
    with in_background(ProviderTwin(script(with_canaries(drafted(2))))) as desk.twin:
        done = desk.do("suite", "draft", "../suite/words", "--from", "SPEC.md", *MODEL, "--json")
        found = json.loads(done.stdout)
        assert [one["faults"] for one in found["parts"]] == [[]] * 5, done.stderr
        for one in found["parts"]:
            desk.do("suite", "take", found["run"], "../suite/words", one["id"])
        assert desk.do("suite", "register", "../suite/words").returncode == 0
        write_files(desk.place, {"look.dot": PIPELINE, "look.sh": "true"})
        yield desk


def with_canaries(files: Mapping[str, str]) -> Mapping[str, str]:
    marked: dict[str, str] = {}
    for path, text in files.items():
        text = re.sub(r'"s(\d)"', r'"numbat-\1"', text.replace("word-", "quokka-"))
        text = text.replace("Ann", "quokka-story").replace("import sys", "import sys  # quokka-in")
        marked[re.sub(r"/s(\d)", r"/numbat-\1", path.replace("word-", "quokka-"))] = text
    return marked


def draft_of(desk: ProjectDesk) -> Path:
    [root] = (desk.folder / "state" / "suite_drafts").glob("*/*")
    return root


def launch(desk: ProjectDesk, commands: Mapping[str, str], *words: str) -> tuple[str, str]:
    """Run a pipeline whose stage executes commands; return its id and what it found."""
    lines = (
        f"timeout 20 bash -c {quote(one)} | grep -aoE '{SECRET.pattern}' | sort -u "
        f"| sed 's/^/found by {name}: /'"
        for name, one in commands.items()
    )
    write_files(desk.place, {"look.sh": "\n".join(lines) + "\n"})
    git(desk.place, "add", "--all")
    git(desk.place, "commit", "--quiet", "--allow-empty", "--message", "Look")
    done = desk.do("run", "look.dot", "--suite", "words", "--backend", "simulate", *words)
    # A server makes other folders beside runs.
    name = max(one.name for one in (desk.place / "runs").glob("0*"))
    out = desk.place / "runs" / name / "look" / "stdout.txt"
    assert out.exists(), done.stderr
    return name, out.read_text()


def ways(desk: ProjectDesk) -> dict[str, str]:
    places = {"home": desk.folder, "draft": draft_of(desk), "name": desk.folder.name}
    return {name: one.format(**places) for name, one in WAYS.items()}


@needs_sandbox
@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
@pytest.mark.parametrize("workspace", ["isolated", "copy", "in-place"])
def test_no_way_leads_from_inside_of_a_run(desk: ProjectDesk, sandbox: str, workspace: str) -> None:
    _, found = launch(desk, ways(desk), "--sandbox", sandbox, "--workspace", workspace)
    assert found == ""


def test_ways_lead_there_without_a_sandbox(desk: ProjectDesk) -> None:
    _, found = launch(desk, ways(desk), "--sandbox", "none")
    assert {*re.findall("found by (.*):", found)} >= OPEN


def test_no_command_in_a_run_shows_a_draft(desk: ProjectDesk) -> None:
    state = " ".join(f"{key}={one}" for key, one in desk.environ.items() if "ATTRACTOR" in key)
    start = f"cd {desk.place}; {state} {shutil.which('attractor')}"
    name = draft_of(desk).name
    commands = {one: f"{start} {one.format(name)} --json 2>&1" for one in COMMANDS}
    assert launch(desk, commands, "--sandbox", "none")[1] == ""


def test_no_door_and_no_record_shows_a_draft_without_the_right(desk: ProjectDesk) -> None:
    drafting, (run, _) = draft_of(desk), launch(desk, {}, "--sandbox", "none")
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(desk.folder / "state")}
    shown: list[str] = []
    with serving(Service.of(desk.place, state), limits=UNLIMITED) as server:
        for scope, one in (("read", run), ("read", drafting.name), ("operate", drafting.name)):
            places = {
                "run": one,
                "id": one,
                "reference": "words",
                "name": "words",
                "stage": "draft",
            }
            with server.client(scope) as client:
                for path, headers in addresses(
                    {**places, "rule": "dead_end", "project": "project"}
                ):
                    answer = client.get(path, headers=headers, params={"operator": "true"})
                    assert SECRET.findall(answer.text) == [], path
                    shown += [path] * (answer.status_code == 200)
    assert {f"/runs/{run}", "/suites/words"} <= {*shown}
    assert [one for one in shown if drafting.name in one] == []

    async def ask() -> None:
        async with working_in(desk.place) as agent:
            for tool in ("status", "render", "verdict"):
                for one in (drafting.name, str(drafting)):
                    assert "unknown run" in await agent.refused(tool, run=one)
                assert not SECRET.search(await agent.call(tool, run=run))

    asyncio.run(ask())
    # The reference is no beginning, no candidate, and no feedback; the person's own suite is whole.
    for words in ("fork {} draft", "rewind {} draft", "rebase {}", "promote {}", "evaluate {}"):
        for one in (drafting.name, str(drafting)):
            refused = desk.do(*words.format(one).split())
            assert refused.returncode != 0, words
            assert SECRET.findall(refused.stdout + refused.stderr) == [], words
    after = desk.do(
        "run", "look.dot", "--suite", "words", "--backend", "simulate", "--feedback", run
    )
    assert after.returncode != 2, after.stderr
    # Runs of other tests looked around without a sandbox.
    own = [one for one in (desk.place / "runs").iterdir() if one.name >= run]
    files = [one for folder in own for one in folder.rglob("*") if one.is_file()]
    files += [desk.folder / "state" / "ledger.jsonl"]
    assert any(one.name == "feedback.json" for one in files)
    assert [one for one in files if SECRET.search(one.read_text("latin-1"))] == []
    assert not SECRET.search(git(desk.place, "log", "--all", "--patch"))
