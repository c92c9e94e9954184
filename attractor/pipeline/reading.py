"""Reads a pipeline again as its run began with it."""

from collections.abc import Mapping
from dataclasses import replace

from attractor.base.atomic_files import file_trouble
from attractor.base.errors import Broken
from attractor.engine.manifest import Manifest
from attractor.engine.run_directory import RunDirectory, read_files
from attractor.language.parsing import decode
from attractor.language.severities import VITAL
from attractor.language.sources import Source
from attractor.language.surroundings import KnownFiles
from attractor.pipeline.brought import NOTHING_BROUGHT, Brought
from attractor.pipeline.source import (
    PipelineSource,
    handlers_only,
    pipeline_hash,
    read_pipeline,
)


def read_again(
    directory: RunDirectory,
    manifest: Manifest,
    *,
    goal: str,
    inputs: Mapping[str, str],
    brought: Brought = NOTHING_BROUGHT,
) -> PipelineSource:
    """Read the pipeline of a run from its directory, or refuse one that was changed there."""
    file = directory.graph
    try:
        content = file.read_bytes()
    except OSError as cause:
        raise file_trouble("read", file, cause) from cause
    files = read_files(directory)
    if pipeline_hash(content, files) != manifest.content_hash:
        raise Broken(
            f"{file} is not what the run began with",
            hint="bring it back from a copy, or start a new run",
        )
    # It was sound when the run began; how grave the project takes a rule may have changed since.
    return read_pipeline(
        Source(decode(content, file=str(file)), str(file)),
        goal=goal,
        files=KnownFiles(files),
        inputs=inputs,
        known=replace(handlers_only(), brought=brought),
        refuses=lambda one: one.is_error and one.rule in VITAL,
    )
