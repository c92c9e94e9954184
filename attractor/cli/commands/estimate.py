"""Estimate the cost and duration of a run."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click

from attractor.backends.models import ModelDefaults
from attractor.backends.registry import backend_registry
from attractor.base.amounts import format_cost, format_number, format_seconds
from attractor.base.errors import ExitCode, UnknownName
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.pipelines.files import gallery_files
from attractor.cli.runs.setup import node_model_options, project_of
from attractor.language.source.text import visible
from attractor.pipeline.components.backends import AGENT
from attractor.pipeline.components.models import agents_of
from attractor.pipeline.estimate.estimate import Estimate, StageEstimate, estimate as reckon
from attractor.pipeline.estimate.samples import Range, assume, read_samples
from attractor.pipeline.preflight.preflight import choose_default_model, find_backend_faults
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import context_of, open_pipeline, pipeline_name
from attractor.records.request import RunRequest

_UNKNOWN = "unknown"

_Write = Callable[[float], str]


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE", callback=gallery_files)
@click.option(
    "--backend",
    default="agent",
    show_default=True,
    help="Estimate for this backend; earlier runs with other backends are ignored.",
)
@node_model_options
@json_option
@click.pass_obj
def estimate(
    invocation: Invocation, file: Path, backend: str, model: str, provider: str, as_json: bool
) -> ExitCode:
    """Estimate the cost and duration of a run.

    FILE is a pipeline, or a name such as gallery:bug_fix. A stage is estimated from its visits in
    earlier runs. A run counts if it is in the runs folder and its pipeline has the same name. The
    output shows the number of earlier visits. Without earlier visits, a stage is estimated from its
    attributes. The number of model calls is then a wide range. Prices come from the model
    catalogue. What a run would lack on this machine follows, such as an API key.
    """
    if backend not in (known := backend_registry()):
        raise UnknownName("backend", backend, known)
    project = project_of(invocation)
    scope = RunScope.of(project)
    pipeline = open_pipeline(str(file), project=context_of(scope))
    samples = read_samples(project.runs_dir, pipeline_name(pipeline.graph, file))
    request = RunRequest(file=file, backend=backend, model=model, provider=provider)
    request, _ = asyncio.run(choose_default_model([pipeline.graph], request, scope))
    defaults = ModelDefaults(request.model, request.provider, agents_of(scope))
    by_model = partial(assume, defaults=defaults)
    # Only the agent backend is known to call models.
    guess = by_model if backend == AGENT else None
    found = reckon(pipeline, samples, backend=backend, assume=guess)
    is_asked = bool(model or provider)
    lacking = find_backend_faults([pipeline.graph], request, scope, is_model_asked=is_asked)
    faults = [(one.message, one.fix.replace("\n", "; ")) for one in asyncio.run(lacking)]
    record = {
        **write_fields(found),
        "not_ready": [{"message": message, "fix": fix} for message, fix in faults],
    }
    lines = [visible(f"not ready: {message} ({fix})") for message, fix in faults]
    return show_result(record, estimate_text(found), *lines, as_json=as_json)


def estimate_text(one: Estimate) -> str:
    """Return an estimate as text."""
    return "\n".join(map(visible, _lines(one)))


def _lines(one: Estimate) -> Iterator[str]:
    yield f"{one.pipeline}: {one.basis[0]}"
    yield from (f"  {reason}" for reason in one.basis[1:])
    yield ""
    yield from table(
        [
            ("", "low", "likely", "high"),
            ("time", *_three(one.seconds, format_seconds)),
            ("cost", *_three(one.cost_usd, format_cost)),
            ("tokens", *_three(one.tokens, format_number)),
        ]
    )
    if one.unknown:
        yield f"not included, because no earlier run visited them: {', '.join(one.unknown)}"
    for round_ in one.rounds:
        cost, time = _short(round_.cost_usd, format_cost), _short(round_.seconds, format_seconds)
        yield f"one round of the loop {', '.join(round_.nodes)}: cost {cost}, time {time}"
    yield ""
    heading = ("stage", "type", "visits per run", "time per visit", "cost per visit", "based on")
    yield from table([heading, *map(_row, one.stages)])


def _row(one: StageEstimate) -> tuple[str, ...]:
    return (
        one.node,
        one.type,
        _short(one.visits, lambda value: f"{value:g}"),
        _short(one.seconds, format_seconds),
        _short(one.cost_usd, format_cost),
        one.basis,
    )


def _three(one: Range, write: _Write) -> tuple[str, ...]:
    return tuple(
        _UNKNOWN if value is None else write(value) for value in (one.low, one.likely, one.high)
    )


def _short(one: Range, write: _Write) -> str:
    """Return a range as text: the likely value, and the limits if they differ."""
    if one.likely is None:
        return _UNKNOWN if one.high is None else f"at most {write(one.high)}"
    low, likely, high = _three(one, write)
    return likely if low == high else f"{likely} ({low} to {high})"


part = estimate
