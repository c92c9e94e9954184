"""Walks a graph, stage by stage, with crash-safe records. Each name is imported on first use."""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports

if TYPE_CHECKING:
    from attractor.engine.context import Context
    from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, failure, success
    from attractor.engine.questions.question import (
        Answer,
        AnswerKind,
        Interviewer,
        Option,
        Question,
        QuestionKind,
    )
    from attractor.engine.routing.edge_selection import select_edge
    from attractor.engine.run_folder.result import RunResult
    from attractor.engine.seams import (
        Backend,
        Handler,
        ModelAnswer,
        Parts,
        Stage,
        StageFiles,
        Workspace,
    )

__all__ = [
    "Answer",
    "AnswerKind",
    "Backend",
    "Context",
    "FailureClass",
    "Handler",
    "Interviewer",
    "ModelAnswer",
    "Option",
    "Outcome",
    "Parts",
    "Question",
    "QuestionKind",
    "RunResult",
    "Stage",
    "StageFiles",
    "StageStatus",
    "Usage",
    "Workspace",
    "failure",
    "select_edge",
    "success",
]

_HOMES = {
    "Answer": "questions.question",
    "AnswerKind": "questions.question",
    "Backend": "seams",
    "Context": "context",
    "FailureClass": "outcome",
    "Handler": "seams",
    "Interviewer": "questions.question",
    "ModelAnswer": "seams",
    "Option": "questions.question",
    "Outcome": "outcome",
    "Parts": "seams",
    "Question": "questions.question",
    "QuestionKind": "questions.question",
    "RunResult": "run_folder.result",
    "Stage": "seams",
    "StageFiles": "seams",
    "StageStatus": "outcome",
    "Usage": "outcome",
    "Workspace": "seams",
    "failure": "outcome",
    "select_edge": "routing.edge_selection",
    "success": "outcome",
}

__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES)
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
