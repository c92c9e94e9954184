"""Chooses the models of stages, and knows the API keys of providers (R14)."""

import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field, replace
from pathlib import Path

from attractor.agent.definitions import UNNAMED, AgentDefinition
from attractor.agent.events import SessionConfig
from attractor.agent.provider_profile import profile_parts
from attractor.backends.accounts import Account, Accounts
from attractor.backends.provider_needs import (
    KEYS,
    WITHOUT_KEY,
    find_fault,
    find_known,
    has_native_key,
    is_provider,
    key_remedy,
    missing_variables,
    provider_of,
    unset_variables,
    variables_of,
)
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UnknownName, UsageError, suggest
from attractor.config.settings import McpServerSettings
from attractor.engine.seams import Stage
from attractor.language.graph.graph import Node
from attractor.llm.catalogue import ModelInfo, get_latest_model, list_models, shipped_catalogue
from attractor.llm.client import (
    AdapterTimeout,
    Client,
    Initializes,
    LoadsLibrary,
    ProviderAdapter,
    ServesOthers,
    provider_registry,
)
from attractor.llm.errors import ConfigurationError

MODEL, PROVIDER, AGENT = "llm_model", "llm_provider", "agent"
# The default of the attribute `reasoning_effort` (attractor-spec 2.6).
_EFFORT = "high"


@dataclass(frozen=True)
class ModelChoice:
    """The model and reasoning effort of a stage; unset parts are empty."""

    provider: str
    model: str
    reasoning_effort: str = _EFFORT


@dataclass(frozen=True)
class ModelDefaults:
    """The default model and provider of nodes, and the agents that can have others."""

    model: str = ""
    provider: str = ""
    agents: Mapping[str, AgentDefinition] = field(default_factory=dict[str, AgentDefinition])

    def choose(self, node: Node) -> ModelChoice:
        """Return the model of the node, otherwise of its agent, otherwise the default.

        The name of a model implies the provider. A model does not apply if the node or the agent
        chooses another provider.
        """
        agent = self.agent_of(node).settings
        of_run = self.provider or provider_of(self.model)
        # At a provider of many families, a profile only chooses the tools.
        is_shared = (provider_of(agent.model) or of_run) not in ("", *profile_parts())
        model = provider = ""
        for named, given in (
            (node.attributes.text(MODEL), node.attributes.text(PROVIDER)),
            (agent.model, "" if is_shared else agent.profile),
            (self.model, self.provider),
        ):
            own = given or provider_of(named)
            if not model and (not provider or own == provider):
                model = named
            provider = provider or own
        name = full_name(model, provider)
        effort = node.attributes.text("reasoning_effort") or _usual_effort(provider, name)
        return ModelChoice(provider, name, effort)

    def agent_of(self, node: Node) -> AgentDefinition:
        """Return the agent of a node; an unknown agent is reported by preflight."""
        return self.agents.get(node.attributes.text(AGENT), UNNAMED)


def _usual_effort(provider: str, model: str) -> str:
    """Return the default effort; servers of models that do not think reject an effort."""
    if provider in ("", *KEYS):
        return "" if provider == "openai_compatible" else _EFFORT
    known = find_known(model, provider)
    return _EFFORT if known and known.supports_reasoning else ""


def full_name(model: str, provider: str) -> str:
    """Return the id of a model that is named by a short name of the catalogue, such as `opus`."""
    known = find_known(model, provider) if provider in KEYS else None
    return known.id if known else model


async def has_key(provider: str, environ: Mapping[str, str]) -> bool:
    """Return whether the API key of a provider is set."""
    if provider in KEYS:
        return has_native_key(provider, environ)
    if not is_provider(provider):
        raise UnknownName("provider", provider, provider_registry())
    async with _open_adapter(provider, environ) as adapter:
        return adapter is not None


async def find_unready(provider: str, environ: Mapping[str, str]) -> AttractorError | None:
    """Return why a provider cannot be asked: unknown, a missing variable, or a missing package."""
    if not is_provider(provider):
        return UnknownName("provider", provider, list_own())
    if fault := find_fault(provider, environ):
        return fault
    if not await has_key(provider, environ):
        return missing_variables(provider, environ)
    async with _open_adapter(provider, environ) as adapter:
        try:
            if isinstance(adapter, Initializes):
                adapter.initialize()
        except ConfigurationError as error:
            return error
    return None


async def find_incomplete(environ: Mapping[str, str]) -> Mapping[str, AttractorError]:
    """Return the faults of other providers with some of their variables, or without a package."""
    try:
        others = shipped_catalogue().providers
    except ConfigurationError:
        return {}
    begun = [
        name
        for name in others
        if name not in KEYS and unset_variables(name, environ) != [*variables_of(name)]
    ]
    found = {name: await find_unready(name, environ) for name in begun}
    return {name: fault for name, fault in found.items() if fault}


def key_variable(provider: str, environ: Mapping[str, str]) -> str:
    """Return the variable that contains the API key of a native provider."""
    if provider == "openai_compatible":
        return "OPENAI_COMPATIBLE_API_KEY"
    return next(name for name in KEYS[provider] if environ.get(name, "").strip())


@dataclass(frozen=True)
class ProviderKey:
    """Whether a provider can be asked; `variables` configure it, and `set_by` is set."""

    provider: str
    variables: tuple[str, ...] = ()
    set_by: str = ""
    is_set: bool = False


async def read_provider_keys(environ: Mapping[str, str]) -> Sequence[ProviderKey]:
    """Return the native providers, and the configured providers of other adapters."""
    native = [_native_key(name, variables, environ) for name, variables in KEYS.items()]
    return [*native, *(ProviderKey(name, is_set=True) for name in await find_served(environ))]


def _native_key(provider: str, names: tuple[str, ...], environ: Mapping[str, str]) -> ProviderKey:
    set_by = next((name for name in names if environ.get(name, "").strip()), "")
    return ProviderKey(provider, names, set_by, bool(set_by))


async def find_served(environ: Mapping[str, str]) -> Sequence[str]:
    """Return the configured providers that have no adapter of their own."""
    found: set[str] = set()
    for part in (provider_registry()[name] for name in _not_ours()):
        adapter = part.from_env(environ, timeout=AdapterTimeout())
        if adapter is None:
            continue
        found |= {*adapter.list_served()} if isinstance(adapter, ServesOthers) else set()
        await adapter.close()
    return sorted(found)


def _not_ours() -> Iterator[str]:
    """Yield adapters that serve other providers; adapters of native providers are not loaded."""
    return (name for name in provider_registry() if name not in KEYS)


@asynccontextmanager
async def _open_adapter(
    provider: str, environ: Mapping[str, str]
) -> AsyncGenerator[ProviderAdapter | None]:
    """Yield the adapter of a provider that is not native; None if it is not configured."""
    async with AsyncExitStack() as stack:
        found = None
        for name in _not_ours():
            if adapter := provider_registry()[name].from_env(environ, timeout=AdapterTimeout()):
                stack.push_async_callback(adapter.close)
                if name == provider:
                    found = adapter
                elif isinstance(adapter, ServesOthers):
                    found = found or adapter.serve(provider)
        yield found


async def find_libraries(
    providers: Iterable[str], environ: Mapping[str, str]
) -> Mapping[str, Callable[[], None]]:
    """Return the libraries of providers that are not loaded yet, each with its loading."""
    found: dict[str, Callable[[], None]] = {}
    for provider in (name for name in providers if name not in KEYS):
        async with _open_adapter(provider, environ) as adapter:
            if isinstance(adapter, LoadsLibrary) and adapter.library not in sys.modules:
                found[adapter.library] = adapter.load
    return found


def account_of(provider: str, accounts: Accounts) -> Account:
    """Return the account of a provider by which stages call its models."""
    if provider in KEYS:
        return accounts.of_provider(provider)
    known = [name for names in variables_of(provider) for name in names.split(" and ")]
    return accounts.of_provider(provider, [*known, f"{provider.upper()}_API_BASE"])


def newest_model(provider: str) -> str:
    """Return the newest model of a provider that can use tools; empty if none is known."""
    try:
        newest = get_latest_model(provider, "tools")
    except ConfigurationError:
        return ""
    return newest.id if newest else ""


async def list_ready(environ: Mapping[str, str]) -> Sequence[str]:
    """Return the providers of one family of models whose API keys are set."""
    return [name for name in list_own() if await has_key(name, environ)]


async def _list_with_models(environ: Mapping[str, str]) -> Sequence[str]:
    """Return the ready providers with known models; those of a local server are unknown."""
    return [name for name in await list_ready(environ) if newest_model(name)]


def list_own() -> Sequence[str]:
    """Return the providers with a profile of their own; the newest model can be a default."""
    return sorted(filter(is_provider, profile_parts()))


async def complete_defaults(
    nodes: Sequence[Node], defaults: ModelDefaults, environ: Mapping[str, str]
) -> ModelDefaults:
    """Return the defaults with a model, if a node needs one and the provider is clear.

    The provider is the default provider, otherwise the only provider with an API key and known
    models. Its newest model is the default model.
    """
    if defaults.model or all(defaults.choose(node).model for node in nodes):
        return defaults
    ready = [defaults.provider] if defaults.provider else await _list_with_models(environ)
    model = newest_model(ready[0]) if len(ready) == 1 else ""
    return replace(defaults, model=model, provider=ready[0]) if model else defaults


async def choose_ready(
    model: str, provider: str, environ: Mapping[str, str], *, user: str, hint: str
) -> ModelChoice:
    """Return a model that can be asked now.

    The default provider is the only one with an API key and known models, the default model the
    newest one of the provider. `user` asks the model, and `hint` is the remedy if none is chosen.
    """
    provider = provider or provider_of(model)
    if not provider and not model:
        ready = await _list_with_models(environ)
        provider = ready[0] if len(ready) == 1 else ""
    if not provider:
        missing = f"unknown provider of model {model!r}" if model else "no model is chosen"
        hint = hint if await list_ready(environ) else f"{hint}\n{WITHOUT_KEY}"
        raise UsageError(f"{missing} for {user}", hint=hint)
    if not is_provider(provider):
        raise UsageError(f"unknown provider {provider!r} of {user}", hint=hint)
    if not await has_key(provider, environ):
        raise UsageError(
            f"no API key of {provider}, the provider of {user}",
            hint=f"{key_remedy(provider)}\n{WITHOUT_KEY}",
        )
    if unready := await find_unready(provider, environ):
        raise UsageError(f"{unready.message}, the provider of {user}", hint=unready.hint)
    model = full_name(model, provider) or newest_model(provider)
    if not model:
        raise UsageError(f"no model of {provider} is known", hint=hint)
    return ModelChoice(provider, model)


def find_misspelled(
    nodes: Iterable[Node], defaults: ModelDefaults, ready: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yield each chosen model that the catalogue does not contain, with a similar known name."""
    chosen = dict.fromkeys(
        (choice.provider, choice.model) for choice in map(defaults.choose, nodes)
    )
    for provider, model in chosen:
        if not model or provider not in ready or find_known(model, provider):
            continue
        near = suggest(
            model, [name for info in list_known(provider) for name in (info.id, *info.aliases)]
        )
        if near:
            yield model, near


def list_catalogue(provider: str = "") -> Sequence[ModelInfo]:
    """Return the models of a provider (default: of all installed providers), newest first."""
    catalogue = shipped_catalogue()
    if not provider:
        installed = set(provider_registry())
        return [model for model in catalogue.newest_first() if model.provider in installed]
    if provider not in catalogue.providers:
        raise UnknownName("provider", provider, catalogue.providers)
    return catalogue.newest_first(provider)


def list_known(provider: str) -> Sequence[ModelInfo]:
    """Return the models of a provider; none if the catalogue cannot be read."""
    try:
        return list_models(provider)
    except ConfigurationError:
        return ()


@dataclass(frozen=True, kw_only=True)
class AgentParts:
    """The client and the defaults of stages.

    Without `accounts`, the limit of an account is a failure.
    """

    client: Client
    accounts: Accounts | None = None
    model: str = ""
    provider: str = ""
    config: SessionConfig = SessionConfig()
    clock: Clock = SystemClock()
    prompt_folders: tuple[Path, ...] = ()
    agents: Mapping[str, AgentDefinition] = field(default_factory=dict[str, AgentDefinition])
    mcp: Mapping[str, McpServerSettings] = field(default_factory=dict[str, McpServerSettings])


def choose_agent(stage: Stage, parts: AgentParts) -> AgentDefinition:
    """Return the agent of a stage; preflight reports an unknown agent earlier."""
    name = stage.node.attributes.text(AGENT)
    return parts.agents[name] if name else UNNAMED


def choose_model(stage: Stage, parts: AgentParts) -> ModelChoice:
    """Return the model of a stage; preflight reports a missing model earlier."""
    choice = ModelDefaults(parts.model, parts.provider, parts.agents).choose(stage.node)
    if not choice.model or not choice.provider:
        model = choice.model
        missing = f"no provider of the model {model!r}" if model else "no model"
        raise UsageError(
            f"{missing} is chosen for node {stage.node.id!r}",
            hint="pass --model, or set llm_model in the pipeline; 'attractor models' lists models",
        )
    return choice
