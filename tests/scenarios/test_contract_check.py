"""The contract of all kinds of checks."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from attractor.base.processes import ExecResult
from attractor.base.registry import find_shortcoming
from attractor.environments.errors import SandboxLost
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.scenarios.check import (
    Check,
    CheckResult,
    JudgeQuestion,
    JudgeVerdict,
    Observation,
    StepRecord,
    TrialUsage,
    Verification,
    build_checks,
    check_registry,
)
from attractor.scenarios.checks.file import FileCheck
from attractor.scenarios.suite import CheckSpec, RequestStep, Scenario, ServiceStep

SAID = StepRecord("go", exit_code=0, stdout="größe 🐍\n", stderr="größe 🐍\n")
ANSWERED = StepRecord("go", http_status=200, body="größe 🐍\n")


@dataclass(frozen=True)
class Case:
    """A check in TOML, a record that satisfies it, and one that does not."""

    options: Mapping[str, Any]
    good: StepRecord
    bad: StepRecord
    good_world: Mapping[str, Any] = field(default_factory=dict[str, Any])
    bad_world: Mapping[str, Any] = field(default_factory=dict[str, Any])


def changed(*paths: str) -> Mapping[str, Any]:
    async def changed() -> Sequence[str]:
        return paths

    return {"changed": changed}


def verified(code: int, said: str) -> Mapping[str, Any]:
    async def verify(command: str, timeout: timedelta | None) -> Verification:
        assert command == "checks/verify --all"
        return Verification(ExecResult(said, "", code, False, 1))

    return {"verify": verify}


def probed(code: int, said: str) -> Mapping[str, Any]:
    async def probe(command: str, timeout: timedelta | None) -> ExecResult:
        assert command == "checks/verify --all"
        return ExecResult(said, "", code, False, 1)

    return {"probe": probe}


def received(*paths: str) -> Mapping[str, Any]:
    requests = [{"method": "POST", "path": one, "body": {"größe": "🐍"}} for one in paths]
    return {"twins": {"api": lambda: requests}}


def judged(score: float) -> Mapping[str, Any]:
    async def ask_judge(question: JudgeQuestion) -> JudgeVerdict:
        return JudgeVerdict(score, f"größe 🐍: {score}")

    return {"ask_judge": ask_judge, "suite_folder": Path(__file__).parent}


CASES = {
    "rubric": Case({"rubric": "size.md", "steps": ["go"]}, SAID, SAID, judged(1.0), judged(0.2)),
    "budget": Case(
        {"tokens": 5}, SAID, SAID, {"usage": TrialUsage(1.0)}, {"usage": TrialUsage(1.0, 0.1, 6)}
    ),
    "command": Case(
        {"program": "verify", "args": ["--all"]},
        SAID,
        SAID,
        verified(0, "größe\nfine"),
        verified(1, "größe 🐍"),
    ),
    "probe": Case(
        {"program": "verify", "args": ["--all"]},
        SAID,
        SAID,
        probed(0, "größe\nfine"),
        probed(1, "größe 🐍"),
    ),
    "json": Case(
        {"step": "go", "path": "$[*].größe", "equals": 1},
        replace(ANSWERED, body='[{"größe": 1}, {"größe": 1.0}]'),
        replace(ANSWERED, body='[{"größe": 1}, {"größe": true}]'),
    ),
    "tree": Case(
        {"only": ["größe/*", "**/__pycache__/"]},
        SAID,
        SAID,
        changed("größe/🐍", "a/__pycache__/b.pyc"),
        changed("größe/🐍", "a\udcff\n"),
    ),
    "twin": Case(
        {"twin": "api", "method": "POST", "path": "/a*", "body": {"$.größe": "🐍"}, "count": 1},
        SAID,
        SAID,
        received("/a/1", "/b"),
        received("/b"),
    ),
    "exit": Case({"step": "go"}, SAID, replace(SAID, exit_code=3)),
    "stdout": Case({"step": "go", "contains": "größe"}, SAID, replace(SAID, stdout="\ufffd")),
    "stderr": Case({"step": "go", "equals": "größe 🐍"}, SAID, replace(SAID, stderr="")),
    "http": Case({"step": "go", "matches": "^größe"}, ANSWERED, replace(ANSWERED, http_status=500)),
    "latency": Case(
        {"step": "go", "p99": "1s"}, replace(SAID, seconds=(0.5,)), replace(SAID, seconds=(2.0,))
    ),
    "file": Case({"path": "a/b.txt", "contains": "größe"}, SAID, SAID),
}
kinds = pytest.mark.parametrize("kind", list(CASES))
steps = pytest.mark.parametrize(
    "kind", [one for one, case in CASES.items() if "step" in case.options]
)


def check(kind: str, **more: Any) -> Check:
    options = {**CASES[kind].options, **more}
    scenario = Scenario(
        id="s",
        title="S",
        story="S.",
        steps=(
            ServiceStep(name="serve", service="true", port=80),
            RequestStep(name="go", port=80),
        ),
        checks=(CheckSpec.model_validate({"kind": kind, **options}),),
    )
    [built] = build_checks(scenario, check_registry())
    return built


def observed(
    record: StepRecord | None, *, text: str | None = "größe 🐍\n", **world: Any
) -> Observation:
    files = {} if text is None else {"a/b.txt": text}
    steps = {"go": record} if record else {}
    return Observation(steps, MemoryExecutionEnvironment(files), **world)


def good(kind: str) -> Observation:
    return observed(CASES[kind].good, **CASES[kind].good_world)


def bad(kind: str) -> Observation:
    text = "\ufffd" if kind == "file" else "größe"
    return observed(CASES[kind].bad, text=text, **CASES[kind].bad_world)


def judge(one: Check, seen: Observation) -> CheckResult:
    return asyncio.run(one.judge(seen))


def require_sound(result: CheckResult, kind: str) -> None:
    assert result.kind == kind
    assert result.reason.strip()
    assert len(bytes.fromhex(result.evidence)) == 32
    assert 0.0 <= result.score <= 1.0
    assert (result.score == 1.0) is result.passed


def test_every_check_of_the_folder_is_tried_here() -> None:
    # A browser check needs Chromium: see test_browser.py.
    # Checks of growth need an app: see tests/growth/crew/test_checks.py. Cases: see test_cases.py.
    of_growth = {"divergence", "identity", "migration"}
    assert {*CASES, "browser", "cases", *of_growth} == set(check_registry())


@kinds
def test_check_passes_or_fails_with_a_reason(kind: str) -> None:
    assert find_shortcoming(check(kind), Check) == ""
    passed, failed = judge(check(kind), good(kind)), judge(check(kind), bad(kind))
    for result in (passed, failed):
        require_sound(result, kind)
    assert (passed.passed, failed.passed) == (True, False)
    assert passed.reason != failed.reason
    assert passed.evidence != failed.evidence


@kinds
def test_the_same_is_judged_the_same_again_and_nothing_is_touched(kind: str) -> None:
    one, seen = check(kind), good(kind)
    assert isinstance(seen.environment, MemoryExecutionEnvironment)
    files, steps = dict(seen.environment.files), dict(seen.steps)
    assert judge(one, seen) == judge(one, seen) == judge(check(kind), good(kind))
    assert seen.environment.files == files
    assert seen.environment.ran == []
    assert seen.steps == steps


@steps
def test_unreached_step_fails_the_check(kind: str) -> None:
    result = judge(check(kind), observed(None))
    require_sound(result, kind)
    assert (result.passed, result.reason) == (False, "step go did not run")


@steps
def test_step_with_an_error_fails_the_check(kind: str) -> None:
    troubled = replace(CASES[kind].good, trouble="nobody answered")
    result = judge(check(kind), observed(troubled))
    require_sound(result, kind)
    assert not result.passed
    assert "nobody answered" in result.reason


@steps
def test_step_of_another_kind_fails_the_check(kind: str) -> None:
    result = judge(check(kind), observed(StepRecord("go", timed_out=True, is_ready=True)))
    require_sound(result, kind)
    assert not result.passed


@pytest.mark.parametrize("text", ["\udcff\udc80", "\0", "x" * 3_000_000 + "größe 🐍"])
@kinds
def test_any_observation_is_judged(kind: str, text: str) -> None:
    record = replace(CASES[kind].good, stdout=text, stderr=text, body=text)
    seen = observed(record, text=text, **CASES[kind].good_world)
    require_sound(judge(check(kind), seen), kind)


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_that_leads_out_fails_the_candidate_and_not_the_evaluation(
    tmp_path: Path, exists: bool
) -> None:
    (tmp_path / "made.txt").symlink_to("/etc/passwd")
    here = LocalExecutionEnvironment(tmp_path, environ={})
    one = FileCheck(path="made.txt", exists=exists)
    result = judge(one, Observation({}, here))
    require_sound(result, "file")
    assert not result.passed


class Lost(MemoryExecutionEnvironment):
    """An environment whose sandbox has ended."""

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        raise SandboxLost("it ended")


def test_trouble_of_the_machinery_is_not_the_candidates_fault() -> None:
    seen = Observation({}, Lost({"a/b.txt": "größe"}))
    with pytest.raises(SandboxLost):
        judge(check("file"), seen)


def test_budget_of_money_fails_if_a_part_of_the_cost_is_unknown() -> None:
    result = judge(check("budget", cost_usd=1), observed(SAID, usage=TrialUsage(1.0, 0, 5, 5)))
    assert not result.passed
    assert "whose cost is unknown: limit tokens instead" in result.reason
