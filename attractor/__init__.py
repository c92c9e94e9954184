"""Runs pipelines drawn as DOT graphs; promotes only what hidden scenarios and a person approve.

This door is light: what stands behind a name is imported when the name is first asked for.
"""

import os
from typing import TYPE_CHECKING

from attractor.base import lazy_exports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attractor.base.errors import AttractorError, UsageError
    from attractor.base.events import Event
    from attractor.engine.context import Context
    from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, failure, success
    from attractor.engine.questions.question import Answer, AnswerKind, Option, Question
    from attractor.engine.run_folder.result import RunResult
    from attractor.engine.seams import Stage
    from attractor.factory.api import (
        EventStream,
        NodeType,
        node_types,
        prepare,
        resume_pipeline,
        resume_pipeline_sync,
        run_pipeline,
        run_pipeline_sync,
        validate,
    )
    from attractor.language.diagnostics import Diagnostic, Severity
    from attractor.language.graph.graph import Graph, Node
    from attractor.language.preparation.prepare import Prepared
    from attractor.language.reading import parse, parse_file

__all__ = [
    "Answer",
    "AnswerKind",
    "AttractorError",
    "Context",
    "Diagnostic",
    "Event",
    "EventStream",
    "FailureClass",
    "Graph",
    "Node",
    "NodeType",
    "Option",
    "Outcome",
    "Prepared",
    "Question",
    "RunResult",
    "Severity",
    "Stage",
    "StageStatus",
    "Usage",
    "UsageError",
    "__version__",
    "failure",
    "node_types",
    "parse",
    "parse_file",
    "prepare",
    "resume_pipeline",
    "resume_pipeline_sync",
    "run_pipeline",
    "run_pipeline_sync",
    "success",
    "validate",
]

__version__ = "0.1.0"

_HOMES = {
    "Answer": "engine.questions.question",
    "AnswerKind": "engine.questions.question",
    "AttractorError": "base.errors",
    "Context": "engine.context",
    "Diagnostic": "language.diagnostics",
    "Event": "base.events",
    "EventStream": "factory.api",
    "FailureClass": "engine.outcome",
    "Graph": "language.graph.graph",
    "Node": "language.graph.graph",
    "NodeType": "factory.api",
    "Option": "engine.questions.question",
    "Outcome": "engine.outcome",
    "Prepared": "language.preparation.prepare",
    "Question": "engine.questions.question",
    "RunResult": "engine.run_folder.result",
    "Severity": "language.diagnostics",
    "Stage": "engine.seams",
    "StageStatus": "engine.outcome",
    "Usage": "engine.outcome",
    "UsageError": "base.errors",
    "failure": "engine.outcome",
    "node_types": "factory.api",
    "parse": "language.reading",
    "parse_file": "language.reading",
    "prepare": "factory.api",
    "resume_pipeline": "factory.api",
    "resume_pipeline_sync": "factory.api",
    "run_pipeline": "factory.api",
    "run_pipeline_sync": "factory.api",
    "success": "engine.outcome",
    "validate": "factory.api",
}


def __environ__() -> "Mapping[str, str]":
    """Return the variables of the process, for what programs call with nothing handed in."""
    return os.environ


__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES)
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
