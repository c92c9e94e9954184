"""Chooses the default model of a run, and checks the models and providers that its stages need."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from attractor.backends.model_faults import find_model_faults, node_fault
from attractor.backends.models import (
    ModelChoice,
    ModelDefaults,
    complete_defaults,
    find_misspelled,
    list_ready,
)
from attractor.config.settings import LlmSettings
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Node
from attractor.llm.response import Usage, price_call
from attractor.pipeline.components.models import agents_of, find_unknown_providers
from attractor.pipeline.components.providers import providers_to_ask
from attractor.pipeline.project.run_scope import RunScope
from attractor.records.request import RunRequest


async def choose_model(
    nodes: Sequence[Node], request: RunRequest, scope: RunScope
) -> tuple[RunRequest, Sequence[str]]:
    """Return the request with the default model of the run, and notices for a person.

    `nodes` are those of the backend agent. The default comes from the request, otherwise from the
    settings, otherwise it is the newest model of the only provider with an API key.
    """
    project = scope.project
    named = _defaults(request, scope)
    if not (named.model or named.provider) and project.llm:
        named = replace(named, model=project.llm.model, provider=project.llm.provider)
    # Programs have default models of their own.
    chosen = await complete_defaults(nodes, named, project.machine.environ) if nodes else named
    notices: list[str] = []
    if chosen != named:
        why = "" if named.provider else ", the only provider with an API key"
        notices.append(f"Model: {chosen.model}, the newest of {chosen.provider}{why}.")
    ready = await list_ready(project.machine.environ)
    notices += [
        f"Unknown model {model}: did you mean {near}?"
        for model, near in find_misspelled(nodes, chosen, ready)
    ]
    return replace(request, model=chosen.model, provider=chosen.provider), notices


async def find_faults(
    nodes: Sequence[Node], request: RunRequest, scope: RunScope
) -> Sequence[Diagnostic]:
    """Return a fault for each model of a node that cannot be used."""
    return await find_model_faults(nodes, _defaults(request, scope), scope.project.machine.environ)


def find_unpriced_of_limited_agents(
    nodes: Sequence[Node], request: RunRequest, scope: RunScope
) -> Iterator[Diagnostic]:
    """Yield a fault for each model without a price of the agents that limit their cost."""
    defaults = _defaults(request, scope)
    limited = [node for node in nodes if defaults.agent_of(node).settings.limits.cost_usd]
    yield from find_unpriced(limited, request, scope, "limits.cost_usd of the agent")


def find_unpriced(
    nodes: Sequence[Node], request: RunRequest, scope: RunScope, limit: str = "max_cost_usd"
) -> Iterator[Diagnostic]:
    """Yield a fault for each model without a price, whose cost a limit could not limit."""
    by_model: dict[ModelChoice, list[Node]] = {}
    for node in nodes:
        choice = replace(_defaults(request, scope).choose(node), reasoning_effort="")
        by_model.setdefault(choice, []).append(node)
    for choice, users in by_model.items():
        price = price_call(Usage(0, 0), choice.provider, [choice.model])
        if choice.model and price.cost_usd is None:
            yield node_fault(
                users,
                f"{limit} cannot limit the cost: {price.why_not}",
                fix=f"remove {limit} and limit tokens instead: --max-tokens N, or choose a "
                "model with a price ('attractor models' lists them)",
            )


def find_setting_faults(settings: LlmSettings | None) -> Iterator[Diagnostic]:
    """Yield each setting that names an unknown provider and therefore has no effect."""
    for key, unknown in find_unknown_providers(settings):
        yield error(f"the setting {key}: {unknown.message}", fix=unknown.hint)


def list_models(nodes: Sequence[Node], request: RunRequest, scope: RunScope) -> set[str]:
    """Return the models of nodes; "" is the default of a program."""
    defaults = _defaults(request, scope)
    return {defaults.choose(node).model for node in nodes}


def list_providers(nodes: Sequence[Node], request: RunRequest, scope: RunScope) -> tuple[str, ...]:
    """Return the providers that must answer before the first stage."""
    return providers_to_ask(nodes, _defaults(request, scope), scope.project)


def _defaults(request: RunRequest, scope: RunScope) -> ModelDefaults:
    return ModelDefaults(request.model, request.provider, agents_of(scope))
