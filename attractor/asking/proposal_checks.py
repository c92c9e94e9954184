"""The checks of a proposal, by the kind of its files, before and after the change."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from attractor.agent.definitions import read_agent
from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError, words_of
from attractor.base.toml import parse_toml
from attractor.engine.seams import TrainChoice
from attractor.factory.evaluation.known_trees import known_trees
from attractor.factory.evaluation.train import choose_train
from attractor.factory.open_project import OpenProject
from attractor.factory.proposals import ProposalCheck, ProposedChange, ProposedKind, kind_of
from attractor.factory.registration.register_suite import scope_of
from attractor.language.comparison.compare import diff
from attractor.language.comparison.difference import NO_CHANGE, difference_text
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import Graph
from attractor.language.reading import open_source, parse
from attractor.pipeline.preflight.runnable import check_runnable
from attractor.pipeline.simulation.pipeline_tests import SUFFIX, open_tests, run_tests
from attractor.pipeline.simulation.simulate import Script, simulate
from attractor.pipeline.source.read import ProjectContext, open_pipeline, prepare_source
from attractor.pipeline.source.vocabulary import files_beside, known_names
from attractor.scenarios.sealed_suite import seal_suite
from attractor.scenarios.suite_lint import has_rubric

_MOST_FAULTS = 10

Result = tuple[bool | None, str]
"""Whether a check passed, None if it was not made, and its words."""


@dataclass(frozen=True)
class CheckedTrees:
    """The files of a project in two folders: at the base of a proposal, and with its files."""

    before: Path
    after: Path
    opened: OpenProject


async def check_proposal(
    proposal: ProposedChange, trees: CheckedTrees
) -> AsyncIterator[ProposalCheck]:
    """Yield the checks of all files; refuse a file that is not valid."""
    for path in proposal.files:
        match kind_of(path):
            case ProposedKind.PIPELINE:
                async for check in _check_pipeline(path, trees):
                    yield check
            case ProposedKind.AGENT:
                await asyncio.to_thread(read_agent, (trees.after / path).parent)
                yield ProposalCheck("validate", path, is_passed=True, after="valid agent")
            case _:
                yield await _check_train(path, proposal.base, trees)


async def _check_pipeline(path: str, trees: CheckedTrees) -> AsyncIterator[ProposalCheck]:
    graph, diagnostics = await asyncio.to_thread(_validate, path, trees.after, trees.opened)
    faults = [one for one in diagnostics if one.is_error]
    if faults or graph is None:
        lines = "; ".join(map(_shown, faults[:_MOST_FAULTS]))
        raise UsageError(f"{path} is not valid: {lines}", hint="propose a valid pipeline")
    words = "; ".join(map(_shown, diagnostics[:_MOST_FAULTS])) or "no problems found"
    yield ProposalCheck("validate", path, is_passed=True, after=words)
    old, new = trees.before / path, trees.after / path
    is_good, words = await _result(_simulate(new))
    yield ProposalCheck("simulate", path, is_good, words, (await _result(_simulate(old)))[1])
    yield ProposalCheck("diff", path, is_passed=True, after=_compare(old, new))
    if new.with_name(f"{new.stem}{SUFFIX}").is_file():
        is_good, words = await _result(_test(new))
        yield ProposalCheck("test", path, is_good, words, (await _result(_test(old)))[1])


def _validate(
    path: str, root: Path, opened: OpenProject
) -> tuple[Graph | None, tuple[Diagnostic, ...]]:
    file, environ = root / path, opened.project.machine.environ
    names = known_names(root, environ=environ)
    context = ProjectContext(names, opened.project.levels, environ=environ)
    prepared = prepare_source(open_source(file), "", files_beside(file), None, context)
    return prepared.graph, check_runnable(prepared, file, context).diagnostics


def _shown(fault: Diagnostic) -> str:
    return f"line {fault.span.line}: {fault.message} ({fault.rule})"


async def _result(work: Awaitable[Result]) -> Result:
    """Return a result in words; an error is a failure."""
    try:
        return await work
    except (AttractorError, OSError) as fault:
        return False, words_of(fault)


async def _simulate(file: Path) -> Result:
    if not file.is_file():
        return False, ""
    walk = await simulate(open_pipeline(str(file)).graph, Script())
    end, path = walk.end, " -> ".join(walk.path)
    if end and end.status.is_success:
        return True, f"{path}: {end.status}"
    return False, f"{path}: {end.status if end else 'no end'}{f', {end.reason}' if end else ''}"


async def _test(file: Path) -> Result:
    if not file.is_file():
        return False, ""
    results = await run_tests(open_tests(file.with_name(f"{file.stem}{SUFFIX}")))
    failed = [one.test.name for one in results if not one.is_passed]
    words = f"{len(results) - len(failed)} of {len(results)} tests passed"
    return not failed, f"{words}{'; failed: ' * bool(failed)}{', '.join(failed)}"


def _compare(old: Path, new: Path) -> str:
    if not old.is_file():
        return "a new pipeline"
    try:
        before, after = (parse(open_source(one).text) for one in (old, new))
    except AttractorError as fault:
        return f"the pipeline at the base is not readable: {fault.in_one_line}"
    return difference_text(diff(before, after)) or NO_CHANGE


async def _check_train(path: str, base: str, trees: CheckedTrees) -> ProposalCheck:
    """Play a train scenario on the base commit, as it was and as it is proposed."""
    new = await _play(path, base, trees.after, trees.opened)
    old: Result = (True, "")
    if (trees.before / path).is_file():
        old = await _result(_play(path, base, trees.before, trees.opened))
    return ProposalCheck("train", path, *new, old[1])


async def _play(path: str, base: str, root: Path, opened: OpenProject) -> Result:
    file = root / path
    folder = file.parent.parent
    with TemporaryDirectory() as store:
        sealed = await asyncio.to_thread(seal_suite, folder, Path(store))
        id_ = str(parse_toml(file.read_text("utf-8")).get("id"))
        [scenario] = choose_train(sealed.suite, TrainChoice(ids=(id_,)))
        by_hand = f"play it yourself: attractor suite try {folder.relative_to(root)} {id_}"
        if has_rubric(scenario):
            return None, f"not played, because a model judges it; {by_hand}"
        console = replace(opened.project.console, tell=do_nothing, progress=do_nothing)
        quiet = OpenProject(replace(opened.project, console=console))
        async with known_trees(scope_of(quiet), sandbox="auto", commit=base) as known:
            # A model wrote its commands.
            if not known.sandbox.promises.guards_holdouts:
                return None, f"not played without a sandbox; {by_hand}"
            played = await known.play_once(sealed, scenario)
    return played.is_satisfied, "\n".join(played.lines())
