import pytest

from attractor.growth.errors import InvalidSpec
from attractor.growth.specification.clarifications import (
    Clarification,
    adds_only_desires,
    answer_question,
    clarifications_of,
)
from attractor.growth.specification.graph import Author
from tests.growth.seed import farm
from tests.tables import table

OPEN = farm(
    ('"Farmer", ', '"[NEEDS CLARIFICATION: whose farm?]", '),
    ('"Packlists"', '"Packlists for [NEEDS CLARIFICATION: whom?] in [NEEDS CLARIFICATION: what?]"'),
)


def test_questions_are_listed_and_answered_one_after_another() -> None:
    assert clarifications_of(OPEN) == [
        Clarification("domain", "whose farm?"),
        Clarification("packlists_for_in", "whom?"),
        Clarification("packlists_for_in", "what?"),
    ]
    graph, answered = answer_question(OPEN, "packlists_for_in", " Tuesday buyers ")
    assert answered.question == "whom?"
    graph, _ = answer_question(graph, "packlists_for_in", r"crates \1")
    assert graph["packlists_for_in"].name == r"Packlists for Tuesday buyers in crates \1"
    assert graph["packlists_for_in"].provenance.by is Author.PERSON
    graph, _ = answer_question(graph, "domain", "Ann's")
    assert graph.root.fields["beneficiaries"] == ["Ann's", "Buyers"]
    assert clarifications_of(graph) == []
    assert adds_only_desires(OPEN, graph)
    assert not adds_only_desires(graph, OPEN)


@table(
    ("node", "answer", "fault", "hint"),
    [
        ("web", "yes", "web has no open question", "domain, packlists_for_in"),
        ("domain", " ", "the answer is empty", "whose farm?"),
        ("packlist_for_in", "yes", "unknown node", "packlists_for_in"),
    ],
)
def test_other_answers_are_refused(node: str, answer: str, fault: str, hint: str) -> None:
    with pytest.raises(Exception, match=fault) as caught:
        answer_question(OPEN, node, answer)
    assert hint in getattr(caught.value, "hint", "")


def test_other_changes_are_more_than_desires() -> None:
    base = farm()
    renamed = base.replace(base["web"].with_fields(name="Browser"))
    for after in (renamed, base.replace(removed=["web"]), farm(('"web"', '"web", "tv"'))):
        assert not adds_only_desires(base, after)
    with pytest.raises(InvalidSpec) as caught:
        answer_question(base, "web", "yes")
    assert caught.value.hint == "all are answered"
