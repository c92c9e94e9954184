"""A pipeline that holds a secret is found, with the place and the variable."""

from attractor.engine.secrets import Redactor
from attractor.language.graph.graph import Graph
from attractor.pipeline.source import PipelineSource
from attractor.pipeline.told_secrets import find_told_secrets

ENVIRON = {"A_TOKEN": "first-secret", "B_TOKEN": "second-secret", "C": "third-secret"}
REDACTOR = Redactor.of_environment(ENVIRON, more=["fourth-secret"])


def told(text: str, **files: bytes) -> list[tuple[str, str, int]]:
    pipeline = PipelineSource(text, "", Graph("G", {}), (), files)
    found = find_told_secrets(pipeline, REDACTOR, ENVIRON, file="p.dot")
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
