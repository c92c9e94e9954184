"""Refuses before anything is made what cannot be run, or not without telling a secret."""

from collections.abc import Sequence

from attractor.language.diagnostics import Diagnostic
from attractor.pipeline.knowing import known_in
from attractor.pipeline.model_middleware import find_provider_faults
from attractor.pipeline.needed_programs import Required
from attractor.pipeline.options import RunOptions
from attractor.pipeline.requirements import require_runnable
from attractor.pipeline.source import PipelineSource
from attractor.pipeline.told_secrets import find_told_secrets
from attractor.pipeline.world import World


async def require_fit(
    pipeline: PipelineSource,
    options: RunOptions,
    world: World,
    *,
    more: Sequence[Diagnostic] = (),
) -> Sequence[Required]:
    """Refuse what cannot be run to its end, or not without telling a secret."""
    told = [*find_told_secrets(pipeline, world.redactor, world.environ), *more]
    told += find_provider_faults(world.llm)
    known = known_in(world)
    return await require_runnable(pipeline.graph, options, world.environ, known=known, more=told)
