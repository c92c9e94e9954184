"""Finds the unit tests that fail behind a wall only: they touch what cannot cross."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.factory.evaluation.known_trees import KnownTrees, apply_patch, keep
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import Scenario
from attractor.scenarios.suite_reader import reference_of

_ROUNDS = 20
"""The maximum number of trials: a broken wall hides the tests after it."""


@dataclass(frozen=True)
class TestsAtWall:
    """The reasons of tests that fail behind the wall and pass without it, by their names.

    With `without` as `wall_without`, the scenario `is_satisfied`. A result that is `of_reference`
    is known to be correct; other files may only deceive tests that no wall guards.
    """

    __test__ = False

    failed: Mapping[str, str] = field(default_factory=dict[str, str])
    without: Sequence[str] = ()
    is_satisfied: bool = False
    of_reference: bool = False

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record."""
        failed: list[Json] = [{"test": one, "reason": why} for one, why in self.failed.items()]
        return {
            "fail_behind_wall": failed,
            "wall_without": [*self.without],
            "satisfied_without": self.is_satisfied,
        }

    def lines(self) -> Iterator[str]:
        """Yield each test with its reason, and the line that leaves them out."""
        if not self.failed:
            return
        yield f"  behind the wall alone, {number_of(len(self.failed), 'unit test')} cannot pass:"
        for test, why in self.failed.items():
            first, *more = why.splitlines()
            yield f"    {test}: {first}"
            yield from (f"      {line}" for line in more)
        line = f"wall_without = {json.dumps([*self.without], ensure_ascii=False)}"
        if not self.of_reference:
            line = f"{line}, but only if these files are correct: a cheat passes without a wall"
        if self.is_satisfied:
            yield f"  the others pass. To leave them out: {line}"
        else:
            yield f"  the others fail too, with or without the wall. To leave them out: {line}"


async def find_tests_at_wall(
    sealed: SealedSuite, scenario: Scenario, trees: KnownTrees
) -> TestsAtWall:
    """Play a scenario without its wall and behind it, with its reference if it has one."""
    reference = reference_of(sealed.folder, scenario.id)
    search_path = trees.scope.project.machine.search_path
    change = partial(apply_patch, reference, search_path) if reference else keep
    play = partial(trees.play_once, sealed, change=change, watches=True)
    bare = await play(scenario.model_copy(update={"wall": (), "wall_without": ()}))
    plain = bare.observation.unit_tests
    found: dict[str, str] = {}
    is_satisfied = False
    for _ in range(_ROUNDS):
        without = (*scenario.wall_without, *found)
        played = await play(scenario.model_copy(update={"wall_without": without}))
        is_satisfied = played.is_satisfied
        new = {
            test: why
            for test, why in played.observation.unit_tests.failed.items()
            if test in plain.played and not {test} & {*plain.failed, *found}
        }
        if is_satisfied or not new:
            break
        found |= new
    names = {test: plain.short_name(test) for test in found}
    failed = {names[test]: why for test, why in found.items()}
    without = (*scenario.wall_without, *failed)
    return TestsAtWall(failed, without, is_satisfied, bool(reference))
