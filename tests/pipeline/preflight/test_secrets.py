"""What is secret of a run's options is not kept, and is given again.

A pipeline that holds a secret is found, with the place and the variable.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import UsageError
from attractor.engine.storage.secrets import Redactor
from attractor.language.graph.graph import Graph
from attractor.pipeline.preflight.secrets import find_told_secrets, find_withheld
from attractor.pipeline.request import (
    NOTHING_GIVEN,
    GivenSecrets,
    RunRequest,
    kept_record,
    request_from_record,
    require_withheld,
    restored,
    secrets_of,
    withheld_of,
)
from attractor.pipeline.source.read import PipelineSource

SECRET = "hush-hush-hush"
ASKED = RunRequest(
    file=Path("/p.dot"),
    goal=f"Use {SECRET}",
    inputs={"token": SECRET, "branch": "main"},
)
REDACTOR = Redactor([SECRET])


def kept(options: RunRequest = ASKED) -> RunRequest:
    return request_from_record(kept_record(options, REDACTOR), suite="", profile="")


def test_what_is_kept_names_what_is_not() -> None:
    assert kept().withheld == ("goal", "inputs.token")
    assert kept().goal == "Use ***"
    assert kept().inputs == {"token": "***", "branch": "main"}
    assert SECRET not in str(kept_record(ASKED, REDACTOR))


def test_what_is_given_again_takes_its_place() -> None:
    again = restored(kept(), GivenSecrets(goal=ASKED.goal, inputs={"token": SECRET}), {})
    assert again == ASKED


def test_an_input_may_be_given_by_its_variable() -> None:
    again = restored(kept(), GivenSecrets(goal=ASKED.goal), {"ATTRACTOR_INPUT_TOKEN": SECRET})
    assert again == ASKED


def test_what_lacks_is_named_and_never_what_stands_for_it() -> None:
    again = restored(kept(), NOTHING_GIVEN, {})
    assert again.goal == ""
    assert again.inputs == {"branch": "main"}
    told = [(one.message, one.fix) for one in find_withheld(again)]
    assert [message for message, _ in told] == [
        "the goal that was given holds a secret, and is not kept",
        "the input token holds a secret, and is not kept",
    ]
    assert "ATTRACTOR_INPUT_TOKEN" in told[1][1]


def test_what_is_kept_is_not_to_be_given_again() -> None:
    require_withheld(kept(), GivenSecrets(goal="x", inputs={"token": "x"}))
    with pytest.raises(UsageError, match="not to be given the input 'branch'"):
        require_withheld(kept(), GivenSecrets(inputs={"branch": "dev"}))
    with pytest.raises(UsageError, match="not to be given the goal"):
        require_withheld(RunRequest(file=Path("/p.dot")), GivenSecrets(goal="x"))


def test_where_a_secret_is_not_known_all_of_it_is_one() -> None:
    again = GivenSecrets(goal=ASKED.goal, inputs={"token": SECRET})
    assert list(secrets_of(again, REDACTOR)) == [SECRET]
    assert list(secrets_of(again, Redactor())) == [SECRET, ASKED.goal]


@given(st.text(), st.dictionaries(st.sampled_from("abc"), st.text()))
def test_all_comes_back(goal: str, inputs: dict[str, str]) -> None:
    redactor = Redactor([goal, *inputs.values()])
    asked = RunRequest(file=Path("/p.dot"), goal=goal, inputs=inputs)
    record = kept_record(asked, redactor)
    back = request_from_record(record, suite="", profile="")
    assert restored(back, withheld_of(asked, redactor), {}) == asked


ENVIRON = {"A_TOKEN": "first-secret", "B_TOKEN": "second-secret", "C": "third-secret"}
TOLD_SECRETS_REDACTOR = Redactor.of_environment(ENVIRON, more=["fourth-secret"])


def told(text: str, **files: bytes) -> list[tuple[str, str, int]]:
    pipeline = PipelineSource(text, "", Graph("G", {}), (), files)
    found = find_told_secrets(pipeline, TOLD_SECRETS_REDACTOR, ENVIRON, file="p.dot")
    return [(one.span.file, one.message, one.span.line) for one in found]


def test_the_place_and_the_variable_are_named() -> None:
    message = "the pipeline holds the value of the variable B_TOKEN"
    assert told("digraph {\n  // second-secret\n}") == [("p.dot", message, 2)]
    assert told("digraph {}", note=b"\xff\nsecond-secret") == [("note", message, 2)]


def test_a_secret_that_no_variable_has_is_found() -> None:
    (found,) = told("fourth-secret")
    assert found[1] == "the pipeline holds the value of a secret"


def test_what_is_no_secret_is_none() -> None:
    assert told("digraph { third-secret }", note=b"A_TOKEN") == []
