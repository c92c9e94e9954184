"""Takes back what a child does not ask any more: a branch of it was given up, or begun anew.

The question stands in the journal of the child and, by the child's name, in that of its parent.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from attractor.base.errors import AttractorError
from attractor.engine.questions.answer_options import OF_CHILD
from attractor.engine.questions.ask import Questions
from attractor.engine.questions.question import Answer, AnswerKind
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.walk import POLL


@asynccontextmanager
async def withdrawing(
    questions: Questions, parent: OpenRun, name: str, child: Callable[[], OpenRun]
) -> AsyncGenerator[None]:
    """Keep what the parent asks for a child what the child asks, as long as this lasts."""

    def withdraw() -> None:
        # A journal that takes nothing more stops the run without us.
        with suppress(AttractorError):
            _withdraw(questions, parent, name, child())

    looking = asyncio.create_task(_often(withdraw))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        withdraw()


async def _often(work: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(POLL.total_seconds())
        work()


def _withdraw(questions: Questions, parent: OpenRun, name: str, child: OpenRun) -> None:
    prefix = f"{name}{OF_CHILD}"
    asked = [one for one in parent.state.asked if one.id.startswith(prefix)]
    if not asked:
        return
    kept = {prefix + one.id for one in child.state.asked}
    for one in asked:
        if one.id not in kept:
            questions.settle(one, Answer(AnswerKind.SKIPPED))
