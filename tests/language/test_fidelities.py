import pytest

from attractor.engine.preamble import MEASURES
from attractor.language.attributes import FIDELITIES, Fidelity
from attractor.language.editing.meanings import OF_FIDELITY
from attractor.language.fidelities import resolve_fidelity
from tests.engine.graphs import graph, node


@pytest.mark.parametrize(
    ("of_edge", "of_node", "of_graph", "resolved"),
    [
        ("full", "compact", "truncate", Fidelity.FULL),
        ("", "summary:low", "truncate", Fidelity.SUMMARY_LOW),
        ("", "", "truncate", Fidelity.TRUNCATE),
        ("", "", "", Fidelity.COMPACT),
        ("fulll", "full", "full", Fidelity.COMPACT),
    ],
)
def test_the_nearest_word_decides_and_one_that_is_none_stands_for_the_default(
    of_edge: str, of_node: str, of_graph: str, resolved: Fidelity
) -> None:
    work = node("work", fidelity=of_node)
    assert resolve_fidelity(graph([work], [], default_fidelity=of_graph), work, of_edge) is resolved


def test_there_is_one_table_of_fidelities() -> None:
    assert set(OF_FIDELITY) == set(FIDELITIES) == set(Fidelity)
    assert set(MEASURES) == set(Fidelity) - {Fidelity.FULL}
