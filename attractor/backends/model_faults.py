"""Finds missing models and unconfigured providers before the first stage."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.backends.models import (
    AGENT,
    MODEL,
    PROVIDER,
    ModelDefaults,
    find_unready,
    list_known,
    list_own,
    list_ready,
    newest_model,
)
from attractor.backends.provider_needs import KEYS, WITHOUT_KEY, is_provider, provider_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Node
from attractor.language.source.syntax_tree import NOWHERE, Span

_NO_PROVIDER = "set llm_provider on the node or the graph, or pass --provider"
_MOST_NAMED = 5


@dataclass(frozen=True)
class _Trouble:
    """A fault, and the place of the invalid value; several nodes can share the value."""

    span: Span
    words: str
    fix: str


async def find_model_faults(
    nodes: Sequence[Node], defaults: ModelDefaults, environ: Mapping[str, str]
) -> list[Diagnostic]:
    """Return a fault for each missing model and each unconfigured provider."""
    ready = await list_ready(environ)
    chosen = {defaults.choose(node).provider for node in nodes} - {"", *ready}
    unready = {name: await find_unready(name, environ) for name in chosen}
    found: dict[_Trouble, list[Node]] = {}
    for node in nodes:
        for trouble in _troubles(node, defaults, ready, unready):
            found.setdefault(trouble, []).append(node)
    return [
        node_fault(of, trouble.words, fix=trouble.fix, span=trouble.span)
        for trouble, of in found.items()
    ]


def _troubles(
    node: Node,
    defaults: ModelDefaults,
    ready: Sequence[str],
    unready: Mapping[str, AttractorError | None],
) -> Iterator[_Trouble]:
    choice = defaults.choose(node)
    if not choice.model and (not choice.provider or is_provider(choice.provider)):
        # The default model is not used, because another provider serves it.
        of = f" of {choice.provider}" if choice.provider else ""
        words = f"missing {MODEL}: no model{of} is chosen"
        yield _Trouble(NOWHERE, words, _how_to_choose(choice.provider, ready))
    elif choice.model and not choice.provider:
        words = f"missing {PROVIDER}: no provider of the model {choice.model!r} is known"
        yield _Trouble(_place(node, MODEL), words, _NO_PROVIDER)
    if fault := unready.get(choice.provider):
        if node.attributes.text(PROVIDER):
            key = PROVIDER
        elif provider_of(node.attributes.text(MODEL)):
            key = MODEL
        else:
            agent = defaults.agent_of(node).settings
            key = AGENT if agent.model or agent.profile else ""
        source = f"{key}={node.attributes.text(key)}" if key else "--model, --provider or [llm]"
        needs_key = choice.provider in KEYS and not ready
        fix = f"{fault.hint}\n{WITHOUT_KEY}" if needs_key else fault.hint
        yield _Trouble(_place(node, key), f"{source}: {fault.message}", fix)


_EXAMPLES = 2


def _how_to_choose(provider: str, ready: Sequence[str]) -> str:
    """Return the hint for a missing model, with two models to type."""
    known = list_own()
    of_one = [model.id for model in list_known(provider)] if provider else []
    named = of_one or [newest_model(name) for name in ready or known]
    models = " or ".join(f"--model {model}" for model in named[:_EXAMPLES] if model)
    # The models of a local server are unknown.
    models = models or f"--provider {provider or ready[0]} --model NAME"
    variables = [KEYS.get(name, (name,))[0] for name in known]
    choose = (
        f"pass {models}, or set {MODEL} in the pipeline or llm.model in attractor.toml; "
        "'attractor models' lists models"
    )
    if ready:
        return choose
    keys = [] if provider else [f"set {' or '.join(variables)}"]
    return "\n".join([*keys, f"to choose a model, {choose}" if keys else choose, WITHOUT_KEY])


def _place(node: Node, key: str) -> Span:
    """Return the span of an attribute; NOWHERE if the options set the value."""
    value = node.attributes.value(key)
    if value is None or not str(value):
        return NOWHERE
    return value.span if value.span.is_somewhere else node.span


def node_fault(
    nodes: Sequence[Node], message: str, *, fix: str, span: Span = NOWHERE
) -> Diagnostic:
    """Return one fault of several nodes; without a span it is at the first node."""
    named = ", ".join(node.id for node in nodes[:_MOST_NAMED])
    more = f" and {len(nodes) - _MOST_NAMED} more" if len(nodes) > _MOST_NAMED else ""
    subject = "node" if len(nodes) == 1 else "nodes"
    place = span if span.is_somewhere else nodes[0].span
    return error(f"{subject} {named}{more}: {message}", place, node=nodes[0].id, fix=fix)
