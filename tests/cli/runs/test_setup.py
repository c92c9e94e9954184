"""Inputs are read from pairs and from a file.

The program exports traces of a run to a collector over HTTP, or reports why it cannot.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.base.installation import install_command
from attractor.cli.runs.setup import read_inputs
from tests.cli.running import ROOT
from tests.pipeline.projects import LINEAR
from tests.prepared import run_prepared
from tests.records.tracing.collector import collecting
from tests.tables import table


def test_inputs_come_from_a_file_and_pairs(tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"ticket": "A-1", "count": 3, "fast": true}')
    assert read_inputs(["ticket=B=2", "empty="], file) == {
        "ticket": "B=2",
        "count": "3",
        "fast": "true",
        "empty": "",
    }
    file = tmp_path / "inputs.toml"
    file.write_text('ticket = "A-1"\nshare = 0.5\n')
    assert read_inputs([], file) == {"ticket": "A-1", "share": "0.5"}
    with pytest.raises(UsageError, match=r"nope\.json"):
        read_inputs([], tmp_path / "nope.json")


@table("text", ["[1]", '{"a": [1]}', '{"a": null}', "{", '"a"'])
def test_file_without_inputs_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "inputs.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"inputs\.json"):
        read_inputs([], file)


@table("pair", ["ticket", "=x", ""])
def test_a_pair_needs_a_name_and_a_sign(pair: str) -> None:
    with pytest.raises(UsageError, match="invalid input"):
        read_inputs([pair], None)


def test_a_value_may_be_in_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\ufeffhush\nhush\n")
    pairs = ["a=@env:TOKEN", f"b=@file:{file}", "c=@@env:TOKEN", "d=@@else", "e=@else"]
    assert read_inputs(pairs, None, environ={"TOKEN": "secret"}) == {
        "a": "secret",
        "b": "hush\nhush",
        "c": "@env:TOKEN",
        "d": "@@else",
        "e": "@else",
    }


@table(
    ("pair", "message"),
    [
        ("a=@env:NONE", "input a: the variable NONE is not set"),
        ("a=@file:/nowhere", "cannot read input a: /nowhere: No such file"),
    ],
)
def test_missing_value_is_named(pair: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_inputs([pair], None)


UNGUARDED = ("--backend", "simulate", "--sandbox", "none", "--workspace", "none", "--no-evaluate")


def run(
    folder: Path, *command: str, text: str = LINEAR, **variables: str
) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "pipeline.dot").write_text(text)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ATTRACTOR_STATE_DIR": str(folder / "state"),
        "LANG": "C.UTF-8",
        **variables,
    }
    words = ["run", "pipeline.dot", *UNGUARDED]
    if not command:
        return run_prepared(words, folder=folder, variables=environ)
    return subprocess.run(
        [*command, *words],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_spans_reach_a_collector_without_secrets(tmp_path: Path) -> None:
    secret = "sk-0123456789abcdef"
    text = LINEAR.replace("echo made > made.txt", "echo no $MY_TOKEN >&2; exit 1")
    with collecting() as collector:
        done = run(tmp_path, text=text, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, MY_TOKEN=secret)
    assert done.returncode == 1
    spans = {one.name: one for one in collector.spans}
    whole, make = spans["run linear"], spans["stage make"]
    assert (whole.parent, make.parent, make.trace) == ("", whole.id, whole.trace)
    assert make.attributes["attractor.outcome"] == "fail"
    assert "tool_command ended with exit code 1" in make.error
    assert not any(secret.encode() in body for body in collector.bodies)
    assert "lost" not in done.stderr


def test_refusing_collector_is_reported_once(tmp_path: Path) -> None:
    with collecting(refuses=403) as collector:
        done = run(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert collector.bodies
    assert done.returncode == 0
    assert done.stderr.count("Spans of this run are lost") == 1
    assert "Traceback" not in done.stderr


WITHOUT = "import sys; sys.modules['opentelemetry'] = None; from attractor.cli.main import main"
"""Python code that runs the program as if the extra were not installed."""


@table(("enabled", "code"), [("auto", 0), ("on", 2)])
def test_without_the_extra_the_remedy_is_named(tmp_path: Path, enabled: str, code: int) -> None:
    command = (sys.executable, "-c", f"{WITHOUT}; sys.exit(main())")
    done = run(
        tmp_path,
        *command,
        ATTRACTOR_TRACING__ENABLED=enabled,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        PYTHONPATH=str(ROOT),
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.count(install_command(extra="tracing")) == 1
    assert list(tmp_path.glob("runs/*")) == [] if code else True


def test_tracing_is_not_imported_without_need(tmp_path: Path) -> None:
    words = "import json, sys; from attractor.cli.main import main; main()"
    message = (
        "print(json.dumps([one for one in sys.modules if 'opentelemetry' in one or 'rich' in one]))"
    )
    done = run(tmp_path, sys.executable, "-c", f"{words}; {message}", PYTHONPATH=str(ROOT))
    assert json.loads(done.stdout.splitlines()[-1]) == []
