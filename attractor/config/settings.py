"""The settings. To add a setting, add a field here.

The variable, the flag, the documentation and the origin follow from the field. Every field has a
default and a description. A relative path is resolved from the file or folder that sets it; a
relative default from the project root.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from attractor.config.checks import (
    VARIABLE_PATTERN,
    require_cache_path,
    require_duration,
    require_header_name,
    require_header_value,
    require_host,
    require_host_name,
    require_image,
    require_mail_address,
    require_model_name,
    require_name,
    require_pattern,
    require_place_root,
    require_sandbox_variables,
    require_service_address,
    require_variable_name,
    require_web_address,
)
from attractor.config.sections import FieldLimits, SecretStr, Section, setting
from attractor.config.user_folders import default_state_dir


class OutputSettings(Section):
    """Settings of results and progress output."""

    color: Literal["auto", "always", "never"] = setting(
        default="auto", description="Color the output; `auto` colors it on a terminal only."
    )


class DoctorSettings(Section):
    """Settings of `attractor doctor`."""

    min_free_mb: int = setting(
        default=1024,
        ge=0,
        description="Warn below this many megabytes of free disk space in the runs folder.",
    )


class WorkspaceSettings(Section):
    """Settings of run workspaces."""

    setup: str = setting(
        default="",
        description="Run this command once in each new workspace, such as `make deps`.",
    )
    setup_files: tuple[str, ...] = setting(
        default=(),
        description="Cache the setup result of a sandbox; repeat the setup if these files "
        "(`.gitignore` patterns) change.",
    )
    setup_minutes: int = setting(
        default=30, ge=1, description="Stop the setup after this many minutes."
    )
    carry: tuple[str, ...] = setting(
        default=(),
        description="Copy these ignored paths into each workspace, such as `.venv`.",
    )
    carry_read_only: tuple[str, ...] = setting(
        default=(),
        description="Mount these ignored paths read-only in a sandbox, such as `node_modules`.",
    )
    leave_out: tuple[str, ...] = setting(
        default=(),
        description="Leave new files out of the result that match these `.gitignore` patterns, in "
        "addition to caches such as `node_modules/` and build folders such as `target/`; "
        "`!PATTERN` keeps them.",
    )
    ports: tuple[Annotated[str, require_variable_name], ...] = setting(
        default=(),
        description="Give each run and each dimension a free port of its own in each of these "
        "environment variables, such as `WEB_PORT`.",
    )
    worktrees: str = setting(
        default="",
        description="Create the worktrees of dimensions in this folder (default: "
        "`REPOSITORY.worktrees`, beside the repository).",
    )
    teardown: str = setting(
        default="",
        description="Run this command in the folder of a dimension before it is removed, for a "
        "minute at most; a failure is reported only.",
    )


class CachesSettings(Section):
    """Settings of the caches of build tools."""

    write: Mapping[
        Annotated[str, require_variable_name],
        Annotated[str, require_cache_path],
    ] = setting(
        default_factory=dict[str, str],
        description="Folders in the cache folder of a run, by variable, in addition to `GOCACHE`, "
        "`CCACHE_DIR` and `SCCACHE_DIR`; an empty text removes a variable.",
    )
    read: tuple[Literal["cargo", "go", "maven"], ...] = setting(
        default=(),
        description="Show your downloads of these package managers read-only in each sandbox.",
    )


SandboxVariables = Annotated[
    Mapping[
        Annotated[str, FieldLimits(json_schema_extra={"pattern": f"^{VARIABLE_PATTERN}$"})], str
    ],
    require_sandbox_variables,
    FieldLimits(json_schema_extra={"additionalProperties": False}),
]


class SandboxLimitSettings(Section):
    """Limits and variables of the sandbox of each stage and trial.

    A command above a limit is killed, or refused the file.
    """

    max_processes: int = setting(
        default=4096,
        ge=1,
        description="Kill the commands of a sandbox that have more processes and threads.",
    )
    max_memory_mb: int | None = setting(
        default=None,
        ge=1,
        description="Kill the commands of a sandbox that use more megabytes of memory (default: "
        "three quarters of the memory of this machine).",
    )
    max_open_files: int = setting(
        default=16384, ge=16, description="Limit the open files of a process in a sandbox."
    )
    max_file_mb: int = setting(
        default=16384, ge=1, description="Limit the megabytes of a file written in a sandbox."
    )
    env: SandboxVariables = setting(
        default_factory=dict[str, str],
        description="Add these variables, such as `RUSTUP_HOME`; `~` is the home folder, and a "
        "path must be in the system or in `sandbox.read` of the profile.",
    )


class WorldsSettings(Section):
    """Settings of actors."""

    max_working_actors: int | None = setting(
        default=None,
        ge=1,
        description="Let at most this many actors of this machine work at once (default: one for "
        "each 2 GB of free memory).",
    )
    resume_within: Annotated[str, require_duration] = setting(
        default="12h",
        description="`attractor up` continues a task by itself if its process died not longer ago "
        "than this; otherwise it asks.",
    )
    pool: str = setting(
        default="",
        description="Let workers of this pool of the fleet execute the runs of new actors, unless "
        "`--pool` names one (default: this machine executes them).",
    )
    overlap: Literal["warn", "wait", "allow"] = setting(
        default="warn",
        description="At the start of work whose `touches` are also those of other work in "
        "progress, print a warning (`warn`), wait until a process no longer executes that work "
        "(`wait`), or go on (`allow`).",
    )


_Act = Literal["give_up", "ask", "stop"]


class MissionsSettings(Section):
    """What missions do about tasks that do not succeed: give up, ask a person, or stop."""

    failed_thrice: _Act = setting(
        default="give_up", description="Work on a task was returned three times for one cause."
    )
    same_again: _Act = setting(
        default="give_up", description="Two workers wrote the same files, which were returned."
    )
    returned_often: _Act = setting(
        default="give_up", description="Work on a task was returned five times."
    )
    dear: _Act = setting(
        default="ask", description="A task used half of the budget of its mission, and is not done."
    )


class MemorySettings(Section):
    """The lessons that prompts quote."""

    lessons: int = setting(
        default=5,
        ge=0,
        le=50,
        description="Quote at most this many lessons in the prompt of a stage; with 0, agents "
        "propose none either.",
    )
    bytes: int = setting(
        default=2000,
        ge=0,
        le=100_000,
        description="Quote lessons of at most this size in the prompt of a stage.",
    )


class PlaceSettings(Section):
    """A place in which the stages of runs can work."""

    kind: str = setting(
        default="ssh",
        description="Kind of the place: `ssh`, or containers of `docker` or `podman`.",
    )
    host: Annotated[str, require_host] = setting(
        default="",
        description="Host, as `ssh HOST` reaches it without a question; `ssh` needs it.",
    )
    image: Annotated[str, require_image] = setting(
        default="",
        description="Image of the containers, which is on this machine; `docker` and `podman` need "
        "it. They are limited as `[sandbox]` says.",
    )
    root: Annotated[str, require_place_root] = setting(
        default="~/attractor",
        description="Keep the files of each run in a folder of its own below this folder there.",
    )
    options: tuple[str, ...] = setting(
        default=(), description="Arguments of `ssh`, such as `-p` and `2222`."
    )

    def require_consistency(self) -> None:
        """Require a host or an image, and refuse both."""
        if bool(self.host) == bool(self.image) or bool(self.host) != (self.kind == "ssh"):
            raise ValueError("a place of the kind ssh needs host, one of docker or podman image")


class TracingSettings(Section):
    """Settings of OpenTelemetry traces."""

    enabled: Literal["auto", "on", "off"] = setting(
        default="auto",
        description="Trace runs; `auto` traces them if `OTEL_` variables name an endpoint.",
    )


class NotifySettings(Section):
    """Settings of notifications: questions, decisions, ends of runs, budgets, limits, apps."""

    command: str = setting(
        default="",
        description="Run this command for each notice, such as `notify-send`.",
    )
    url: Annotated[SecretStr, require_web_address] = setting(
        default=SecretStr(""),
        description="Post each notice as JSON to this URL.",
    )
    after_seconds: int = setting(
        default=60,
        ge=0,
        description="Wait this many seconds for an answer at the terminal before notifying.",
    )
    timeout_seconds: int = setting(
        default=30, ge=1, le=600, description="Abort a notification after this many seconds."
    )
    children: bool = setting(
        default=False, description="Also send notices of the ends of child runs."
    )


Number = Annotated[int, FieldLimits(ge=1)]


class LlmSettings(Section):
    """Settings of model calls."""

    model: str = setting(
        default="",
        description="Use this model for nodes without one; its id or short name, such as `opus`.",
    )
    provider: str = setting(
        default="",
        description="Use this provider for nodes without one (default: by the model).",
    )
    log: Path | None = setting(
        default=None,
        description="Log each request and response as a line of JSON to this file, "
        "without message content.",
    )
    redact: bool = setting(
        default=False,
        description="Send models placeholders instead of secrets.",
    )
    redact_patterns: tuple[Annotated[str, require_pattern], ...] = setting(
        default=(),
        description="Redact text that matches these regular expressions of RE2, in addition to "
        "API keys of known services.",
    )
    cache: Path | None = setting(
        default=None,
        description="Cache responses in this folder; an equal request is answered from the cache.",
    )
    cache_mode: Literal["read_write", "read_only", "refresh"] = setting(
        default="read_write",
        description="Read and add to the cache, only read it, or renew every response.",
    )
    fall_back: Mapping[str, tuple[Annotated[str, require_model_name], ...]] = setting(
        default_factory=dict[str, tuple[str, ...]],
        description="For each model: models to try when it fails, as `provider/model`.",
    )
    requests_per_minute: Mapping[str, Number] = setting(
        default_factory=dict[str, int],
        description="By provider: maximum requests per minute of a process.",
    )
    tokens_per_minute: Mapping[str, Number] = setting(
        default_factory=dict[str, int],
        description="By provider: maximum tokens per minute of a process.",
    )
    concurrent_requests: Mapping[str, Number] = setting(
        default_factory=dict[str, int],
        description="By provider: maximum concurrent requests of a process.",
    )

    @property
    def names_providers(self) -> bool:
        """Whether a setting names a provider."""
        limits = (self.requests_per_minute, self.tokens_per_minute, self.concurrent_requests)
        return any((self.fall_back, *limits))

    def require_consistency(self) -> None:
        """Refuse settings without effect."""
        if self.cache_mode != "read_write" and self.cache is None:
            raise ValueError(f"llm.cache_mode {self.cache_mode} requires llm.cache")
        if self.redact_patterns and not self.redact:
            raise ValueError("llm.redact_patterns requires llm.redact = true")


class ProgramSettings(Section):
    """Settings of a coding agent that is started by a command."""

    run: str = setting(
        default="",
        description="Start the agent with this command, such as `my-agent --quiet`.",
    )
    provider: Literal["anthropic", "gemini", "openai", "openai_compatible"] | None = setting(
        default=None,
        description="Let the agent call models of this provider, through a URL and a placeholder "
        "key in the provider's variables.",
    )
    read: tuple[Path, ...] = setting(
        default=(),
        description="Show the agent these files and folders read-only in a sandbox.",
    )


class FactorySettings(Section):
    """Settings of judging."""

    suite: str = setting(
        default="",
        description="Judge runs with this suite, as `NAME` or `NAME@VERSION`, unless `--suite` "
        "names one.",
    )
    profile: str = setting(
        default="",
        description="Judge runs by this profile, as `NAME` or `NAME@REVISION`, unless `--profile` "
        "names one.",
    )
    max_same_cause: int = setting(
        default=5,
        ge=0,
        description="After so many task runs of a pipeline that stopped for one cause within an "
        "hour, ask a person before the next one begins; 0 is off.",
    )


class PullRequestSettings(Section):
    """Settings of pull requests: `attractor promote --to pr`."""

    remote: str = setting(
        default="origin",
        min_length=1,
        description="Open pull requests in the repository of this git remote.",
    )
    labels: tuple[str, ...] = setting(
        default=(), description="Add these labels to each pull request."
    )
    max_rounds: int = setting(
        default=3,
        ge=1,
        description="Begin no further round after so many runs proposed a result in one pull "
        "request.",
    )
    hook_secret: SecretStr = setting(
        default=SecretStr(""),
        description="Let `attractor serve` take webhooks at `/webhooks/github` with a signature by "
        "this secret, and at `/webhooks/gitlab` with this secret as the token (default: none).",
    )


class ServerSettings(Section):
    """Settings of `attractor serve`."""

    max_processes: int | None = setting(
        default=None,
        ge=1,
        description="Refuse to start more processes of runs at once (default: four, or twice the "
        "number of processors).",
    )


class FleetSettings(Section):
    """Settings of the fleet: many machines that execute runs (needs the extra `fleet`)."""

    url: SecretStr = setting(
        default=SecretStr(""),
        description="Keep the rows of the fleet in this database, such as "
        "`postgresql://host/fleet` (default: a SQLite file in the state folder).",
    )
    store: str = setting(
        default="",
        description="Keep run directories in this folder, or in a bucket: `s3://bucket/prefix` "
        "(default: a folder in the state folder).",
    )
    sealed_store: str = setting(
        default="",
        description="Let workers of the pool `evaluate` play the trials of evaluations. They get "
        "the sealed suites from this second folder or bucket, which no other worker opens "
        "(default: trials are played where a run is evaluated).",
    )
    pool: str = setting(
        default="agents", description="The pool of a worker, and of runs that name none."
    )
    slots: int = setting(
        default=2, ge=1, le=1000, description="Let a worker execute at most this many runs at once."
    )
    labels: tuple[str, ...] = setting(
        default=(), description="The labels of a worker, for runs that demand one."
    )
    workers: int | None = setting(
        default=None,
        ge=0,
        le=100,
        description="Let `attractor serve` start this many workers (default: one, as soon as a run "
        "waits for it in the SQLite file; none for another database).",
    )
    max_head_bytes: int = setting(
        default=4 << 30,
        ge=1,
        description="Let a worker park a run whose directory and stored files take more bytes.",
    )


class BackendsSettings(Section):
    """Settings of the backends that execute stages."""

    default: str = setting(
        default="agent",
        description="Execute stages with this backend, unless a node or `--backend` names one.",
    )
    wait_for_limits: bool = setting(
        default=True,
        description="Wait while the account of a model has reached a limit, and continue when the "
        "limit resets; otherwise the run stops, resumably, and the limit of an outside program "
        "fails its stage.",
    )
    acp: ProgramSettings = ProgramSettings()
    command: ProgramSettings = ProgramSettings()


class McpServerSettings(Section):
    """An MCP server of agents: a command, or a URL."""

    command: str = setting(
        default="", description="Start this MCP server in the environment of the agent."
    )
    args: tuple[str, ...] = setting(default=(), description="Arguments of the command.")
    env: Mapping[str, SecretStr] = setting(
        default_factory=dict[str, SecretStr], description="Variables of the command."
    )
    url: Annotated[SecretStr, require_web_address] = setting(
        default=SecretStr(""), description="Connect to this MCP server over streamable HTTP."
    )
    headers: Mapping[str, SecretStr] = setting(
        default_factory=dict[str, SecretStr],
        description="Headers of requests to the URL, such as `Authorization`.",
    )

    def require_consistency(self) -> None:
        """Refuse a server with neither or both, and settings of the other kind."""
        if bool(self.command) == bool(self.url.get_secret_value()):
            raise ValueError("an MCP server requires either command or url")
        if self.headers if self.command else self.args or self.env:
            raise ValueError("args and env belong to command, headers to url")


class CodingAgentSettings(Section):
    """Settings of all agents."""

    mcp: Mapping[str, McpServerSettings] = setting(
        default_factory=dict[str, McpServerSettings],
        description="MCP servers whose tools agents get, by name.",
    )


class ServiceSettings(Section):
    """The service of an adapter of a released app."""

    url: Annotated[str, require_service_address] = setting(
        default="",
        description="Let the released app call this service of the adapter, such as "
        "`https://slack.com/api`; for `mail`, `smtp://mail.example:587` (STARTTLS) or "
        "`smtps://mail.example`.",
    )
    token: Annotated[SecretStr, require_header_value] = setting(
        default=SecretStr(""),
        description="Token of the service, which an app in a sandbox never gets; for `mail`, "
        "`user:password`, or none if the server asks for none.",
    )
    sender: Annotated[str, require_mail_address] = setting(
        default="",
        description="Send letters of the adapter `mail` from this address.",
    )


class HookSettings(Section):
    """A hook of a released app."""

    secret: SecretStr = setting(
        default=SecretStr(""),
        min_length=16,
        description="Secret with which other programs sign what they send to the hook.",
    )


class GrowthSettings(Section):
    """Settings of the apps of growth."""

    adapters: Mapping[str, ServiceSettings] = setting(
        default_factory=dict[str, ServiceSettings],
        description="Services of the released app, by adapter.",
    )
    hooks: Mapping[str, HookSettings] = setting(
        default_factory=dict[str, HookSettings],
        description="Hooks of the released app, by name.",
    )
    hosts: tuple[Annotated[str, require_host_name], ...] = setting(
        default=(),
        description="Let the released app answer to these host names as well, such as the name "
        "of a proxy before it (default: only the loopback).",
    )
    proxy_user_header: Annotated[str, require_header_name] = setting(
        default="",
        description="Let a proxy before an app with roles name the user in this header, such as "
        "`X-Forwarded-User`; links to sign in end.",
    )
    users: Mapping[str, str] = setting(
        default_factory=dict[str, str],
        description="Role of each user that the proxy names.",
    )


Level = Literal["off", "info", "warning", "error"]


class Settings(Section):
    """All settings."""

    state_dir: Path = setting(
        default_factory=default_state_dir,
        description="Store workspace records, sealed suites, the ledger and the key of the ledger "
        "here.",
    )
    runs_dir: Path = setting(default=Path("runs"), description="Store each run in a folder here.")
    workspaces_dir: Path = setting(
        default=Path("/var/tmp"),
        description="Create workspaces here; sandboxed tools see this path.",
    )
    output: OutputSettings = OutputSettings()
    doctor: DoctorSettings = DoctorSettings()
    workspace: WorkspaceSettings = WorkspaceSettings()
    caches: CachesSettings = CachesSettings()
    sandbox: SandboxLimitSettings = SandboxLimitSettings()
    worlds: WorldsSettings = WorldsSettings()
    missions: MissionsSettings = MissionsSettings()
    memory: MemorySettings = MemorySettings()
    places: Mapping[Annotated[str, require_name], PlaceSettings] = setting(
        default_factory=dict[str, PlaceSettings],
        description="Places in which runs with `--place NAME` work, by name.",
    )
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
    rules: Mapping[str, Level] = setting(
        default_factory=dict[str, Level],
        description="Severity of a rule in this project; `off` disables it.",
    )
