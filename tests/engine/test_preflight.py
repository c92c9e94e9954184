import pytest

from attractor.base.errors import ExitCode, UnknownName
from attractor.engine.errors import NotRunnable
from attractor.engine.preflight import find_faults, preflight, resolve_handler
from attractor.engine.secrets import Redactor
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import Nothing, Scripted, handlers_of

HANDLERS = handlers_of(Nothing())


def test_a_graph_that_can_run_passes() -> None:
    preflight(line("a"), HANDLERS, Redactor())
    assert list(find_faults(line("a"), HANDLERS)) == []
    with pytest.raises(NotRunnable):
        preflight(graph([node("a")], []), HANDLERS, Redactor())


def test_all_that_is_missing_is_told_at_once() -> None:
    whole = graph(
        [
            start(),
            end(),
            node("inbox"),
            node("boss", "house"),
            node("slow", timeout="soon"),
            node("again", retry_policy="patent"),
        ],
        [*chain("start", "exit"), edge("boss", "exit", loop_restart=True)],
    )
    with pytest.raises(NotRunnable) as caught:
        preflight(whole, HANDLERS, Redactor())
    told = caught.value.message
    for words in ("'inbox'", "'stack.manager_loop'", "'soon'", "'patent'", "loop_re"):
        assert words in told
    assert caught.value.exit_code is ExitCode.USAGE
    assert len(list(find_faults(whole, HANDLERS))) == 5


def test_a_secret_in_the_graph_is_refused_and_not_told() -> None:
    with pytest.raises(NotRunnable) as caught:
        preflight(line("my_password"), HANDLERS, Redactor(["password"]))
    assert "secret" in caught.value.message
    assert "password" not in caught.value.message


def test_a_node_is_executed_by_its_type_else_by_its_shape() -> None:
    mine = Scripted()
    handlers = {**HANDLERS, "my_type": mine}
    assert resolve_handler(node("a", type="my_type"), handlers) is mine
    assert resolve_handler(node("a", "diamond"), handlers) is handlers["conditional"]
    assert resolve_handler(node("a", "diamond", type="other"), handlers) is handlers["conditional"]
    assert resolve_handler(node("a", "star"), handlers) is handlers["codergen"]
    with pytest.raises(UnknownName):
        resolve_handler(node("a", "house"), handlers)
