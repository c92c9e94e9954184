"""The line on LangGraph with its SQLite saver: one node in a loop."""

from importlib.metadata import version
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from line import Line, main


class State(TypedDict):
    """The state that a checkpoint keeps: the number of the last step, and its result."""

    number: int
    last: str


def run(line: Line) -> str:
    """Run or resume the graph; `sync` keeps a checkpoint before the next step starts."""

    def step(state: State) -> State:
        number = state["number"] + 1
        return {"number": number, "last": line.step(number)}

    graph = StateGraph(State)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda at: "step" if at["number"] < line.steps else END)
    config = {"configurable": {"thread_id": "line"}, "recursion_limit": line.steps + 10}
    with SqliteSaver.from_conn_string(str(line.folder / "checkpoints.db")) as saver:
        compiled = graph.compile(checkpointer=saver)
        start = None if saver.get_tuple(config) else {"number": 0, "last": ""}
        done = compiled.invoke(start, config, durability="sync")
    return done["last"]


if __name__ == "__main__":
    main(f"LangGraph {version('langgraph')}, one node in a loop", run)
