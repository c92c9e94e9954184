"""The contract of examinations: on this machine, and on an empty one."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from attractor.cli.commands.doctor import examination_registry
from attractor.cli.doctor import CheckStatus, Examination, Finding, Machine
from attractor.config.load import load_configuration
from tests.patience import PATIENCE_S

EXAMINATIONS = dict(examination_registry())
SECRET = "sk-never-to-be-shown-0123456789"
KEYS = {"OPENAI_API_KEY": SECRET, "ANTHROPIC_API_KEY": "", "GEMINI_API_KEY": SECRET}
REFUSES = '#!/bin/sh\necho "größe \\377 $*" >&2\nexit 3\n'


def machine(folder: Path, environ: Mapping[str, str]) -> Machine:
    state = {"ATTRACTOR_STATE_DIR": str(folder / "state"), "ATTRACTOR_RUNS_DIR": str(folder / "r")}
    configuration = load_configuration(
        start=Path(), cwd=folder, environ=state, user_file=folder / "none.toml"
    )
    return Machine({**environ, **state}, folder, configuration)


def this_one(folder: Path) -> Machine:
    return machine(folder, {"PATH": os.environ["PATH"], "HOME": str(folder), **KEYS})


def bare(folder: Path) -> Machine:
    return machine(folder, {})


def unhelpful(folder: Path) -> Machine:
    """Return a machine on which every program fails with output that is not valid text."""
    programs = folder.parent / "programs"
    programs.mkdir()
    for name in ("git", "dot", "bwrap", "codex", "claude", "gemini", "opencode"):
        (programs / name).write_text(REFUSES)
        (programs / name).chmod(0o755)
    return machine(folder, {"PATH": str(programs), **KEYS})


MACHINES = {"this one": this_one, "bare": bare, "unhelpful": unhelpful}
everywhere = pytest.mark.parametrize("kind", list(MACHINES))
everybody = pytest.mark.parametrize("name", list(EXAMINATIONS))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def look(examination: Examination, on: Machine) -> Sequence[Finding]:
    return asyncio.run(asyncio.wait_for(examination(on), PATIENCE_S))


@everybody
@everywhere
def test_check_returns_one_line_findings_and_leaves_no_files(
    name: str, kind: str, folder: Path
) -> None:
    found = look(EXAMINATIONS[name], MACHINES[kind](folder))
    # A service that few people use is left out, and so are places if there are none.
    assert found or name in ("daytona", "places")
    assert len({one.subject for one in found}) == len(found)
    for one in found:
        assert one.subject
        assert one.found
        assert "\n" not in one.subject + one.found + one.remedy
        assert bool(one.remedy) == (one.standing is not CheckStatus.OK)
        assert SECRET not in repr(one)
    assert list(folder.iterdir()) == []


@everybody
def test_repeated_check_has_the_same_findings(name: str, folder: Path) -> None:
    on = bare(folder)
    first, second = look(EXAMINATIONS[name], on), look(EXAMINATIONS[name], on)
    assert [(one.subject, one.standing, one.remedy) for one in first] == [
        (one.subject, one.standing, one.remedy) for one in second
    ]


def test_subjects_of_checks_are_unique(folder: Path) -> None:
    subjects = [one.subject for each in EXAMINATIONS.values() for one in look(each, bare(folder))]
    assert len(set(subjects)) == len(subjects)
