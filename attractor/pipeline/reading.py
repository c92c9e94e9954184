"""Reads a pipeline again as its run began with it."""

from collections.abc import Mapping
from dataclasses import replace

from attractor.base.errors import Broken
from attractor.base.files import file_trouble
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_files
from attractor.language.linting.lint_rule import VITAL
from attractor.language.preparation.prepare import KnownFiles
from attractor.language.source.parse import decode
from attractor.language.source.text import Source
from attractor.pipeline.accepted_graphs import KeptGraph, find_accepted, read_interrupted
from attractor.pipeline.brought import NOTHING_BROUGHT, Brought
from attractor.pipeline.source import (
    PipelineSource,
    handlers_only,
    read_pipeline,
)

_NO_VARIABLES: Mapping[str, str] = {}


def read_again(
    directory: RunDirectory,
    manifest: Manifest,
    *,
    goal: str,
    inputs: Mapping[str, str] | None,
    brought: Brought = NOTHING_BROUGHT,
    environ: Mapping[str, str] = _NO_VARIABLES,
) -> PipelineSource:
    """Read the pipeline of a run from its directory, or refuse one that was changed there.

    It is the one that the run began with, or that somebody accepted since. Without inputs those of
    the graph stay as they are written.
    """
    file = directory.graph
    try:
        content = file.read_bytes()
    except OSError as cause:
        raise file_trouble("read", file, cause) from cause
    found = KeptGraph(content, read_files(directory))
    accepted = find_accepted(directory)
    wanted = accepted.new if accepted else manifest.content_hash
    if accepted and found.hash != wanted:
        found = read_interrupted(directory, found, accepted)
    if found.hash != wanted:
        raise Broken(
            f"{file} is not what the run began with",
            hint="bring it back from a copy, or start a new run",
        )
    # It was sound when the run began; how grave the project takes a rule may have changed since.
    return read_pipeline(
        Source(decode(found.text, file=str(file)), str(file)),
        goal=goal,
        files=KnownFiles(found.files),
        inputs=inputs,
        known=replace(handlers_only(), brought=brought, environ=environ),
        refuses=lambda one: one.is_error and one.rule in VITAL,
    )
