"""Explains why a walk failed: the chain of causes, and the commands that help.

If a budget stopped the run, the command resumes the run with a larger budget.
"""

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.outcome import FailureClass
from attractor.engine.routing.edge_selection import RouteReason, find_loops
from attractor.engine.routing.next_move import (
    find_unsatisfied,
    has_reached_visit_limit,
    redirect_limit,
    visit_limit,
)
from attractor.engine.stage.command_output import STDOUT
from attractor.engine.state.progress import Progress, WalkEnd
from attractor.engine.state.run_state import RunState
from attractor.language.graph.graph import Graph, Node
from attractor.records.lookup import RecordedRun
from attractor.records.stage_output import failed_stages
from attractor.records.timeline import BranchEnd, CompletedVisit, SelectedEdge, Timeline
from attractor.records.transcript import TRANSCRIPT


@dataclass(frozen=True)
class Remedy:
    """A piece of advice, and the command to follow the advice, if any."""

    what: str
    command: str = ""


@dataclass(frozen=True)
class Finding:
    """The state of a run in one sentence, the chain of causes, and the advice."""

    verdict: str
    causes: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class Case:
    """A run with the content of its records; `reference` names the run in commands.

    `open_pull` is the address of its open pull request.
    """

    run: RecordedRun
    state: RunState
    history: Timeline
    reference: str
    is_live: bool
    now: datetime
    graph: Graph | None = None
    open_pull: str = ""

    @property
    def progress(self) -> Progress:
        """The progress of the walk."""
        return self.state.progress or Progress("")

    @property
    def file(self) -> str:
        """The file of the pipeline, quoted for a shell."""
        return shlex.quote(str(self.run.manifest.options.get("file", "FILE")))

    def node(self, name: str) -> Node | None:
        """Return a node of the graph, or None."""
        return self.graph.nodes.get(name) if self.graph else None

    def last_of(self, node: str) -> CompletedVisit | None:
        """Return the last completed visit of a node, or None."""
        return next((visit for visit in reversed(self.history.visits) if visit.node == node), None)

    def folder(self, node: str) -> Path:
        """Return the folder of a node's stages."""
        return self.run.directory.stage(node)

    def command(self, name: str, *words: str) -> str:
        """Return a command for the run."""
        return " ".join(["attractor", name, self.reference, *map(shlex.quote, words)])

    def again(self, node: str, *, changed: bool = False) -> str:
        """Return the command that rewinds to a node, with the same or with a changed pipeline."""
        return self.command("rewind", self.forked_at(node)) + (
            f" --graph {self.file}" if changed else ""
        )

    def forked_at(self, node: str) -> str:
        """Return the visit to rewind to, in order to repeat a node.

        A node in a branch is repeated from the start of its outermost branch, because branches are
        repeated together.
        """
        made = self.last_of(node)
        if made is None or not made.branch:
            return node
        over = [branch for branch in self.history.branches if made.branch.startswith(branch.key)]
        if not over:
            return node
        outermost = min(over, key=lambda branch: len(branch.key))
        return f"{outermost.node}@{outermost.visit}"


READ_LOG = "read its log"
_WHY_NO_RETRY = {
    FailureClass.TERMINAL: "A failure of this class (terminal) is not retried.",
    FailureClass.PIPELINE: "An error in the pipeline itself: no edge or retry_target is followed.",
    FailureClass.VERDICT: (
        "A failed command is a verdict: it is only retried if max_retries is set on its node."
    ),
}

Explain = Callable[[Case, WalkEnd, CompletedVisit, SelectedEdge], Finding | None]


def explain_failure(case: Case, end: WalkEnd) -> Finding:
    """Return why the walk from the start failed."""
    last = case.history.main[-1] if case.history.main else None
    choice = last.edges[-1] if last and last.edges else None
    if last is None or choice is None:
        return Finding(end.reason, (), (Remedy(READ_LOG, case.command("logs")),))
    for explain in _EXPLANATIONS:
        if finding := explain(case, end, last, choice):
            return finding
    return Finding(end.reason, (f"The walk ended at {last}.",), _fix(case, last.node))


def _stage(case: Case, end: WalkEnd, last: CompletedVisit, choice: SelectedEdge) -> Finding | None:
    if choice.reason != RouteReason.FAILED:
        return None
    tries = last.visit.attempts
    after = f" after {tries} attempts" if tries > 1 else ""
    causes = [
        f"{last} failed{after}: {end.reason}",
        *_inner_failures(case, last),
        *_why_no_retry(last),
        *_unhandled(case, last, choice),
    ]
    return Finding(
        f"the stage {last.node} failed, and no edge or retry_target handles the failure",
        tuple(causes),
        (*_fix(case, failed_stages(case.history)[-1].node), *_handle(case, last)),
    )


def _no_route(
    case: Case, end: WalkEnd, last: CompletedVisit, choice: SelectedEdge
) -> Finding | None:
    if choice.reason != RouteReason.NO_ROUTE:
        return None
    edge = f"add an edge out of {last.node} without a condition, or with a true one"
    return Finding(
        f"no edge out of {last.node} can be followed",
        (
            f"{last} ended with {_outcome(last)}, which counts as a success.",
            *_candidates(last, choice),
            "An edge with a condition is only followed if the condition is true.",
        ),
        (Remedy(f"{edge}, in {case.file}", case.again(last.node, changed=True)),),
    )


def _redirects(
    case: Case, end: WalkEnd, last: CompletedVisit, choice: SelectedEdge
) -> Finding | None:
    if choice.reason != RouteReason.GOAL_GATE or case.graph is None:
        return None
    most = redirect_limit(case.graph)
    if case.progress.redirects <= most:
        return None
    gate = find_unsatisfied(case.graph, case.progress)
    name = gate.id if gate else last.node
    raised = f"raise the limit: max_goal_gate_redirects={2 * most} on the graph, in {case.file}"
    return Finding(
        f"goal gates sent the walk back {number_of(most, 'time')}, the limit set by "
        "max_goal_gate_redirects",
        (*_gate(case, name), *_loop(case)),
        (*_fix(case, name), Remedy(raised, case.again(last.node, changed=True))),
    )


def _visits(case: Case, end: WalkEnd, last: CompletedVisit, choice: SelectedEdge) -> Finding | None:
    target = case.node(choice.target)
    if case.graph is None or target is None:
        return None
    if not has_reached_visit_limit(case.graph, case.progress, target):
        return None
    limit, attribute = visit_limit(case.graph, target)
    where = f"the node {target.id}" if attribute == "max_visits" else "the graph"
    raised = f"or raise the limit: {attribute}={2 * limit} on {where}, in {case.file}"
    sent = f"After {last}, {target.id} would have been visited again ({choice.reason})."
    failing = _failing(case)
    return Finding(
        f"{target.id} was visited {limit} times, the limit set by {attribute}",
        (sent, *_loop(case)),
        (
            *(_fix(case, failing) if failing else ()),
            Remedy(raised, case.again(last.node, changed=True)),
        ),
    )


def _unsatisfied(
    case: Case, end: WalkEnd, last: CompletedVisit, choice: SelectedEdge
) -> Finding | None:
    gate = find_unsatisfied(case.graph, case.progress) if case.graph else None
    if gate is None:
        return None
    target = f"set a retry_target on {gate.id}, the node that repeats the work, in {case.file}"
    return Finding(
        f"the goal gate {gate.id} is not satisfied, and no retry_target is set",
        (
            *_gate(case, gate.id),
            "The walk may only end at the exit if every visited goal gate has succeeded.",
            f"Neither {gate.id} nor the graph has a retry_target.",
        ),
        (*_fix(case, gate.id), Remedy(target, case.again(gate.id, changed=True))),
    )


_EXPLANATIONS: Sequence[Explain] = (_stage, _no_route, _redirects, _visits, _unsatisfied)


def _gate(case: Case, gate: str) -> Iterator[str]:
    made = case.last_of(gate)
    if made:
        reason = made.visit.outcome.failure_reason
        yield f"{made} ended with {_outcome(made)}{f': {reason}' if reason else ''}"


def _loop(case: Case) -> Iterator[str]:
    """Return the loop in which the walk was, and the last failure in the loop."""
    loops = find_loops(case.history.path())
    if loops:
        loop, times = max(loops.items(), key=lambda found: found[1])
        yield f"It repeated a loop {number_of(times, 'time')}: {' -> '.join([*loop, loop[0]])}"
    if failing := _failing(case):
        made = case.last_of(failing)
        reason = made.visit.outcome.failure_reason if made else ""
        yield f"The last failure in the loop was {made}: {reason or 'no reason given'}"


def _failing(case: Case) -> str:
    """Return the last stage that failed."""
    found = next((visit for visit in reversed(case.history.visits) if visit.has_failed), None)
    return found.node if found else ""


def describe_failed_branch(history: Timeline, branch: BranchEnd) -> str:
    """Return the name of a failed branch, its failed stage, and the reason."""
    stages = [at for at in history.visits if at.branch == branch.key and at.has_failed]
    place = f" at {stages[-1]}" if stages else ""
    return f"{branch.name} failed{place}: {branch.reason}"


def _inner_failures(case: Case, made: CompletedVisit) -> Iterator[str]:
    """Return the failures within a stage, either in branches or in the child run of the stage."""
    node, visit = made.visit.node, made.visit.number
    for branch in case.history.branches:
        if (branch.node, branch.visit) == (node, visit) and branch.has_failed:
            yield f"Its branch {describe_failed_branch(case.history, branch)}"
    for attempt in case.history.attempts:
        for child in attempt.children if (attempt.node, attempt.visit) == (node, visit) else ():
            yield f"It ran a pipeline as run {child.run_id}: attractor diagnose {child.directory}"


def _why_no_retry(made: CompletedVisit) -> Iterator[str]:
    kind = made.visit.outcome.failure_class
    if made.visit.attempts == 1:
        yield _WHY_NO_RETRY.get(
            kind or FailureClass.RETRYABLE, "max_retries allows no second attempt."
        )


def _unhandled(case: Case, made: CompletedVisit, choice: SelectedEdge) -> Iterator[str]:
    yield from _candidates(made, choice)
    if made.visit.outcome.failure_class is FailureClass.PIPELINE:
        return
    node = case.node(made.node)
    if node and not node.attributes.text("retry_target"):
        yield "It has no retry_target, and on_failure=continue is not set."


def _candidates(made: CompletedVisit, choice: SelectedEdge) -> Iterator[str]:
    if not choice.candidates:
        yield f"No edge leads out of {made.node}."
    for edge in choice.candidates:
        condition = f" [{edge.condition}]" if edge.condition else ""
        yield f"{made.node} -> {edge.target}{condition}: {edge.fate}"


def _fix(case: Case, node: str) -> tuple[Remedy, ...]:
    folder = case.folder(node)
    has_own_log = any((folder / name).is_file() for name in (TRANSCRIPT, STDOUT))
    words = ("--stage", node) if has_own_log else ()
    return (
        Remedy(f"{READ_LOG}: {folder}", case.command("logs", *words)),
        Remedy(f"fix the cause of the failure of {node}, and repeat it", case.again(node)),
    )


def _handle(case: Case, made: CompletedVisit) -> tuple[Remedy, ...]:
    advice = (
        f'or let the pipeline handle it: an edge with condition="outcome=fail" out of '
        f"{made.node}, or a retry_target, in {case.file}"
    )
    if made.visit.meeting:
        advice = f"or let the pipeline handle it: a retry_target on {made.node}, in {case.file}"
    return (Remedy(advice, case.again(made.node, changed=True)),)


def _outcome(made: CompletedVisit) -> str:
    return made.visit.outcome.status.value


_USED_UP = late_pattern(r"the budget (?P<name>\w+) is exhausted: (?P<spent>[\d.e+-]+) of \S+")
_MORE = 2


def budget_option(reason: str) -> Sequence[str]:
    """Return the option of `resume` that raises the exhausted budget; empty for other reasons."""
    used = _USED_UP.search(reason)
    if used is None:
        return ()
    wanted = _MORE * float(used["spent"])
    options = {
        "max_cost_usd": ("--max-cost-usd", f"{max(wanted, 0.01):.2f}"),
        "max_tokens": ("--max-tokens", str(max(math.ceil(wanted), 1))),
        "max_duration": ("--max-duration", f"{max(math.ceil(wanted), 1)}s"),
    }
    return options.get(used["name"], ())
