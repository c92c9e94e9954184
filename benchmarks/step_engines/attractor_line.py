"""The line on Attractor as a library: a node for each step, with a handler of our own."""

import asyncio
from datetime import UTC, datetime

from line import Line, main

from attractor import __version__
from attractor.base.clock import SystemClock
from attractor.engine.outcome import Outcome, success
from attractor.engine.run_folder.layout import Manifest, create_run_directory
from attractor.engine.run_folder.open_run import open_run
from attractor.engine.runner import Runner
from attractor.engine.seams import Stage
from attractor.engine.stage.no_workspace import NoWorkspace
from benchmarks.engine import chain, graph_of, handlers


class Steps:
    """A handler that does the work of a step."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.last = ""

    async def execute(self, stage: Stage) -> Outcome:
        """Do the work; the engine keeps the text as a note."""
        self.last = self._line.step(int(stage.node.id[1:]) + 1)
        return success(notes=self.last)


def run(line: Line) -> str:
    """Run or resume the pipeline."""
    root, text, steps = line.folder / "run", chain(line.steps), Steps(line)
    if not root.exists():
        started = datetime.now(UTC)
        manifest = Manifest(
            run_id="run", pipeline="line", goal="", started=started, content_hash=""
        )
        create_run_directory(root, manifest, text)
    parts = {**handlers(), "codergen": steps}
    with open_run(root, clock=SystemClock(), before_end=None) as opened:
        runner = Runner(graph_of(text), opened, handlers=parts, workspace=NoWorkspace())
        result = asyncio.run(runner.run())
    assert str(result.outcome) == "success", result.reason
    return steps.last


if __name__ == "__main__":
    main(f"Attractor {__version__}", run)
