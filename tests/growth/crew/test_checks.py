"""The checks of growth on the tree of an app, in a real environment."""

import asyncio
from pathlib import Path

import pytest

from attractor.environments.local import LocalExecutionEnvironment
from attractor.growth.crew.app_tree import MOST_BYTES
from attractor.growth.crew.checks.divergence import DivergenceCheck
from attractor.growth.crew.checks.identity import IdentityCheck, identity_hash
from attractor.growth.crew.checks.migration import MigrationCheck
from attractor.growth.development import DEVELOPMENT
from attractor.growth.specification.files import write_spec
from attractor.scenarios.check import CheckOptions, CheckResult, Observation
from tests.growth.app import DEVELOPMENT_TEXT
from tests.growth.apps.small_app import SPEC, write_small_app


@pytest.fixture
def app(tmp_path: Path) -> Path:
    write_spec(SPEC, tmp_path)
    (tmp_path / DEVELOPMENT).write_text(DEVELOPMENT_TEXT)
    return write_small_app(tmp_path)


def judge(check: CheckOptions, app: Path) -> CheckResult:
    assert isinstance(check, IdentityCheck | DivergenceCheck | MigrationCheck)
    return asyncio.run(check.judge(Observation({}, LocalExecutionEnvironment(app))))


def test_identity_is_compared_with_the_sealed_one(app: Path) -> None:
    sealed = IdentityCheck(hash=identity_hash(SPEC))
    assert judge(sealed, app).passed
    file = app / "spec" / "nodes" / "domain" / "domain.json"
    file.write_text(file.read_text().replace("may be sold", "is ripe"))
    assert "not " + sealed.hash in judge(sealed, app).reason


def test_predicate_of_the_identity_is_checked(app: Path) -> None:
    line = '[[identity]]\nline = "Gate"\npath_to = "allocate"\ngate = "{}"\n'
    sealed = IdentityCheck(hash=identity_hash(SPEC))
    (app / DEVELOPMENT).write_text(DEVELOPMENT_TEXT + line.format("phi_gate"))
    assert judge(sealed, app).passed
    (app / DEVELOPMENT).write_text(DEVELOPMENT_TEXT + line.format("lost_gate"))
    assert "lost_gate" in judge(sealed, app).reason


def test_edited_skeleton_and_missing_body_are_divergences(app: Path) -> None:
    assert judge(DivergenceCheck(), app).passed
    skeleton = app / "app" / "pipelines.py"
    skeleton.write_text(skeleton.read_text() + "\n")
    assert judge(DivergenceCheck(), app).reason.startswith("app/pipelines.py")
    write_small_app(app)
    (app / "app" / "steps" / "weigh.py").unlink()
    assert "weigh.py" in judge(DivergenceCheck(), app).reason


def test_lost_records_are_found(app: Path) -> None:
    check = MigrationCheck(imported="old", exported="new")
    for name, text in {"old": '{"id":"a"}\n{"id":"b"}\n', "new": '{"id":"a"}\n'}.items():
        (app / name).mkdir()
        (app / name / "block.jsonl").write_text(text)
    assert judge(check, app).reason == "block: exported records differ from imported ones"
    (app / "new" / "block.jsonl").write_text('{"id":"a"}\n{"id":"b"}\n')
    assert judge(check, app).passed
    (app / "old" / "block.jsonl").write_text("")
    assert judge(check, app).reason == "old has no records"
    for name in ("old", "new"):
        (app / name / "block.jsonl").write_bytes(b"x" * (MOST_BYTES + 1))
    assert "old/block.jsonl: too large for a check" in judge(check, app).reason


def test_tree_without_an_app_fails_each_check(tmp_path: Path) -> None:
    checks = (
        IdentityCheck(hash="x"),
        DivergenceCheck(),
        MigrationCheck(imported="a", exported="b"),
    )
    assert not any(judge(one, tmp_path).passed for one in checks)
