"""Pipelines to draw, of every shape and with labels of every length."""

from datetime import timedelta

from attractor.language.drawing.run_overlay import NodeState, RunStates, StageState, TakenEdge
from attractor.language.graph.builder import GraphBuilder
from attractor.language.graph.graph import Graph

_SHAPES = ("box", "parallelogram", "hexagon", "diamond", "component", "tripleoctagon", "house")
_LABELS = (
    "Plan",
    "Write the implementation of every requirement and verify it twice",
    "WWWWWWWWWW MMMMMMMMMM",
    "mmmmmmmmmmmmmmmmmmmmmmmmmmmm",
    "illicit little fillings",
    "計画を立てて実装する",
    "Prüfen: größer als ½?",
)


def large_graph(nodes: int) -> Graph:
    """Make a pipeline with a number of nodes, with boxes, conditions, loops and goal gates."""
    builder = GraphBuilder("Large", goal="Everything", label=f"A pipeline of {nodes} nodes")
    builder.node("start", shape="Mdiamond").node("exit", shape="Msquare", label="All is done now")
    names = [f"n{number}" for number in range(nodes - 2)]
    for number, name in enumerate(names):
        label, shape = _LABELS[number % 7], _SHAPES[number % 5 + number % 3]
        builder.node(name, label=label, shape=shape, prompt=f"Do {number}")
        if number % 7 == 4:
            builder.node(name, goal_gate=True, retry_target=names[number - 3])
    for number in range(0, len(names) - 6, 13):
        with builder.subgraph(f"cluster_{number}", label=f"Stage {number}"):
            for name in names[number : number + 5]:
                builder.node(name)
    builder.edge("start", *names, "exit")
    for number in range(3, len(names), 6):
        builder.edge(names[number], names[number - 2], label="Again", condition="outcome=fail")
    return builder.build()


def states_of_half(graph: Graph) -> RunStates:
    """Return the states of a run that is half finished, with every state."""
    names = list(graph.nodes)
    states = list(StageState)
    return RunStates(
        {
            name: NodeState(states[number % 7], number % 3, timedelta(seconds=number), "too bad")
            for number, name in enumerate(names[: len(names) // 2])
        },
        {TakenEdge("start", "n0"): 1, TakenEdge("n0", "n1"): 3},
        current="n2",
        caption="run 01JZ · executing",
    )
