"""Executes snippets on an event loop in a thread of its own, beside the requests."""

import asyncio
import threading

from attractor.pipeline.project.project import Project
from attractor.snippets.execution import SnippetSandboxes
from attractor.snippets.snippet import ExtendedExecution, Snippet


class SnippetThread:
    """The thread that executes snippets, from the first snippet on.

    A sandbox ends with the thread that started it, and their output can be large.
    """

    def __init__(self, project: Project) -> None:
        self._sandboxes = SnippetSandboxes(project)
        self._runner: asyncio.Runner | None = None
        self._thread: threading.Thread | None = None

    async def execute(self, snippet: Snippet) -> ExtendedExecution:
        """Execute a snippet; if this is canceled, its sandbox ends."""
        executing = asyncio.run_coroutine_threadsafe(
            self._sandboxes.execute(snippet), self._running_loop()
        )
        return await asyncio.wrap_future(executing)

    async def close(self) -> None:
        """End all sandboxes and the thread."""
        if self._runner and self._thread:
            loop = self._runner.get_loop()
            loop.call_soon_threadsafe(loop.stop)
            await asyncio.to_thread(self._thread.join)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
            loop = self._runner.get_loop()
            self._thread = threading.Thread(target=self._run, args=(self._runner,), name="snippets")
            self._thread.start()
            return loop
        return self._runner.get_loop()

    def _run(self, runner: asyncio.Runner) -> None:
        # It cancels the remaining tasks, and waits for them.
        with runner:
            runner.get_loop().run_forever()
