"""Secrets in the text and the files of a pipeline."""

from attractor.engine.storage.secrets import Redactor
from attractor.language.graph.graph import Graph
from attractor.pipeline.preflight.secrets import find_secrets_in_pipeline
from attractor.pipeline.source.read import PipelineSource

ENVIRON = {"A_TOKEN": "first-secret", "B_TOKEN": "second-secret", "C": "third-secret"}
REDACTOR = Redactor.of_environment(ENVIRON, more=["fourth-secret"])


def faults_in(text: str, **files: bytes) -> list[tuple[str, str, int]]:
    pipeline = PipelineSource(text, "", Graph("G", {}), (), files)
    found = find_secrets_in_pipeline(pipeline, REDACTOR, ENVIRON, file="p.dot")
    return [(one.span.file, one.message, one.span.line) for one in found]


def test_the_place_and_the_variable_are_named() -> None:
    message = "the pipeline contains the value of the variable B_TOKEN"
    assert faults_in("digraph {\n  // second-secret\n}") == [("p.dot", message, 2)]
    assert faults_in("digraph {}", note=b"\xff\nsecond-secret") == [("note", message, 2)]


def test_a_secret_that_no_variable_has_is_found() -> None:
    (found,) = faults_in("fourth-secret")
    assert found[1] == "the pipeline contains the value of a secret"


def test_what_is_no_secret_is_none() -> None:
    assert faults_in("digraph { third-secret }", note=b"A_TOKEN") == []
