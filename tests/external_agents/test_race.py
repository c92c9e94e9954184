"""The real coding agents race: six attempts over three programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.factory.ledger.ledger import LineKind
from attractor.twins.script.script import Rule, Script, When, parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import says
from tests.cli.test_race import JUDGED, RaceDesk
from tests.external_agents.test_backends import PROGRAMS, REPORT

pytestmark = pytest.mark.agents
WIRES = {"codex": "openai", "claude": "anthropic", "gemini": "gemini"}
WORK = {
    "codex": "echo wrong > made.txt",
    "claude": "echo made > made.txt",
    "gemini": "echo bad > made.txt",
}


def rules() -> Iterator[Rule]:
    """Yield the rules by which each program types its command, and then ends."""
    for one in PROGRAMS:
        if wire := WIRES.get(one.program):
            call = one.run(f"{WORK[one.program]}; {REPORT}").toml()
            when = f'when = {{ wire = "{wire}", last_user = "Make it", step = 0 }}'
            yield from parse_script(f"[[rules]]\n{when}\nanswer.tool_calls = [{call}]\n").rules
    yield Rule(when=When(), answer=says("Done."))


def test_right_one_of_six_attempts_of_three_programs_wins(tmp_path: Path) -> None:
    desk = RaceDesk(tmp_path)
    for one in PROGRAMS[:3]:
        one.require()
    with in_background(ProviderTwin(Script(rules=(*rules(),)))) as desk.twin:
        desk.begin_project()
        words = ("--attempts", "6", "--with", "codex,claude,gemini", "--at-most", "2")
        done = desk.do("race", "pipeline.dot", *words, *JUDGED[:-1], "bubblewrap")
    assert done.returncode == ExitCode.DONE, done.stderr
    shown = desk.json("race", "show")
    by_run = {one["run_id"]: one for one in shown["attempts"]}
    judged = {(one["backend"], one["verdict"]) for one in by_run.values()}
    assert judged == {("claude", "go"), ("codex", "no-go"), ("gemini", "no-go")}
    winners = shown["ranking"][0]["run_ids"]
    assert shown["winner"] in winners
    assert {by_run[one]["backend"] for one in winners} == {"claude"}
    assert [one.data["winner"] for one in desk.lines(LineKind.RACE_ENDED)] == [shown["winner"]]
