"""Usage and working time are counted against budgets, also after a killed process."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attractor.engine.outcome import (
    Usage as Used,
    describe_usage,
    format_usage_cost,
    usage_from_record,
    usage_to_record,
)
from attractor.engine.storage.json_files import Fields
from attractor.llm import Usage, cost_of, get_model_info
from attractor.twins.exchange.answer import Answer, Tokens
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, model_requests, use
from tests.cli.plain_desk import PlainDesk
from tests.patience import PATIENCE_S, wait_until

PIPELINE = """digraph budgets {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    work  [prompt="Do it"]
    start -> work -> exit
}"""
CALL = Tokens(input=900, output=100)
# The first process waits here until it is killed; the next process finds the file and continues.
HOLDS = "test -e go || { touch held; sleep 60; }"
RULES = (
    Rule(when=When(step=0), answer=Answer(text="I look.", usage=CALL,
        tool_calls=(use("shell", {"command": HOLDS, "timeout_ms": 60_000}),))),
    Rule(when=When(step=1), answer=Answer(usage=CALL,
        tool_calls=(use("report_outcome", {"outcome": "success"}),))),
    Rule(when=When(step=2), answer=Answer(text="Done.", usage=CALL)),
)  # fmt: skip
MODEL = ("--backend", "agent", "--model", MODELS["openai"], "--provider", "openai")


class TwinDesk(PlainDesk):
    """A folder whose pipelines talk to a twin over HTTP."""

    twin: ProviderTwin

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self.twin.environ()}

    def record(self, *words: str) -> Any:
        return json.loads(self.do(*words, "--json").stdout)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[TwinDesk]:
    with in_background(ProviderTwin(Script(rules=RULES))) as twin:
        desk = TwinDesk(tmp_path)
        desk.twin = twin
        desk.write(PIPELINE)
        yield desk
        desk.end()


def cost_of_call() -> float:
    known = get_model_info(MODELS["openai"])
    assert known
    cost = cost_of(Usage(900, 100), known)
    assert cost
    return cost


def used(fields: dict[str, Any]) -> tuple[int, int, float]:
    return fields["input_tokens"], fields["output_tokens"], fields["cost_usd"]


ASSUMED = "work: success (assumed, because nothing was reported)"


def test_run_reports_its_budget_and_assumed_successes(tmp_path: Path) -> None:
    desk = TwinDesk(tmp_path)
    desk.write(PIPELINE)
    words = Rule(answer=Answer(text="Done."))
    with in_background(ProviderTwin(Script(rules=(words,)))) as desk.twin:
        for more, budget in (
            ([], []),
            (["--max-cost-usd", "3", "--max-duration", "90m"], ["budget: 3 USD, 1h 30m"]),
        ):
            done = desk.run(*MODEL, *more)
            assert done.returncode == 0, done.stderr
            lines = done.stderr.splitlines()
            assert [line for line in lines if line.startswith("budget: ")] == budget
            assert [line[10:] for line in lines].count(ASSUMED) == 1
            assert "  assumed: success of work, because nothing was reported" in done.stdout


def test_cost_of_a_model_without_a_price_is_unknown_and_has_no_budget(tmp_path: Path) -> None:
    desk = TwinDesk(tmp_path)
    desk.write(PIPELINE)
    unpriced = ("--backend", "agent", "--model", "home-made", "--provider", "openai")
    words = Rule(answer=Answer(text="Done.", usage=CALL))
    with in_background(ProviderTwin(Script(rules=(words,)))) as desk.twin:
        refused = desk.run(*unpriced, "--max-cost-usd", "3")
        assert (
            "cannot limit the cost: the catalogue does not contain the model home-made"
            in refused.stderr
        )
        assert "limit tokens instead: --max-tokens N" in refused.stderr
        assert desk.record("runs") == []
        done = desk.run(*unpriced, "--max-tokens", "1000000")
        assert done.returncode == 0, done.stderr
        [listed] = desk.record("runs")
        assert listed["unpriced_tokens"] == listed["input_tokens"] + listed["output_tokens"] > 0
        for command in ("status", "diagnose"):
            assert "cost unknown, " in desk.do(command).stdout
        tokens = listed["unpriced_tokens"]
        assert desk.record("diagnose")["unpriced_tokens"] == tokens
        [stage] = desk.record("report", listed["run_id"])["stages"][1:]
        assert stage["unpriced_tokens"] == tokens


def test_limits_of_an_agent_a_graph_and_a_profile_are_refused_for_a_model_without_a_price(
    tmp_path: Path,
) -> None:
    desk, model = TwinDesk(tmp_path), ("--model", "home-made", "--provider", "openai")
    desk.write(PIPELINE)
    desk.write(PIPELINE.replace("{", "{ graph [max_cost_usd=2];", 1), "limited.dot")
    desk.write('name = "dear"\n[policy]\nmax_cost_usd = 5.0\n', "dear.toml")
    desk.write(PIPELINE.replace("work  [", "work [agent=careful, ", 1), "careful.dot")
    (desk.place / "agents/careful").mkdir(parents=True)
    desk.write("[limits]\ncost_usd = 1.0\n", "agents/careful/agent.toml")
    desk.write("Be careful.\n", "agents/careful/prompt.md.j2")
    run = ("run", "--backend", "agent", "--sandbox", "none")
    with in_background(ProviderTwin(Script(rules=()))) as desk.twin:
        assert desk.do("profile", "create", "dear.toml").returncode == 0
        for words in (
            (*run, "limited.dot"),
            (*run, "pipeline.dot", "--profile", "dear"),
            ("agent", "fix", "--max-cost-usd", "3"),
            (*run, "careful.dot"),
        ):
            refused = desk.do(*words, *model)
            limit = "limits.cost_usd of the agent" if "careful.dot" in words else "max_cost_usd"
            assert f"{limit} cannot limit the cost" in refused.stderr, words
            assert "limit tokens instead: --max-tokens N" in refused.stderr
        assert desk.record("runs") == []


def test_cost_that_is_known_in_part_says_so() -> None:
    part = Used(900, 100, 0.5) + Used(9, 1, unpriced_tokens=10)
    assert describe_usage(part) == "cost $0.5000 + unknown, 1010 tokens"
    texts = [format_usage_cost(used) for used in (part, Used(9, 1), Used(9, 1, 0.5), Used())]
    assert texts == ["$0.5000 + unknown", "unknown", "$0.5000", "$0.00"]
    assert usage_from_record(Fields(usage_to_record(part), "usage")) == part


@pytest.mark.crash
def test_usage_of_a_killed_stage_is_kept(desk: TwinDesk) -> None:
    process = desk.begin(*desk.to_run(*MODEL))
    wait_until(lambda: list(desk.folder.glob("**/held")))
    process.kill()
    process.wait(PATIENCE_S)
    once = (900, 100, round(cost_of_call(), 6))
    assert used(desk.record("status")) == once
    assert [used(one) for one in desk.record("runs")] == [once]
    diagnosed = desk.record("diagnose")
    assert used(diagnosed) == once
    [work] = [one for one in diagnosed["stages"] if one["node"] == "work"]
    assert used(work) == once
    money = re.escape(f"${cost_of_call():.4f}")
    assert re.search(rf"^used +{money}, 1000 tokens$", desk.do("status").stdout, re.MULTILINE)
    assert f"${cost_of_call():.4f}" in desk.do("runs").stdout
    words = desk.do("diagnose").stdout
    assert f"usage: ${cost_of_call():.4f}, 1000 tokens" in words
    assert "duration: 0ms" not in words
    for folder in desk.folder.glob("**/held"):
        (folder.parent / "go").touch()
    done = desk.do("resume", "latest", "--no-evaluate", "--max-tokens", "1000000")
    assert done.returncode == 0, done.stderr
    thrice_more = (3600, 400, round(4 * cost_of_call(), 6))
    assert used(desk.record("status")) == used(desk.record("diagnose")) == thrice_more
    [final] = desk.folder.glob("runs/*/final.json")
    usage = json.loads(final.read_text())["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (3600, 400)


@pytest.mark.crash
def test_usage_of_a_killed_stage_counts_for_the_budget(desk: TwinDesk) -> None:
    process = desk.begin(*desk.to_run(*MODEL, "--max-tokens", "1000"))
    wait_until(lambda: list(desk.folder.glob("**/held")))
    process.kill()
    process.wait(PATIENCE_S)
    stopped = desk.do("resume", "latest", "--no-evaluate")
    assert stopped.returncode == 3
    assert "the budget max_tokens is exhausted: 1000 of 1000" in stopped.stdout + stopped.stderr
    assert len(model_requests(desk.twin)) == 1


def test_time_budget_stops_a_running_command(desk: TwinDesk) -> None:
    command = "echo $$ > pid; exec sleep 60"
    desk.write(
        "digraph slow { start [shape=Mdiamond]; exit [shape=Msquare]; start -> work -> exit;"
        f' work [shape=parallelogram, tool_command="{command}"] }}'
    )
    stopped = desk.run("--max-duration", "1s")
    assert stopped.returncode == 3
    [pid] = desk.folder.glob("**/pid")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    # A resume without a larger budget would stop at once.
    for message in (stopped.stdout, desk.do("status").stdout):
        assert re.search(
            r"^ *resume:? +attractor resume \S+ --max-duration \d+s", message, re.MULTILINE
        )
    message = desk.do("diagnose").stdout
    assert "it stopped: the budget max_duration is exhausted" in message
    assert "work@1 was interrupted; a resume repeats it" in message
    assert "--max-duration" in message
    assert 1 <= desk.record("status")["seconds"] < 30
