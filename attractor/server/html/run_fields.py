"""The fields of the forms that start a run: goal, inputs, model and limits."""

import asyncio
from collections.abc import Mapping, Sequence

from attractor.backends.models import list_catalogue, read_provider_keys
from attractor.base.durations import format_duration
from attractor.language.declarations.inputs import Input, find_input_faults
from attractor.records.request import GOAL, INPUT_PREFIX, RunRequest
from attractor.server.processes.bodies import InvalidFields

INPUT = "input."
"""The beginning of the names of fields with an input."""


def values_of(request: RunRequest) -> Mapping[str, str]:
    """Return the values of the fields for a run like an earlier one, as far as they are stored."""
    budgets = request.budgets
    inputs = {f"{INPUT}{name}": value for name, value in stored_inputs(request).items()}
    values = {
        **inputs,
        "goal": "" if GOAL in request.withheld else request.goal,
        "model": request.model,
        "suite": request.suite.partition("@")[0],
        "profile": request.profile.partition("@")[0],
        "max_cost_usd": "" if budgets.cost_usd is None else f"{budgets.cost_usd:.12g}",
        "max_tokens": "" if budgets.tokens is None else str(budgets.tokens),
        "max_duration": "" if budgets.duration is None else format_duration(budgets.duration),
    }
    return {name: value for name, value in values.items() if value}


def stored_inputs(request: RunRequest) -> Mapping[str, str]:
    """Return the inputs of an earlier run without those that contain a secret."""
    return {
        name: value
        for name, value in request.inputs.items()
        if f"{INPUT_PREFIX}{name}" not in request.withheld
    }


def written_inputs(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs in the fields of a form; an empty one counts as not given."""
    return {
        name.removeprefix(INPUT): text
        for name, text in fields.items()
        if name.startswith(INPUT) and text
    }


def require_inputs(declared: Sequence[Input], given: Mapping[str, str]) -> None:
    """Refuse wrong inputs, with a sentence for each field."""
    faults = find_input_faults(declared, given)
    if faults:
        hint = "; ".join(dict.fromkeys(fault.fix for fault in faults))
        raise InvalidFields({f"inputs.{one.name}": one.message for one in faults}, hint=hint)


def known_models(environ: Mapping[str, str]) -> Sequence[str]:
    """Return the known models of the providers with a key; without any, of all providers."""
    keys = asyncio.run(read_provider_keys(environ))
    usable = {one.provider for one in keys if one.is_set}
    models = list_catalogue()
    return [one.id for one in models if one.provider in usable] or [one.id for one in models]
