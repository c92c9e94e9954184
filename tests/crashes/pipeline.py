"""A pipeline of 200 nodes with loops, retries, a goal gate, branches and commands; its backend."""

from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.engine.seams import ModelAnswer, Stage

NODES = 200
PLAIN = 'type=prompt, prompt="Go on"'
_BRANCHES = ("a", "b", "c")
OUTSIDE = "OUTSIDE"
"""Environment variable with the path of a file outside the workspace; it is never restored."""


class Draft:
    """DOT text that grows node by node; each node follows the previous one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0
        self.last = ""

    def node(self, name: str, attributes: str = PLAIN, *, after: str | None = None) -> None:
        """Add a node, and the edge to it."""
        self.lines.append(f"    {name} [{attributes}]")
        self.count += 1
        before = self.last if after is None else after
        if before:
            self.edge(before, name)
        self.last = name

    def edge(self, source: str, target: str, condition: str = "") -> None:
        """Add an edge."""
        attributes = f' [condition="{condition}"]' if condition else ""
        self.lines.append(f"    {source} -> {target}{attributes}")

    def command(self, name: str, file: str, *, after: str | None = None) -> None:
        """Add a short command that appends its name to a file in the workspace and outside."""
        note = f"sleep 0.02; echo {name} >> {file}; echo {name} >> ${OUTSIDE}"
        self.node(name, f'shape=parallelogram, tool_command="{note}"', after=after)

    def loop(self, name: str, work: str = PLAIN) -> None:
        """Add a stage, a check and a conditional, which repeats both until the check succeeds."""
        self.node(f"work_{name}", work)
        self.node(f"check_{name}", 'prompt="Check"')
        self.node(f"judge_{name}", "shape=diamond")
        self.edge(f"judge_{name}", f"work_{name}", "outcome!=success")
        self.node(f"done_{name}", after="")
        self.edge(f"judge_{name}", f"done_{name}", "outcome=success")

    def retry(self, name: str, kind: str = "prompt") -> None:
        """Add a stage that succeeds at its third attempt."""
        often = 'max_retries=2, retry_policy="none"'
        self.node(f"retry_{name}", f'type={kind}, prompt="Try", {often}')


def write_pipeline() -> str:
    """Return the text of the pipeline."""
    draft = Draft()
    draft.node("start", "shape=Mdiamond")
    for number in range(14):
        draft.loop(f"{number}")
        draft.retry(f"{number}")
        draft.command(f"tool_{number}", "done.txt")
    _branch_out(draft)
    draft.node("again")
    draft.node("judge_again", "shape=diamond")
    draft.edge("judge_again", "fan", "outcome!=success")
    draft.node("back", after="")
    draft.edge("judge_again", "back", "outcome=success")
    draft.node("gate", 'prompt="Judge", goal_gate=true, retry_target="back"')
    while draft.count < NODES - 1:
        draft.node(f"plain_{draft.count}")
    draft.node("exit", "shape=Msquare")
    return "\n".join(["digraph crashes {", '    goal="survive"', *draft.lines, "}", ""])


def _branch_out(draft: Draft) -> None:
    draft.node("fan", "shape=component, max_parallel=3")
    ends: list[str] = []
    for branch in _BRANCHES:
        draft.command(f"tool_{branch}", f"{branch}.txt", after="fan")
        draft.loop(branch, 'prompt="Work"')
        draft.retry(branch, "codergen")
        draft.command(f"end_{branch}", f"{branch}.txt")
        ends.append(draft.last)
    draft.node("join", 'shape=tripleoctagon, merge="all"', after="")
    for end in ends:
        draft.edge(end, "join")


class Worker:
    """A backend that returns the status each node needs, and counts its calls in the context."""

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Write a response, count the call, and return the status that the node's name needs."""
        stage.files.write("response.md", f"{stage.id}: {prompt}\n")
        key = f"count.{stage.node.id}"
        before = stage.context.get(key)
        stage.context.set(key, 1 + (before if isinstance(before, int) else 0))
        status = _status(stage)
        failed = FailureClass.VERDICT if status is StageStatus.FAIL else None
        return Outcome(status, failure_reason="so it is", failure_class=failed)

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        """Do the same without tools."""
        said = await self.run(stage, prompt)
        assert isinstance(said, Outcome)
        return said

    async def steer(self, stage_id: str, text: str) -> bool:
        """Refuse the message."""
        return False


def _status(stage: Stage) -> StageStatus:
    kind = stage.node.id.partition("_")[0]
    if kind == "retry":
        return StageStatus.RETRY if stage.attempt < 3 else StageStatus.SUCCESS
    if kind == "check":
        return StageStatus.FAIL if stage.visit % 3 else StageStatus.SUCCESS
    if kind in ("again", "gate"):
        return StageStatus.FAIL if stage.visit < 2 else StageStatus.SUCCESS
    return StageStatus.SUCCESS
