"""What keeps the agent backend from doing a graph's stages, found before the first one (R14)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attractor.agent.provider_profile import find_provider, profile_parts
from attractor.backends.model_choice import MODEL, PROVIDER, ModelChoice, ModelDefaults
from attractor.backends.provider_keys import has_key, is_provider, key_remedy
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Node
from attractor.language.source.syntax_tree import NOWHERE, Span

_NO_MODEL = "set llm_model on the node or on the graph, or give --model"
_NO_PROVIDER = "set llm_provider on the node or on the graph, or give --provider"
_MOST_NAMED = 5


@dataclass(frozen=True)
class _Trouble:
    """What is wrong, and where the value stands that it comes from; several nodes may share it."""

    span: Span
    words: str
    fix: str


async def find_model_faults(
    nodes: Iterable[Node], defaults: ModelDefaults, environ: Mapping[str, str]
) -> list[Diagnostic]:
    """Return a fault for each model that is missing, and each provider that cannot be asked."""
    chosen = [(node, defaults.choose(node)) for node in nodes]
    known = sorted(filter(is_provider, profile_parts()))
    wanted = {choice.provider for _, choice in chosen}
    ready = {name for name in known if name in wanted and await has_key(name, environ)}
    found: dict[_Trouble, list[Node]] = {}
    for node, choice in chosen:
        for trouble in _troubles(node, choice, known, ready):
            found.setdefault(trouble, []).append(node)
    return [_fault(trouble, of) for trouble, of in found.items()]


def _troubles(
    node: Node, choice: ModelChoice, known: Iterable[str], ready: Iterable[str]
) -> Iterator[_Trouble]:
    if not choice.model:
        # A default model that another provider serves is of no use here.
        of = f" of {choice.provider}" if choice.provider else ""
        yield _Trouble(
            node.span, f"{MODEL}: nothing says which model{of} does the stage", _NO_MODEL
        )
    elif not choice.provider:
        words = f"{PROVIDER}: nothing says which provider serves the model {choice.model!r}"
        yield _Trouble(_place(node, MODEL), words, _NO_PROVIDER)
    if choice.provider and choice.provider not in ready:
        key = _decisive(node)
        said = f"{key}={node.attributes.text(key)}" if key else "--provider or --model"
        yield _Trouble(_place(node, key), *_why_not(choice.provider, known, said))


def _why_not(provider: str, known: Iterable[str], said: str) -> tuple[str, str]:
    if provider in known:
        return f"{said}: the key of the provider {provider!r} is not set", key_remedy(provider)
    if is_provider(provider):
        words = f"{said}: agents have no profile for the models of {provider!r}"
        return words, f"use a model of one of: {', '.join(known)}"
    unknown = UnknownName("provider", provider, known)
    return f"{said}: {unknown.message}", unknown.hint


def _decisive(node: Node) -> str:
    """Return the attribute that decided on the provider; nothing when the options did."""
    if node.attributes.text(PROVIDER):
        return PROVIDER
    return MODEL if find_provider(node.attributes.text(MODEL)) else ""


def _place(node: Node, key: str) -> Span:
    """Return where an attribute stands; one place for all whom the options decide for."""
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
