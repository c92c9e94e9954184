"""Runs leave the same records as before, with a clock that stands still and counted random numbers.

`written.tar.xz` has what they leave now.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attractor.engine.budgets import Budgets
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.rebase import rebase_run
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.golden_runs.golden import PROJECT, Golden, opened
from tests.golden_runs.workshop import Backend, Workshop, read_left
from tests.pipeline.projects import git


def judged(it: Workshop, **options: object) -> RunResult:
    it.register_suite()
    return it.run("feature", backend="agent", suite="project", profile="lenient", **options)


def answered(it: Workshop, pipeline: str) -> None:
    run = it.run(pipeline)
    it.orders(run).answer("yes", why="It is good.")
    it.resume(run)


def killed(it: Workshop, pipeline: str, node: str) -> None:
    it.backend = Backend(it.folder, node)
    run = it.run(pipeline)
    it.backend.kill()
    it.resume(run)


def for_each_item(it: Workshop) -> None:
    # Otherwise either item may be the first visit.
    it.change("each", "max_parallel=2", "max_parallel=1")
    it.run("each")


def killed_in_a_branch(it: Workshop) -> None:
    it.change("branches", "shape=component", "shape=component, max_parallel=1")
    it.commit("One after the other")
    killed(it, "branches", "more")


def out_of_budget(it: Workshop) -> None:
    run = it.run("feature", backend="agent", budgets=Budgets(tokens=100))
    it.resume(run, budgets=Budgets(tokens=100_000))


def forked_with_another_graph(it: Workshop) -> None:
    run = it.run("linear")
    it.fork(run, "make", graph=it.change("linear", "echo made", "echo changed"))


def changed_graph(it: Workshop) -> None:
    run = it.run("gate")
    it.change("gate", "keep -> exit", 'more [prompt="More"]; keep -> more -> exit')
    it.orders(run).answer("yes")
    it.resume(run, accepts_graph="ann")


def no_go(it: Workshop) -> None:
    run = judged(it, inputs={"result": "zero"})
    it.flow.decide(run, DecisionKind.REJECTED)


def promoted_and_rebased(it: Workshop) -> None:
    run = judged(it)
    it.flow.decide(run, DecisionKind.APPROVED)
    it.flow.amend(run, note="Looked at the file, too.")
    git(it.project, "branch", "release")
    it.flow.promote(run, "release")
    (it.project / "notes.txt").write_text("notes\n")
    it.commit("Notes")
    asyncio.run(rebase_run(run.directory, OpenProject(it.opened), branch="main", by="ann"))


def evaluated_later(it: Workshop) -> None:
    run = judged(it, evaluate=False)
    it.resume(run, evaluate=True)


def secret(it: Workshop) -> None:
    it.change("linear", 'goal="Say hello"', 'goal="Say hello", inputs="token:secret"')
    it.run("linear", inputs={"token": "hush-hush-hush"}, goal="Say hush-hush-hush")


def plain(pipeline: str, **options: object) -> Callable[[Workshop], object]:
    return lambda it: it.run(pipeline, **options)


CASES: dict[str, Callable[[Workshop], object]] = {
    "linear": plain("linear"),
    "failed tool": plain("failing"),
    "third attempt": plain("retrying"),
    "branches": plain("branches"),
    "branches in a branch": plain("nested"),
    "for each item": for_each_item,
    "waits at a gate": plain("gate"),
    "gate answered": lambda it: answered(it, "gate"),
    "goal gate tried again": plain("goal"),
    "restarted": plain("rounds"),
    "child answered": lambda it: answered(it, "parent"),
    "two managers": plain("managers"),
    "agent": plain("feature", backend="agent"),
    "out of budget": out_of_budget,
    "canceled": lambda it: it.orders(it.run("gate")).cancel("Not needed."),
    "fork": lambda it: it.fork(it.run("linear"), "make"),
    "fork with another graph": forked_with_another_graph,
    "rewound": lambda it: it.fork(it.run("gate"), "make", ends_other=True),
    "killed in a stage and resumed": lambda it: killed(it, "linear", "plan"),
    "killed in a branch and resumed": killed_in_a_branch,
    "changed graph": changed_graph,
    "no-go": no_go,
    "promoted and rebased": promoted_and_rebased,
    "evaluated later": evaluated_later,
    "secret": secret,
}


@pytest.fixture(scope="module")
def golden() -> Iterator[Golden]:
    with opened("written") as golden:
        yield golden


@pytest.fixture(scope="module")
def twin() -> Iterator[ProviderTwin]:
    with in_background(ProviderTwin(load_script(PROJECT / "model.py"))) as twin:
        yield twin


@pytest.mark.parametrize("case", CASES)
def test_a_fresh_run_leaves_the_same_records_as_before(
    tmp_path: Path, golden: Golden, twin: ProviderTwin, case: str
) -> None:
    it = Workshop(tmp_path / "workshop", twin.environ())
    CASES[case](it)
    golden.check(case, read_left(it.folder))
