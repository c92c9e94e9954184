import pytest

from attractor.base.errors import UnknownName, UsageError
from attractor.base.json import Json
from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.engine.simulated_outcomes import NO_OUTCOMES, SimulatedOutcomes, read_outcomes

NODES = ("plan", "test")


@pytest.mark.parametrize("word", ["success", "partial_success", "retry", "fail"])
def test_a_word_is_an_outcome(word: str) -> None:
    outcome = read_outcomes({"test": word}, nodes=NODES).at("test", 1)
    assert outcome is not None
    assert outcome.status is StageStatus(word)
    assert outcome.failure_reason == {
        "retry": "simulated retry of test",
        "fail": "simulated fail of test",
    }.get(word, "")


def test_a_table_is_an_outcome_as_an_agent_reports_it() -> None:
    written: Json = {
        "outcome": "fail",
        "preferred_label": "Fix",
        "suggested_next_ids": ["fix", "plan"],
        "context_updates": {"color": "red", "count": 3},
        "notes": "two tests",
        "failure_reason": "a test is red",
        "failure_class": "verdict",
    }
    assert read_outcomes({"test": written}, nodes=NODES).at("test", 1) == Outcome(
        StageStatus.FAIL,
        preferred_label="Fix",
        suggested_next_ids=("fix", "plan"),
        context_updates={"color": "red", "count": 3},
        notes="two tests",
        failure_reason="a test is red",
        failure_class=FailureClass.VERDICT,
    )


def test_a_list_is_an_outcome_a_visit_and_the_last_one_repeats() -> None:
    outcomes = read_outcomes({"test": ["fail", {"outcome": "retry"}, "success"]}, nodes=NODES)
    visits = [outcomes.at("test", visit) for visit in range(1, 6)]
    words = [one.status.value for one in visits if one]
    assert words == ["fail", "retry", "success", "success", "success"]


def test_a_node_that_is_not_named_has_none() -> None:
    assert read_outcomes({"test": "fail"}, nodes=NODES).at("plan", 1) is None
    assert NO_OUTCOMES == read_outcomes({}, nodes=NODES) == SimulatedOutcomes()


def test_an_unknown_node_is_named_with_what_is_near() -> None:
    with pytest.raises(UnknownName, match="unknown node 'tset'") as caught:
        read_outcomes({"tset": "fail"}, nodes=NODES)
    assert caught.value.hint == "did you mean test?"


@pytest.mark.parametrize("written", ["failed", 3, None, {"notes": "x"}, {"outcome": "x"}])
def test_what_no_agent_may_report_is_refused_with_the_node(written: Json) -> None:
    with pytest.raises(InvalidReport, match="^outcome of visit 2 of node 'test': ") as caught:
        read_outcomes({"test": ["fail", written]}, nodes=NODES)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"test": []}, "node 'test' has an empty list of outcomes"),
        (["fail"], "outcomes are written as a table of nodes"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(written: Json, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_outcomes(written, nodes=NODES)
    assert str(caught.value) == message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ({"tset": "fail"}, "o.toml: unknown node 'tset'", "did you mean test?"),
        ({"test": "fial"}, "o.toml: outcome of node 'test': 'outcome' cannot be 'fial'", "fail"),
        (
            {"test": {"outcom": "fail"}},
            "o.toml: outcome of node 'test': the report has an unknown field 'outcom'",
            "did you mean outcome?",
        ),
        ([], "o.toml: outcomes are written as a table of nodes", "for example"),
    ],
)
def test_a_mistake_in_a_file_names_the_file(written: Json, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_outcomes(written, nodes=NODES, file="o.toml")
    assert str(caught.value) == message
    assert hint in caught.value.hint
