from collections.abc import Mapping, Sequence

from attractor.growth.deployment.monitor import find_changes
from tests.tables import table

Counts = Mapping[str, Mapping[str, int]]


def counts(runs: int, errors: int = 0, guard_hits: int = 0) -> Counts:
    return {"gate": {"runs": runs, "errors": errors, "guard_hits": guard_hits}}


@table(
    ("before", "now", "messages"),
    [
        (counts(10), counts(10), []),
        ({}, counts(10, errors=1), ["errors: 1 of 10 runs, before 0 of 0 runs"]),
        (counts(10, errors=1), counts(20, errors=2), []),
        (counts(10, errors=1), counts(10, errors=2), ["errors: 2 of 10 runs, before 1 of 10 runs"]),
        (counts(10, guard_hits=4), counts(10, guard_hits=6), []),
        (
            counts(10, guard_hits=4),
            counts(10),
            ["guard hits: 0 of 10 runs, before 4 of 10 runs"],
        ),
        (counts(10, guard_hits=4), counts(4), []),
    ],
)
def test_more_errors_and_other_guard_hits_propose_a_roll_back(
    before: Counts, now: Counts, messages: Sequence[str]
) -> None:
    found = find_changes(before, now, "v0")
    assert [one.message for one in found] == messages
    assert all(one.proposal == "attractor grow rollback v0" for one in found)
