"""The request of a run, its record in the manifest, and overrides on resume."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.base.json import JsonObject
from attractor.engine.run_folder.layout import Manifest
from attractor.engine.seams import Base
from attractor.engine.storage.secrets import Redactor
from attractor.pipeline.preflight.requirements import find_withheld
from attractor.records.request import (
    NO_OVERRIDES,
    ContinuedRun,
    Overrides,
    RunRequest,
    read_request,
    secret_overrides,
)
from tests.tables import table

SECRET = "hush-hush-hush"
REDACTOR = Redactor([SECRET])
REQUEST = RunRequest(
    file=Path("/p.dot"), goal=f"Use {SECRET}", inputs={"token": SECRET, "branch": "main"}
)


def reread(request: RunRequest, redactor: Redactor = REDACTOR) -> RunRequest:
    """Write a request into a manifest, and read it again."""
    manifest = manifest_with(request.redacted_record(redactor))
    return read_request(replace(manifest, suite=request.suite, profile=request.profile))


def manifest_with(options: JsonObject) -> Manifest:
    return Manifest(
        run_id="r",
        pipeline="p",
        goal="",
        started=datetime.now(UTC),
        content_hash="",
        base=Base("", "", ""),
        options=options,
    )


def test_request_survives_its_manifest() -> None:
    request = RunRequest(
        file=Path("/p.dot"),
        goal="g",
        workspace="copy",
        answers=("Y",),
        outcomes={"plan": "success"},
        evaluate=False,
        suite="s",
        profile="p",
        custom_parts=("backend",),
        continues=ContinuedRun("01ABC", 7, "f00d"),
    )
    assert reread(request) == request


@table(
    ("recorded", "continues"),
    [("", None), ("/home/ann/p/runs/01ABC", ContinuedRun("01ABC")), (None, None)],
)
def test_older_manifests_name_the_directory_of_the_continued_run(
    recorded: str | None, continues: ContinuedRun | None
) -> None:
    options = {**REQUEST.redacted_record(REDACTOR), "continues": recorded}
    assert read_request(manifest_with(options)).continues == continues


def test_manifest_withholds_secrets_and_names_them() -> None:
    assert SECRET not in str(REQUEST.redacted_record(REDACTOR))
    request = reread(REQUEST)
    assert request.withheld == ("goal", "inputs.token")
    assert request.goal == "Use ***"
    assert request.inputs == {"token": "***", "branch": "main"}


@pytest.mark.parametrize(
    ("overrides", "environ"),
    [
        (Overrides(goal=REQUEST.goal, inputs={"token": SECRET}), {}),
        (Overrides(goal=REQUEST.goal), {"ATTRACTOR_INPUT_TOKEN": SECRET}),
    ],
)
def test_overrides_restore_secrets(overrides: Overrides, environ: Mapping[str, str]) -> None:
    assert overrides.apply(reread(REQUEST), environ) == REQUEST


def test_missing_secrets_stay_withheld_and_are_faults() -> None:
    request = NO_OVERRIDES.apply(reread(REQUEST), {})
    assert (request.goal, request.inputs) == ("", {"branch": "main"})
    goal, token = find_withheld(request)
    assert goal.message == "the goal contains a secret and was not stored"
    assert token.message == "the input token contains a secret and was not stored"
    assert "ATTRACTOR_INPUT_TOKEN" in token.fix


def test_only_withheld_values_can_be_passed_again() -> None:
    Overrides(goal="x", inputs={"token": "x"}).require_withheld(reread(REQUEST))
    with pytest.raises(UsageError, match="the input 'branch' of the run cannot change"):
        Overrides(inputs={"branch": "dev"}).require_withheld(reread(REQUEST))
    with pytest.raises(UsageError, match="the goal of the run cannot change"):
        Overrides(goal="x").require_withheld(RunRequest(file=Path("/p.dot")))


def test_fork_changes_plain_values_which_are_no_secrets() -> None:
    stored = reread(REQUEST)
    changes = Overrides(goal="another", inputs={"branch": "dev", "token": SECRET})
    request = changes.apply(stored, {})
    assert (request.goal, request.inputs) == ("another", {"branch": "dev", "token": SECRET})
    assert request.withheld == ()
    assert list(changes.repeated(stored).secrets(Redactor())) == [SECRET, "another"]
    plain = RunRequest(file=Path("/p.dot"), goal="old", inputs={"branch": "main"})
    assert list(changes.repeated(plain).secrets(Redactor())) == []


def test_goal_with_an_unknown_secret_is_secret_as_a_whole() -> None:
    overrides = Overrides(goal=REQUEST.goal, inputs={"token": SECRET})
    assert list(overrides.secrets(REDACTOR)) == [SECRET]
    assert list(overrides.secrets(Redactor())) == [SECRET, REQUEST.goal]


@given(st.text(), st.dictionaries(st.sampled_from("abc"), st.text()))
def test_secret_overrides_restore_the_request(goal: str, inputs: dict[str, str]) -> None:
    redactor = Redactor([goal, *inputs.values()])
    request = RunRequest(file=Path("/p.dot"), goal=goal, inputs=inputs)
    assert secret_overrides(request, redactor).apply(reread(request, redactor), {}) == request


def test_other_model_replaces_the_provider_too() -> None:
    request = replace(REQUEST, model="gpt-5.2", provider="openai")
    other = Overrides(model="claude-opus-5").apply(request, {})
    assert (other.model, other.provider) == ("claude-opus-5", "")
    same = NO_OVERRIDES.apply(request, {})
    assert (same.model, same.provider) == ("gpt-5.2", "openai")
