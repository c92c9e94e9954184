"""Definition of Done 11.3: the execution engine."""

from pathlib import Path

from attractor.engine.context import Context
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.seams import Stage
from attractor.language.graph.graph import Graph, Node
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import FAIL, Nothing, Scripted, Workplace, run_graph
from tests.spec.runs import between, run
from tests.tables import table


def test_11_3_the_walk_begins_at_the_start_node(tmp_path: Path) -> None:
    by_shape = graph([node("begin", "Mdiamond"), end()], chain("begin", "work", "exit"))
    assert run_graph(tmp_path / "a", by_shape)[0].completed == ("begin", "work")
    by_id = graph([node("Start"), node("End")], chain("Start", "work", "End"))
    assert run_graph(tmp_path / "b", by_id)[0].completed == ("Start", "work")


def test_11_3_handlers_are_found_by_shape(tmp_path: Path) -> None:
    shapes = {"box": "codergen", "parallelogram": "tool", "hexagon": "wait.human"}
    nodes = [node(type_.replace(".", "_"), shape) for shape, type_ in shapes.items()]
    ids = [one.id for one in nodes]
    place = Workplace(
        tmp_path / "run", graph([start(), end(), *nodes], chain("start", *ids, "exit"))
    )
    by_type = {type_: Scripted() for type_ in shapes.values()}
    place.handlers = {"start": Nothing(), **by_type}
    place.run()
    assert [one.nodes for one in by_type.values()] == [["codergen"], ["tool"], ["wait_human"]]


def test_11_3_a_handler_gets_node_context_graph_and_logs_root(tmp_path: Path) -> None:
    seen: list[Stage] = []

    async def look(stage: Stage) -> Outcome:
        seen.append(stage)
        return success()

    _, place = run_graph(tmp_path, line("work", goal="win"), {"work": look})
    [stage] = seen
    assert (stage.node.id, stage.graph, stage.logs_root) == ("work", place.graph, place.root)
    assert stage.context.get("graph.goal") == "win"


def test_11_3_the_outcome_is_written_to_status_json(tmp_path: Path) -> None:
    _, place = run_graph(tmp_path, line("work"), {"work": success("well done")})
    status = place.json("work/status.json")
    assert (status["outcome"], status["notes"]) == ("success", "well done")


@table(
    ("said", "target", "reason"),
    [
        (success(go="yes"), "by_condition", "condition"),
        (Outcome(StageStatus.SUCCESS, preferred_label="Pick"), "by_label", "preferred_label"),
        (Outcome(StageStatus.SUCCESS, suggested_next_ids=("by_id",)), "by_id", "suggested_next_id"),
        (success(), "a_heavy", "weight"),
    ],
)
def test_11_3_edge_selection(tmp_path: Path, said: Outcome, target: str, reason: str) -> None:
    ways = [
        edge("work", "by_condition", "context.go=yes"),
        edge("work", "by_label", label="[P] Pick"),
        edge("work", "by_id"),
        edge("work", "b_heavy", weight=2),
        edge("work", "a_heavy", weight=2),
    ]
    whole = graph(
        [start(), end()],
        [*chain("start", "work"), *ways, *(edge(one.target, "exit") for one in ways)],
    )
    result, place = run_graph(tmp_path, whole, {"work": said})
    assert result.completed == ("start", "work", target)
    assert place.edges()[1] == ("work", target, reason)


def test_11_3_the_engine_loops_until_the_terminal_node(tmp_path: Path) -> None:
    whole = graph(
        [start(), end()],
        [
            *chain("start", "work"),
            edge("work", "work", "outcome=fail"),
            edge("work", "exit", "outcome=success"),
        ],
    )
    result, _ = run_graph(tmp_path, whole, {"work": [FAIL, FAIL, success()]})
    assert result.completed == ("start", "work", "work", "work")
    assert result.outcome is StageStatus.SUCCESS


@table(
    ("status", "outcome"),
    [
        (StageStatus.SUCCESS, StageStatus.SUCCESS),
        (StageStatus.PARTIAL_SUCCESS, StageStatus.SUCCESS),
        (StageStatus.FAIL, StageStatus.FAIL),
    ],
)
def test_11_3_the_outcome_is_success_if_all_goal_gates_succeeded(
    tmp_path: Path, status: StageStatus, outcome: StageStatus
) -> None:
    whole = graph(
        [start(), end(), node("gate", goal_gate=True)],
        [*chain("start", "gate", "exit"), edge("gate", "exit", "outcome=fail")],
    )
    assert run_graph(tmp_path, whole, {"gate": status})[0].outcome is outcome


class Looking:
    """A handler with the arguments of the specification."""

    def __init__(self) -> None:
        self.given: list[tuple[Node, Context, Graph, Path]] = []

    def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        self.given.append((node, context, graph, logs_root))
        return success("looked")


def test_11_3_a_handler_gets_four_arguments(tmp_path: Path) -> None:
    looking = Looking()
    text = between("goal=win", "look [type=looking]", "start -> look -> exit")
    result = run(tmp_path, text, handlers={"looking": looking})
    [(one, context, whole, logs_root)] = looking.given
    assert (one.id, whole.nodes["look"], logs_root) == ("look", one, result.directory)
    assert context.get("graph.goal") == "win"


def test_11_3_type_without_a_handler_falls_back_to_the_shape(tmp_path: Path) -> None:
    nodes = ['a [type=unheard_of, prompt="A"]', "b [type=unheard_of, shape=diamond]"]
    result = run(tmp_path, between(*nodes, "start -> a -> b -> exit"))
    assert (result.outcome, result.completed) == (StageStatus.SUCCESS, ("start", "a", "b"))
    assert (result.directory / "a" / "response.md").read_text().startswith("[Simulated]")
