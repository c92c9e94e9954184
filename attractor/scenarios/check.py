"""The checks of a scenario: their kinds, their input, and their results."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field, replace
from datetime import timedelta
from enum import IntEnum
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Protocol, cast, runtime_checkable

from pydantic import BaseModel, Field, ValidationError, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_duration
from attractor.base.errors import MachineryError, UnknownName, UsageError
from attractor.base.json import Json, content_hash
from attractor.base.processes import ExecResult
from attractor.base.registry import Registry
from attractor.base.toml import KeyPath, TomlMistake, did_you_mean, dotted
from attractor.config.tables import read_table
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import FileUnusable
from attractor.scenarios.patterns import EARLIER, Regex, search_texts
from attractor.scenarios.suite import (
    EDITION,
    CheckSpec,
    CommandStep,
    KillStep,
    ProbeStep,
    ReceivedStep,
    RequestPattern,
    RequestStep,
    RestartStep,
    Scenario,
    ServiceStep,
    Step,
    Suite,
    SuiteSettings,
    SuiteTable,
    mistakes_of,
)
from attractor.scenarios.wall.crossing import Crossed, CrossedInTest
from attractor.scenarios.wall.unit_tests import UnitTests

EARLY_END = "steps"
"""The kind of the failed result of a trial whose steps ended early."""


@dataclass(frozen=True)
class StepRecord:
    """The result of one step of a scenario: a command, a service or a request.

    The middle of a very long output is omitted. `seconds` are the times of repeated requests.
    """

    name: str
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    stdout_omitted: int = 0
    stderr_omitted: int = 0
    timed_out: bool = False
    is_ready: bool | None = None
    http_status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str = ""
    trouble: str = ""
    seconds: tuple[float, ...] = ()


@dataclass
class TrialUsage:
    """The wall time of the steps of a trial, and the cost and tokens of its model calls.

    `unpriced_tokens` are those of calls whose cost is unknown.
    """

    seconds: float = 0.0
    cost_usd: float = 0.0
    tokens: int = 0
    unpriced_tokens: int = 0

    def add(self, call: "JudgeVerdict | Unjudged") -> None:
        """Add the usage of calls of the judge."""
        self.cost_usd += call.cost_usd
        self.tokens += call.tokens
        self.unpriced_tokens += call.unpriced_tokens


@dataclass(frozen=True)
class JudgeVote:
    """A vote of the judge: a score from 0 to 1, and the reason."""

    score: float
    reason: str


@dataclass(frozen=True)
class JudgeQuestion:
    """A rubric, and the evidence to judge by it: untrusted texts by name, not longer than needed.

    `votes` are those that the judge gave before it failed: they stand.
    """

    rubric: str
    evidence: Mapping[str, str]
    seed: int = 0
    votes: tuple[JudgeVote, ...] = ()


@dataclass(frozen=True)
class JudgeVerdict:
    """The score of the judge from 0 to 1, with the reason, and the usage of the model."""

    score: float
    reason: str
    cost_usd: float = 0.0
    tokens: int = 0
    unpriced_tokens: int = 0


class Unjudged(MachineryError):
    """The judge failed, and can be asked again.

    `reason` contains no words of a holdout; `cost_usd` was spent.
    """

    def __init__(
        self,
        message: str,
        question: JudgeQuestion,
        *,
        reason: str,
        cost_usd: float = 0.0,
        tokens: int = 0,
        unpriced_tokens: int = 0,
    ) -> None:
        super().__init__(message)
        self.question, self.reason = question, reason
        self.cost_usd, self.tokens, self.unpriced_tokens = cost_usd, tokens, unpriced_tokens


AskJudge = Callable[[JudgeQuestion], Awaitable[JudgeVerdict]]


async def no_judge(_: JudgeQuestion) -> JudgeVerdict:
    """Refuse to judge, in trials without a model."""
    raise UsageError(
        "unscored: these trials have no judge of rubrics",
        hint="set provider and model in [judge] of suite.toml",
    )


SeenRequest = Mapping[str, Json]
"""A request that a twin received, as in its control API."""
TwinRequests = Callable[[], Sequence[SeenRequest]]
"""Type of a function that returns the requests that a twin received."""


@dataclass(frozen=True)
class Verification:
    """The result of a verifier, and the number of the candidate's links that it did not get."""

    result: ExecResult
    links_left_out: int = 0


Verify = Callable[[str, timedelta | None], Awaitable[Verification]]
"""Type of a function that runs a shell command in a sandbox that no candidate ran in.

The command has a time limit (default: that of the trial).
"""
Probe = Callable[[str, timedelta | None], Awaitable[ExecResult]]
"""Type of a function that runs a shell command in a sandbox that reaches ports of services only.

The command has a time limit (default: that of the trial).
"""
Separate = Callable[[], AbstractAsyncContextManager[ExecutionEnvironment]]
"""Type of a function that starts an environment that no candidate ran in."""


async def no_change() -> Sequence[str]:
    """Return no path, in trials without a check that compares the tree."""
    return ()


@dataclass(frozen=True)
class Observation:
    """The results of all steps by name, and everything else that checks can examine.

    `failure` is the reason why the steps ended early: a fixture, the setup or a step failed.
    `changed` returns the paths that differ from the tree before the first step. `suite_folder`
    contains the rubrics of the suite, which has an `edition`. `crossed` is what crossed the wall.
    `unit_tests` tells how unit tests ended, if they were watched. `timeout` is the time limit of a
    check, and `variables` are those of the steps. `unjudged` are the failures of the judge by
    number of check.
    """

    steps: Mapping[str, StepRecord]
    environment: ExecutionEnvironment
    failure: str = ""
    changed: Callable[[], Awaitable[Sequence[str]]] = no_change
    twins: Mapping[str, TwinRequests] = field(default_factory=dict[str, TwinRequests])
    usage: TrialUsage = field(default_factory=TrialUsage)
    suite_folder: Path = Path()
    edition: int = EDITION
    seed: int = 0
    crossed: Crossed = field(default_factory=dict[str, CrossedInTest])
    unit_tests: UnitTests = UnitTests()
    timeout: timedelta = timedelta(minutes=1)
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    ask_judge: AskJudge = no_judge
    probe: Probe | None = None
    verify: Verify | None = None
    separate: Separate | None = None
    unjudged: dict[int, Unjudged] = field(default_factory=dict[int, Unjudged])

    def keep(self, check: int, error: Unjudged) -> None:
        """Keep the failure of the judge for a check, and count the usage."""
        self.unjudged[check] = error
        self.usage.add(error)


@dataclass(frozen=True)
class CheckResult:
    """The result of a check, with the reason and the hash of the evidence.

    A trial needs every hard check, and a mean score of its soft checks.
    """

    kind: str
    passed: bool
    score: float
    reason: str
    evidence: str
    hard: bool = True

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


class CheckPhase(IntEnum):
    """The moment when a check is judged."""

    RUNNING = 0
    """While the services of the trial run."""
    STOPPED = 1
    """After all processes of the trial ended."""
    LAST = 2
    """After all other checks."""


class Check(Protocol):
    """Checks an observation; the fields of the class are the options in the suite."""

    phase: ClassVar[CheckPhase]
    compares_tree: ClassVar[bool]
    """Whether the check needs `Observation.changed`."""
    needs_judge: ClassVar[bool]
    """Whether the check needs `Observation.ask_judge`."""

    @property
    def hard(self) -> bool:
        """Whether a trial is only satisfied if the check passes."""
        ...

    async def find_missing(
        self, settings: SuiteSettings, environ: Mapping[str, str]
    ) -> UsageError | None:
        """Return the error if this machine lacks something that the check needs."""
        ...

    async def judge(self, observed: Observation) -> CheckResult:
        """Check the observation."""
        ...


@runtime_checkable
class JudgedCheck(Check, Protocol):
    """A check by a single question to the judge, which can be asked after the trial too."""

    def scored(self, question: JudgeQuestion, verdict: JudgeVerdict) -> CheckResult:
        """Return the result of the check by the verdict on its question."""
        ...


class CheckOptions(SuiteTable):
    """The base of every kind of check.

    An option named `step`, `than`, `twin`, `program`, `cases` or `rubric` is the name of a step of
    the scenario, of a twin of the suite, or of a file in `checks/` or `rubrics/`. An option `steps`
    is a list of steps.
    """

    phase: ClassVar[CheckPhase] = CheckPhase.STOPPED
    compares_tree: ClassVar[bool] = False
    needs_judge: ClassVar[bool] = False
    step_kinds: ClassVar[tuple[type[SuiteTable], ...]] = (CommandStep, RequestStep)
    """The kinds of steps that `step` can name."""
    is_of_repeated: ClassVar[bool] = False
    """Whether `step` names a repeated request, which has no one response."""

    hard: bool = Field(
        default=True,
        description="whether the check must pass; the scores of soft checks are averaged",
    )

    async def find_missing(
        self, settings: SuiteSettings, environ: Mapping[str, str]
    ) -> UsageError | None:
        """Return None: most checks need nothing of the machine."""
        return None


def check_result(
    kind: str, *, passed: bool, reason: str, evidence: str, score: float | None = None
) -> CheckResult:
    """Return a result (default: with the score 0 or 1)."""
    digest = content_hash(evidence.encode("utf-8", "surrogateescape"))
    return CheckResult(kind, passed, float(passed) if score is None else score, reason, digest)


def meets(request: SeenRequest, pattern: RequestPattern) -> bool:
    """Return whether a request meets all conditions of a pattern."""
    return (
        fnmatchcase(str(request["method"]), pattern.method)
        and fnmatchcase(str(request["path"]), pattern.path)
        and all(
            any(same_json(value, cast("Json", expected)) for value in path.find(request["body"]))
            for path, expected in pattern.body.items()
        )
    )


def is_accepted(request: SeenRequest) -> bool:
    """Return whether a twin accepted a request."""
    return cast("int", request["status"]) < HTTPStatus.BAD_REQUEST


def step_record(observed: Observation, kind: str, step: str) -> StepRecord | CheckResult:
    """Return the record of a step; if the step failed or did not run, return a failed result."""
    record = observed.steps.get(step)
    if record is None:
        reason = f"step {step} did not run" + (f": {observed.failure}" if observed.failure else "")
        return check_result(kind, passed=False, reason=reason, evidence="")
    if record.trouble:
        reason = f"step {step}: {record.trouble}"
        return check_result(kind, passed=False, reason=reason, evidence=record.trouble)
    return record


def check_registry() -> Registry[type[Check]]:
    """Return the kinds of checks by name."""
    return Registry("attractor.scenarios.checks", type[Check], noun="check")


def build_checks(scenario: Scenario, kinds: Registry[type[Check]]) -> list[Check]:
    """Build the checks of a valid scenario."""
    return [_build(spec, kinds[spec.kind]) for spec in scenario.checks]


async def judge_phase(
    scenario: Scenario,
    checks: Sequence[Check],
    observed: Observation,
    timeout: timedelta,
    phase: CheckPhase,
) -> dict[int, CheckResult]:
    """Judge the checks of a phase, even if an earlier check failed; return results by number.

    A check without a result, because the judge failed, is kept in the observation.
    """
    results: dict[int, CheckResult] = {}
    for number, (spec, check) in enumerate(zip(scenario.checks, checks, strict=True)):
        if check.phase is not phase:
            continue
        try:
            result = await _judged(check, spec.kind, observed, timeout)
            results[number] = replace(result, hard=check.hard)
        except Unjudged as error:
            if not isinstance(check, JudgedCheck):
                raise
            observed.keep(number, error)
    return results


async def _judged(
    check: Check, kind: str, observed: Observation, timeout: timedelta
) -> CheckResult:
    """Judge a check within the time limit of the trial; a tree that cannot be read fails it."""
    # A limit of its own is that of a program or page, without a copy of the tree and a sandbox.
    own = getattr(check, "timeout", timedelta())
    limit = timeout + (own if isinstance(own, timedelta) else timeout)
    # A slow model of the judge is no fault of the candidate, and has limits of its own.
    running = asyncio.timeout(None if check.needs_judge else limit.total_seconds())
    try:
        async with running:
            return await check.judge(observed)
    except TimeoutError:
        if not running.expired():
            raise
        reason = f"the check exceeded its time limit of {format_duration(limit)}"
    except FileUnusable as error:
        reason = str(error)
    return check_result(kind, passed=False, reason=reason, evidence=reason)


def _build(spec: CheckSpec, kind: type[Check]) -> Check:
    return cast(Check, cast(type[BaseModel], kind).model_validate(spec.options, context=EARLIER))


_FOLDERS = {"program": "checks", "cases": "checks", "rubric": "rubrics"}
"""The folder of the file that an option names."""


def check_mistakes(
    scenario: Scenario,
    kinds: Registry[type[Check]],
    *,
    twins: Collection[str] = (),
    files: Collection[str] = (),
    is_sealed: bool = False,
) -> Iterator[TomlMistake]:
    """Yield the mistakes in checks and probes of a scenario; `files` are the paths of a suite."""
    programs = _files_in("checks", files)
    for number, step in enumerate(scenario.steps):
        if isinstance(step, ProbeStep) and step.probe not in programs:
            path = ("steps", number, "probe")
            message = f"{dotted(path)}: unknown {_NOUNS['program']} {step.probe!r}"
            yield TomlMistake(
                path, message, did_you_mean(step.probe, programs) or _REMEDIES["program"]
            )
    for number, spec in enumerate(scenario.checks):
        at = ("checks", number)
        check = _built_or_mistakes(spec, at, kinds, is_sealed=is_sealed)
        if isinstance(check, list):
            yield from check
            continue
        for key, named, known in _references(check, scenario, twins, files):
            if named not in known:
                steps = [
                    step for step in scenario.steps if key.startswith("step") and step.name == named
                ]
                if steps:
                    unknown = f"step {named!r} is {_noun_of(steps[0])}"
                else:
                    unknown = f"unknown {_NOUNS[key]} {named!r}"
                message = f"{dotted((*at, key))}: {unknown}"
                hint = did_you_mean(named, known) or _REMEDIES[key]
                yield TomlMistake((*at, key), message, hint)


def files_of_checks(scenario: Scenario, kinds: Registry[type[Check]]) -> Iterator[tuple[str, str]]:
    """Yield the options and the paths with which a valid scenario names files of the suite."""
    for step in scenario.steps:
        if isinstance(step, ProbeStep):
            yield "program", f"checks/{step.probe}"
    for check in build_checks(scenario, kinds):
        for key, folder in _FOLDERS.items():
            if isinstance(named := getattr(check, key, None), str):
                yield key, f"{folder}/{named}"


async def require_judgeable(suite: Suite, environ: Mapping[str, str]) -> None:
    """Refuse a suite with checks that need something that this machine lacks."""
    kinds = check_registry()
    for scenario in suite.scenarios:
        for check in build_checks(scenario, kinds):
            if missing := await check.find_missing(suite.settings, environ):
                raise missing


def needs_judge(suite: Suite) -> bool:
    """Return whether a check of a suite needs the judge of rubrics."""
    kinds = check_registry()
    return any(kinds[spec.kind].needs_judge for one in suite.scenarios for spec in one.checks)


_STEP_NOUNS: Mapping[type[SuiteTable], str] = {
    CommandStep: "a command",
    ServiceStep: "a background service",
    RequestStep: "an HTTP request",
    ProbeStep: "a probe",
    RestartStep: "a restart",
    KillStep: "a kill",
    ReceivedStep: "a request to a twin",
}


def _noun_of(step: Step) -> str:
    noun = _STEP_NOUNS[type(step)]
    if not isinstance(step, RequestStep):
        return noun
    return f"{noun} with repeat" if step.repeat > 1 else f"{noun} without repeat"


_NOUNS = {
    "step": "step",
    "than": "step",
    "steps": "step",
    "twin": "twin",
    **{key: f"file in {one}/" for key, one in _FOLDERS.items()},
}
_REMEDIES = {
    "step": "add a step of the right kind",
    "than": "add a step of the right kind",
    "steps": "add a step of the right kind",
    "twin": "name it in a [[twins]] of suite.toml",
    **{key: f"add it to {folder}/" for key, folder in _FOLDERS.items()},
}


def _built_or_mistakes(
    spec: CheckSpec, at: KeyPath, kinds: Registry[type[Check]], *, is_sealed: bool
) -> Check | list[TomlMistake]:
    try:
        kind = kinds[spec.kind]
    except UnknownName as error:
        message = f"{dotted((*at, 'kind'))}: {error.message}"
        return [TomlMistake((*at, "kind"), message, error.hint)]
    try:
        if not is_sealed:
            read_table(cast(type[BaseModel], kind), spec.options)
        return _build(spec, kind)
    except ValidationError as error:
        return mistakes_of(error, cast(type[BaseModel], kind), spec.options, at)


def _references(
    check: Check, scenario: Scenario, twins: Collection[str], files: Collection[str]
) -> Iterator[tuple[str, str, Collection[str]]]:
    """Yield each option that names something else: the option, the name, and the known names."""
    kinds = getattr(check, "step_kinds", ())
    is_of_repeated = getattr(check, "is_of_repeated", False)
    steps = [
        step.name
        for step in scenario.steps
        if isinstance(step, kinds)
        and (isinstance(step, RequestStep) and step.repeat > 1) is is_of_repeated
    ]
    known: dict[str, Collection[str]] = {"step": steps, "than": steps, "twin": twins}
    for key, folder in _FOLDERS.items():
        known[key] = _files_in(folder, files)
    for key, names in known.items():
        if (named := getattr(check, key, None)) and isinstance(named, str):
            yield key, named, names
    for named in getattr(check, "steps", ()):
        yield "steps", named, steps


def _files_in(folder: str, files: Collection[str]) -> list[str]:
    return [file.removeprefix(f"{folder}/") for file in files if file.startswith(f"{folder}/")]


def same_json(first: Json, second: Json) -> bool:
    """Return whether two values are equal in JSON, where 1 equals 1.0, but not true."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(
            same_json(value, second[name]) for name, value in first.items()
        )
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same_json, first, second))
    return isinstance(first, bool) == isinstance(second, bool) and first == second


class TextExpectation(SuiteTable):
    """The expected content of a text, which must match all options that are set."""

    equals: str | None = Field(
        default=None, description="the whole text, without blanks and line ends around it"
    )
    contains: str | None = Field(default=None, description="a part of the text")
    lacks: str | None = Field(default=None, description="a text that must not be in it")
    matches: Regex | None = Field(
        default=None,
        description="a [regular expression](#regular-expressions) that matches somewhere",
    )
    lacks_match: Regex | None = Field(
        default=None, description="a regular expression that must match nowhere"
    )

    async def mismatch(self, text: str, edition: int) -> str:
        """Return the reason why a text does not match, or ""."""
        if self.equals is not None and text.strip() != self.equals.strip():
            return f"is not {self.equals.strip()!r}"
        if self.contains is not None and self.contains not in text:
            return f"does not contain {self.contains!r}"
        if self.lacks is not None and self.lacks in text:
            return f"contains {self.lacks!r}"
        if self.matches is not None and not all(await search_texts(self.matches, [text], edition)):
            return f"does not match {self.matches!r}"
        if self.lacks_match is not None and any(
            await search_texts(self.lacks_match, [text], edition)
        ):
            return f"matches {self.lacks_match!r}"
        return ""

    @property
    def is_given(self) -> bool:
        """Whether any option is set."""
        options = (self.equals, self.contains, self.lacks, self.matches, self.lacks_match)
        return any(one is not None for one in options)


class NonEmptyTextExpectation(TextExpectation):
    """A text expectation with at least one option."""

    @model_validator(mode="after")
    def _has_an_option(self) -> "NonEmptyTextExpectation":
        if not self.is_given:
            raise ValueError("set at least one of equals, contains, lacks, matches and lacks_match")
        return self
