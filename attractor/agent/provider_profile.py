"""Profiles of providers: tools, options and system prompts (§3.2, §6.3 to §6.5)."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import date
from pathlib import Path

from attractor.agent.prompts import Prompt, find_prompt
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, ToolRegistry, tool_parts
from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.base.registry import Registry
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import FileUnusable, NotSupported, NotText, PathOutside
from attractor.llm.catalogue import ModelInfo, get_model_info
from attractor.llm.errors import ConfigurationError
from attractor.llm.request import ToolDefinition

_TIMEOUT_MS = 5_000
_MARK = "---\n"
_SURVEY = " && echo --- && ".join(
    (
        "git rev-parse --show-prefix",
        "(git symbolic-ref --short -q HEAD || echo '(no branch)')",
        "git --no-optional-locks status --porcelain | wc -l",
        "git log -n 5 --format=%s",
    )
)


@dataclass(frozen=True)
class GitState:
    """The state of the Git repository at the start of a session."""

    branch: str
    changed_files: int
    recent_commits: tuple[str, ...] = ()
    depth: int = 0


@dataclass(frozen=True)
class EnvironmentInfo:
    """Environment, date and model."""

    working_directory: str
    platform: str
    os_version: str
    today: date
    model: str
    git: GitState | None = None
    knowledge_cutoff: str = ""

    def block(self) -> str:
        """Return the block for the system prompt."""
        lines = [
            f"Working directory: {self.working_directory}",
            f"Is git repository: {'true' if self.git else 'false'}",
        ]
        if self.git:
            lines += [f"Git branch: {self.git.branch}", f"Changed files: {self.git.changed_files}"]
            if self.git.recent_commits:
                lines += ["Recent commits:"]
                lines += [f"  {subject}" for subject in self.git.recent_commits]
        lines += [
            f"Platform: {self.platform}",
            f"OS version: {self.os_version}",
            f"Today's date: {self.today.isoformat()}",
            f"Model: {self.model}",
            *([f"Knowledge cutoff: {self.knowledge_cutoff}"] if self.knowledge_cutoff else []),
        ]
        return "\n".join(["<environment>", *lines, "</environment>"])


async def survey(environment: ExecutionEnvironment, *, today: date, model: str) -> EnvironmentInfo:
    """Collect the information at the start of a session."""
    known = _find_model(model)
    shown = model
    if known is not None and known.display_name != model:
        shown = f"{known.display_name} ({model})"
    return EnvironmentInfo(
        working_directory=environment.working_directory(),
        platform=environment.platform(),
        os_version=environment.os_version(),
        today=today,
        model=shown,
        git=await _survey_git(environment),
        knowledge_cutoff=(known.knowledge_cutoff if known else None) or "",
    )


def _find_model(model: str, provider: str = "") -> ModelInfo | None:
    """Return the model in the catalogue; an unreadable catalogue does not prevent a session."""
    try:
        return get_model_info(model, provider)
    except ConfigurationError:
        return None


async def _survey_git(environment: ExecutionEnvironment) -> GitState | None:
    try:
        result = await environment.exec_command(_SURVEY, timeout_ms=_TIMEOUT_MS)
    except NotSupported:
        # In an environment without commands, the model cannot use git either.
        return None
    sections = result.stdout.split(_MARK, 3)
    if len(sections) < 4 or not sections[2].strip().isdecimal():
        return None
    prefix, branch, changed, commits = sections
    return GitState(
        branch=branch.strip(),
        changed_files=int(changed),
        recent_commits=tuple(commits.splitlines()),
        depth=prefix.strip().count("/"),
    )


SUBAGENT_TOOLS = ("spawn_agent", "send_input", "wait", "close_agent")


@dataclass(frozen=True, kw_only=True)
class ProfileTraits:
    """The tools and options for a family of models; one file each in `agent/profiles`."""

    id: str
    model_prefixes: tuple[str, ...]
    # A regular expression that finds the models of the family in the names of other providers.
    family: str = ""
    tool_names: Sequence[str]
    project_documents: Sequence[str]
    context_window_size: int
    default_command_timeout_ms: int | None = None
    supports_reasoning: bool = True
    supports_streaming: bool = False
    requires_read_before_edit: bool = False
    supports_parallel_tool_calls: bool = True
    provider_options: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])


@dataclass(frozen=True)
class ProviderProfile:
    """The traits of a provider with a model, a prompt, tools and permissions."""

    traits: ProfileTraits
    model: str
    prompt: Prompt
    tool_registry: ToolRegistry
    permissions: Permissions = Permissions.WORKSPACE

    @property
    def id(self) -> str:
        """The provider's name."""
        return self.traits.id

    @property
    def prompt_values(self) -> Mapping[str, object]:
        """The values that the templates of prompts can use."""
        return {
            "model": self.model,
            "tools": self.tool_registry.names(),
            "permissions": self.permissions.value,
        }

    @property
    def base_prompt(self) -> str:
        """The instructions for the models of the provider, with the current tools."""
        return self.prompt.render(**self.prompt_values)

    def tools(self) -> Sequence[ToolDefinition]:
        """Return the definitions of the tools."""
        return self.tool_registry.definitions()

    def provider_options(self) -> Mapping[str, JsonObject]:
        """Return the options for the provider."""
        return self.traits.provider_options

    def build_system_prompt(
        self, environment_info: EnvironmentInfo, *, documents: str = "", instructions: str = ""
    ) -> str:
        """Build the prompt in layers; later layers take precedence (§6.1)."""
        tools = [f"- {tool.name}: {tool.description}" for tool in self.tools()]
        layers = (
            self.base_prompt,
            environment_info.block(),
            "\n".join(["# Tools", "", *tools]) if tools else "",
            documents,
            instructions,
        )
        return "\n\n".join(layer.strip() for layer in layers if layer.strip())


def profile_parts() -> Registry[ProfileTraits]:
    """Return the traits by provider: files in `agent/profiles`, and entry points."""
    return Registry("attractor.agent.profiles", ProfileTraits, noun="profile")


_ANY_FAMILY = "openai_compatible"


def choose_profile(provider: str, model: str, named: str = "") -> str:
    """Return the profile of a model: the named one, otherwise that of its provider or family."""
    parts = profile_parts()
    if named or provider in parts:
        return named or provider
    families = ((name, parts[name].family) for name in parts)
    matching = (name for name, family in families if family and re.search(family, model.lower()))
    return next(matching, _ANY_FAMILY)


def context_window_of(provider: str, model: str, profile: str) -> int:
    """Return the context window of a model, if unknown that of the usual model of a profile."""
    known = _find_model(model, provider)
    usual = profile_parts()[profile].context_window_size
    return (known.context_window if known else None) or usual


def create_profile(
    provider: str,
    *,
    model: str,
    profile: str = "",
    prompt_folders: Sequence[Path] = (),
    tool_names: Sequence[str] | None = None,
    permissions: Permissions = Permissions.WORKSPACE,
    more_tools: Sequence[RegisteredTool] = (),
) -> ProviderProfile:
    """Return the profile of a provider's model with its own tool registry.

    The tools are those of the profile (default) or the named ones, and more tools such as those of
    MCP servers, as far as the permissions allow them. A provider without a profile of its own needs
    `profile`.
    """
    name = profile or provider
    size = context_window_of(provider, model, name)
    traits = replace(profile_parts()[name], id=provider, context_window_size=size)
    parts = tool_parts()
    names = traits.tool_names if tool_names is None else tool_names
    tools = [*(parts[tool] for tool in names), *more_tools]
    return ProviderProfile(
        traits,
        model,
        find_prompt(name, folders=prompt_folders),
        ToolRegistry([tool for tool in tools if permissions.allows(tool.needs)]),
        permissions,
    )


def create_openai_profile(model: str) -> ProviderProfile:
    """Return the profile of a model of OpenAI."""
    return create_profile("openai", model=model)


def create_anthropic_profile(model: str) -> ProviderProfile:
    """Return the profile of a model of Anthropic."""
    return create_profile("anthropic", model=model)


def create_gemini_profile(model: str) -> ProviderProfile:
    """Return the profile of a Gemini model."""
    return create_profile("gemini", model=model)


def find_provider(model: str) -> str:
    """Return the provider of a model by model name; empty if unknown."""
    parts = profile_parts()
    return next((name for name in parts if model.startswith(parts[name].model_prefixes)), "")


BUDGET = 32 * 1024
_CUT = "[Project instructions truncated at 32KB]"
# A link must not lead out of the repository.
_READ_IN_REPOSITORY = (
    'top=$(git rev-parse --show-toplevel) && file=$(realpath -- "$document") && '
    f'case $file in "$top"/*) head -c {BUDGET + 1} -- "$file" ;; *) false ;; esac'
)


async def discover_project_documents(
    environment: ExecutionEnvironment, names: Sequence[str], *, depth: int = 0
) -> str:
    """Return the documents from `depth` folders above to the working directory, deepest last."""
    here = environment.working_directory()
    folders = [
        posixpath.normpath(posixpath.join(here, *[".."] * up)) for up in range(depth, -1, -1)
    ]
    paths = [posixpath.join(folder, name) for folder in folders for name in names]
    texts = [await _read(environment, path, here) for path in paths]
    text = "\n\n".join(filter(None, texts))
    written = text.encode()
    if len(written) <= BUDGET:
        return text
    return written[:BUDGET].decode(errors="ignore") + f"\n{_CUT}"


async def _read(environment: ExecutionEnvironment, path: str, here: str) -> str:
    name = posixpath.relpath(path, here)
    try:
        text = await _text_of(environment, path)
    except FileUnusable as error:
        # An unreadable document does not prevent the session.
        return f"[cannot read {name}: {error}]"
    return f"# {name}\n\n{text.strip()}" if text.strip() else ""


async def _text_of(environment: ExecutionEnvironment, path: str) -> str:
    """Return the text of a document; empty if it does not exist.

    File tools see no parent folders of most environments, but commands see the repository.
    """
    try:
        return await environment.read_file(path) if await environment.file_exists(path) else ""
    except PathOutside:
        pass
    try:
        result = await environment.exec_command(
            _READ_IN_REPOSITORY, timeout_ms=_TIMEOUT_MS, env_vars={"document": path}
        )
    except NotSupported:
        return ""
    if "\0" in result.stdout:
        raise NotText(f"{path} is not a text file")
    return result.stdout if result.exit_code == 0 else ""
