"""The effective values of a pipeline or a run: profile, graph and nodes merged, with origins."""

from collections.abc import Iterator, Mapping
from typing import cast

from attractor.base.dataclasses import dataclass
from attractor.engine.budgets import NO_BUDGETS, Budgets, read_budgets
from attractor.factory.resources.effective import ProfileModels
from attractor.factory.resources.profiles import Profile, ProfilePolicy, ProfileSandbox
from attractor.language.comparison.compare import GRAPH_DEFAULTS, effective_default
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.syntax_tree import Attribute

_MODEL = ("llm_provider", "llm_model")
_KEYS = (*_MODEL, *sorted(GRAPH_DEFAULTS))
"""The values of a node that more than one of profile, graph and node can set."""

_DEFAULT = "default"


@dataclass(frozen=True)
class EffectiveValue:
    """A value with its origin; `node` is "" for a value of the whole run."""

    node: str
    key: str
    value: str
    origin: str


def effective_values(
    graph: Graph,
    profile: Profile,
    *,
    model: str = "",
    provider: str = "",
    budgets: Budgets = NO_BUDGETS,
) -> Iterator[EffectiveValue]:
    """Yield the values of the whole run, then those of each stage.

    `model`, `provider` and `budgets` are those that a run was started with.
    """
    yield from _cost(graph, profile, budgets)
    for table, defaults in (("policy", ProfilePolicy()), ("sandbox", ProfileSandbox())):
        chosen = getattr(profile, table)
        for key in defaults.settings:
            value = getattr(chosen, key)
            is_default = value == getattr(defaults, key)
            if key != "max_cost_usd":
                origin = _DEFAULT if is_default else _origin_of(profile)
                yield EffectiveValue("", f"{table}.{key}", _text(value), origin)
    given = {"llm_model": model, "llm_provider": provider if model else ""}
    with_profile = ProfileModels(profile.models).apply(graph)
    for node in graph.nodes.values():
        if node.type not in ("start", "exit"):
            yield from _of_node(graph, node, with_profile.nodes[node.id], profile, given)


def _cost(graph: Graph, profile: Profile, budgets: Budgets) -> Iterator[EffectiveValue]:
    """Yield the lowest limit of costs: that of the profile, or that of the run or the graph."""
    written = graph.attributes.by_key.get("max_cost_usd")
    chosen = [
        (profile.policy.max_cost_usd, _origin_of(profile)),
        (budgets.cost_usd, "run")
        if budgets.cost_usd is not None
        else (read_budgets(graph).cost_usd, _place("graph", written)),
    ]
    limits = [(limit, origin) for limit, origin in chosen if limit is not None]
    limit, origin = min(limits) if limits else (None, _DEFAULT)
    yield EffectiveValue("", "max_cost_usd", _text(limit), origin)


def _of_node(
    graph: Graph, node: Node, with_profile: Node, profile: Profile, given: dict[str, str]
) -> Iterator[EffectiveValue]:
    of_graph = [graph.attributes.by_key.get(key) for key in (*_KEYS, "model_stylesheet")]
    graph_spans = {attribute.span for attribute in of_graph if attribute}
    is_chosen = any(name in profile.models for name in node.classes)
    for key in _KEYS:
        written = node.attributes.by_key.get(key)
        if key in _MODEL and is_chosen:
            value, origin = with_profile.attributes.text(key), _origin_of(profile)
        elif written:
            # The stylesheet and the model of the graph are in the nodes already.
            owner = "graph" if written.span in graph_spans else "node"
            value, origin = str(written.value), _place(owner, written)
        elif key in _MODEL:
            value, origin = given[key], "run"
        else:
            value = effective_default(key, node, graph) or ""
            default = graph.attributes.by_key.get(GRAPH_DEFAULTS[key])
            origin = _place("graph", default) if default else _DEFAULT
        if value:
            yield EffectiveValue(node.id, key, value, origin)


def _origin_of(profile: Profile) -> str:
    return f"profile {profile.name}"


def _place(owner: str, written: Attribute | None) -> str:
    is_known = written is not None and written.span.is_somewhere
    return f"{owner}, line {written.span.line}" if written and is_known else owner


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, cast("tuple[object, ...]", value))) or "none"
    if isinstance(value, Mapping):
        named = cast("Mapping[str, str]", value)
        return ", ".join(f"{name}={one}" for name, one in named.items()) or "none"
    return "none" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)
