from attractor.base.dataclasses import changed
from attractor.fleet.decisions import Waiting, given_back, next_in, share_of, swept, why_full
from attractor.fleet.records import FleetRun, Pool, Reason, ReasonKind, RowState
from attractor.fleet.universes import Share
from tests.tables import table

NOW = 1000.0
RUN = FleetRun(
    run_id="r",
    universe="home",
    project="",
    pool="p",
    engine="1",
    label="",
    priority=100,
    actor="",
    attempt=1,
    epoch=1,
    owner="w",
    state=RowState.RUNNING,
    wants_run=False,
    head="h",
    seq=0,
    wake_at=0.0,
    reason=None,
    cancel=False,
    lost=0,
    created=0.0,
    changed=0.0,
)
FULL = Reason(ReasonKind.POOL_FULL)
TAKING_OVER = Reason(ReasonKind.TAKING_OVER)


@table(
    ("values", "is_owner_alive", "is_pending", "words"),
    [
        ({}, True, False, ""),
        ({"cancel": True, "lost": 9}, True, False, ""),
        ({}, False, True, "attempt 2 takes over from w"),
        ({"lost": 1}, False, False, "attempt 2 takes over from w"),
        ({"lost": 2}, False, False, "parked, because it lost 3 workers in one stage"),
        ({"lost": 2, "cancel": True}, False, False, "ended, because it was canceled"),
        ({"owner": "server:a", "lost": 2}, False, False, "parked again, because server:a is gone"),
        ({"state": RowState.QUEUED}, False, True, ""),
        ({"state": RowState.QUEUED}, False, False, "attempt 2 replaces one that was lost"),
        ({"state": RowState.QUEUED, "reason": FULL}, False, False, ""),
        (
            {"state": RowState.QUEUED, "reason": TAKING_OVER},
            False,
            False,
            "attempt 2 replaces one that was lost",
        ),
        (
            {"state": RowState.QUEUED, "cancel": True},
            False,
            True,
            "ended, because it was canceled",
        ),
        ({"state": RowState.PARKED}, False, False, ""),
        ({"state": RowState.PARKED, "wake_at": NOW}, False, False, "its timer is due"),
        ({"state": RowState.PARKED, "wake_at": NOW + 1}, False, False, ""),
        (
            {"state": RowState.PARKED, "cancel": True},
            False,
            False,
            "ended, because it was canceled",
        ),
        ({"state": RowState.ENDED, "cancel": True, "wake_at": 1.0}, False, False, ""),
    ],
)
def test_fate_of_a_run(
    values: dict[str, object], is_owner_alive: bool, is_pending: bool, words: str
) -> None:
    run = changed(RUN, **values)
    found = swept(run, NOW, is_owner_alive=is_owner_alive, is_pending=is_pending)
    assert (found.words if found else "") == words


@table(
    ("held_from", "wants_run", "state"),
    [
        (RowState.PARKED, False, RowState.PARKED),
        (RowState.PARKED, True, RowState.QUEUED),
        (RowState.QUEUED, True, RowState.QUEUED),
        (RowState.ENDED, True, RowState.ENDED),
    ],
)
def test_state_after_a_hold(held_from: RowState, wants_run: bool, state: RowState) -> None:
    change = given_back(changed(RUN, held_from=held_from, wants_run=wants_run))
    assert (change.values["state"], change.enqueues) == (state, state is RowState.QUEUED)


@table(
    ("concurrency", "share", "runs"),
    [(100, 1.0, 100), (20, 0.25, 5), (3, 0.25, 1), (1, 0.01, 1), (100, 0.29, 29), (7, 0.5, 3)],
)
def test_share_is_at_least_one_run(concurrency: int, share: float, runs: int) -> None:
    assert share_of(Pool("p", concurrency, share)) == runs


@table(
    ("pool", "running", "kind"),
    [
        (None, {"home": 99}, None),
        (Pool("p"), {"home": 99}, None),
        (Pool("p", 2), {"home": 1}, None),
        (Pool("p", 2), {"home": 2}, ReasonKind.POOL_FULL),
        (Pool("p", 2), {"other": 3}, ReasonKind.POOL_FULL),
        (Pool("p", 4, 0.5), {"home": 2}, ReasonKind.UNIVERSE_FULL),
        (Pool("p", 4, 0.5), {"other": 2, "home": 1}, None),
    ],
)
def test_room_counts_the_pool_and_the_universe(
    pool: Pool | None, running: dict[str, int], kind: ReasonKind | None
) -> None:
    reason = why_full(pool, "home", running)
    assert (reason and reason.kind) == kind


def test_freed_room_goes_to_those_who_wait_longest_within_priority() -> None:
    a, b = (Share(name, "", 0, 0.0, 0) for name in "ab")
    waiting = [
        Waiting("late", a, 100, 3.0),
        Waiting("first", a, 100, 1.0),
        Waiting("urgent", a, 1, 9.0),
        Waiting("second", b, 100, 2.0),
    ]
    pool = Pool("p", 3)
    assert next_in(pool, {}, waiting, most=9) == ["urgent", "first", "second"]
    assert next_in(pool, {"a": 2}, waiting, most=9) == ["urgent"]
    assert next_in(pool, {}, waiting, most=1) == ["urgent"]
    assert next_in(pool, {"a": 3}, waiting, most=9) == []
    assert next_in(Pool("p"), {"a": 3}, waiting, most=9) == ["urgent", "first", "second", "late"]
    assert next_in(Pool("p", 4, 0.5), {"a": 1}, waiting, most=9) == ["urgent", "second"]
