import pytest

from attractor.base.errors import UsageError
from attractor.language.source.parse import parse
from attractor.pipeline.scripted_answers import check_answers

GRAPH = parse("""digraph G {
    start [shape=Mdiamond]; exit [shape=Msquare]; ask [shape=hexagon]
    start -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> later [label="Yesterday"]
    ask -> again [label="Anew", condition="context.tries=3"]
    again -> exit; later -> exit
}""")


@pytest.mark.parametrize("answer", ["Y", "1", "yes", "[Y] Yes", "exit", "ANEW", "A", "later"])
def test_what_may_be_chosen_at_any_time_is_a_choice(answer: str) -> None:
    check_answers(GRAPH, {"ask": ["Yesterday", answer]})


@pytest.mark.parametrize(
    ("answers", "said", "hint"),
    [
        ({"ask": ["Yes", "Maybe"]}, "node 'ask' has no choice 'Maybe'", "its choices: [Y] Yes,"),
        ({"ask": ["Yesterdy"]}, "no choice 'Yesterdy'", "did you mean Yesterday?"),
        ({"again": ["Yes"]}, "node 'again' asks nobody", "give it an outcome instead"),
        ({"aks": ["Yes"]}, "unknown node 'aks'", "did you mean ask?"),
    ],
)
def test_what_nobody_could_choose_is_refused(
    answers: dict[str, list[str]], said: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        check_answers(GRAPH, answers)
    assert raised.value.hint.startswith(hint)
