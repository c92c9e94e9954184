"""No way of asking reaches a word of a holdout or a key; each hidden word is a canary."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product
from pathlib import Path

import pytest

from attractor.agent.errors import ToolError
from attractor.agent.tool_calls.tool import RegisteredTool
from attractor.asking.question import AnswerTool
from attractor.asking.statements import Cite, StatedFigure, Statement
from attractor.asking.tools import TOOLS, read_tools
from attractor.base.json import JsonObject
from attractor.engine.outcome import Usage
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.open_project import OpenProject
from attractor.factory.promotion_queue import PromotionQueue, PromotionQueues, QueuedRun
from tests.agent.places import finish, local
from tests.asking.states import GRAPH, KnownState, make_run
from tests.counts import count
from tests.engine.runs import RUN_ID, manifest
from tests.factory.flows import make_flow
from tests.pipeline.projects import adjusted

KEY = "sk-quokka-4f1d77aa90"
HOLDOUT = """
id = "quokka-in-the-basket"
title = "The quokka of the title hops"
story = "Ann feeds the quokka of the story."
[[steps]]
name = "step-quokka-9"
run = "cat quokka-file-7.txt"
[[checks]]
kind = "stdout"
step = "step-quokka-9"
equals = "quokka answer 42 of the check"
"""
LEAKED = [*re.findall('"(.*quokka.*)"', HOLDOUT), KEY]
"""All texts of the holdout, and a key."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> KnownState:
    """A project whose runs, ledger and queue repeat every text of its holdout, and a key."""
    folder = tmp_path_factory.mktemp("hidden")
    flow = make_flow(folder, quokka=HOLDOUT)
    judged = flow.launch()
    words = " ".join(LEAKED)
    flow.decide(judged, DecisionKind.REJECTED, f"It fails: {words}")
    environ = {**flow.machine.environ, "OPENAI_API_KEY": KEY}
    flow = replace(flow, opened=OpenProject(adjusted(flow.opened.project, environ=environ)))
    sealed = flow.opened.suite(flow.opened.pin_suite("todo"))
    assert sealed
    state = KnownState(flow)
    made = replace(manifest(GRAPH, run_id=RUN_ID), goal=words, started=flow.opened.now())
    said = f"{sealed.canary}\n{words}\n{HOLDOUT}"
    make_run(state, made, Usage(), "failed", said)
    queues, now = PromotionQueues.of(flow.opened), flow.opened.now()
    with queues.locked("main"):
        stuck = QueuedRun(
            run_id=RUN_ID, current=RUN_ID, by="a", queued=now, since=now, trouble=said
        )
        queues.write(PromotionQueue("main", [stuck]))
    return state


def ways(state: KnownState) -> Iterator[tuple[RegisteredTool, JsonObject]]:
    """Yield calls of every tool with names of runs and with paths to what is hidden."""
    flow = state.flow
    inquiry, hidden = state.inquiry(), flow.project.parent / "suite"
    judged = [one.name for one in flow.runs_dir.iterdir() if one.is_dir() and one.name != RUN_ID]
    sealed = str(flow.machine.state_dir / "suites")
    values = (RUN_ID, *judged, "latest", str(hidden), sealed, "../suite", "scenarios/todo", "x\0y")
    for tool in read_tools(inquiry):
        names = [*(TOOLS[tool.name].arguments or {})] if tool.name in TOOLS else []
        for value in values if names else values[:1]:
            yield tool, {name: "1" if name == "seq" else value for name in names}
    [figure] = [tool for tool in read_tools(inquiry) if tool.name == "figure"]
    for name, value in product(("cost_of_run", "failed_attempts_of_run"), values):
        yield figure, {"name": name, "run": value}


def call(tool: RegisteredTool, arguments: JsonObject, folder: Path) -> str:
    try:
        return finish(tool.execute(arguments, local(folder)))
    except ToolError as fault:
        return fault.message


def test_no_tool_answers_with_a_word_of_a_holdout_or_a_key(
    state: KnownState, tmp_path: Path
) -> None:
    canary = state.flow.opened.suite(state.flow.opened.pin_suite("todo"))
    assert canary
    answered = list[str]()
    for tool, arguments in ways(state):
        said = call(tool, arguments, tmp_path)
        assert "quokka" not in said, (tool.name, arguments)
        assert canary.canary not in said, (tool.name, arguments)
        answered.append(said)
    assert len(answered) >= 40
    # The journal, the goal and the ledger are read, without these texts.
    assert sum("***" in said for said in answered) >= 4


def test_checked_statement_repeats_no_hidden_word(state: KnownState) -> None:
    taken = AnswerTool(state.inquiry())
    events = [one.seq for one in state.inquiry().events(RUN_ID, 1)]
    for seq, text in islice(product(events, LEAKED), count(ci=40, full=400)):
        query = {"name": "attempts_of_version", "suite": text}
        told = Statement(text, [StatedFigure(1, query)], [Cite(RUN_ID, seq, f"no {text}")])
        assert "quokka" not in str(taken.check(told).to_record())


def test_common_words_of_a_holdout_stay_readable(state: KnownState) -> None:
    text = "\n".join(state.inquiry().read_event(RUN_ID, seq) for seq in (9, 10))
    assert "StageStarted work" in text
    assert "name: work" in text
