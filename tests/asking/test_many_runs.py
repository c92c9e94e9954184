"""Each tool and each figure answers over many runs in a fixed share of CPU time."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from time import process_time

from attractor.agent.errors import ToolError
from attractor.asking.figures import read_table
from attractor.asking.tools import TOOLS, read_tools
from attractor.base.ids import new_run_id
from attractor.base.json import JsonObject
from attractor.factory.history.index import RunQuery
from tests.agent.places import finish, local
from tests.asking.states import KnownState, make_state
from tests.costs import measure_floor
from tests.counts import count

RUNS = count(ci=100, full=10_000)
MOST_FLOORS = 10
"""About a second of CPU on a busy machine, as a multiple of a fixed piece of work."""


def multiply(state: KnownState, runs: int) -> None:
    """Copy the runs of a state under new ids."""
    began, chance, folder = state.flow.opened.now(), Random(2), state.flow.runs_dir
    for number in range(runs - len(state.runs)):
        source = state.runs[number % len(state.runs)].id
        id_ = new_run_id(began - timedelta(hours=20, seconds=number), chance.randbytes)
        (folder / id_).mkdir()
        for file in (folder / source).glob("*.json*"):
            content = file.read_bytes()
            if file.name != "events.jsonl":
                content = content.replace(source.encode(), id_.encode())
            (folder / id_ / file.name).write_bytes(content)


def test_each_tool_answers_in_a_second_of_cpu(tmp_path: Path) -> None:
    state = make_state(tmp_path, seed=1)
    multiply(state, RUNS)
    inquiry = state.inquiry()
    # The index and the words of holdouts are read once.
    assert inquiry.index.count(state.flow.runs_dir, RunQuery()) == RUNS
    assert inquiry.redactor
    given = {"run": state.runs[3].id, "since": "7d", "state": "failed", "pipeline": "Test"}
    given |= {"suite": "todo", "result": "go", "verdict": "approved", "branch": "main"}
    given |= {"mission": "nosuch", "status": "landed", "words": "Test", "seq": "1", "actor": "x"}
    calls = dict[str, JsonObject]()
    for name, tool in TOOLS.items():
        calls[name] = {key: given[key] for key in tool.arguments or {}}
    tools = {tool.name: tool for tool in read_tools(inquiry)}
    floor = measure_floor()
    figures = [
        {"name": name, **{key: given[key] for key in row.parameters}}
        for name, row in read_table().figures.items()
    ]
    for name, arguments in (*calls.items(), *(("figure", figure) for figure in figures)):
        before = process_time()
        # There is no mission and no actor with the name.
        with suppress(ToolError):
            finish(tools[name].execute(arguments, local(tmp_path)))
        assert process_time() - before < MOST_FLOORS * floor, (name, arguments)
