"""What is known of a run that is to be diagnosed, and what a finding is made of."""

import shlex
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.state.progress import Progress
from attractor.engine.state.run_state import RunState
from attractor.language.graph.graph import Graph, Node
from attractor.pipeline.history import History, Made
from attractor.pipeline.run_records import RunRecord


@dataclass(frozen=True)
class Remedy:
    """Something to do about it, and the command for that, if there is one."""

    what: str
    command: str = ""


@dataclass(frozen=True)
class Finding:
    """Where a run stands in one sentence, the chain of causes, and what can be done."""

    verdict: str
    causes: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class Case:
    """A run with all that its records say; `reference` is what a person types to name it."""

    run: RunRecord
    state: RunState
    history: History
    reference: str
    is_live: bool
    now: datetime
    graph: Graph | None = None

    @property
    def progress(self) -> Progress:
        """How far the walk has come."""
        return self.state.progress or Progress("")

    @property
    def file(self) -> str:
        """The file of the pipeline, to be changed."""
        return shlex.quote(str(self.run.manifest.options.get("file", "FILE")))

    def node(self, name: str) -> Node | None:
        """Return a node of the graph."""
        return self.graph.nodes.get(name) if self.graph else None

    def last_of(self, node: str) -> Made | None:
        """Return the last visit of a node that came to its end."""
        return next((one for one in reversed(self.history.visits) if one.node == node), None)

    def folder(self, node: str) -> Path:
        """Return where a node's stages write."""
        return self.run.directory.stage(node)

    def command(self, name: str, *words: str) -> str:
        """Return a command about the run."""
        return " ".join(["attractor", name, self.reference, *map(shlex.quote, words)])

    def again(self, node: str, *, changed: bool = False) -> str:
        """Return what goes back to a node, with the pipeline as it is or a changed one."""
        return self.command("rewind", self.forked_at(node)) + (
            f" --graph {self.file}" if changed else ""
        )

    def forked_at(self, node: str) -> str:
        """Return where a run is forked to do a node again: branches are done again together."""
        made = self.last_of(node)
        if made is None or not made.branch:
            return node
        over = [one for one in self.history.branches if made.branch.startswith(one.key)]
        if not over:
            return node
        outermost = min(over, key=lambda one: len(one.key))
        return f"{outermost.node}@{outermost.visit}"
