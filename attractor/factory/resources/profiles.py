"""Profiles: the environment, the models and the policy of runs, with revisions that runs pin."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from attractor.base.errors import OlderFormat, Refused, UsageError
from attractor.base.files import read_regular, reason_of
from attractor.base.json import canonical_json, content_hash
from attractor.base.toml import Fault, InvalidToml, TomlMistakes, explain_faults, parse_toml
from attractor.config.checks import NAME_PATTERN, require_name
from attractor.config.sections import FieldLimits, Section, setting
from attractor.config.settings import SandboxVariables
from attractor.engine.questions.call_rules import parse_rule
from attractor.factory.errors import InvalidProfile
from attractor.factory.ledger.ledger import Ledger
from attractor.factory.project import ProjectIdentity
from attractor.factory.resources.versions import ResourceKind, Version, VersionStore

Switch = Annotated[bool, FieldLimits(strict=True)]
Whole = Annotated[int, FieldLimits(strict=True)]


def _require_rule(text: str) -> str:
    try:
        parse_rule(text)
    except UsageError as fault:
        raise ValueError(f"{fault.message}: {fault.hint}") from fault
    return text


CallRuleText = Annotated[str, _require_rule]


class ProfileSandbox(Section):
    """The environment of stages and trials, in addition to the settings of the project.

    `read` and `expose` are paths shown read-only, `expose` those of logins, about which the gate
    says `credential_exposed`. `carry` are ignored paths that are copied into each workspace.
    `pass_env` are names of variables, and `env` variables with values.
    """

    read: tuple[str, ...] = ()
    carry: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()
    env: SandboxVariables = setting(default_factory=dict[str, str])
    expose: tuple[str, ...] = ()


class ProfilePolicy(Section):
    """The policy of runs: permitted rules of the gate, protected paths, costs, and real providers.

    With `twins = "twin"`, no run asks a real model provider. With `ask_providers = false`, the
    first stage begins without a request to each model provider of the run. With `answers =
    "verified"`, the gate demands a proof of who answered each question. With `suites = "registered
    by a person"`, no run uses a suite that was registered by its committed lock. With
    `min_wrong_noticed`, no run uses a suite that noticed fewer wrong solutions at its registration.
    With `pull_requests = "draft"`, pull requests are opened as drafts. With `findings = "answer"`,
    an approval needs an answer to each finding of the reader of the change. With `permissions =
    "ask"`, a person is asked before tool calls of agents, unless a rule of `allow_calls` or
    `deny_calls` decides.
    """

    allow: tuple[Literal["isolation_unverified", "credential_exposed", "dirty_base"], ...] = ()
    protected_paths: tuple[str, ...] = ()
    unprotected_paths: tuple[str, ...] = ()
    max_cost_usd: Annotated[float, FieldLimits(strict=True)] | None = setting(default=None, gt=0)
    twins: Literal["real", "twin"] = "real"
    ask_providers: Switch = True
    answers: Literal["any", "verified"] = "any"
    suites: Literal["any", "registered by a person"] = "any"
    min_wrong_noticed: Whole | None = setting(default=None, ge=1)
    pull_requests: Literal["ready", "draft"] = "ready"
    findings: Literal["show", "answer"] = "show"
    permissions: Literal["sandbox", "ask"] = "sandbox"
    allow_calls: tuple[CallRuleText, ...] = ()
    deny_calls: tuple[CallRuleText, ...] = ()


Share = Annotated[float, FieldLimits(strict=True, ge=0, le=1)]


class ProfileWindow(Section):
    """The last runs that the rule `process` of the gate looks at, and their limits."""

    runs: Annotated[int, FieldLimits(strict=True, ge=1)]
    pipelines: Whole = setting(default=1, ge=1)
    min_approved: Share = 0.0
    min_first_try: Share = 0.0
    max_retries: Annotated[float, FieldLimits(strict=True)] | None = setting(default=None, ge=0)
    max_rolled_back: Share = 1.0
    max_false_go: Share | None = None


class Profile(Section):
    """A policy that runs are executed and judged by; each run pins one revision of a profile."""

    name: Annotated[
        str, require_name, FieldLimits(json_schema_extra={"pattern": f"^{NAME_PATTERN}$"})
    ]
    description: str = ""
    sandbox: ProfileSandbox = ProfileSandbox()
    models: Mapping[str, str] = setting(default_factory=dict[str, str])
    policy: ProfilePolicy = ProfilePolicy()
    window: ProfileWindow | None = None

    def allows(self, rule: str) -> bool:
        """Return whether the profile permits a rule of the gate."""
        return rule in self.policy.allow

    @property
    def content(self) -> str:
        """The hash of the profile."""
        return content_hash(canonical_json(self.to_record()).encode())


def read_profile(file: Path) -> Profile:
    """Read a profile from a TOML file."""
    try:
        text = read_regular(file).decode("utf-8")
    except OSError as cause:
        raise InvalidProfile(f"cannot read {file}: {reason_of(cause)}") from cause
    except UnicodeDecodeError as cause:
        raise InvalidProfile(f"{file}: {cause}", hint="save it as UTF-8") from cause
    return parse_profile(text, str(file))


def parse_profile(text: str, where: str) -> Profile:
    """Read a profile from a TOML text; `where` is its place in errors."""
    try:
        table = parse_toml(text)
    except InvalidToml as error:
        raise InvalidProfile(error.at(where), hint=error.hint) from error
    # Imported here, because runs without a profile read none, and it imports pydantic.
    from attractor.config.schema import keys_at
    from attractor.config.tables import ValidationError, read_section

    def known_keys(fault: Fault) -> tuple[str, ...]:
        """Return the keys of the table with an unknown key."""
        return keys_at(Profile, fault["loc"][:-1])

    try:
        return read_section(Profile, table)
    except ValidationError as error:
        mistakes = TomlMistakes(text, where)
        faults = error.errors(include_url=False)
        mistakes.extend(explain_faults(faults, table, known=known_keys))
        raise mistakes.error(InvalidProfile) from error


def make_profile(name: str, allow: tuple[str, ...] = ()) -> Profile:
    """Return a profile with the default policy, except for permitted rules of the gate."""
    # Imported here, because runs without a profile read none, and it imports pydantic.
    from attractor.config.tables import ValidationError, read_section

    try:
        return read_section(Profile, {"name": name, "policy": {"allow": allow}})
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise InvalidProfile(f"invalid profile name {name!r}: {reason}") from error


STRICT_PROFILE = Profile(name="strict")
"""The default profile."""


class ProfileStore:
    """The profiles of a project, with revisions."""

    def __init__(self, state: Path, project: ProjectIdentity, ledger: Ledger) -> None:
        self.versions = VersionStore(ResourceKind.PROFILE, state, project, ledger)

    def create(self, profile: Profile, *, by: str, now: datetime) -> Version:
        """Register the first revision of a profile."""
        if self.versions.versions(profile.name):
            raise Refused(
                f"profile {profile.name!r} already exists",
                hint="make a new revision: attractor profile update FILE",
            )
        return self._add(profile, by, now)[0]

    def update(self, profile: Profile, *, by: str, now: datetime) -> tuple[Version, bool]:
        """Return the revision with this content, and whether it is new."""
        self.versions.find(profile.name)
        return self._add(profile, by, now)

    def read(self, version: Version) -> Profile:
        """Return the profile of a revision."""
        # Imported here, because runs without a profile read none, and it imports pydantic.
        from attractor.config.tables import ValidationError, read_section

        try:
            return read_section(Profile, version.data)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            key = ".".join(map(str, fault["loc"]))
            raise OlderFormat(
                f"an earlier version of attractor wrote the {version}: {key}: {fault['msg']}",
                hint="make a new revision: attractor profile update FILE",
            ) from error

    def _add(self, profile: Profile, by: str, now: datetime) -> tuple[Version, bool]:
        return self.versions.add(profile.name, profile.content, profile.to_record(), by=by, now=now)
