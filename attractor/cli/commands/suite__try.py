"""Play a suite against the current files."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from attractor.base.errors import ExitCode, UnknownName
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.resources import stores_of, trial_options
from attractor.cli.runs.setup import host_of
from attractor.factory.resources.effective import with_profile
from attractor.factory.resources.known_trees import known_trees
from attractor.pipeline.host.run_host import RunHost
from attractor.scenarios.evaluation import is_satisfied
from attractor.scenarios.sealed_suite import SealedSuite, seal_suite
from attractor.scenarios.suite import Scenario

if TYPE_CHECKING:
    from attractor.scenarios.play import PlayedScenario


@click.command("try")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1, metavar="[SCENARIO]...")
@click.option(
    "--operator",
    "to_operator",
    is_flag=True,
    help="Also play the holdouts. Never show this output to an agent.",
)
@trial_options
@json_option
@click.pass_obj
def try_suite(
    invocation: Invocation,
    folder: Path,
    ids: tuple[str, ...],
    to_operator: bool,
    sandbox: str,
    as_json: bool,
) -> ExitCode:
    """Play a suite once against the current files of the project, with the output of all steps.

    Only train scenarios are played; with --operator, holdouts are played too. Nothing is recorded.
    Exit with 1 if a scenario is not satisfied.
    """
    with tempfile.TemporaryDirectory() as store:
        sealed = seal_suite(folder, Path(store))
        scenarios = _chosen(sealed, ids, to_operator=to_operator)
        stores = stores_of(invocation)
        profile = stores.profile(stores.pin_profile(host_of(invocation).profile))
        host = with_profile(host_of(invocation), profile)
        tried = asyncio.run(_try(sealed, scenarios, host, sandbox))
    if as_json:
        show_json([one.to_record() for one in tried])
    else:
        show("\n".join(line for one in tried for line in one.lines()))
    return ExitCode.DONE if all(one.is_satisfied for one in tried) else ExitCode.FAILED


class _Tried:
    """A scenario that was played once."""

    def __init__(self, scenario: Scenario, played: "PlayedScenario") -> None:
        self._scenario = scenario
        self._played = played
        self.is_satisfied = is_satisfied(played.checks, min_soft_score=scenario.min_soft_score)

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of steps and checks."""
        return {
            "scenario": self._scenario.id,
            "split": self._scenario.split,
            "satisfied": self.is_satisfied,
            "failure": self._played.observation.failure,
            "steps": [
                {
                    "name": one.name,
                    "exit_code": one.exit_code,
                    "http_status": one.http_status,
                    "stdout": one.stdout,
                    "stderr": one.stderr,
                    "body": one.body,
                    "trouble": one.trouble,
                }
                for one in self._played.observation.steps.values()
            ],
            "checks": [
                {"kind": one.kind, "passed": one.passed, "reason": one.reason}
                for one in self._played.checks
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield the steps with their output, and the checks."""
        verdict = "satisfied" if self.is_satisfied else "NOT satisfied"
        yield f"{self._scenario.id} ({self._scenario.split}): {verdict}"
        if self._played.observation.failure:
            yield f"  {self._played.observation.failure}"
        for step in self._played.observation.steps.values():
            results = {"exit status": step.exit_code, "HTTP status": step.http_status}
            shown = [f"{name} {value}" for name, value in results.items() if value is not None]
            yield f"  step {step.name}: {step.trouble or ', '.join(shown) or 'ready'}"
            for name, text in (("", step.stdout), ("stderr ", step.stderr), ("", step.body)):
                yield from (f"    {name}| {line}" for line in text.splitlines())
        for check in self._played.checks:
            yield f"  {'ok  ' if check.passed else 'FAIL'} {check.kind}: {check.reason}"


def _chosen(sealed: SealedSuite, ids: tuple[str, ...], *, to_operator: bool) -> list[Scenario]:
    scenarios = list(sealed.suite.scenarios if to_operator else sealed.suite.of_split("train"))
    known = {one.id: one for one in scenarios}
    for one in ids:
        if one not in known:
            raise UnknownName("scenario", one, known)
    return [known[one] for one in ids] or scenarios


async def _try(
    sealed: SealedSuite, scenarios: list[Scenario], host: RunHost, sandbox: str
) -> list[_Tried]:
    async with known_trees(host, sandbox=sandbox, include_dirty=True) as trees:
        tried: list[_Tried] = []
        for number, one in enumerate(scenarios, 1):
            host.tell(f"{one.id}: {number} of {len(scenarios)}")
            tried.append(_Tried(one, await trees.play_once(sealed, one)))
        return tried


part = try_suite
