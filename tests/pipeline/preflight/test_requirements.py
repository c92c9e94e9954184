"""Secrets in the text and the files of a pipeline.

Requirements of pipelines: programs, versions, variables, and the length of commands.
"""

import asyncio
import shlex
from collections.abc import Mapping
from pathlib import Path

from attractor.engine.storage.secrets import Redactor
from attractor.environments.local import LocalExecutionEnvironment
from attractor.language.declarations.inputs import LARGEST_VARIABLE
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse
from attractor.pipeline.preflight.requirements import (
    ProgramCheck,
    find_secrets_in_pipeline,
    find_unusable_variables,
    look_for,
    required_by,
)
from attractor.pipeline.source.read import PipelineSource
from tests.tables import table

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


def test_other_variables_are_not_secret() -> None:
    assert faults_in("digraph { third-secret }", note=b"A_TOKEN") == []


def look(
    folder: Path, requires: str, environ: Mapping[str, str] | None = None
) -> list[ProgramCheck]:
    """Check the requirements of a pipeline, with the programs in a folder and the system's."""
    graph = parse(f'digraph x {{ requires="{requires}" }}')
    place = LocalExecutionEnvironment(folder, environ={"PATH": f"{folder}:/usr/bin:/bin"})
    return asyncio.run(look_for(required_by([graph]), place, environ or {}))


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@table(
    ("said", "version"),
    [
        ("git version 2.39.2", "2.39.2"),
        ("v20.11.1", "20.11.1"),
        ("\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64", "5.36.0"),
        ("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)", "5.2.15"),
        ("jq-1.6", "1.6"),
        ("less 590 (GNU regular expressions)", "590"),
        ("gcc (Debian 12.2.0-14) 12.2.0", "12.2.0"),
        ("openjdk 17.0.9 2023-10-17", "17.0.9"),
    ],
)
def test_version_is_read_from_output(tmp_path: Path, said: str, version: str) -> None:
    put(tmp_path, "it", f"printf '%s\\n' {shlex.quote(said)}")
    (looked,) = look(tmp_path, f"it={version}")
    assert (looked.fault, looked.found) == ("", f"it {version} at {tmp_path / 'it'}")


def test_version_is_read_from_standard_error_too(tmp_path: Path) -> None:
    put(tmp_path, "it", "echo it 3.1 >&2")
    assert look(tmp_path, "it>3")[0].fault == ""


def test_some_programs_have_another_version_option(tmp_path: Path) -> None:
    put(tmp_path, "go", '[ "$1" = version ] && echo go version go1.21.5 linux/amd64')
    put(tmp_path, "other", '[ "$1" = version ] && echo other 1.21.5')
    go, other = look(tmp_path, "go>=1.21, other>=1.21")
    assert go.found.startswith("go 1.21.5 at ")
    assert other.fault == "other does not print its version"
    assert "other --version" in other.remedy


def test_a_program_without_a_version_wanted_is_not_run(tmp_path: Path) -> None:
    put(tmp_path, "it", f"touch {tmp_path}/ran")
    assert look(tmp_path, "it")[0].found == str(tmp_path / "it")
    assert not (tmp_path / "ran").exists()


@table("name", ["cd", "for", "no-such-program", "readme"])
def test_file_that_is_not_executable_is_no_program(tmp_path: Path, name: str) -> None:
    (tmp_path / "readme").write_text("not to be run")
    (looked,) = look(tmp_path, name)
    assert looked.fault == f"the program {name} is not on the PATH"
    assert looked.remedy == f"install {name}"


def test_empty_variable_counts_as_missing(tmp_path: Path) -> None:
    there, empty, gone = look(tmp_path, "env:A, env:B, env:C", {"A": "secret", "B": ""})
    assert (there.fault, there.found) == ("", "A is set")
    assert [one.fault for one in (empty, gone)] == [
        "the variable B is not set",
        "the variable C is not set",
    ]


def test_a_thing_that_several_need_is_needed_once() -> None:
    graphs = [parse(f'digraph x {{ requires="{one}" }}') for one in ("a, b>=2", "b>=2, b>=3, a")]
    assert [one.need.written for one in required_by(graphs)] == ["a", "b>=2", "b>=3"]


def test_error_has_its_position(tmp_path: Path) -> None:
    _, looked = look(tmp_path, "sh, nmp>=20")
    diagnostic = looked.diagnostic
    assert diagnostic.message == "requires nmp>=20: the program nmp is not on the PATH"
    assert (diagnostic.span.column, diagnostic.span.end_column) == (27, 34)
    assert diagnostic.fix == "install nmp 20 or newer"


@table(
    ("node", "is_fault"),
    [("shape=parallelogram", True), ("shape=box", False), ('receipt="make test"', True)],
)
def test_input_too_large_for_a_command_is_a_fault(node: str, is_fault: bool) -> None:
    graph = parse(f"digraph x {{ work [{node}] }}")
    inputs = {"spec": "x" * LARGEST_VARIABLE, "branch": "main"}
    found = find_unusable_variables(PipelineSource("", "", graph, (), inputs=inputs))
    assert ["the input spec has" in one.message for one in found] == [True] * is_fault
