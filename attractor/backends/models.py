"""Chooses the models of stages, finds missing models and API keys, and computes prices of calls
(R14).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import NamedTuple

from attractor.agent.definitions import UNNAMED, AgentDefinition
from attractor.agent.events import EventEmitter, EventKind, SessionConfig
from attractor.agent.provider_profile import find_provider, profile_parts
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError, suggest
from attractor.config.settings import McpServerSettings
from attractor.engine.outcome import Usage
from attractor.engine.seams import Stage
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Node
from attractor.language.source.syntax_tree import NOWHERE, Span
from attractor.llm.catalogue import (
    ModelInfo,
    get_latest_model,
    get_model_info,
    list_models,
)
from attractor.llm.client import AdapterTimeout, Client, ServesOthers, provider_registry
from attractor.llm.errors import ConfigurationError
from attractor.llm.response import Usage as Used, cost_of, prompt_tokens

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
        model = provider = ""
        for named, given in (
            (node.attributes.text(MODEL), node.attributes.text(PROVIDER)),
            (agent.model, agent.profile),
            (self.model, self.provider),
        ):
            own = given or provider_of(named)
            if not model and (not provider or own == provider):
                model = named
            provider = provider or own
        effort = node.attributes.text("reasoning_effort") or _EFFORT
        return ModelChoice(provider, full_name(model, provider), effort)

    def agent_of(self, node: Node) -> AgentDefinition:
        """Return the agent of a node; an unknown agent is reported by preflight."""
        return self.agents.get(node.attributes.text(AGENT), UNNAMED)


def _find(model: str, provider: str = "") -> ModelInfo | None:
    """Return the catalogue entry of a model; None also if the catalogue cannot be read."""
    try:
        return get_model_info(model, provider) if model else None
    except ConfigurationError:
        return None


def provider_of(model: str) -> str:
    """Return the provider of a model by the model's name or short name; empty if unknown."""
    if found := find_provider(model):
        return found
    known = _find(model)
    return known.provider if known else ""


def full_name(model: str, provider: str) -> str:
    """Return the id of a model that is named by a short name of the catalogue, such as `opus`."""
    known = _find(model, provider) if provider in KEYS else None
    return known.id if known else model


KEYS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openai": ("OPENAI_API_KEY",),
    "openai_compatible": ("OPENAI_COMPATIBLE_BASE_URL",),
}
"""Variables that configure the native providers; one variable of a provider is enough."""


def is_provider(provider: str) -> bool:
    """Return whether a provider exists, natively or served by another adapter."""
    return provider in provider_registry() or bool(_variables_of(provider))


async def has_key(provider: str, environ: Mapping[str, str]) -> bool:
    """Return whether the API key of a provider is set."""
    if names := KEYS.get(provider):
        return any(environ.get(name, "").strip() for name in names)
    if provider not in provider_registry() and _variables_of(provider):
        return any([await _asked(name, environ, provider) for name in _not_ours()])
    return await _asked(provider, environ)


def key_remedy(provider: str) -> str:
    """Return the hint for a missing API key."""
    names = KEYS.get(provider) or _variables_of(provider)
    return f"set {' or '.join(names)}" if names else f"set the variables of {provider}"


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


def _variables_of(provider: str) -> Sequence[str]:
    for part in (provider_registry()[name] for name in _not_ours()):
        if issubclass(part, ServesOthers) and (variables := part.variables_of(provider)):
            return variables
    return ()


def _not_ours() -> Iterator[str]:
    """Yield adapters that serve other providers; adapters of native providers are not loaded."""
    return (name for name in provider_registry() if name not in KEYS)


async def _asked(name: str, environ: Mapping[str, str], served: str = "") -> bool:
    """Return whether an adapter is configured, for its own provider or for another provider."""
    adapter = provider_registry()[name].from_env(environ, timeout=AdapterTimeout())
    if adapter is None:
        return False
    await adapter.close()
    return not served or (isinstance(adapter, ServesOthers) and adapter.serve(served) is not None)


def newest_model(provider: str) -> str:
    """Return the newest model of a provider that can use tools; empty if none is known."""
    try:
        newest = get_latest_model(provider, "tools")
    except ConfigurationError:
        return ""
    return newest.id if newest else ""


async def list_ready(environ: Mapping[str, str]) -> Sequence[str]:
    """Return the providers that agents support and whose API keys are set."""
    return [name for name in _supported() if await has_key(name, environ)]


def _supported() -> Sequence[str]:
    return sorted(filter(is_provider, profile_parts()))


async def complete_defaults(
    nodes: Sequence[Node], defaults: ModelDefaults, environ: Mapping[str, str]
) -> ModelDefaults:
    """Return the defaults with a model, if a node needs one and the provider is clear.

    The provider is the default provider, otherwise the only provider with an API key. Its newest
    model is the default model.
    """
    if defaults.model or all(defaults.choose(node).model for node in nodes):
        return defaults
    ready = [defaults.provider] if defaults.provider else await list_ready(environ)
    model = newest_model(ready[0]) if len(ready) == 1 else ""
    return replace(defaults, model=model, provider=ready[0]) if model else defaults


def find_misspelled(
    nodes: Iterable[Node], defaults: ModelDefaults, ready: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yield each chosen model that the catalogue does not contain, with a similar known name."""
    chosen = dict.fromkeys((one.provider, one.model) for one in map(defaults.choose, nodes))
    for provider, model in chosen:
        if not model or provider not in ready or _find(model, provider):
            continue
        near = suggest(model, [name for one in _list(provider) for name in (one.id, *one.aliases)])
        if near:
            yield model, near


def _list(provider: str) -> Sequence[ModelInfo]:
    try:
        return list_models(provider)
    except ConfigurationError:
        return ()


_NO_PROVIDER = "set llm_provider on the node or the graph, or pass --provider"
_MOST_NAMED = 5


@dataclass(frozen=True)
class _Trouble:
    """A fault, and the place of the invalid value; several nodes can share the value."""

    span: Span
    words: str
    fix: str


async def find_model_faults(
    nodes: Iterable[Node], defaults: ModelDefaults, environ: Mapping[str, str]
) -> list[Diagnostic]:
    """Return a fault for each missing model and each unconfigured provider."""
    known, ready = _supported(), await list_ready(environ)
    found: dict[_Trouble, list[Node]] = {}
    for node in nodes:
        for trouble in _troubles(node, defaults, known, ready):
            found.setdefault(trouble, []).append(node)
    return [_fault(trouble, of) for trouble, of in found.items()]


def _troubles(
    node: Node, defaults: ModelDefaults, known: Sequence[str], ready: Sequence[str]
) -> Iterator[_Trouble]:
    choice = defaults.choose(node)
    if not choice.model and choice.provider in ("", *known):
        # The default model is not used, because another provider serves it.
        of = f" of {choice.provider}" if choice.provider else ""
        words = f"missing {MODEL}: no model{of} is chosen"
        yield _Trouble(NOWHERE, words, _how_to_choose(choice.provider, known, ready))
    elif choice.model and not choice.provider:
        words = f"missing {PROVIDER}: no provider of the model {choice.model!r} is known"
        yield _Trouble(_place(node, MODEL), words, _NO_PROVIDER)
    if choice.provider and choice.provider not in ready:
        key = _decisive(node, defaults)
        source = f"{key}={node.attributes.text(key)}" if key else "--model, --provider or [llm]"
        yield _Trouble(_place(node, key), *_why_not(choice.provider, known, source))


_EXAMPLES = 2


def _how_to_choose(provider: str, known: Sequence[str], ready: Sequence[str]) -> str:
    """Return the hint for a missing model, with two models to type."""
    of_one = [one.id for one in _list(provider)] if provider else []
    named = of_one or [newest_model(one) for one in ready or known]
    models = " or ".join(f"--model {one}" for one in named[:_EXAMPLES] if one) or "--model"
    variables = [KEYS.get(one, (one,))[0] for one in known]
    keys = "" if provider or ready else f"set {' or '.join(variables)}; to choose a model, "
    return (
        f"{keys}pass {models}, or set {MODEL} in the pipeline or llm.model in attractor.toml; "
        "'attractor models' lists models"
    )


def _why_not(provider: str, known: Iterable[str], source: str) -> tuple[str, str]:
    if provider in known:
        return f"{source}: missing API key of the provider {provider!r}", key_remedy(provider)
    if is_provider(provider):
        words = f"{source}: the backend agent does not support models of {provider!r}"
        return words, f"use a model of one of: {', '.join(known)}"
    unknown = UnknownName("provider", provider, known)
    return f"{source}: {unknown.message}", unknown.hint


def _decisive(node: Node, defaults: ModelDefaults) -> str:
    """Return the attribute that sets the provider; an empty text if the options set it."""
    if node.attributes.text(PROVIDER):
        return PROVIDER
    if find_provider(node.attributes.text(MODEL)):
        return MODEL
    agent = defaults.agent_of(node).settings
    return AGENT if agent.model or agent.profile else ""


def _place(node: Node, key: str) -> Span:
    """Return the span of an attribute; NOWHERE if the options set the value."""
    value = node.attributes.value(key)
    if value is None or not str(value):
        return NOWHERE
    return value.span if value.span.is_somewhere else node.span


def _fault(trouble: _Trouble, nodes: Sequence[Node]) -> Diagnostic:
    named = ", ".join(node.id for node in nodes[:_MOST_NAMED])
    more = f" and {len(nodes) - _MOST_NAMED} more" if len(nodes) > _MOST_NAMED else ""
    who = f"node {named}" if len(nodes) == 1 else f"nodes {named}{more}"
    span = trouble.span if trouble.span.is_somewhere else nodes[0].span
    return error(f"{who}: {trouble.words}", span, node=nodes[0].id, fix=trouble.fix)


@dataclass(frozen=True, kw_only=True)
class AgentParts:
    """The client and the defaults of stages."""

    client: Client
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


FindModel = Callable[[str, str], ModelInfo | None]
"""Returns the catalogue entry of a model, by its id and its provider."""

_CONSEQUENCE = "its tokens are counted, but its cost counts as 0"


class _Price(NamedTuple):
    """The cost of a call, or the reason why the cost is unknown."""

    cost_usd: float | None
    why_not: str = ""


class Pricing:
    """Prices the calls of one run."""

    def __init__(self, find: FindModel = get_model_info) -> None:
        self._find = find
        self._warned: set[str] = set()

    def price(self, used: Used, choice: ModelChoice, emit: EventEmitter) -> Usage:
        """Return the usage and cost of a call; warn once per unknown price."""
        price = _price(used, choice, self._find)
        if price.cost_usd is None and price.why_not not in self._warned:
            self._warned.add(price.why_not)
            emit(EventKind.WARNING, message=price.why_not)
        prompt = prompt_tokens(used, choice.provider)
        return Usage(prompt, used.output_tokens, price.cost_usd or 0.0)

    def answered(self, asked: ModelChoice, provider: str, model: str) -> ModelChoice:
        """Return the model with the price that applies, usually the answering model.

        If the requested provider answered with a model that the catalogue does not contain, return
        the requested model: providers often report a more exact name.
        """
        if provider in ("", asked.provider) and (not model or not self._knows(provider, model)):
            return asked
        return replace(asked, provider=provider, model=model)

    def _knows(self, provider: str, model: str) -> bool:
        try:
            return self._find(model, provider) is not None
        except ConfigurationError:
            return False


class Meter:
    """Adds up the usage of a stage, call by call, because longer prompts can cost more
    per token.
    """

    def __init__(self, pricing: Pricing, choice: ModelChoice, emit: EventEmitter) -> None:
        self._pricing, self._choice, self._emit = pricing, choice, emit
        self.total = Usage()

    def take(self, used: Used, provider: str = "", model: str = "") -> Usage:
        """Count a call and return the usage of the call.

        `model` is the model that answered, which can differ from the requested model.
        """
        answered = self._pricing.answered(self._choice, provider, model)
        usage = self._pricing.price(used, answered, self._emit)
        self.total += usage
        return usage


def _price(used: Used, choice: ModelChoice, find: FindModel) -> _Price:
    named = f"the model {choice.model} of {choice.provider}"
    try:
        model = find(choice.model, choice.provider)
    except ConfigurationError as error:
        return _Price(None, f"model prices are unknown: {error.message}; {error.hint}")
    if model is None:
        return _Price(None, f"the catalogue does not contain {named}: {_CONSEQUENCE}")
    return _Price(cost_of(used, model), f"the catalogue has no price for {named}: {_CONSEQUENCE}")
