"""The settings there are: adding one is adding a field here, and nothing else.

The variable, the flag, the documentation and the origin follow from the field. A path is written
relative to the place it is written in; a relative default is relative to the project's root.
Every field has a default and a description.

Checks what settings say of models: their names, and patterns of what is secret.

Tells web addresses from other texts, without ever showing them: one may hold a secret.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from attractor.config.user_folders import default_state_dir


def require_model_name(text: str) -> str:
    """Let a model of a provider pass, and nothing else."""
    provider, slash, model = text.partition("/")
    if not (provider and slash and model):
        raise ValueError("write a model as provider/model")
    return text


def require_pattern(text: str) -> str:
    """Let a regular expression pass that is not found in every text."""
    try:
        is_everywhere = re.compile(text).match("") is not None
    except re.error as cause:
        raise ValueError(f"no regular expression: {cause}") from cause
    if is_everywhere:
        raise ValueError("this is found in every text")
    return text


HIDDEN = "hidden_value"
"""The type of mistakes whose value is not to be shown."""


def require_web_address(value: SecretStr) -> SecretStr:
    """Return an address of http or https, or none at all; refuse everything else."""
    address = value.get_secret_value()
    if address and not _is_web_address(address):
        raise PydanticCustomError(
            HIDDEN, "this is no address: write https://, a host and a path, without a user's name"
        )
    return value


def _is_web_address(address: str) -> bool:
    if not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        # Asking for the port is what finds out whether it is one.
        has_port = parts.port != 0
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and has_port and "@" not in parts.netloc


class Section(BaseModel):
    """A table of settings that cannot be changed and takes no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OutputSettings(Section):
    """How results and progress are written."""

    color: Literal["auto", "always", "never"] = Field(
        default="auto", description="Whether to write in colour; `auto` does on a terminal only."
    )


class DoctorSettings(Section):
    """What `attractor doctor` looks for."""

    min_free_mb: int = Field(
        default=1024,
        ge=0,
        description="How many megabytes of free disk the folder of the runs should have.",
    )


class WorkspaceSettings(Section):
    """What makes the workspace of a run fit to work in."""

    setup: str = Field(
        default="",
        description="A command that is run once in a new workspace, such as `make deps`.",
    )
    setup_files: tuple[str, ...] = Field(
        default=(),
        description="What the setup goes by, as in a `.gitignore`; a sandbox keeps the result.",
    )
    setup_minutes: int = Field(default=30, ge=1, description="How many minutes the setup may take.")
    carry: tuple[str, ...] = Field(
        default=(),
        description="Paths that git ignores and a workspace gets copies of, such as `.venv`.",
    )
    carry_read_only: tuple[str, ...] = Field(
        default=(),
        description="Paths that git ignores and a sandbox shows read-only, such as `node_modules`.",
    )


class TracingSettings(Section):
    """Whether runs are traced with OpenTelemetry."""

    enabled: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether runs are traced; `auto` does where `OTEL_` variables say where to.",
    )


class NotifySettings(Section):
    """How people hear that a run waits for them."""

    command: str = Field(
        default="",
        description="A command that is run when a gate waits, such as `notify-send`.",
    )
    url: Annotated[SecretStr, AfterValidator(require_web_address)] = Field(
        default=SecretStr(""),
        description="An address that is sent what is asked when a gate waits, as JSON.",
    )
    after_seconds: int = Field(
        default=60,
        ge=0,
        description="How long somebody who is there may take to answer before others are told.",
    )
    timeout_seconds: int = Field(
        default=30, ge=1, le=600, description="How many seconds telling may take."
    )


Number = Annotated[int, Field(ge=1)]


class LlmSettings(Section):
    """What stands around the calls of runs to models."""

    log: Path | None = Field(
        default=None,
        description="A file that gets a line of JSON for each request and each answer, "
        "without what was said.",
    )
    redact: bool = Field(
        default=False,
        description="Whether models are sent placeholders for secrets; tools get the secrets.",
    )
    redact_patterns: tuple[Annotated[str, AfterValidator(require_pattern)], ...] = Field(
        default=(),
        description="Regular expressions of what else is secret, beside keys of known services.",
    )
    cache: Path | None = Field(
        default=None,
        description="A folder that keeps answers; the same request is answered from there.",
    )
    cache_mode: Literal["read_write", "read_only", "refresh"] = Field(
        default="read_write",
        description="Whether `cache` is used and added to, only used, or all is asked anew.",
    )
    fall_back: Mapping[str, tuple[Annotated[str, AfterValidator(require_model_name)], ...]] = Field(
        default_factory=dict[str, tuple[str, ...]],
        description="By model: which are asked in its place when it fails, as `provider/model`.",
    )
    requests_per_minute: Mapping[str, Number] = Field(
        default_factory=dict[str, int],
        description="By provider: how many requests all runs of a process send in a minute.",
    )
    tokens_per_minute: Mapping[str, Number] = Field(
        default_factory=dict[str, int],
        description="By provider: how many tokens all runs of a process use in a minute.",
    )
    concurrent_requests: Mapping[str, Number] = Field(
        default_factory=dict[str, int],
        description="By provider: how many requests of all runs of a process are open at once.",
    )

    @model_validator(mode="after")
    def _is_of_use(self) -> Self:
        """Refuse what would do nothing."""
        if self.cache_mode != "read_write" and self.cache is None:
            raise ValueError(f"llm.cache_mode {self.cache_mode} needs a folder in llm.cache")
        if self.redact_patterns and not self.redact:
            raise ValueError("llm.redact_patterns count with llm.redact = true alone")
        return self


Level = Literal["off", "info", "warning", "error"]


class Settings(Section):
    """Everything that can be set."""

    state_dir: Path = Field(
        default_factory=default_state_dir,
        description="The folder of records of workspaces, sealed suites, the ledger and its key.",
    )
    runs_dir: Path = Field(
        default=Path("runs"), description="The folder that holds a folder for every run."
    )
    workspaces_dir: Path = Field(
        default=Path("/var/tmp"),
        description="Where the folder of the workspaces lies; tools in a sandbox see its path.",
    )
    output: OutputSettings = OutputSettings()
    doctor: DoctorSettings = DoctorSettings()
    workspace: WorkspaceSettings = WorkspaceSettings()
    tracing: TracingSettings = TracingSettings()
    notify: NotifySettings = NotifySettings()
    llm: LlmSettings = LlmSettings()
    rules: Mapping[str, Level] = Field(
        default_factory=dict[str, Level],
        description="How grave a rule of the language is in this project; `off` silences it.",
    )
