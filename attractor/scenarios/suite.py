"""Suites: scenarios with steps and checks, and the limits of the gate."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Annotated, Any, Literal, Never, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration, NotCanonical
from attractor.base.json import Json, canonical_json
from attractor.base.processes import works_at_once
from attractor.base.toml import Fault, KeyPath, TomlMistake, explain_faults
from attractor.config.schema import child, keys_at
from attractor.config.tables import Name, RelativePath, StrictTable
from attractor.scenarios._search import LinearPattern
from attractor.scenarios.requirements import RequirementList, RequirementSettings
from attractor.twins.recordings.json_diff import JsonPath, JsonPathField

EDITION = 2
"""The edition of new suites: the meaning of patterns and paths in their checks.

A suite that was sealed without an edition has edition 1.
"""

MOST_TRIALS = 1000
"""The maximum number of trials of a scenario."""

_KB_OF_A_TRIAL = 1024 * 1024
_FRACTION = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18}|/[0-9]{1,18})?")


def _as_duration(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('write a duration as text, such as "30s"')
    try:
        return parse_duration(value)
    except InvalidDuration as error:
        raise ValueError(f"{error.message}; {error.hint}") from error


def _is_json(value: object) -> object:
    try:
        canonical_json(cast("Json", value))
    except NotCanonical as error:
        raise ValueError(error.message) from error
    return value


def _as_fraction(value: object) -> object:
    if isinstance(value, str) and not _FRACTION.fullmatch(value):
        # A large exponent would take too long to compute.
        raise ValueError("write a number, such as 0.9 or 9/10")
    try:
        # From text: 0.9 as a float is slightly more than nine tenths.
        return Fraction(str(value)) if isinstance(value, int | float | str) else value
    except ZeroDivisionError as error:
        raise ValueError("division by 0") from error


def _is_url_path(path: str) -> str:
    if not path.startswith("/") or not path.isprintable() or "#" in path:
        raise ValueError("write a path such as /tasks?open=1, without line breaks and #")
    return path


JsonValue = Annotated[Any, AfterValidator(_is_json)]
ExactFraction = Annotated[
    Fraction, BeforeValidator(_as_fraction, json_schema_input_type=int | float | str)
]
Duration = Annotated[timedelta, BeforeValidator(_as_duration, json_schema_input_type=str)]
UrlPath = Annotated[str, AfterValidator(_is_url_path)]
Status = Annotated[int, Field(ge=100, le=599)]
StatusText = Annotated[str, Field(pattern="^[1-5][0-9][0-9]$")]
Headers = dict[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")],
    # A client sends no blanks around a value.
    Annotated[str, Field(pattern=r"^([!-~]([\t -~]*[!-~])?)?$")],
]
_PYTHON = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
_JAVASCRIPT = r"\.(/[A-Za-z0-9_@-][A-Za-z0-9_@.-]*)+"
ModuleName = Annotated[str, Field(pattern=f"^({_PYTHON}|{_JAVASCRIPT})$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Variables = dict[VariableName, str]
HEADER, COOKIE, PATTERN = "header:", "cookie:", "pattern:"
"""The begin of places in a response; others are paths in its JSON."""


def _is_place(text: str) -> str:
    if text.startswith(PATTERN):
        LinearPattern(text.removeprefix(PATTERN))
    elif text.startswith("$"):
        JsonPath(text)
    elif not text.startswith((HEADER, COOKIE)) or text.endswith(":"):
        raise ValueError('write "$.token", "header:location", "cookie:id" or "pattern:id=(.+)"')
    return text


TakenFrom = Annotated[str, AfterValidator(_is_place)]


class SuiteTable(StrictTable):
    """A table in a suite."""


CASES = "cases"
"""The kind of check that calls functions: it needs no step."""
PROBE = "probe"
"""The kind of check that talks to running services."""
LATENCY = "latency"
"""The kind of check that measures times of a repeated request."""
ALL_PIPELINES = "*"
"""Stands for all pipelines of a project."""


def _as_pipelines(value: object) -> object:
    if not isinstance(value, str | list | tuple):
        raise ValueError("write a name in quotes, or a list of names")
    return (value,) if isinstance(value, str) else tuple(cast("Sequence[object]", value))


def _are_pipelines(pipelines: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(pipelines)) < len(pipelines):
        raise ValueError("remove the duplicate")
    if ALL_PIPELINES in pipelines and len(pipelines) > 1:
        raise ValueError(f'write "{ALL_PIPELINES}" alone, or the names without it')
    return pipelines


def _as_written(pipelines: tuple[str, ...]) -> str | tuple[str, ...]:
    return pipelines[0] if len(pipelines) == 1 else pipelines


Pipelines = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_as_pipelines, json_schema_input_type=str | list[str]),
    AfterValidator(_are_pipelines),
    # Records of suites for one pipeline contain its name, not a list.
    PlainSerializer(_as_written, return_type=str | tuple[str, ...]),
]


class TrialSettings(SuiteTable):
    """The number of trials of each scenario, and the limits of a trial."""

    n: int = Field(
        default=1, ge=1, description="the number of trials of each scenario, at most 1000"
    )
    seed: int = Field(
        default=0, ge=0, description="the number from which the seed of each trial is derived"
    )
    timeout: Duration = Field(
        default=timedelta(seconds=60),
        description="the time limit of a step without `timeout`, and of each check",
    )
    concurrency: Literal["cores"] | Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        description='the number of trials that are played at once; `"cores"`: one for each core, '
        "where the machine has 1 GiB of free memory for each",
    )
    infra_retries: int = Field(
        default=1,
        ge=0,
        description="the number of retries after trouble, never after a failed trial",
    )
    carry: tuple[RelativePath, ...] | None = Field(
        default=None,
        description="the [carried paths](#carried-paths) that trials get (default: folders of "
        "dependencies)",
    )

    @property
    def at_once(self) -> int:
        """The number of trials that are played at once on this machine."""
        return works_at_once(_KB_OF_A_TRIAL) if self.concurrency == "cores" else self.concurrency

    @field_validator("n")
    @classmethod
    def _is_limited(cls, n: int) -> int:
        if n > MOST_TRIALS:
            raise ValueError(f"more than {MOST_TRIALS} trials of a scenario")
        return n


class GateSettings(SuiteTable):
    """The limits of the gate."""

    min_satisfaction: ExactFraction = Field(
        default=Fraction(1),
        ge=0,
        le=1,
        description="the smallest weighted share of satisfied trials",
    )
    min_lower_bound: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="the smallest lower confidence bound of the share of satisfied trials",
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="the confidence of the lower bound"
    )
    min_scenarios: int = Field(
        default=1, ge=1, description="the smallest number of held-out scenarios with a verdict"
    )
    must: tuple[str, ...] = Field(
        default=(),
        description="ids, or patterns such as `login-*`, of scenarios that cannot be waived",
    )
    max_regression: ExactFraction | None = Field(
        default=None,
        ge=0,
        le=1,
        description="the largest decrease of the satisfaction since the last approved run",
    )
    stability: int = Field(
        default=1, ge=1, description="the number of evaluations in a row without a failure"
    )
    max_cost_usd: float | None = Field(
        default=None, gt=0, description="the largest cost of a run and its evaluation"
    )
    max_evaluations: int = Field(
        default=2, ge=1, description="the number of evaluations of the same tree"
    )
    max_attempts_per_version: int = Field(
        default=20, ge=1, description="the number of trees that one version of the suite judges"
    )


class IsolationSettings(SuiteTable):
    """The canary that every holdout carries."""

    canary: str = Field(
        default="",
        pattern=r"^([!-~]{16,200})?$",
        description="a text in every held-out scenario, which proves a leak (default: the sealed "
        "copy gets one)",
    )


class TwinSettings(SuiteTable):
    """A service twin that is started and seeded for each trial."""

    name: Name = Field(description="the name of a folder in `_twins/`")
    seed: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="members of the twin's state that replace the ones in `twin.toml`",
    )


class JudgeSettings(SuiteTable):
    """The model that judges rubrics, and the number of its votes."""

    provider: str = Field(
        default="", description="the provider of the model (default: the only one with a key)"
    )
    model: str = Field(
        default="", description="the model that judges rubrics (default: the provider's newest)"
    )
    votes: int = Field(
        default=1, ge=1, le=9, description="the number of answers of the model to each rubric"
    )


Version = Annotated[
    Literal["candidate", "base"],
    Field(
        description="the tree; `base` is that before the change: see [two versions](#two-versions)"
    ),
]


class CommandStep(SuiteTable):
    """A shell command in the folder of the candidate, or in the folder `cwd` below."""

    name: Name = Field(description="the name of the step")
    run: str = Field(description="a command line for bash")
    of: Version = "candidate"
    env: Variables = Field(default_factory=dict[str, str], description="more environment variables")
    stdin: str = Field(default="", description="the standard input")
    cwd: RelativePath = Field(
        default=".", description="the working folder, below the folder of the candidate"
    )
    timeout: Duration | None = Field(
        default=None, description="the time limit (default: `trials.timeout`)"
    )


class HealthCheck(SuiteTable):
    """A request that a service answers with a status once it is ready."""

    path: UrlPath = Field(description="the path of a GET request")
    status: Status = Field(
        default=200, description="the status of the response of a service that is ready"
    )


class ServiceStep(SuiteTable):
    """A background command, which is ready when its health check passes within `ready`.

    Without a health check, it is ready when its port accepts connections.
    """

    name: Name = Field(description="the name of the step")
    service: str = Field(description="a command line for bash, which runs in the background")
    of: Version = "candidate"
    port: int = Field(ge=1, le=65535, description="the port of the service")
    env: Variables = Field(default_factory=dict[str, str], description="more environment variables")
    health: HealthCheck | None = Field(
        default=None,
        description="the request that tells whether the service is ready (default: the port "
        "accepts connections)",
    )
    ready: Duration = Field(
        default=timedelta(seconds=10), description="the time until the service must be ready"
    )
    from_: Literal["base"] | None = Field(
        default=None,
        alias="from",
        description="stops the services of the base, and gives the candidate the paths `state`",
    )
    state: tuple[RelativePath, ...] = Field(
        default=(), description="files and folders that the services of the base wrote"
    )

    @model_validator(mode="after")
    def _takes_what_the_base_wrote(self) -> "ServiceStep":
        if bool(self.from_) is not bool(self.state) or (self.from_ and self.of == "base"):
            raise ValueError(
                'from = "base" and state belong together, at a service of the candidate'
            )
        return self


class RequestStep(SuiteTable):
    """An HTTP request to a port of the environment."""

    name: Name = Field(description="the name of the step")
    port: int = Field(ge=1, le=65535, description="the port of a service in the sandbox")
    of: Version = "candidate"
    path: UrlPath = Field(default="/", description="the path with the query")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = Field(
        default="GET", description="the method"
    )
    headers: Headers = Field(
        default_factory=dict[str, str],
        description="headers; they override `host`, `content-type` and `accept-encoding`",
    )
    body: str = Field(default="", description="the body as text")
    json_: JsonValue = Field(
        default=None, alias="json", description="the body as JSON, with a header `content-type`"
    )
    timeout: Duration | None = Field(
        default=None, description="the time limit (default: `trials.timeout`)"
    )
    take: dict[VariableName, TakenFrom] = Field(
        default_factory=dict[str, str],
        description="values of the response for later steps, by name: see [captures](#captures)",
    )
    cookies: Literal[""] | Name = Field(
        default="", description="the name of a jar, whose cookies are sent and kept"
    )
    repeat: int = Field(default=1, ge=1, le=1000, description="how often it is sent")
    at_once: int = Field(
        default=1, ge=1, le=100, description="how many of them at once, each by its own connection"
    )
    statuses: dict[StatusText, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict[str, int],
        description="of a repeated request: how many responses have which status",
    )

    @property
    def texts(self) -> str:
        """All texts of the request in which `${NAME}` is a value that a step before has taken."""
        return "\n".join([self.path, *self.headers.values(), self.body, json.dumps(self.json_)])

    @model_validator(mode="after")
    def _has_one_body(self) -> "RequestStep":
        if self.body and self.json_ is not None:
            raise ValueError("set either body or json")
        return self

    @model_validator(mode="after")
    def _says_what_is_allowed(self) -> "RequestStep":
        if self.repeat == 1 and (self.at_once > 1 or self.statuses):
            raise ValueError("at_once and statuses belong to a request with repeat")
        if self.repeat > 1 and sum(self.statuses.values()) != self.repeat:
            raise ValueError('the numbers in statuses, such as { "200" = 49 }, sum up to repeat')
        if self.repeat > 1 and (self.take or self.at_once > self.repeat):
            raise ValueError("a repeated request takes nothing, and at_once is at most repeat")
        return self


class RequestPattern(SuiteTable):
    """Conditions on a request; `*` in the path is any text, `body` maps JSON paths to values."""

    method: str = Field(default="*", description="the method; `*` is any text")
    path: str = Field(default="*", description="the path without the query; `*` is any text")
    body: dict[JsonPathField, JsonValue] = Field(
        default_factory=dict[JsonPathField, JsonValue],
        description="for each JSON path, such as `$.amount`, the value in the body",
    )

    def __str__(self) -> str:
        conditions = "".join(f" {path}={json.dumps(value)}" for path, value in self.body.items())
        return f"{self.method} {self.path}{conditions}"


class ReceivedStep(RequestPattern):
    """Awaits a request or a letter that a twin receives, and takes values from it."""

    name: Name = Field(description="the name of the step")
    received: Name = Field(description="a twin of the suite")
    of: Version = "candidate"
    take: dict[VariableName, TakenFrom] = Field(
        default_factory=dict[str, str],
        description="values of its body for later steps, by name: see [captures](#captures)",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=10), description="the time until the request must be received"
    )

    @field_validator("take")
    @classmethod
    def _is_in_the_body(cls, take: dict[str, str]) -> dict[str, str]:
        if any(one.startswith((HEADER, COOKIE)) for one in take.values()):
            raise ValueError('write "$.link" or "pattern:code=(.+)"')
        return take


class ProbeStep(SuiteTable):
    """A program in `checks/` that talks to the services from a sandbox of its own."""

    name: Name = Field(description="the name of the step")
    probe: RelativePath = Field(description="an executable file in `checks/`")
    args: tuple[str, ...] = Field(default=(), description="arguments of the program")
    timeout: Duration | None = Field(
        default=None, description="its time limit (default: `trials.timeout`)"
    )


class RestartStep(SuiteTable):
    """Stops a service with SIGTERM, and starts it again on the same files."""

    name: Name = Field(description="the name of the step")
    restart: Name = Field(description="the step that started the service")

    @property
    def service(self) -> str:
        """The name of the step that started the service."""
        return self.restart


class KillStep(SuiteTable):
    """Kills a service with SIGKILL, and starts it again on the same files."""

    name: Name = Field(description="the name of the step")
    kill: Name = Field(description="the step that started the service")

    @property
    def service(self) -> str:
        """The name of the step that started the service."""
        return self.kill


STEP_KINDS: Mapping[str, type[SuiteTable]] = {
    "a command step": CommandStep,
    "a service step": ServiceStep,
    "a probe step": ProbeStep,
    "a restart step": RestartStep,
    "a kill step": KillStep,
    "a request step": RequestStep,
    "a received step": ReceivedStep,
}
"""The kinds of steps by internal name; the names contain blanks, so that no key equals a name."""


_KINDS_BY_KEY = {
    "run": "a command step",
    "service": "a service step",
    "probe": "a probe step",
    "restart": "a restart step",
    "kill": "a kill step",
    "port": "a request step",
    "received": "a received step",
}


def _kind_of_step(step: object) -> str | None:
    """Return the kind of a step by the key that only this kind has, for precise error messages."""
    if not isinstance(step, dict):
        return next((kind for kind, model in STEP_KINDS.items() if type(step) is model), None)
    keys = cast("dict[str, object]", step).keys()
    return next((kind for key, kind in _KINDS_BY_KEY.items() if key in keys), None)


Step = Annotated[
    Annotated[CommandStep, Tag("a command step")]
    | Annotated[ServiceStep, Tag("a service step")]
    | Annotated[ProbeStep, Tag("a probe step")]
    | Annotated[RestartStep, Tag("a restart step")]
    | Annotated[KillStep, Tag("a kill step")]
    | Annotated[RequestStep, Tag("a request step")]
    | Annotated[ReceivedStep, Tag("a received step")],
    Discriminator(
        _kind_of_step,
        custom_error_type="step_kind",
        custom_error_message="a step needs run, service, port, received, probe, restart or kill",
    ),
]


class CheckSpec(SuiteTable):
    """A check: `kind` names a file in `checks/`; all other keys are options of that kind."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field(description="the kind of check")

    @property
    def options(self) -> dict[str, Any]:
        """All keys except for `kind`."""
        return dict(self.model_extra or {})


def _as_fixture(value: object) -> object:
    return {"from": value} if isinstance(value, str) else value


class FixtureTable(SuiteTable):
    """A file or folder in `fixtures/`, and its path in the folder of the candidate."""

    source: RelativePath = Field(alias="from", description="a file or folder in `fixtures/`")
    to: RelativePath = Field(
        default="", description="its path in the folder of the candidate (default: the same path)"
    )

    @property
    def target(self) -> str:
        """The path in the folder of the candidate (default: the path in `fixtures/`)."""
        return self.to or self.source


Fixture = Annotated[
    FixtureTable, BeforeValidator(_as_fixture, json_schema_input_type=RelativePath | FixtureTable)
]


class Setup(SuiteTable):
    """Shell commands before the steps; if a command fails, the trial ends."""

    run: tuple[str, ...] = Field(default=(), description="command lines for bash")
    timeout: Duration | None = Field(
        default=None, description="the time limit of each command (default: `trials.timeout`)"
    )


class SuiteSetup(SuiteTable):
    """Shell commands that build the candidate, once for all trials of an evaluation."""

    run: tuple[str, ...] = Field(default=(), description="command lines for bash")
    timeout: Duration = Field(
        default=timedelta(minutes=10), description="the time limit of each command"
    )


class Scenario(SuiteTable):
    """A scenario: fixtures, setup, steps and checks."""

    id: Name = Field(description="the name of the scenario in reports")
    title: str = Field(description="one line for people")
    story: str = Field(description="the words of a person; no two scenarios have the same")
    split: Literal["train", "holdout"] = Field(
        default="holdout", description="the name of the folder"
    )
    weight: ExactFraction = Field(
        default=Fraction(1), gt=0, description="the weight of its trials in the satisfaction"
    )
    tags: tuple[Name, ...] = Field(default=(), description="words for feedback to agents")
    proves: tuple[Name, ...] = Field(
        default=(), description="ids of [requirements](#requirements) that the scenario proves"
    )
    min_pass_rate: ExactFraction = Field(
        default=Fraction(1),
        gt=0,
        le=1,
        description="the share of its trials that must be satisfied",
    )
    min_soft_score: float = Field(
        default=0.7, ge=0, le=1, description="the smallest mean score of its soft checks"
    )
    baseline: Literal["fail", "pass", "any"] = Field(
        default="fail",
        description="the expected result on the untouched tree",
    )
    fixtures: tuple[Fixture, ...] = Field(
        default=(),
        description="files that are copied into the folder of the candidate first: paths in "
        "`fixtures/`, or tables with `from` and `to`",
    )
    seed: dict[Name, dict[str, Any]] = Field(
        default_factory=dict[str, dict[str, Any]],
        description="for each twin, members of its state that replace the ones of the suite",
    )
    wall: tuple[ModuleName, ...] = Field(
        default=(), description="modules of the candidate that its tests use: see [wall](#wall)"
    )
    wall_without: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="unit tests that are left out, such as `SumTest.test_sum`"
    )
    setup: Setup = Field(default=Setup(), description="see [setup](#setup)")
    steps: tuple[Step, ...] = Field(
        default=(), description="see [steps](#steps); none only beside a check of kind `cases`"
    )
    checks: tuple[CheckSpec, ...] = Field(min_length=1, description="see [checks](#checks)")

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Scenario":
        names = [step.name for step in self.steps]
        if len(names) != len(set(names)):
            raise ValueError("duplicate step name")
        if not self.steps and all(check.kind != CASES for check in self.checks):
            raise ValueError("write at least one step")
        if self.wall and not all(isinstance(step, CommandStep) for step in self.steps):
            raise ValueError("behind a wall, each step is a command")
        if self.wall_without and not self.wall:
            raise ValueError("wall_without needs wall")
        if self.wall and self.needs_base:
            raise ValueError("behind a wall, no step is of the base")
        return self

    @property
    def needs_base(self) -> bool:
        """Whether a step needs the tree before the change."""
        return any(
            is_of_base(one) or (isinstance(one, ServiceStep) and one.from_) for one in self.steps
        )

    @property
    def is_played_alone(self) -> bool:
        """Whether other trials beside it would change what it measures."""
        return any(check.kind == LATENCY for check in self.checks) or any(
            isinstance(one, RequestStep) and one.at_once > 1 for one in self.steps
        )

    @property
    def services(self) -> Mapping[str, int]:
        """The ports of the services by the names of their steps, in order."""
        return {one.name: one.port for one in self.steps if isinstance(one, ServiceStep)}

    @model_validator(mode="after")
    def _starts_services_first(self) -> "Scenario":
        started: dict[str, str] = {}
        own: set[str] = set()
        for step in self.steps:
            match step:
                case ServiceStep():
                    variable = base_url_variable(step.name)
                    if (other := started.setdefault(variable, step.name)) != step.name:
                        raise ValueError(f"{other} and {step.name} are both {variable} in probes")
                    own |= {step.name} if step.of == "candidate" else set()
                case RestartStep() | KillStep() if step.service not in own:
                    lack = f"step {step.name}: no step before starts a service {step.service!r}"
                    lack += " of the candidate"
                    raise ValueError(lack)
                case ProbeStep() if not started:
                    raise ValueError(f"step {step.name}: no step before starts a service")
                case _:
                    pass
        if not started and any(check.kind == PROBE for check in self.checks):
            raise ValueError("a check of kind probe needs a step with a service")
        return self

    @model_validator(mode="after")
    def _measures_the_base_first(self) -> "Scenario":
        compared = [one.options.get("than") for one in self.checks if one.kind == LATENCY]
        candidate_runs = False
        for step in self.steps:
            if not is_of_base(step):
                candidate_runs |= isinstance(step, CommandStep | ServiceStep)
            elif candidate_runs and step.name in compared:
                raise ValueError(
                    f"step {step.name}: measure the base before the first command or service of "
                    "the candidate, which could slow it down"
                )
        return self

    @model_validator(mode="after")
    def _uses_what_was_taken(self) -> "Scenario":
        takers = [one for one in self.steps if isinstance(one, RequestStep | ReceivedStep)]
        taken: set[str] = set()
        for step in takers if any(one.take for one in takers) else ():
            texts = step.texts if isinstance(step, RequestStep) else ""
            if unknown := {*re.findall(r"\$\{(\w+)\}", texts)} - taken:
                raise ValueError(f"step {step.name}: no step before takes {min(unknown)!r}")
            taken |= step.take.keys()
        return self


def is_of_base(step: Step) -> bool:
    """Return whether a step is of the tree before the change."""
    match step:
        case CommandStep() | ServiceStep() | RequestStep() | ReceivedStep():
            return step.of == "base"
        case _:
            return False


def base_url_variable(service: str) -> str:
    """Return the variable of probes with the address of a service."""
    return f"BASE_URL_{re.sub(r'[^A-Za-z0-9_]', '_', service)}"


class WrongSolution(SuiteTable):
    """A patch in `wrong/` with a mistake that holdouts must notice."""

    id: Name = Field(description="the name of the patch `wrong/ID.patch`")
    on: str | None = Field(
        default=None,
        description='the id of the reference patch that is applied before; `""`: none, the patch '
        "changes the commit itself (default: the only reference)",
    )
    noticed_by: tuple[Name, ...] = Field(
        min_length=1, description="the ids of holdouts of which one must fail"
    )
    breaks: Name = Field(
        default="", description="the id of the [requirement](#requirements) that it breaks"
    )


class AcceptedCheat(SuiteTable):
    """A cheat that a holdout believes, and with which the suite is registered all the same."""

    cheat: Name = Field(description="the name of the cheat")
    why: str = Field(min_length=1, description="the reason, which each verdict shows")


class SuiteSettings(SuiteTable):
    """The content of `suite.toml`."""

    name: Name = Field(description="the name of the suite")
    pipeline: Pipelines = Field(
        description="the name of the pipeline whose runs the suite judges, or a list of names; "
        "with `NAME@VERSION`, only runs of this registered version; `*` alone means all pipelines"
    )
    trials: TrialSettings = Field(default=TrialSettings(), description="see [trials](#trials)")
    gate: GateSettings = Field(default=GateSettings(), description="see [gate](#gate)")
    isolation: IsolationSettings = Field(
        default=IsolationSettings(), description="see [isolation](#isolation)"
    )
    setup: SuiteSetup = Field(
        default=SuiteSetup(), description="see [setup of the suite](#setup-of-the-suite)"
    )
    twins: tuple[TwinSettings, ...] = Field(default=(), description="see [twins](#twins)")
    judge: JudgeSettings = Field(default=JudgeSettings(), description="see [judge](#judge)")
    wrong: tuple[WrongSolution, ...] = Field(
        default=(), description="see [wrong solutions](#wrong-solutions)"
    )
    accept: tuple[AcceptedCheat, ...] = Field(default=(), description="see [cheats](#cheats)")
    requirements: RequirementSettings = Field(
        default=RequirementSettings(), description="see [requirements](#requirements)"
    )

    @property
    def judges_all(self) -> bool:
        """Whether the suite judges all pipelines of its project."""
        return self.pipeline == (ALL_PIPELINES,)


class Suite(SuiteTable):
    """A suite with its scenarios."""

    settings: SuiteSettings
    scenarios: tuple[Scenario, ...]
    edition: int = EDITION
    requirements: RequirementList = RequirementList()

    @property
    def twin_names(self) -> Sequence[str]:
        """The names of the twins of the suite."""
        return [twin.name for twin in self.settings.twins]

    @property
    def needs_ports(self) -> bool:
        """Whether trials connect to ports of the sandbox."""
        steps = (step for scenario in self.scenarios for step in scenario.steps)
        return bool(self.settings.twins) or any(not isinstance(step, CommandStep) for step in steps)

    def without_setup(self) -> "Suite":
        """Return the suite without its own setup; scenarios keep theirs."""
        settings = self.settings.model_copy(update={"setup": SuiteSetup()})
        return self.model_copy(update={"settings": settings})

    @property
    def left_out(self) -> int:
        """The number of unit tests that are left out of walls of holdouts."""
        return sum(len(one.wall_without) for one in self.of_split("holdout"))

    def of_split(self, split: str) -> Sequence[Scenario]:
        """Return the scenarios of a split, ordered by id."""
        return [scenario for scenario in self.scenarios if scenario.split == split]

    @property
    def musts(self) -> frozenset[str]:
        """The held-out scenarios that `must` names."""
        return frozenset(
            one.id
            for one in self.of_split("holdout")
            if any(fnmatchcase(one.id, pattern) for pattern in self.settings.gate.must)
        )


def mistakes_of(
    error: ValidationError, model: type[BaseModel], value: object, at: KeyPath = ()
) -> list[TomlMistake]:
    """Return the mistakes in the value of a key, converted from an error of pydantic."""

    def known(fault: Fault) -> tuple[str, ...]:
        shape: object = model
        for part in fault["loc"][:-1]:
            shape = STEP_KINDS.get(str(part)) or child(shape, part)
        return keys_at(shape, ()) if shape is not Never else ()

    faults = error.errors(include_url=False)
    return explain_faults(faults, value, at=at, known=known, ignored_steps=STEP_KINDS.keys())
