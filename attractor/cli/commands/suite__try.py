"""Play a suite against the current files."""

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode, UnknownName, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import opened_of, sandbox_option
from attractor.cli.runs.verdicts import operator_option
from attractor.factory.evaluation.known_trees import known_trees
from attractor.factory.registration.cheating import Cheats, PlayedCheats
from attractor.factory.registration.proof import SuiteProof
from attractor.factory.registration.tests_at_wall import TestsAtWall, find_tests_at_wall
from attractor.factory.registration.wrong_solutions import WrongResult, WrongSolutions
from attractor.factory.resources.effective import policy_of_profile
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.sealed_suite import SealedSuite, seal_suite
from attractor.scenarios.suite import Scenario


@click.command("try")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1, metavar="[SCENARIO]...")
@operator_option("Also play the hidden scenarios.")
@click.option(
    "--wrong",
    is_flag=True,
    help="Play the wrong solutions of the suite instead, or those with these ids, on the last "
    "commit. Requires --operator.",
)
@click.option(
    "--cheats",
    is_flag=True,
    help="Play cheats instead, on one holdout of each kind or on those with these ids: candidates "
    "that solve nothing, and deceive a suite that believes what their process says. Requires "
    "--operator.",
)
@sandbox_option("Play trials")
@json_option
@click.pass_obj
def try_suite(
    invocation: Invocation,
    folder: Path,
    ids: tuple[str, ...],
    to_operator: bool,
    wrong: bool,
    cheats: bool,
    sandbox: str,
    as_json: bool,
) -> ExitCode:
    """Play a suite once against the current files of the project, with the output of all steps.

    Only train scenarios are played; with --operator, holdouts are played too. Nothing is recorded.
    The first line names the tree: what Git ignores, such as a binary, is not in it. If a scenario
    with a wall is not satisfied, it is played with its reference, behind the wall and without it:
    unit tests that fail behind the wall only are named with their reasons. Exit with 1 if a
    scenario is not satisfied, a wrong solution passes all holdouts or cannot be played, or a
    holdout believes a cheat.
    """
    if (wrong or cheats) and not to_operator:
        played = "holdouts, on which cheats are played," if cheats else "wrong solutions"
        raise UsageError(f"{played} are hidden", hint="add --operator")
    if wrong and cheats:
        raise UsageError("--wrong and --cheats are two questions", hint="ask one after the other")
    with tempfile.TemporaryDirectory() as store:
        sealed = seal_suite(folder, Path(store))
        opened = opened_of(invocation)
        project = opened.project
        profile = opened.profile(opened.pin_profile(project.profile))
        scope = policy_of_profile(profile, project).scope_in(project)
        if wrong:
            return _show_wrong(
                asyncio.run(_try_wrong(sealed, ids, scope, sandbox)), as_json=as_json
            )
        if cheats:
            return _show_cheats(
                asyncio.run(_try_cheats(sealed, ids, scope, sandbox)), as_json=as_json
            )
        scenarios = list(sealed.suite.scenarios if to_operator else sealed.suite.of_split("train"))
        known = {scenario.id: scenario for scenario in scenarios}
        for id_ in ids:
            if id_ not in known:
                raise UnknownName("scenario", id_, known)
        scenarios = [known[id_] for id_ in ids] or scenarios
        tree, tried = asyncio.run(_try(sealed, scenarios, scope, sandbox))
    lines = [f"tree {tree}"]
    for one, at_wall in tried:
        lines += [*one.lines(), *at_wall.lines()]
    records = [{**one.to_record(), **at_wall.to_record(), "tree": tree} for one, at_wall in tried]
    show_result(records, *lines, as_json=as_json)
    return ExitCode.DONE if all(one.is_satisfied for one, _ in tried) else ExitCode.FAILED


async def _try(
    sealed: SealedSuite, scenarios: list[Scenario], scope: RunScope, sandbox: str
) -> tuple[str, list[tuple[PlayedScenario, TestsAtWall]]]:
    async with known_trees(scope, sandbox=sandbox, include_dirty=True) as trees:
        tried: list[tuple[PlayedScenario, TestsAtWall]] = []
        for number, one in enumerate(scenarios, 1):
            scope.project.console.progress(f"{one.id}: {number} of {len(scenarios)}")
            played, at_wall = await trees.play_once(sealed, one), TestsAtWall()
            if one.wall and not played.is_satisfied:
                # These files can differ where the reference changes lines.
                with suppress(InvalidSuite):
                    at_wall = await find_tests_at_wall(sealed, one, trees)
            tried.append((played, at_wall))
        return await trees.describe(), tried


async def _try_wrong(
    sealed: SealedSuite, ids: tuple[str, ...], scope: RunScope, sandbox: str
) -> list[WrongResult]:
    known = {one.id: one for one in sealed.suite.settings.wrong}
    for id_ in ids:
        if id_ not in known:
            raise UnknownName("wrong solution", id_, known)
    async with known_trees(scope, sandbox=sandbox) as trees:
        chosen = [known[id_] for id_ in ids] or known.values()
        return await WrongSolutions(sealed, trees).play(chosen)


def _show_wrong(played: list[WrongResult], *, as_json: bool) -> ExitCode:
    words = "\n".join(map(str, played)) or "the suite has no wrong solution"
    show_result([one.to_record() for one in played], words, as_json=as_json)
    return ExitCode.FAILED if any(one.fault for one in played) else ExitCode.DONE


async def _try_cheats(
    sealed: SealedSuite, ids: tuple[str, ...], scope: RunScope, sandbox: str
) -> PlayedCheats:
    async with known_trees(scope, sandbox=sandbox) as trees:
        if any(one.wall for one in sealed.suite.of_split("holdout")):
            found = await SuiteProof(sealed, trees).play(has_base=True)
            sealed = replace(sealed, crossing=found.crossing)
        return await Cheats(sealed, trees).play(ids)


def _show_cheats(played: PlayedCheats, *, as_json: bool) -> ExitCode:
    results = played.results
    count, fooled = number_of(len(results), "cheat"), [one for one in results if one.has_fooled]
    words = (
        f"{count} played, {len(fooled)} believed"
        if results
        else "no cheat is written in a language of the project"
    )
    lines = [*map(str, results), *(f"warning: {one}" for one in played.warnings()), words]
    show_result([one.to_record() for one in results], *lines, as_json=as_json)
    return ExitCode.FAILED if fooled else ExitCode.DONE


part = try_suite
