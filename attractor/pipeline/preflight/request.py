"""Finds faults of a request: unknown names, and custom parts that are missing on resume."""

from collections.abc import Iterator
from io import StringIO

from attractor.backends.registry import backend_registry
from attractor.base.errors import AttractorError, UnknownName, UsageError
from attractor.engine.simulation.outcomes import read_outcomes
from attractor.interviewers.registry import InterviewerParts, build_interviewer
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Graph
from attractor.pipeline.components.backends import SIMULATE
from attractor.pipeline.components.interviewer import preset_answers
from attractor.pipeline.host.custom_parts import HANDED_IN, CustomParts
from attractor.pipeline.request import RunRequest


def find_request_faults(
    graph: Graph, request: RunRequest, custom_parts: CustomParts
) -> Iterator[Diagnostic]:
    """Yield each value of a request that is unknown or unusable here."""
    yield from custom_parts.find_missing(request.custom_parts)
    known = tuple(backend_registry())
    if request.backend not in (*known, HANDED_IN):
        unknown = UnknownName("backend", request.backend, known)
        yield error(f"--backend: {unknown.message}", fix=unknown.hint)
    yield from find_interviewer_faults(request, custom_parts)
    if request.outcomes is None:
        return
    if request.backend != SIMULATE:
        yield error(
            "--outcomes: outcomes are for the backend simulate", fix="add --backend simulate"
        )
    try:
        read_outcomes(dict(request.outcomes), nodes=graph.nodes)
    except UsageError as fault:
        yield error(f"--outcomes: {fault}", fix=fault.hint)


def find_interviewer_faults(request: RunRequest, custom_parts: CustomParts) -> Iterator[Diagnostic]:
    """Yield a fault if the interviewer of the request cannot be built."""
    if custom_parts.interviewer:
        return
    if request.interviewer == HANDED_IN:
        yield error(
            "the program that started the run passed its interviewer",
            fix="choose another one: --interviewer park",
        )
        return
    parts = InterviewerParts(input=StringIO(), output=StringIO(), answers=preset_answers(request))
    try:
        build_interviewer(request.interviewer, parts)
    except AttractorError as fault:
        yield error(f"--interviewer: {fault}", fix=fault.hint)
