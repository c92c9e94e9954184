"""Estimate the cost and duration of a run."""

import asyncio
from functools import partial
from pathlib import Path

import click

from attractor.backends.models import ModelDefaults
from attractor.backends.registry import backend_registry
from attractor.base.errors import ExitCode, UnknownName
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.reports import estimate_text
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.setup import host_of, node_model_options
from attractor.pipeline.components.backends import AGENT, agents_of
from attractor.pipeline.estimate.estimate import estimate as reckon
from attractor.pipeline.estimate.samples import assume, read_samples
from attractor.pipeline.preflight.preflight import choose_default_model
from attractor.pipeline.request import RunRequest
from attractor.pipeline.source.read import open_pipeline, pipeline_name, project_of


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
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

    A stage is estimated from its visits in earlier runs. A run counts if it is in the runs folder
    and its pipeline has the same name. The output shows the number of earlier visits. Without
    earlier visits, a stage is estimated from its attributes. The number of model calls is then a
    wide range. Prices come from the model catalogue.
    """
    if backend not in (known := backend_registry()):
        raise UnknownName("backend", backend, known)
    host = host_of(invocation)
    pipeline = open_pipeline(str(file), project=project_of(host))
    samples = read_samples(host.runs_dir, pipeline_name(pipeline.graph, file))
    request = RunRequest(file=file, backend=backend, model=model, provider=provider)
    request, _ = asyncio.run(choose_default_model([pipeline.graph], request, host))
    defaults = ModelDefaults(request.model, request.provider, agents_of(host))
    by_model = partial(assume, defaults=defaults)
    # Only the agent backend is known to call models.
    guess = by_model if backend == AGENT else None
    found = reckon(pipeline, samples, backend=backend, assume=guess)
    if as_json:
        show_json(found.to_record())
    else:
        show(estimate_text(found))
    return ExitCode.DONE


part = estimate
