"""The line on LangGraph with its SQLite saver: a node for each step."""

from importlib.metadata import version
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from line import Line, main


class State(TypedDict):
    """The state that a checkpoint keeps: the last result."""

    last: str


def run(line: Line) -> str:
    """Run or resume the graph; `sync` keeps a checkpoint before the next step starts."""
    graph = StateGraph(State)
    names = [f"n{number}" for number in range(1, line.steps + 1)]
    for number, name in enumerate(names, 1):
        graph.add_node(name, lambda _state, number=number: {"last": line.step(number)})
    for one, other in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(one, other)
    config = {"configurable": {"thread_id": "line"}, "recursion_limit": line.steps + 10}
    with SqliteSaver.from_conn_string(str(line.folder / "checkpoints.db")) as saver:
        compiled = graph.compile(checkpointer=saver)
        started = saver.get_tuple(config) is not None
        done = compiled.invoke(None if started else {"last": ""}, config, durability="sync")
    return done["last"]


if __name__ == "__main__":
    main(f"LangGraph {version('langgraph')}", run)
