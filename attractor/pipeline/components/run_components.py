"""A prepared run and the components that execute it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from attractor.base.dataclasses import dataclass
from attractor.engine.interviews import AnsweredFirst, Questions
from attractor.engine.questions.question import Answer, AnswerKind, Interviewer
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Handler, Parts, PlayTrain, Steer
from attractor.engine.walk.saved_conversations import Rebuild, rebuilder_of
from attractor.handlers.registry import handler_registry
from attractor.interviewers.queue import NAME as QUEUE
from attractor.interviewers.registry import InterviewerParts, build_interviewer
from attractor.pipeline.components.backends import build_backend, executed_type, takes_receipts
from attractor.pipeline.project.custom_parts import adapt_handler
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import PipelineSource
from attractor.records.lookup import reference_of
from attractor.records.open_work import answer_command
from attractor.records.request import RunRequest

RECORDING_FILE = "answers.jsonl"
"""The file with recorded answers in a run directory, unless the request names another file."""

DescribeChanges = Callable[[], Awaitable[str]]
"""Returns the changed files of a run so far, and where they are; or an empty text."""


def choose_interviewer(
    request: RunRequest,
    scope: RunScope,
    run: OpenRun,
    describe_changes: DescribeChanges | None = None,
) -> Interviewer:
    """Build the interviewer: the custom interviewer, or the interviewer that the request names.

    A question at the terminal shows the changes so far.
    """
    project = scope.project
    if scope.parts.interviewer:
        return scope.parts.interviewer
    parts = InterviewerParts(
        input=project.console.input,
        output=project.console.output,
        answers=preset_answers(request),
        taken=run.state.answer_counts.get(QUEUE, 0),
        file=run.directory.root / RECORDING_FILE,
        redactor=run.redactor,
        alone=partial(_alone, scope, run, describe_changes),
    )
    return build_interviewer(request.interviewer or project.console.interviewer, parts)


@asynccontextmanager
async def _alone(
    scope: RunScope, run: OpenRun, describe_changes: DescribeChanges | None
) -> AsyncGenerator[Sequence[str]]:
    """Print a question after all earlier events; print nothing else while the question is open.

    Yield the lines about the run.
    """
    project = scope.project
    await project.console.subscriptions.catch_up()
    changed = scope.redactor.text(await describe_changes()) if describe_changes else ""
    reference = reference_of(run.directory.root, project.runs_dir)
    elsewhere = f"in another terminal: {answer_command(reference, 'CHOICE')}"
    with project.console.quiet():
        yield [*([f"changed so far: {changed}"] if changed else []), elsewhere]


def preset_answers(request: RunRequest) -> list[Answer]:
    """Return the answers that the caller passed before the run."""
    return [Answer(AnswerKind.GIVEN, value=value) for value in request.answers]


@dataclass(frozen=True)
class RunComponents:
    """The handlers of a run by type, the interviewer, and functions of the backend.

    `asking` is the interviewer for questions without an answer in the journal. `rebuild` rebuilds a
    conversation from its transcript.
    """

    handlers: Mapping[str, Handler]
    steer: Steer
    interviewer: Interviewer
    asking: Interviewer | None = None
    rebuild: Rebuild | None = None


async def build_components(
    pipeline: PipelineSource,
    request: RunRequest,
    scope: RunScope,
    stack: AsyncExitStack,
    *,
    questions: Questions,
    interviewer: Interviewer,
    play_train: PlayTrain | None = None,
    task_note: str = "",
) -> RunComponents:
    """Build the handlers of all types in the graph; the exit stack closes their resources."""
    project = scope.project
    graph = pipeline.graph
    custom_parts = scope.parts
    backend = await build_backend(graph, request, scope, stack)
    # Questions with an answer in the inbox are not asked again.
    asking = AnsweredFirst(interviewer, questions, clock=project.machine.clock)
    parts = Parts(
        backend,
        asking,
        pipeline.shown,
        pipeline.secrets,
        play_train,
        project=project.root,
        task_note=task_note,
        search_path=project.machine.search_path,
        takes_receipts=lambda node: takes_receipts(node, request, custom_parts),
        memory=scope.memory,
    )
    registry = handler_registry()
    used = {
        executed_type(node, {*registry, *custom_parts.handlers}) for node in graph.nodes.values()
    }
    used -= {*custom_parts.handlers}
    built = {name: adapt_handler(name, registry[name](parts)) for name in sorted(used)}
    handlers = {**built, **custom_parts.handlers}
    return RunComponents(handlers, backend.steer, interviewer, asking, rebuilder_of(backend))
