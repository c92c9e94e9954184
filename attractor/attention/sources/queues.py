"""Runs that a queue of promotions gave back, and queues that are stuck."""

import shlex
from collections.abc import Iterator

from attractor.attention.rows import AttentionRow, in_project, link_to_run
from attractor.attention.source import Look, Source
from attractor.base.amounts import number_of
from attractor.engine.state.run_state import Phase
from attractor.factory.project import ProjectFolder
from attractor.factory.promotion_queue import PromotionQueue, PromotionQueues, QueuedRun, is_stuck
from attractor.records.diagnosis.needs import row_id


def _rows(look: Look) -> Iterator[AttentionRow]:
    project = look.project
    queues, at = PromotionQueues.in_state(look.state, project.project_id), in_project(project)
    # A queue that waits for a decision needs nothing else.
    asked = {run.run_id for run in look.runs if run.phase == Phase.DECISION}
    for queue in queues.all():
        for run in queue.runs:
            if run.returned:
                again = f"attractor run FILE --feedback {run.current} && " if run.conflicts else ""
                end = f"{at}{again}{queue.removal(run)}"
                yield _row(project, queue, run, run.returned, end)
        first, holder = queue.first, queues.holder(queue.branch)
        if first and first.current not in asked and is_stuck(first, look.now, is_held=bool(holder)):
            behind = number_of(len(queue.waiting) - 1, "run")
            words = f"{first.trouble or 'no process promotes it'}; {behind} behind it"
            next_ = f"{at}attractor queue run --branch {shlex.quote(queue.branch)}"
            yield _row(project, queue, first, words, next_)


def _row(
    project: ProjectFolder, queue: PromotionQueue, run: QueuedRun, words: str, command: str
) -> AttentionRow:
    return AttentionRow(
        id=row_id(
            "queue", project.project_id, queue.branch, run.current, run.returned or run.trouble
        ),
        need="queue",
        project=project,
        name=f"queue of {queue.branch}",
        reason=f"{run.run_id} did not land on {queue.branch}: {words}",
        since=run.since,
        command=command,
        run_id=run.current,
        link=link_to_run(run.current),
    )


part = Source(_rows)
