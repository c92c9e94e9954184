"""The settings. To add a setting, add a field here.

The variable, the flag, the documentation and the origin follow from the field. Every field has a
default and a description. A relative path is resolved from the file or folder that sets it; a
relative default from the project root.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.base.linear_patterns import linear_search
from attractor.base.toml import HIDDEN_VALUE
from attractor.config.tables import SandboxVariables
from attractor.config.user_folders import default_state_dir


def require_model_name(text: str) -> str:
    """Return a model name of the form provider/model; refuse others."""
    provider, slash, model = text.partition("/")
    if not (provider and slash and model):
        raise ValueError("write a model as provider/model")
    return text


def require_pattern(text: str) -> str:
    """Return a regular expression that does not match every text; refuse others."""
    if linear_search(text)(""):
        raise ValueError("this pattern matches every text")
    return text


def require_web_address(value: SecretStr) -> SecretStr:
    """Return an http or https URL, or an empty text; refuse others."""
    address = value.get_secret_value()
    if address and not _is_web_address(address):
        raise PydanticCustomError(
            HIDDEN_VALUE, "invalid URL: write https://, a host and a path, without a user name"
        )
    return value


def require_service_address(address: str) -> str:
    """Return a URL of HTTP, or of SMTP without a path, or an empty text; refuse others."""
    scheme, _, rest = address.partition("://")
    is_mail = scheme in ("smtp", "smtps")
    checked = f"http://{rest}" if is_mail and "/" not in rest else address
    if address and (not _is_web_address(checked) or "?" in address or "#" in address):
        raise ValueError(
            "write http:// or https://, a host and a path, without a user name or a query "
            "(mail: smtp:// or smtps://, a host and a port)"
        )
    return address


def require_mail_address(address: str) -> str:
    """Return a mail address, or an empty text; refuse others."""
    if address and not re.fullmatch(r"[A-Za-z0-9_+.'=#~&-]+@[A-Za-z0-9.-]+", address):
        raise ValueError("write a mail address, such as street@mail.example")
    return address


def require_header_value(secret: SecretStr) -> SecretStr:
    """Return a secret that can be sent in a header; refuse others."""
    text = secret.get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise PydanticCustomError(
            HIDDEN_VALUE, "invalid token: write printable ASCII characters, without a line break"
        )
    return secret


_TAKEN_HEADERS = ("authorization", "cookie", "host", "origin")


def require_host_name(name: str) -> str:
    """Return a host name without a port; refuse others."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", name):
        raise ValueError("write a host name without a scheme, a port or a path")
    return name.lower()


def require_header_name(name: str) -> str:
    """Return the name of a header, or an empty text; refuse others."""
    if not re.fullmatch(r"[A-Za-z0-9-]*", name) or name.lower() in _TAKEN_HEADERS:
        raise ValueError("write the name of a header of your proxy, such as X-Forwarded-User")
    return name


def require_duration(text: str) -> str:
    """Return a duration such as 12h; refuse others."""
    try:
        parse_duration(text)
    except InvalidDuration as cause:
        raise ValueError(f"{cause.message}: {cause.hint}") from cause
    return text


def require_variable_name(name: str) -> str:
    """Return the name of an environment variable; refuse others."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("invalid variable name: write letters, digits and _")
    return name


def require_cache_path(path: str) -> str:
    """Return a relative path without `..`, or an empty text; refuse others."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("write a path in the cache folder, without ..")
    return path


def _is_web_address(address: str) -> bool:
    if not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        # urlsplit checks the port only when it is read.
        has_port = parts.port != 0
        # An empty or a very long label is no name of a host.
        (parts.hostname or "").encode("idna")
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and has_port and "@" not in parts.netloc


class Section(BaseModel):
    """Frozen table of settings that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OutputSettings(Section):
    """Settings of results and progress output."""

    color: Literal["auto", "always", "never"] = Field(
        default="auto", description="Color the output; `auto` colors it on a terminal only."
    )


class DoctorSettings(Section):
    """Settings of `attractor doctor`."""

    min_free_mb: int = Field(
        default=1024,
        ge=0,
        description="Warn below this many megabytes of free disk space in the runs folder.",
    )


class WorkspaceSettings(Section):
    """Settings of run workspaces."""

    setup: str = Field(
        default="",
        description="Run this command once in each new workspace, such as `make deps`.",
    )
    setup_files: tuple[str, ...] = Field(
        default=(),
        description="Cache the setup result of a sandbox; repeat the setup if these files "
        "(`.gitignore` patterns) change.",
    )
    setup_minutes: int = Field(
        default=30, ge=1, description="Stop the setup after this many minutes."
    )
    carry: tuple[str, ...] = Field(
        default=(),
        description="Copy these ignored paths into each workspace, such as `.venv`.",
    )
    carry_read_only: tuple[str, ...] = Field(
        default=(),
        description="Mount these ignored paths read-only in a sandbox, such as `node_modules`.",
    )
    leave_out: tuple[str, ...] = Field(
        default=(),
        description="Leave new files out of the result that match these `.gitignore` patterns, in "
        "addition to caches such as `node_modules/` and build folders such as `target/`; "
        "`!PATTERN` keeps them.",
    )
    ports: tuple[Annotated[str, AfterValidator(require_variable_name)], ...] = Field(
        default=(),
        description="Give each run and each dimension a free port of its own in each of these "
        "environment variables, such as `WEB_PORT`.",
    )
    worktrees: str = Field(
        default="",
        description="Create the worktrees of dimensions in this folder (default: "
        "`REPOSITORY.worktrees`, beside the repository).",
    )
    teardown: str = Field(
        default="",
        description="Run this command in the folder of a dimension before it is removed, for a "
        "minute at most; a failure is reported only.",
    )


class CachesSettings(Section):
    """Settings of the caches of build tools."""

    write: Mapping[
        Annotated[str, AfterValidator(require_variable_name)],
        Annotated[str, AfterValidator(require_cache_path)],
    ] = Field(
        default_factory=dict[str, str],
        description="Folders in the cache folder of a run, by variable, in addition to `GOCACHE`, "
        "`CCACHE_DIR` and `SCCACHE_DIR`; an empty text removes a variable.",
    )
    read: tuple[Literal["cargo", "go", "maven"], ...] = Field(
        default=(),
        description="Show your downloads of these package managers read-only in each sandbox.",
    )


class SandboxLimitSettings(Section):
    """Limits and variables of the sandbox of each stage and trial.

    A command above a limit is killed, or refused the file.
    """

    max_processes: int = Field(
        default=4096,
        ge=1,
        description="Kill the commands of a sandbox that have more processes and threads.",
    )
    max_memory_mb: int | None = Field(
        default=None,
        ge=1,
        description="Kill the commands of a sandbox that use more megabytes of memory (default: "
        "three quarters of the memory of this machine).",
    )
    max_open_files: int = Field(
        default=16384, ge=16, description="Limit the open files of a process in a sandbox."
    )
    max_file_mb: int = Field(
        default=16384, ge=1, description="Limit the megabytes of a file written in a sandbox."
    )
    env: SandboxVariables = Field(
        default_factory=dict[str, str],
        description="Add these variables, such as `RUSTUP_HOME`; `~` is the home folder, and a "
        "path must be in the system or in `sandbox.read` of the profile.",
    )


class WorldsSettings(Section):
    """Settings of actors."""

    max_working_actors: int | None = Field(
        default=None,
        ge=1,
        description="Let at most this many actors of this machine work at once (default: one for "
        "each 2 GB of free memory).",
    )
    resume_within: Annotated[str, AfterValidator(require_duration)] = Field(
        default="12h",
        description="`attractor up` continues a task by itself if its process died not longer ago "
        "than this; otherwise it asks.",
    )
    pool: str = Field(
        default="",
        description="Let workers of this pool of the fleet execute the runs of new actors, unless "
        "`--pool` names one (default: this machine executes them).",
    )
    overlap: Literal["warn", "wait", "allow"] = Field(
        default="warn",
        description="At the start of work whose `touches` are also those of other work in "
        "progress, print a warning (`warn`), wait until a process no longer executes that work "
        "(`wait`), or go on (`allow`).",
    )


class TracingSettings(Section):
    """Settings of OpenTelemetry traces."""

    enabled: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Trace runs; `auto` traces them if `OTEL_` variables name an endpoint.",
    )


class NotifySettings(Section):
    """Settings of notifications: questions, decisions, ends of runs, budgets, limits, apps."""

    command: str = Field(
        default="",
        description="Run this command for each notice, such as `notify-send`.",
    )
    url: Annotated[SecretStr, AfterValidator(require_web_address)] = Field(
        default=SecretStr(""),
        description="Post each notice as JSON to this URL.",
    )
    after_seconds: int = Field(
        default=60,
        ge=0,
        description="Wait this many seconds for an answer at the terminal before notifying.",
    )
    timeout_seconds: int = Field(
        default=30, ge=1, le=600, description="Abort a notification after this many seconds."
    )
    children: bool = Field(
        default=False, description="Also send notices of the ends of child runs."
    )


Number = Annotated[int, Field(ge=1)]


class LlmSettings(Section):
    """Settings of model calls."""

    model: str = Field(
        default="",
        description="Use this model for nodes without one; its id or short name, such as `opus`.",
    )
    provider: str = Field(
        default="",
        description="Use this provider for nodes without one (default: by the model).",
    )
    log: Path | None = Field(
        default=None,
        description="Log each request and response as a line of JSON to this file, "
        "without message content.",
    )
    redact: bool = Field(
        default=False,
        description="Send models placeholders instead of secrets.",
    )
    redact_patterns: tuple[Annotated[str, AfterValidator(require_pattern)], ...] = Field(
        default=(),
        description="Redact text that matches these regular expressions of RE2, in addition to "
        "API keys of known services.",
    )
    cache: Path | None = Field(
        default=None,
        description="Cache responses in this folder; an equal request is answered from the cache.",
    )
    cache_mode: Literal["read_write", "read_only", "refresh"] = Field(
        default="read_write",
        description="Read and add to the cache, only read it, or renew every response.",
    )
    fall_back: Mapping[str, tuple[Annotated[str, AfterValidator(require_model_name)], ...]] = Field(
        default_factory=dict[str, tuple[str, ...]],
        description="For each model: models to try when it fails, as `provider/model`.",
    )
    requests_per_minute: Mapping[str, Number] = Field(
        default_factory=dict[str, int],
        description="By provider: maximum requests per minute of a process.",
    )
    tokens_per_minute: Mapping[str, Number] = Field(
        default_factory=dict[str, int],
        description="By provider: maximum tokens per minute of a process.",
    )
    concurrent_requests: Mapping[str, Number] = Field(
        default_factory=dict[str, int],
        description="By provider: maximum concurrent requests of a process.",
    )

    @property
    def names_providers(self) -> bool:
        """Whether a setting names a provider."""
        limits = (self.requests_per_minute, self.tokens_per_minute, self.concurrent_requests)
        return any((self.fall_back, *limits))

    @model_validator(mode="after")
    def _is_of_use(self) -> Self:
        """Refuse settings without effect."""
        if self.cache_mode != "read_write" and self.cache is None:
            raise ValueError(f"llm.cache_mode {self.cache_mode} requires llm.cache")
        if self.redact_patterns and not self.redact:
            raise ValueError("llm.redact_patterns requires llm.redact = true")
        return self


class ProgramSettings(Section):
    """Settings of a coding agent that is started by a command."""

    run: str = Field(
        default="",
        description="Start the agent with this command, such as `my-agent --quiet`.",
    )
    provider: Literal["anthropic", "gemini", "openai", "openai_compatible"] | None = Field(
        default=None,
        description="Let the agent call models of this provider, through a URL and a placeholder "
        "key in the provider's variables.",
    )
    read: tuple[Path, ...] = Field(
        default=(),
        description="Show the agent these files and folders read-only in a sandbox.",
    )


class FactorySettings(Section):
    """Settings of judging."""

    suite: str = Field(
        default="",
        description="Judge runs with this suite, as `NAME` or `NAME@VERSION`, unless `--suite` "
        "names one.",
    )
    profile: str = Field(
        default="",
        description="Judge runs by this profile, as `NAME` or `NAME@REVISION`, unless `--profile` "
        "names one.",
    )
    max_same_cause: int = Field(
        default=5,
        ge=0,
        description="After so many task runs of a pipeline that stopped for one cause within an "
        "hour, ask a person before the next one begins; 0 is off.",
    )


class PullRequestSettings(Section):
    """Settings of pull requests: `attractor promote --to pr`."""

    remote: str = Field(
        default="origin",
        min_length=1,
        description="Open pull requests in the repository of this git remote.",
    )
    labels: tuple[str, ...] = Field(
        default=(), description="Add these labels to each pull request."
    )
    max_rounds: int = Field(
        default=3,
        ge=1,
        description="Begin no further round after so many runs proposed a result in one pull "
        "request.",
    )
    hook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Let `attractor serve` take webhooks at `/webhooks/github` with a signature by "
        "this secret, and at `/webhooks/gitlab` with this secret as the token (default: none).",
    )


class ServerSettings(Section):
    """Settings of `attractor serve`."""

    max_processes: int | None = Field(
        default=None,
        ge=1,
        description="Refuse to start more processes of runs at once (default: four, or twice the "
        "number of processors).",
    )


class FleetSettings(Section):
    """Settings of the fleet: many machines that execute runs (needs the extra `fleet`)."""

    url: SecretStr = Field(
        default=SecretStr(""),
        description="Keep the rows of the fleet in this database, such as "
        "`postgresql://host/fleet` (default: a SQLite file in the state folder).",
    )
    store: str = Field(
        default="",
        description="Keep run directories in this folder, or in a bucket: `s3://bucket/prefix` "
        "(default: a folder in the state folder).",
    )
    sealed_store: str = Field(
        default="",
        description="Let workers of the pool `evaluate` play the trials of evaluations. They get "
        "the sealed suites from this second folder or bucket, which no other worker opens "
        "(default: trials are played where a run is evaluated).",
    )
    pool: str = Field(
        default="agents", description="The pool of a worker, and of runs that name none."
    )
    slots: int = Field(
        default=2, ge=1, le=1000, description="Let a worker execute at most this many runs at once."
    )
    labels: tuple[str, ...] = Field(
        default=(), description="The labels of a worker, for runs that demand one."
    )
    workers: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Let `attractor serve` start this many workers (default: one, as soon as a run "
        "waits for it in the SQLite file; none for another database).",
    )
    max_head_bytes: int = Field(
        default=4 << 30,
        ge=1,
        description="Let a worker park a run whose directory and stored files take more bytes.",
    )


class BackendsSettings(Section):
    """Settings of the backends that execute stages."""

    default: str = Field(
        default="agent",
        description="Execute stages with this backend, unless a node or `--backend` names one.",
    )
    wait_for_limits: bool = Field(
        default=True,
        description="Wait while the account of a model has reached a limit, and continue when the "
        "limit resets; otherwise the run stops, resumably, and the limit of an outside program "
        "fails its stage.",
    )
    acp: ProgramSettings = ProgramSettings()
    command: ProgramSettings = ProgramSettings()


class McpServerSettings(Section):
    """An MCP server of agents: a command, or a URL."""

    command: str = Field(
        default="", description="Start this MCP server in the environment of the agent."
    )
    args: tuple[str, ...] = Field(default=(), description="Arguments of the command.")
    env: Mapping[str, SecretStr] = Field(
        default_factory=dict[str, SecretStr], description="Variables of the command."
    )
    url: Annotated[SecretStr, AfterValidator(require_web_address)] = Field(
        default=SecretStr(""), description="Connect to this MCP server over streamable HTTP."
    )
    headers: Mapping[str, SecretStr] = Field(
        default_factory=dict[str, SecretStr],
        description="Headers of requests to the URL, such as `Authorization`.",
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        """Refuse a server with neither or both, and settings of the other kind."""
        if bool(self.command) == bool(self.url.get_secret_value()):
            raise ValueError("an MCP server requires either command or url")
        if self.headers if self.command else self.args or self.env:
            raise ValueError("args and env belong to command, headers to url")
        return self


class CodingAgentSettings(Section):
    """Settings of all agents."""

    mcp: Mapping[str, McpServerSettings] = Field(
        default_factory=dict[str, McpServerSettings],
        description="MCP servers whose tools agents get, by name.",
    )


class ServiceSettings(Section):
    """The service of an adapter of a released app."""

    url: Annotated[str, AfterValidator(require_service_address)] = Field(
        default="",
        description="Let the released app call this service of the adapter, such as "
        "`https://slack.com/api`; for `mail`, `smtp://mail.example:587` (STARTTLS) or "
        "`smtps://mail.example`.",
    )
    token: Annotated[SecretStr, AfterValidator(require_header_value)] = Field(
        default=SecretStr(""),
        description="Token of the service, which an app in a sandbox never gets; for `mail`, "
        "`user:password`, or none if the server asks for none.",
    )
    sender: Annotated[str, AfterValidator(require_mail_address)] = Field(
        default="",
        description="Send letters of the adapter `mail` from this address.",
    )


class HookSettings(Section):
    """A hook of a released app."""

    secret: SecretStr = Field(
        default=SecretStr(""),
        min_length=16,
        description="Secret with which other programs sign what they send to the hook.",
    )


class GrowthSettings(Section):
    """Settings of the apps of growth."""

    adapters: Mapping[str, ServiceSettings] = Field(
        default_factory=dict[str, ServiceSettings],
        description="Services of the released app, by adapter.",
    )
    hooks: Mapping[str, HookSettings] = Field(
        default_factory=dict[str, HookSettings],
        description="Hooks of the released app, by name.",
    )
    hosts: tuple[Annotated[str, AfterValidator(require_host_name)], ...] = Field(
        default=(),
        description="Let the released app answer to these host names as well, such as the name "
        "of a proxy before it (default: only the loopback).",
    )
    proxy_user_header: Annotated[str, AfterValidator(require_header_name)] = Field(
        default="",
        description="Let a proxy before an app with roles name the user in this header, such as "
        "`X-Forwarded-User`; links to sign in end.",
    )
    users: Mapping[str, str] = Field(
        default_factory=dict[str, str],
        description="Role of each user that the proxy names.",
    )


Level = Literal["off", "info", "warning", "error"]


class Settings(Section):
    """All settings."""

    state_dir: Path = Field(
        default_factory=default_state_dir,
        description="Store workspace records, sealed suites, the ledger and the key of the ledger "
        "here.",
    )
    runs_dir: Path = Field(default=Path("runs"), description="Store each run in a folder here.")
    workspaces_dir: Path = Field(
        default=Path("/var/tmp"),
        description="Create workspaces here; sandboxed tools see this path.",
    )
    output: OutputSettings = OutputSettings()
    doctor: DoctorSettings = DoctorSettings()
    workspace: WorkspaceSettings = WorkspaceSettings()
    caches: CachesSettings = CachesSettings()
    sandbox: SandboxLimitSettings = SandboxLimitSettings()
    worlds: WorldsSettings = WorldsSettings()
    tracing: TracingSettings = TracingSettings()
    notify: NotifySettings = NotifySettings()
    llm: LlmSettings = LlmSettings()
    backends: BackendsSettings = BackendsSettings()
    agent: CodingAgentSettings = CodingAgentSettings()
    factory: FactorySettings = FactorySettings()
    pull_request: PullRequestSettings = PullRequestSettings()
    growth: GrowthSettings = GrowthSettings()
    fleet: FleetSettings = FleetSettings()
    server: ServerSettings = ServerSettings()
    rules: Mapping[str, Level] = Field(
        default_factory=dict[str, Level],
        description="Severity of a rule in this project; `off` disables it.",
    )
