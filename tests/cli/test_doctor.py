"""`attractor doctor`, on machines without programs, with leaks or with full disks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from syrupy.assertion import SnapshotAssertion

from attractor import __version__
from attractor.cli.commands.doctor import as_text
from attractor.cli.doctor import CheckStatus, Finding, missing, ok, problem
from attractor.config.configuration import Configuration
from attractor.config.load import load_configuration
from attractor.config.settings import Settings
from tests.cli.running import attractor
from tests.pipeline.projects import git
from tests.tables import table

SECRET = "sk-never-to-be-shown-0123456789"


def doctor(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run doctor on a machine with an empty PATH, unless the variables set another."""
    bare = {
        "PATH": str(folder / "bin"),
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    (folder / "bin").mkdir(exist_ok=True)
    return attractor("doctor", "--json", folder=folder, variables=bare | variables)


def findings(result: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    record: dict[str, Any] = json.loads(result.stdout)
    return {one["subject"]: one for one in record["findings"]}


def add_program(folder: Path, name: str, script: str) -> None:
    file = folder / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def podman_info(mapped: int) -> str:
    """Return what a Podman without rights says that maps so many users."""
    maps = {"uidmap": [{"container_id": 0, "host_id": 1000, "size": mapped}], "gidmap": None}
    host = {"cgroupVersion": "v1", "security": {"rootless": True}, "idMappings": maps}
    return json.dumps({"host": host})


INFO = podman_info(65_537)


@table(
    ("script", "found"),
    [
        ("", "podman does not answer"),
        ("exit 1", "podman does not answer"),
        (f"[ $1 = info ] && echo '{INFO}'", "podman has no image mine:1"),
        (f"echo '{podman_info(1)}'", "podman maps no user 10001 of a container"),
        (f"echo '{INFO}'", "podman cannot bound cpu, memory, pids here"),
    ],
)
def test_place_with_containers_is_examined(tmp_path: Path, script: str, found: str) -> None:
    (tmp_path / "attractor.toml").write_text('[places.box]\nkind="podman"\nimage="mine:1"\n')
    if script:
        add_program(tmp_path, "podman", script)
    finding = findings(doctor(tmp_path))["place box"]
    assert finding["found"].startswith(found)
    assert finding["standing"] == "missing"
    assert finding["remedy"]


def test_bare_machine_lists_missing_items_with_remedies(tmp_path: Path) -> None:
    result = doctor(tmp_path)
    assert result.returncode == 1
    found = findings(result)
    standing = {subject: one["standing"] for subject, one in found.items()}
    assert standing["git"] == "problem"
    for subject in ["graphviz", "ripgrep", "bubblewrap", "key of openai"]:
        assert standing[subject] == "missing"
    assert standing["python"] == "ok"
    assert "apt-get install git" in found["git"]["remedy"]
    assert json.loads(result.stdout)["summary"] == {
        "ok": list(standing.values()).count("ok"),
        "missing": list(standing.values()).count("missing"),
        "problem": 1,
    }
    doctor(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["bin"]


def test_programs_and_sandboxes_are_tried(tmp_path: Path) -> None:
    add_program(tmp_path, "git", "echo git version 9.9")
    add_program(tmp_path, "dot", "echo dot - graphviz version 8 >&2")
    add_program(tmp_path, "rg", "echo ripgrep 13.0.0; echo more")
    result = doctor(tmp_path)
    found = findings(result)
    assert result.returncode == 0
    assert (found["git"]["standing"], found["git"]["found"]) == ("ok", "9.9")
    assert found["graphviz"]["standing"] == "ok"
    assert found["ripgrep"]["found"] == "13.0.0"
    pretends = 'while [ "$1" != "--" ]; do shift; done; shift; exec "$@"'
    add_program(tmp_path, "bwrap", pretends)
    diagnostics = findings(doctor(tmp_path))["bubblewrap"]
    assert diagnostics["standing"] == "missing"
    for leak in ["reads a hidden file", "writes", "reaches the network", "sees processes"]:
        assert leak in diagnostics["found"]
    add_program(tmp_path, "bwrap", "echo No permissions to create a new namespace >&2; exit 1")
    diagnostics = findings(doctor(tmp_path))["bubblewrap"]
    assert "No permissions to create a new namespace" in diagnostics["found"]
    assert "user namespaces" in diagnostics["remedy"]


def test_keys_are_found_and_never_printed(tmp_path: Path) -> None:
    result = doctor(tmp_path, OPENAI_API_KEY=SECRET, GOOGLE_API_KEY=SECRET, ANTHROPIC_API_KEY="")
    found = findings(result)
    assert found["key of openai"]["found"] == "OPENAI_API_KEY is set"
    assert found["key of gemini"]["found"] == "GOOGLE_API_KEY is set"
    assert found["key of anthropic"]["standing"] == "missing"
    assert found["other providers"]["standing"] == "missing"
    assert SECRET not in result.stdout + result.stderr
    result = doctor(tmp_path, MISTRAL_API_KEY=SECRET, GROQ_API_KEY=SECRET, AZURE_API_KEY=SECRET)
    assert findings(result)["key of azure"]["remedy"] == "set AZURE_API_BASE"
    assert findings(result)["key of groq"]["found"] == "GROQ_API_KEY is set"
    assert SECRET not in result.stdout + result.stderr


def test_key_of_daytona_has_no_effect(tmp_path: Path) -> None:
    assert "daytona" not in findings(doctor(tmp_path))
    result = doctor(tmp_path, DAYTONA_API_KEY=SECRET)
    diagnostics = findings(result)["daytona"]
    assert (diagnostics["standing"], diagnostics["remedy"]) == ("missing", "unset DAYTONA_API_KEY")
    assert SECRET not in result.stdout


def test_folders_of_the_project_are_checked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = doctor(tmp_path, ATTRACTOR_RUNS_DIR=str(tmp_path / "file" / "runs"))
    diagnostics = findings(result)["runs folder"]
    assert result.returncode == 1
    assert diagnostics["standing"] == "problem"
    assert "set runs_dir" in diagnostics["remedy"]
    diagnostics = findings(doctor(tmp_path, ATTRACTOR_DOCTOR__MIN_FREE_MB="999999999"))["disk"]
    assert diagnostics["standing"] == "missing"
    assert "999,999,999 MB required" in diagnostics["found"]


def test_readable_state_folder_is_reported(tmp_path: Path) -> None:
    state = tmp_path / "open"
    state.mkdir()
    for mode, standing in [(0o755, "missing"), (0o700, "ok")]:
        state.chmod(mode)
        diagnostics = findings(doctor(tmp_path, ATTRACTOR_STATE_DIR=str(state)))["state folder"]
        assert diagnostics["standing"] == standing


def test_every_setting_is_listed_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "attractor.toml").write_text('\nruns_dir = "r"\n')
    result = doctor(tmp_path, ATTRACTOR_OUTPUT__COLOR="never")
    output = {one["key"]: one for one in json.loads(result.stdout)["configuration"]}
    assert output["runs_dir"] == {
        "key": "runs_dir",
        "value": str(tmp_path / "r"),
        "origin": "attractor.toml:2",
    }
    assert output["output.color"]["origin"] == "ATTRACTOR_OUTPUT__COLOR"
    assert output["doctor.min_free_mb"]["value"] == 1024


def test_unset_settings_are_words_for_people_and_null_in_json(tmp_path: Path) -> None:
    (tmp_path / "attractor.toml").write_text(
        '[llm]\nredact = true\nredact_patterns = ["a+"]\n[llm.requests_per_minute]\nopenai = 9\n'
    )
    result = doctor(tmp_path)
    output = {one["key"]: one["value"] for one in json.loads(result.stdout)["configuration"]}
    assert (output["llm.log"], output["llm.fall_back"]) == (None, {})
    assert output["llm.redact_patterns"] == ["a+"]
    assert output["llm.requests_per_minute.openai"] == 9
    lines = attractor("doctor", folder=tmp_path).stdout.splitlines()
    values = {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line.strip()}
    assert values["llm.log"] == "not set default"
    assert values["llm.fall_back"] == "none default"
    assert values["notify.url"] == "not set default"


@table("color", ["always", "never"])
def test_colour_is_as_chosen(tmp_path: Path, color: str) -> None:
    result = attractor("--config", f"output.color={color}", "doctor", folder=tmp_path)
    assert ("\x1b[" in result.stdout) == (color == "always")


def some_findings() -> list[Finding]:
    return [
        ok("git", "2.39.5"),
        missing("key of openai", "OPENAI_API_KEY is not set", remedy="export OPENAI_API_KEY"),
        problem("runs folder", "/runs: nothing can be written", remedy="make it writable"),
    ]


def some_configuration(tmp_path: Path) -> Configuration[Settings]:
    return load_configuration(
        start=tmp_path,
        cwd=tmp_path,
        environ={"ATTRACTOR_STATE_DIR": "/state", "ATTRACTOR_RUNS_DIR": "/runs"},
        user_file=tmp_path / "none.toml",
    )


def test_the_text_for_people(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    configuration = some_configuration(tmp_path)
    text = as_text(some_findings(), configuration)
    assert click.unstyle(text).replace(__version__, "VERSION") == snapshot
    assert as_text(some_findings()[:2], configuration).endswith("Ready. 1 missing for some tasks.")
    assert as_text(some_findings()[:1], configuration).endswith("Ready. Nothing is missing.")


def test_finding_requires_a_remedy() -> None:
    with pytest.raises(ValueError, match="a finding needs a remedy"):
        Finding("git", CheckStatus.MISSING, "no git")
    with pytest.raises(ValueError, match="a finding needs a remedy"):
        Finding("git", CheckStatus.OK, "2.39", "install it")


def test_the_interpreter_is_named() -> None:
    result = attractor("doctor", "--json")
    assert sys.executable in findings(result)["python"]["found"]


def test_damaged_distributions_are_reported(tmp_path: Path) -> None:
    site = tmp_path / "site"
    faults = {
        "shed": "METADATA: ValueError: missing",
        "barn": "entry_points.txt: ValueError: a line is not NAME = VALUE",
        "hut": "entry_points.txt: IsADirectoryError",
        "gone": "METADATA: ValueError: missing",
    }
    for name in ["shed", "barn", "hut"]:
        (site / f"{name}-1.0.dist-info").mkdir(parents=True)
    for name in ["barn", "hut"]:
        (site / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Name: {name}\n")
    (site / "barn-1.0.dist-info" / "entry_points.txt").write_text("[a]\nno value\n")
    (site / "hut-1.0.dist-info" / "entry_points.txt").mkdir()
    (site / "gone-1.0.dist-info").symlink_to(site / "nothing")
    variables = {"PYTHONPATH": str(site)}
    found = findings(doctor(tmp_path, **variables))
    assert "distributions" not in found
    for name, fault in faults.items():
        received = found[f"distribution {name}-1.0"]
        assert f"{site / f'{name}-1.0.dist-info'} is skipped: {fault}" in received["found"]
        assert f"reinstall {name}" in received["remedy"]
    for command in ["--help", "runs"]:
        assert attractor(command, folder=tmp_path, variables=variables).returncode == 0
    assert findings(doctor(tmp_path))["distributions"]["standing"] == "ok"


def test_requirements_of_a_pipeline_are_checked(tmp_path: Path) -> None:
    add_program(tmp_path, "git", "echo git version 9.9")
    (tmp_path / "bin" / "bash").symlink_to("/bin/bash")
    (tmp_path / "needy.dot").write_text(
        'digraph x { requires="git>=9, git>=10, nmp, env:TOKEN, env:GONE"; '
        "start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    )
    bare = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "TOKEN": SECRET}
    result = attractor("doctor", "needy.dot", "--json", folder=tmp_path, variables=bare)
    assert result.returncode == 1
    found = {
        name: one for name, one in findings(result).items() if name.startswith("requirement: ")
    }
    assert [(name, one["standing"]) for name, one in found.items()] == [
        ("requirement: git>=9", "ok"),
        ("requirement: git>=10", "problem"),
        ("requirement: nmp", "problem"),
        ("requirement: env:TOKEN", "ok"),
        ("requirement: env:GONE", "problem"),
    ]
    assert found["requirement: git>=10"]["found"] == "the installed version is git 9.9"
    assert found["requirement: git>=10"]["remedy"] == "install git 10 or newer"
    assert SECRET not in result.stdout


def test_each_reason_to_refuse_a_run_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "plan.dot").write_text(
        "digraph x { start [shape=Mdiamond]; exit [shape=Msquare]; a [prompt=x]; "
        "b [prompt=y, llm_provider=opnai]; start -> a -> b -> exit }"
    )
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    result = attractor("doctor", "plan.dot", "--json", folder=tmp_path, variables=bare)
    assert result.returncode == 1
    refused = attractor("run", "plan.dot", folder=tmp_path, variables=bare)
    assert refused.returncode == 2
    problems = [
        one for one in json.loads(result.stdout)["findings"] if one["standing"] == "problem"
    ]
    assert [one["subject"] for one in problems] == ["run plan.dot", "run plan.dot"]
    for one in problems:
        assert f"{one['found']} ({one['remedy']})" in refused.stderr


def test_secrets_of_a_pipeline_are_listed_without_values(tmp_path: Path) -> None:
    (tmp_path / "publish.dot").write_text(
        'digraph x { inputs="token:secret, key:secret, pin:secret, branch=main"; '
        "start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    )
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    given = {"ATTRACTOR_INPUT_TOKEN": SECRET, "ATTRACTOR_INPUT_PIN": "s3cr"}
    result = attractor("doctor", "publish.dot", "--json", folder=tmp_path, variables=bare | given)
    found = {name: one for name, one in findings(result).items() if name.startswith("secret input")}
    assert {name: one["standing"] for name, one in found.items()} == {
        "secret input: token": "ok",
        "secret input: key": "missing",
        "secret input: pin": "problem",
    }
    assert found["secret input: token"]["found"] == "set by ATTRACTOR_INPUT_TOKEN"
    assert "set the variable ATTRACTOR_INPUT_KEY" in found["secret input: key"]["remedy"]
    assert "shorter than" in found["secret input: pin"]["found"]
    assert SECRET not in result.stdout
    assert "s3cr" not in result.stdout


def test_unreadable_pipeline_fails_first(tmp_path: Path) -> None:
    (tmp_path / "broken.dot").write_text("digraph {")
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    result = attractor("doctor", "broken.dot", folder=tmp_path, variables=bare)
    assert result.returncode == 2
    assert "broken.dot" in result.stderr
    assert result.stdout == ""


@table(
    ("text", "standing", "found"),
    [
        (
            "",
            "ok",
            "no notifications: notify.command and notify.url are not set",
        ),
        ("command = 'cat > /dev/null'", "ok", "notifications: command"),
        ("command = 'no-such-bell -x'", "missing", "notify.command: no-such-bell not found"),
        ("command = './bell'", "missing", "notify.command: ./bell not found"),
        (
            "command = '$BELL'\nurl = 'https://host/the-secret'",
            "ok",
            "notifications: command and url",
        ),
    ],
)
def test_notifications_are_checked(tmp_path: Path, text: str, standing: str, found: str) -> None:
    (tmp_path / "attractor.toml").write_text(f"[notify]\n{text}\n")
    result = attractor("doctor", "--json", folder=tmp_path)
    assert "the-secret" not in result.stdout
    [one] = [one for one in json.loads(result.stdout)["findings"] if one["subject"] == "notify"]
    assert one["standing"] == standing
    assert found in one["found"]


def test_project_check_names_the_source_of_workspaces(tmp_path: Path) -> None:
    path = os.environ["PATH"]

    def project_finding() -> dict[str, str]:
        return findings(doctor(tmp_path, PATH=path))["project"]

    assert "runs work on a copy" in project_finding()["found"]
    git(tmp_path, "init", "--quiet")
    assert project_finding()["standing"] == "missing"
    assert "--workspace copy" in project_finding()["remedy"]
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "First")
    assert "its last commit" in project_finding()["found"]
