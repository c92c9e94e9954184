"""The contract of the table; it knows the seam and its rig, so that a model can be held to it."""

import asyncio
from collections.abc import Sequence

import pytest

from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.fleet.decisions import FORGOTTEN_S, LEASE_S, MOST_LOST, STALE_S, UNCLAIMED_S
from attractor.fleet.errors import ActorBusy, CapRefused, Fenced, RunEnded, UnknownRun
from attractor.fleet.records import (
    EVALUATE,
    AttemptEnd,
    Claim,
    FleetRun,
    NewRun,
    NotClaimed,
    Pool,
    Reason,
    ReasonKind,
    RowState,
    Spent,
    Worker,
)
from attractor.fleet.universes import Caps, Tenant
from tests.fleet.rigs import AnyTable, Rig
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

PARKED = AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.HUMAN, {"gate": "review"}))
ENDED = AttemptEnd(state=RowState.ENDED)
YIELDED = AttemptEnd(state=RowState.QUEUED, yields=True)
CRASHED = AttemptEnd(state=RowState.QUEUED, yields=True, has_crashed=True)

STEER = {"action": "steer", "by": "ada", "why": "", "value": "Hurry"}
ANSWER = {"action": "answer", "by": "ada", "why": "", "question": "q", "value": "Y"}
PAUSE = {"action": "pause", "by": "ada", "why": "lunch"}
PAUSED = Reason(ReasonKind.PAUSED, {"stopped": "paused by ada: lunch"})


def a_run(run_id: str = "r", **values: object) -> NewRun:
    return NewRun(**{"run_id": run_id, "head": "head0", "pool": "p", "engine": "1"} | values)  # pyright: ignore


def a_worker(name: str) -> Worker:
    return Worker(
        id=name, name=name, pool="p", engine="1", slots=2, labels=("gpu",), began=0.0, beat=0.0
    )


async def get(table: AnyTable, run_id: str = "r") -> FleetRun:
    run = await table.run(run_id)
    assert run is not None
    return run


async def claimed(table: AnyTable, run_id: str = "r", worker: str = "w") -> Claim:
    """Claim the present attempt of a run for a worker that is alive."""
    await table.beat(a_worker(worker))
    claim = await table.claim(run_id, (await get(table, run_id)).attempt, worker)
    assert isinstance(claim, Claim), claim
    return claim


async def running(table: AnyTable, run_id: str = "r", worker: str = "w") -> Claim:
    await table.add(a_run(run_id))
    return await claimed(table, run_id, worker)


async def names(table: AnyTable, *states: RowState) -> Sequence[str]:
    return sorted(run.run_id for run in await table.runs(states=states))


async def test_added_run_is_queued_with_its_first_attempt(rig: Rig) -> None:
    before = await rig.table.now()
    await rig.table.add(a_run(universe="u", project="shop", label="gpu", priority=7, actor="a"))
    run = await get(rig.table)
    assert (run.universe, run.project, run.label, run.priority) == ("u", "shop", "gpu", 7)
    assert (run.state, run.attempt, run.epoch, run.seq, run.head) == ("queued", 1, 0, 0, "head0")
    assert (run.owner, run.reason, run.cancel, run.wants_run) == ("", None, False, False)
    assert before <= run.created == run.changed <= await rig.table.now()
    assert await rig.pending() == {"r:1": ""}
    assert await rig.table.run("other") is None


async def test_run_added_again_is_the_same_run(rig: Rig) -> None:
    claim = await running(rig.table)
    await rig.table.commit(claim, "head1")
    await rig.table.add(a_run())
    assert (await get(rig.table)).head == "head1"
    with pytest.raises(Refused, match="other values"):
        await rig.table.add(a_run(pool="q"))


async def test_actor_has_at_most_one_open_run(rig: Rig) -> None:
    await rig.table.add(a_run("one", actor="anna"))
    for open_state in ("queued", "running", "parked"):
        with pytest.raises(ActorBusy, match=r"anna.*one|one.*anna"):
            await rig.table.add(a_run("two", actor="anna"))
        run = await get(rig.table, "one")
        assert run.state == open_state
        if open_state == "queued":
            claim = await claimed(rig.table, "one")
        elif open_state == "running":
            await rig.table.end(claim, PARKED)  # pyright: ignore
    await rig.table.add(a_run("elsewhere", actor="anna", universe="u"))
    await rig.table.cancel("one")
    await rig.table.add(a_run("two", actor="anna"))
    with pytest.raises(ActorBusy):
        await rig.table.hold("one", "server:s")


async def test_runs_of_an_actor_added_at_once_are_one(rig: Rig) -> None:
    added = [rig.table.add(a_run(f"r{number}", actor="anna")) for number in range(6)]
    results = await asyncio.gather(*added, return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["ActorBusy"] * 5 + ["NoneType"]
    assert len(await rig.table.runs()) == len(await rig.pending()) == 1


async def test_claim_gives_a_new_epoch(rig: Rig) -> None:
    claim = await running(rig.table)
    assert claim == Claim("r", 1, 1, "w", "head0", 0)
    run = await get(rig.table)
    assert (run.state, run.owner, run.epoch) == ("running", "w", 1)
    assert [one.run_id for one in await rig.table.owned("w")] == ["r"]
    # A reply that was lost is repeated; nobody else gets the attempt.
    assert await rig.table.claim("r", 1, "w") == claim
    assert await rig.table.claim("r", 1, "v") == NotClaimed()
    for run_id, attempt in (("r", 2), ("r", 0), ("other", 1)):
        assert await rig.table.claim(run_id, attempt, "v") == NotClaimed()


async def test_one_of_many_claims_at_once_wins(rig: Rig) -> None:
    await rig.table.add(a_run())
    claims = [rig.table.claim("r", 1, f"w{number}") for number in range(8)]
    results = await asyncio.gather(*claims)
    assert [type(one) for one in results].count(Claim) == 1


async def test_commit_moves_the_head(rig: Rig) -> None:
    first = await running(rig.table)
    second = await rig.table.commit(first, "head1")
    assert (second.head, second.seq, second.epoch) == ("head1", 1, 1)
    # The reply was lost.
    assert await rig.table.commit(first, "head1") == second
    with pytest.raises(Fenced):
        await rig.table.commit(first, "other")
    third = await rig.table.commit(second, "head2")
    with pytest.raises(Fenced):
        await rig.table.commit(first, "head1")
    run = await get(rig.table)
    assert (run.head, run.seq, third.seq) == ("head2", 2, 2)


async def test_nothing_counts_after_the_end(rig: Rig) -> None:
    claim = await running(rig.table)
    await rig.table.end(claim, PARKED)
    with pytest.raises(Fenced, match=r"attempt r:1 of w.*parked"):
        await rig.table.commit(claim, "head1")
    with pytest.raises(Fenced):
        await rig.table.set_reason(claim, None)
    # A repeated end changes nothing.
    await rig.table.end(claim, ENDED)
    assert (await get(rig.table)).state == "parked"
    with pytest.raises(Fenced):
        await rig.table.end(Claim("other", 1, 1, "w", "", 0), ENDED)


async def test_parked_run_has_no_owner_and_no_attempt(rig: Rig) -> None:
    claim = await running(rig.table)
    await rig.dequeue("r:1", "w")
    await rig.table.end(claim, PARKED)
    await rig.finish("r:1")
    run = await get(rig.table)
    assert (run.state, run.owner, run.reason) == ("parked", "", PARKED.reason)
    assert (await rig.pending(), await rig.table.owned("w")) == ({}, [])
    assert await rig.table.sweep("s") == []
    wanted = await rig.table.want("r")
    assert (wanted.state, wanted.attempt, wanted.reason) == ("queued", 2, None)
    assert await rig.pending() == {"r:2": ""}
    assert (await rig.table.want("r")).attempt == 2
    assert (await claimed(rig.table)).epoch == 2


async def test_run_wanted_while_it_runs_continues_after_its_attempt(rig: Rig) -> None:
    claim = await running(rig.table)
    assert (await rig.table.want("r")).wants_run
    await rig.finish("r:1")
    assert await rig.pending() == {}
    await rig.table.end(claim, PARKED)
    run = await get(rig.table)
    assert (run.state, run.attempt, run.wants_run, run.reason) == ("queued", 2, False, None)
    assert await rig.pending() == {"r:2": ""}


async def test_order_stays_in_the_row_until_a_commit_has_it(rig: Rig) -> None:
    await rig.table.add(a_run())
    assert await rig.table.order("r", "o1", STEER) is None
    await claimed(rig.table)
    for name in ("o1", "o1", "o2"):
        assert await rig.table.order("r", name, STEER)
    await rig.pass_time(STALE_S + 1)
    await rig.table.sweep("s")
    claim = await claimed(rig.table, worker="v")
    claim = await rig.table.commit(claim, "head1")
    assert (await get(rig.table)).orders == {"o1": STEER, "o2": STEER}
    following = await rig.table.commit(claim, "head2", None, ["o1"])
    assert await rig.table.commit(claim, "head2", None, ["o1"]) == following
    assert [run.orders for run in await rig.table.owned("v")] == [{"o2": STEER}]
    await rig.table.end(following, PARKED)
    assert await rig.table.order("r", "o3", STEER) is None
    with pytest.raises(UnknownRun):
        await rig.table.order("other", "o1", STEER)


@pytest.mark.parametrize("end", [YIELDED, CRASHED, AttemptEnd(state=RowState.PARKED, wake_at=9e9)])
async def test_pause_parks_a_run_that_would_go_on(rig: Rig, end: AttemptEnd) -> None:
    claim = await running(rig.table)
    await rig.table.want("r")
    await rig.table.order("r", "o1", STEER)
    assert await rig.table.order("r", "o2", PAUSE)
    await rig.table.end(claim, end)
    run = await get(rig.table)
    assert (run.state, run.reason, run.wake_at, run.wants_run) == ("parked", PAUSED, 0.0, False)
    assert run.orders == {"o1": STEER}
    await rig.finish("r:1")
    assert (await rig.table.want("r")).state == "queued"


async def test_pause_of_a_waiting_run_parks_it_at_once(rig: Rig) -> None:
    claim = await running(rig.table, "timer")
    await rig.table.end(claim, AttemptEnd(state=RowState.PARKED, wake_at=9e9))
    await rig.finish("timer:1")
    await rig.table.add(a_run("queued"))
    for run_id in ("timer", "queued"):
        held = await rig.table.hold(run_id, "server:s")
        assert isinstance(held, Claim)
        assert await rig.table.order(run_id, "o1", PAUSE) is None
        await rig.table.end(held, AttemptEnd(state=RowState.PARKED, is_undone=True))
        run = await rig.table.order(run_id, "o1", PAUSE)
        assert run
        assert (run.state, run.reason, run.wake_at) == ("parked", PAUSED, 0.0)
        assert run.orders == {}
        assert await rig.table.order(run_id, "o1", PAUSE) is None
    assert await rig.pending() == {}


async def test_run_that_is_wanted_again_is_not_paused(rig: Rig) -> None:
    claim = await running(rig.table)
    await rig.table.order("r", "o1", PAUSE)
    assert (await rig.table.want("r")).orders == {}
    await rig.table.end(claim, AttemptEnd(state=RowState.PARKED, reason=PAUSED))
    assert (await get(rig.table)).state == "queued"


async def test_run_that_lost_its_workers_before_a_pause_is_not_paused_again(rig: Rig) -> None:
    await rig.table.add(a_run())
    for lost in range(MOST_LOST):
        claim = await claimed(rig.table)
        if lost == MOST_LOST - 1:
            await rig.table.order("r", "o1", PAUSE)
        await rig.table.end(claim, CRASHED)
    assert (await get(rig.table)).state is RowState.PARKED
    assert (await rig.table.want("r")).orders == {}


async def test_answer_that_came_after_the_last_stage_continues_the_run(rig: Rig) -> None:
    claim = await running(rig.table)
    await rig.table.order("r", "o1", ANSWER)
    await rig.table.end(claim, PARKED)
    run = await get(rig.table)
    assert (run.state, run.attempt, {*run.orders}) == ("queued", 2, {"o1"})


async def test_yielded_run_is_queued_again(rig: Rig) -> None:
    claim = await running(rig.table)
    await rig.table.end(claim, YIELDED)
    run = await get(rig.table)
    assert (run.state, run.attempt, run.owner) == ("queued", 2, "")
    assert "r:2" in await rig.pending()


async def test_ended_run_stays_ended(rig: Rig) -> None:
    claim = await running(rig.table)
    await rig.table.want("r")
    await rig.table.end(claim, ENDED)
    assert (await get(rig.table)).state == "ended"
    with pytest.raises(RunEnded):
        await rig.table.want("r")
    assert (await rig.table.cancel("r")).cancel is False
    assert await rig.table.sweep("s") == []
    with pytest.raises(UnknownRun):
        await rig.table.want("other")
    with pytest.raises(UnknownRun):
        await rig.table.cancel("other")


async def test_run_that_has_ended_can_be_forgotten(rig: Rig) -> None:
    claim = await running(rig.table)
    await rig.table.forget("r")
    assert await rig.table.run("r")
    await rig.table.end(claim, ENDED)
    await rig.table.forget("r")
    assert await rig.table.run("r") is None
    await rig.table.add(a_run("r"))
    assert (await get(rig.table)).attempt == 1
    assert "r:1" in await rig.pending()


async def test_timer_wakes_its_run(rig: Rig) -> None:
    claim = await running(rig.table)
    wake_at = await rig.table.now() + 60
    await rig.table.end(claim, AttemptEnd(state=RowState.PARKED, wake_at=wake_at))
    assert await rig.table.sweep("s") == []
    await rig.pass_time(61)
    assert len(await rig.table.sweep("s")) == 1
    run = await get(rig.table)
    assert (run.state, run.attempt, run.wake_at) == ("queued", 2, 0.0)
    assert "r:2" in await rig.pending()


async def test_canceled_run_is_ended_by_its_owner(rig: Rig) -> None:
    claim = await running(rig.table)
    assert (await rig.table.cancel("r")).state == "running"
    assert [run.cancel for run in await rig.table.owned("w")] == [True]
    claim = await rig.table.commit(claim, "head1")
    await rig.table.end(claim, YIELDED)
    run = await get(rig.table)
    assert (run.state, run.attempt, run.head) == ("ended", 1, "head1")


async def test_canceled_run_without_owner_ends(rig: Rig) -> None:
    await rig.table.add(a_run("queued"))
    await rig.table.end(await running(rig.table, "parked"), PARKED)
    claim = await running(rig.table, "lost", "dead")
    await rig.table.cancel("lost")
    for run_id in ("queued", "parked"):
        assert (await rig.table.cancel(run_id)).state == "ended"
    assert await rig.table.claim("queued", 1, "w") == NotClaimed()
    assert "queued:1" not in await rig.pending()
    await rig.table.leave("dead")
    assert len(await rig.table.sweep("s")) == 1
    assert (await get(rig.table, "lost")).state == "ended"
    with pytest.raises(Fenced):
        await rig.table.commit(claim, "head1")


async def test_hold_keeps_workers_away(rig: Rig) -> None:
    await rig.table.add(a_run())
    held = await rig.table.hold("r", "server:s")
    assert held == Claim("r", 2, 1, "server:s", "head0", 0)
    assert await rig.pending() == {}
    assert await rig.table.claim("r", 1, "w") == NotClaimed()
    assert await rig.table.claim("r", 2, "w") == NotClaimed()
    assert await rig.table.hold("r", "server:s") == held
    assert await rig.table.hold("r", "server:t") == NotClaimed()
    assert await rig.table.hold("other", "server:s") == NotClaimed()
    held = await rig.table.commit(Claim("r", 2, 1, "server:s", "head0", 0), "head1")
    await rig.table.end(held, PARKED)
    # It was queued before.
    run = await get(rig.table)
    assert (run.state, run.attempt, run.head) == ("queued", 3, "head1")
    await claimed(rig.table)
    assert isinstance(await rig.table.hold("r", "server:s"), NotClaimed)
    with pytest.raises(UsageError):
        await rig.table.hold("r", "w")


async def test_parked_and_ended_runs_can_be_held(rig: Rig) -> None:
    for run_id, end in (("parked", PARKED), ("ended", ENDED)):
        await rig.table.end(await running(rig.table, run_id), end)
        held = await rig.table.hold(run_id, "server:s")
        assert isinstance(held, Claim)
        await rig.table.end(held, PARKED)
        assert (await get(rig.table, run_id)).state == "parked"


async def test_hold_that_changed_nothing_leaves_the_run_as_before(rig: Rig) -> None:
    timer = Reason(ReasonKind.TIMER)
    wake_at = await rig.table.now() + 60
    await rig.table.add(a_run("queued"))
    for run_id, end in (
        ("parked", AttemptEnd(state=RowState.PARKED, reason=timer, wake_at=wake_at)),
        ("ended", ENDED),
        ("wanted", PARKED),
        ("canceled", PARKED),
    ):
        await rig.table.end(await running(rig.table, run_id), end)
    before = await get(rig.table, "parked")
    for run_id in await names(rig.table):
        held = await rig.table.hold(run_id, "server:s")
        assert isinstance(held, Claim)
        if run_id == "wanted":
            await rig.table.want(run_id)
        elif run_id == "canceled":
            await rig.table.cancel(run_id)
        await rig.table.end(held, AttemptEnd(state=RowState.PARKED, is_undone=True))
        with pytest.raises(Fenced):
            await rig.table.commit(held, "head1")
    states = {run.run_id: (run.state, run.owner) for run in await rig.table.runs()}
    expected = {"queued": "queued", "wanted": "queued", "canceled": "ended", "ended": "ended"}
    assert states == {run: (state, "") for run, state in (expected | {"parked": "parked"}).items()}
    parked = await get(rig.table, "parked")
    assert (parked.reason, parked.wake_at) == (timer, before.wake_at)


async def test_run_of_a_dead_holder_returns_to_its_state(rig: Rig) -> None:
    await rig.table.add(a_run("queued"))
    for run_id, end in (("parked", PARKED), ("ended", ENDED), ("wanted", PARKED)):
        await rig.table.end(await running(rig.table, run_id), end)
    await rig.table.beat(a_worker("server:s"))
    claims = [await rig.table.hold(run, "server:s") for run in await names(rig.table)]
    await rig.table.want("wanted")
    assert await rig.table.sweep("s") == []
    await rig.pass_time(STALE_S + 1)
    assert len(await rig.table.sweep("s")) == 4
    states = {run.run_id: (run.state, run.owner, run.lost) for run in await rig.table.runs()}
    expected = {"queued": "queued", "parked": "parked", "ended": "ended", "wanted": "queued"}
    assert states == {run: (state, "", 0) for run, state in expected.items()}
    assert (await get(rig.table, "parked")).reason == PARKED.reason
    assert sorted(await rig.pending()) >= ["queued:3", "wanted:3"]
    for claim in claims:
        assert isinstance(claim, Claim)
        with pytest.raises(Fenced):
            await rig.table.commit(claim, "head1")


async def test_reason_is_kept_until_it_changes(rig: Rig) -> None:
    claim = await running(rig.table)
    limit = Reason(ReasonKind.LIMIT, {"provider": "p", "until": 1.5})
    await rig.table.set_reason(claim, limit)
    assert (await get(rig.table)).reason == limit
    await rig.table.set_reason(claim, None)
    assert (await get(rig.table)).reason is None


async def test_runs_are_found_by_state_and_universe(rig: Rig) -> None:
    for number, universe in enumerate(("u", "v", "u")):
        await rig.table.add(a_run(f"r{number}", universe=universe))
    await claimed(rig.table, "r0")
    assert [run.run_id for run in await rig.table.runs()] == ["r1", "r2", "r0"]
    assert [run.run_id for run in await rig.table.runs(universe="u")] == ["r2", "r0"]
    assert [run.run_id for run in await rig.table.runs(limit=1)] == ["r1"]
    assert await names(rig.table, RowState.RUNNING) == ["r0"]
    assert await names(rig.table, RowState.PARKED, RowState.ENDED) == []


async def test_workers_beat_drain_and_leave(rig: Rig) -> None:
    began = await rig.table.beat(a_worker("w"))
    assert 0 < began.began == began.beat
    assert (began.labels, began.slots) == (("gpu",), 2)
    await rig.table.drain("w")
    again = await rig.table.beat(a_worker("w"))
    assert again.is_draining
    assert again.began == began.began <= again.beat
    await rig.table.beat(a_worker("v"))
    assert [worker.id for worker in await rig.table.workers()] == ["v", "w"]
    await rig.table.leave("w")
    assert [worker.id for worker in await rig.table.workers()] == ["v"]
    await rig.pass_time(FORGOTTEN_S + 1)
    await rig.table.sweep("s")
    assert await rig.table.workers() == []


async def test_dead_worker_is_taken_over_and_fenced(rig: Rig) -> None:
    claim = await running(rig.table)
    await rig.dequeue("r:1", "w")
    claim = await rig.table.commit(claim, "head1")
    await rig.pass_time(STALE_S / 2)
    assert await rig.table.sweep("s") == []
    await rig.pass_time(STALE_S)
    assert await rig.table.sweep("s") == ["run r: attempt 2 takes over from w"]
    run = await get(rig.table)
    assert (run.state, run.attempt, run.epoch, run.owner, run.lost) == ("queued", 2, 2, "", 1)
    assert run.reason == Reason(ReasonKind.TAKING_OVER, {"worker": "w", "lost": 1})
    assert await rig.pending() == {"r:2": ""}
    # The worker was frozen, and comes back.
    for late in (rig.table.commit(claim, "x"), rig.table.end(claim, ENDED)):
        with pytest.raises(Fenced):
            await late
    following = await claimed(rig.table, worker="v")
    assert (following.head, following.seq, following.epoch) == ("head1", 1, 3)
    with pytest.raises(Fenced):
        await rig.table.commit(claim, "x")
    following = await rig.table.commit(following, "head2")
    assert ((await get(rig.table)).reason, (await get(rig.table)).lost) == (None, 1)
    assert (await rig.table.commit(following, "head3", ends_stage=True)).seq == 3
    assert (await get(rig.table)).lost == 0


async def test_run_that_loses_many_workers_in_one_stage_is_parked(rig: Rig) -> None:
    await rig.table.add(a_run())
    for number in range(MOST_LOST + 1):
        claim = await claimed(rig.table, worker=f"w{number}")
        if number == 0:
            await rig.table.leave("w0")
            await rig.table.sweep("s")
            claim = await claimed(rig.table, worker="v")
            # The count begins again with each finished stage, but not with a commit for an order.
            await rig.table.commit(claim, "head1", ends_stage=True)
            await rig.table.leave("v")
        else:
            await rig.table.commit(claim, f"order{number}")
            await rig.table.leave(f"w{number}")
        await rig.table.sweep("s")
        if (await get(rig.table)).state is RowState.PARKED:
            break
    run = await get(rig.table)
    assert (run.state, run.lost, run.owner) == ("parked", MOST_LOST, "")
    assert run.reason == Reason(ReasonKind.POISON, {"worker": "w2", "lost": MOST_LOST})
    assert await rig.pending() == {}
    with pytest.raises(Fenced):
        await rig.table.commit(claim, "head2")  # pyright: ignore
    assert await rig.table.sweep("s") == []
    assert (await rig.table.want("r")).lost == 0


async def test_process_that_dies_by_itself_counts_as_a_lost_worker(rig: Rig) -> None:
    await rig.table.add(a_run())
    for lost in range(MOST_LOST):
        run = await get(rig.table)
        assert (run.state, run.lost) == ("queued", lost)
        await rig.table.end(await claimed(rig.table), CRASHED)
    run = await get(rig.table)
    poison = Reason(ReasonKind.POISON, {"worker": "w", "lost": MOST_LOST})
    assert (run.state, run.lost, run.owner, run.reason) == ("parked", MOST_LOST, "", poison)
    assert f"r:{run.attempt + 1}" not in await rig.pending()
    await rig.table.want("r")
    claim = await claimed(rig.table)
    await rig.table.cancel("r")
    await rig.table.end(claim, CRASHED)
    assert (await get(rig.table)).state == "ended"


async def test_one_sweeper_at_a_time(rig: Rig) -> None:
    await running(rig.table)
    await rig.table.sweep("s")
    await rig.table.leave("w")
    assert await rig.table.sweep("t") == []
    assert len(await rig.table.sweep("s")) == 1
    await rig.pass_time(LEASE_S + 1)
    await claimed(rig.table, worker="v")
    await rig.table.leave("v")
    swept = await asyncio.gather(*(rig.table.sweep(name) for name in ("s", "t", "u")))
    assert sorted(map(len, swept)) == [0, 0, 1]


async def test_attempt_that_the_queue_lost_is_replaced(rig: Rig) -> None:
    await rig.table.beat(a_worker("alive"))
    for run_id in ("waits", "dequeued", "gone", "orphan"):
        await rig.table.add(a_run(run_id))
    await rig.dequeue("dequeued:1", "alive")
    await rig.finish("gone:1")
    # Its worker died between dequeuing and the claim.
    await rig.dequeue("orphan:1", "dead")
    lines = await rig.table.sweep("s")
    assert len(lines) == 2
    assert await rig.pending() == {
        "waits:1": "",
        "dequeued:1": "alive",
        "gone:2": "",
        "orphan:2": "",
    }
    assert await rig.table.sweep("s") == []
    # The worker lives, but did not get the reply of its queue.
    await rig.pass_time(UNCLAIMED_S + 1)
    await rig.table.beat(a_worker("alive"))
    assert len(await rig.table.sweep("s")) == 1
    assert (await rig.pending())["dequeued:2"] == ""
    assert await rig.table.claim("dequeued", 1, "alive") == NotClaimed()


async def test_pool_limits_all_engines_and_labels(rig: Rig) -> None:
    await rig.table.set_pool(Pool("p", 2))
    runs = [a_run(f"r{n}", engine=str(n % 2), label="gpu" if n % 3 else "") for n in range(8)]
    for run in [*runs, a_run("elsewhere", pool="q")]:
        await rig.table.add(run)
    await rig.table.beat(a_worker("w"))
    results = await asyncio.gather(
        *(rig.table.claim(f"r{number}", 1, f"w{number}") for number in range(8))
    )
    assert [type(one) for one in results].count(Claim) == 2
    full = Reason(ReasonKind.POOL_FULL, {"pool": "p", "running": 2, "concurrency": 2})
    assert results.count(NotClaimed(full)) == 6
    waiting = [run for run in await rig.table.runs(states=[RowState.QUEUED]) if run.pool == "p"]
    assert [(run.reason, run.attempt) for run in waiting] == [(full, 1)] * 6
    await claimed(rig.table, "elsewhere")
    assert await rig.table.pools() == [Pool("p", 2)]


async def test_share_limits_one_universe(rig: Rig) -> None:
    await rig.table.set_pool(Pool("p", 4, 0.5))
    for name in ("u0", "u1", "u2", "v0", "v1", "v2"):
        await rig.table.add(a_run(name, universe=name[0]))
    results = {
        run.run_id: await rig.table.claim(run.run_id, 1, "w") for run in await rig.table.runs()
    }
    assert sum(isinstance(one, Claim) for one in results.values()) == 4
    full = Reason(
        ReasonKind.UNIVERSE_FULL,
        {"pool": "p", "universe": "u", "running": 2, "share": 2, "concurrency": 4},
    )
    assert results["u2"] == NotClaimed(full)
    assert results["v2"].reason.kind is ReasonKind.POOL_FULL  # pyright: ignore


async def full_pool(rig: Rig, *waiting: NewRun, concurrency: int = 1) -> Claim:
    """Return the claim of the only run, while the others wait for room in this order."""
    await rig.table.set_pool(Pool("p", concurrency, 1.0))
    claim = await running(rig.table, "first")
    await rig.dequeue("first:1", "w")
    for run in waiting:
        await rig.pass_time(1)
        await rig.table.add(run)
        await rig.dequeue(f"{run.run_id}:1", "w")
        assert isinstance(await rig.table.claim(run.run_id, 1, "w"), NotClaimed)
        await rig.finish(f"{run.run_id}:1")
    return claim


@pytest.mark.parametrize("end", [PARKED, ENDED], ids=["parked", "ended"])
async def test_freed_room_goes_to_the_longest_waiting(rig: Rig, end: AttemptEnd) -> None:
    late = a_run("urgent", priority=1)
    claim = await full_pool(rig, a_run("a"), a_run("b"), late)
    assert await rig.table.sweep("s") == []
    order = ["urgent:2", "a:2", "b:2"]
    for attempt in order:
        await rig.table.end(claim, end)
        await rig.finish(f"{claim.run_id}:{claim.attempt}")
        assert await rig.pending() == {attempt: ""}
        claim = await claimed(rig.table, attempt.partition(":")[0])


async def test_run_that_is_refused_again_keeps_its_place(rig: Rig) -> None:
    claim = await full_pool(rig, a_run("a"), a_run("b"))
    await rig.table.end(claim, ENDED)
    await rig.table.add(a_run("fast"))
    fast = await claimed(rig.table, "fast")
    assert isinstance(await rig.table.claim("a", 2, "w"), NotClaimed)
    await rig.finish("a:2")
    await rig.table.end(fast, ENDED)
    assert "a:3" in await rig.pending()


async def test_raised_limit_gives_room(rig: Rig) -> None:
    await full_pool(rig, a_run("a"), a_run("b"), a_run("c"))
    await rig.table.set_pool(Pool("p", 3))
    assert {"a:2", "b:2"} == {*await rig.pending()} - {"first:1"}
    await rig.table.set_pool(Pool("p"))
    assert "c:2" in await rig.pending()
    for pool in (Pool("p", -1), Pool("p", 1, 0.0), Pool("p", 1, 1.5)):
        with pytest.raises(UsageError):
            await rig.table.set_pool(pool)


async def test_room_of_a_dead_worker_is_given_on(rig: Rig) -> None:
    await full_pool(rig, a_run("a"))
    await rig.table.leave("w")
    await rig.table.beat(a_worker("v"))
    await rig.table.sweep("s")
    assert {"first:2", "a:2"} == {*await rig.pending()}
    # Whoever comes second is refused.
    await claimed(rig.table, "first", "v")
    assert isinstance(await rig.table.claim("a", 2, "v"), NotClaimed)


async def test_sweep_gives_room_that_nobody_took(rig: Rig) -> None:
    claim = await full_pool(rig, a_run("a"), a_run("b"))
    await rig.table.end(claim, ENDED)
    assert await rig.table.cancel("a")
    await rig.table.sweep("s")
    assert "b:2" in await rig.pending()


async def test_held_run_takes_no_room(rig: Rig) -> None:
    await rig.table.set_pool(Pool("p", 1))
    await rig.table.add(a_run("held"))
    await rig.table.hold("held", "server:s")
    await running(rig.table, "other")


async def test_pool_is_never_exceeded_by_workers_at_once(rig: Rig) -> None:
    await rig.table.set_pool(Pool("p", 3, 0.4))
    runs = [f"r{number}" for number in range(12)]
    for number, run_id in enumerate(runs):
        await rig.table.add(a_run(run_id, universe=f"u{number % 3}"))
    await rig.table.beat(a_worker("w"))
    ended: list[str] = []

    async def work(name: str) -> None:
        while len(ended) < len(runs):
            for attempt in await rig.pending():
                run_id, _, number = attempt.rpartition(":")
                claim = await rig.table.claim(run_id, int(number), "w")
                await rig.finish(attempt)
                now = await rig.table.runs(states=[RowState.RUNNING])
                assert len(now) <= 3
                assert len({run.universe for run in now}) == len(now)
                if isinstance(claim, Claim) and run_id not in ended:
                    ended.append(run_id)
                    await rig.table.end(claim, ENDED)
            await rig.table.sweep("s")

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(work(f"w{number}") for number in range(4)))
    assert len(await names(rig.table, RowState.ENDED)) == len(runs)


def of_u(run_id: str, **values: object) -> NewRun:
    return a_run(run_id, **{"universe": "u", "max_cost_usd": 4.0, "max_tokens": 40} | values)


async def tenant(table: AnyTable, address: str = "u") -> Tenant:
    return {one.address: one for one in await table.tenants()}[address]


async def test_universes_have_names_ids_worlds_and_caps(rig: Rig) -> None:
    assert [one.address for one in await rig.table.tenants()] == ["home"]
    await rig.table.add_universe("u", Caps(max_tokens_per_day=9))
    before = await tenant(rig.table)
    for refused in (rig.table.add_universe("u"), rig.table.archive("home")):
        with pytest.raises(Refused):
            await refused
    for invalid in ("U", "u/x", ""):
        with pytest.raises(UsageError, match="invalid name"):
            await rig.table.add_universe(invalid)
    await rig.table.assign("p1", "u", "Shop")
    await rig.table.assign("p1", "u", "Other")
    await rig.table.assign("p2", "u", "Shop")
    with pytest.raises(CapRefused, match="universe u"):
        await rig.table.assign("p1", "home", "Shop")
    await rig.table.set_caps("u", Caps(share=0.5))
    await rig.table.set_caps("u/shop-2", Caps(models=("m",)))
    after = await tenant(rig.table)
    assert (after.id, after.caps) == (before.id, Caps(share=0.5))
    assert after.id != (await tenant(rig.table, "home")).id
    _, _, *worlds = await rig.table.tenants()
    found = [(one.id, one.address, one.universe, one.caps.models) for one in worlds]
    assert found == [("p1", "u/shop", "u", None), ("p2", "u/shop-2", "u", ("m",))]
    for no_universe in (rig.table.archive("u/shop"), rig.table.assign("p3", "u/shop", "x")):
        with pytest.raises(UsageError, match="invalid name"):
            await no_universe
    for unknown in (
        rig.table.set_caps("v", Caps()),
        rig.table.set_caps("home/shop", Caps()),
        rig.table.archive("v"),
        rig.table.assign("p3", "v", "x"),
    ):
        with pytest.raises(UnknownName):
            await unknown


async def test_archived_universe_takes_no_new_runs(rig: Rig) -> None:
    await rig.table.add_universe("u")
    await rig.table.add(of_u("old"))
    await rig.table.archive("u")
    with pytest.raises(CapRefused, match="archived"):
        await rig.table.add(of_u("new"))
    # A reply was lost.
    await rig.table.add(of_u("old"))
    # Its open runs are evaluated.
    await rig.table.add(of_u("old.evaluation.1.1", pool=EVALUATE))
    await rig.table.end(await claimed(rig.table, "old"), PARKED)
    await rig.table.want("old")
    await rig.table.end(await claimed(rig.table, "old"), ENDED)


async def test_run_that_no_day_has_room_for_is_refused(rig: Rig) -> None:
    await rig.table.add_universe("u", Caps(max_cost_usd_per_day=10.0))
    await rig.table.assign("p1", "u", "shop")
    await rig.table.set_caps("u/shop", Caps(max_cost_usd_per_day=3.0, max_tokens_per_day=40))
    for values, words in (
        ({"max_cost_usd": 10.5}, "universe u is 10, and the run may use 10.5"),
        ({"max_cost_usd": None}, "universe u is 10, and the run has no budget"),
        ({"project": "p1"}, "world u/shop is 3, and the run may use 4"),
        ({"project": "p1", "max_cost_usd": 1.0, "max_tokens": None}, "has no budget"),
        ({"project": "p1", "universe": "home"}, "universe u"),
    ):
        with pytest.raises(CapRefused, match=words):
            await rig.table.add(of_u("r", **values))
    await rig.table.add(of_u("r"))
    with pytest.raises(CapRefused):
        await rig.table.set_budget("r", 11.0, 40)
    await rig.table.set_budget("r", 9.0, 90)
    assert ((await get(rig.table)).max_cost_usd, (await get(rig.table)).max_tokens) == (9.0, 90)


async def test_claims_reserve_and_commits_settle(rig: Rig) -> None:
    await rig.table.add_universe("u", Caps(max_cost_usd_per_day=10.0))
    for name in ("a", "b", "c", "d"):
        await rig.table.add(of_u(name))
    await rig.table.add(a_run("elsewhere"))
    first, second = [await claimed(rig.table, name) for name in ("a", "b")]
    full = Reason(
        ReasonKind.BUDGET,
        {"address": "u", "cap": "max_cost_usd_per_day", "limit": 10.0}
        | {"spent": 0.0, "held": 8.0, "needs": 4.0},
    )
    assert await rig.table.claim("c", 1, "w") == NotClaimed(full)
    await claimed(rig.table, "elsewhere")
    before = first
    first = await rig.table.commit(first, "head1", Spent(1.0, 10))
    # The reply was lost; and nobody else commits.
    assert await rig.table.commit(before, "head1", Spent(1.0, 10)) == first
    with pytest.raises(Fenced):
        await rig.table.commit(before, "head2", Spent(9.0, 90))
    assert (await tenant(rig.table)).spent == Spent(1.0, 10)
    # What it spent is no longer reserved.
    assert (await rig.table.claim("c", 1, "w")).reason.details["held"] == 7.0  # pyright: ignore
    first = await rig.table.commit(first, "head2", Spent(1.5, 15, 3))
    first = await rig.table.commit(first, "head3")
    assert (await get(rig.table, "a")).cost_usd == first.spent.cost_usd == 1.5
    await rig.finish("c:1")
    await rig.table.end(first, PARKED)
    assert "c:2" in await rig.pending()
    await claimed(rig.table, "c")
    await rig.table.end(await rig.table.commit(second, "x", Spent(4.0, 1)), ENDED)
    assert (await tenant(rig.table)).spent == Spent(5.5, 16, 3)
    # It goes on with what is left of its budget, which nobody else took meanwhile.
    await rig.table.want("a")
    assert isinstance(await rig.table.claim("d", 1, "w"), NotClaimed)
    run = await get(rig.table, "a")
    assert isinstance(await rig.table.claim("a", run.attempt, "w"), NotClaimed)


async def test_next_day_gives_room(rig: Rig) -> None:
    await rig.table.add_universe("u", Caps(max_tokens_per_day=50))
    for name in ("a", "b"):
        await rig.table.add(of_u(name))
    claim = await claimed(rig.table, "a")
    await rig.table.end(await rig.table.commit(claim, "x", Spent(0.0, 40)), ENDED)
    assert isinstance(await rig.table.claim("b", 1, "w"), NotClaimed)
    await rig.finish("b:1")
    assert await rig.table.sweep("s") == []
    await rig.pass_time(86_400)
    assert (await tenant(rig.table)).spent == Spent()
    await rig.table.sweep("s")
    assert "b:2" in await rig.pending()


async def test_world_narrows_its_universe(rig: Rig) -> None:
    await rig.table.add_universe("u")
    await rig.table.assign("p1", "u", "shop")
    await rig.table.set_caps("u/shop", Caps(max_cost_usd_per_day=5.0))
    for name, project in (("a", "p1"), ("b", "p1"), ("c", "p2")):
        await rig.table.add(of_u(name, project=project))
    claim = await claimed(rig.table, "a")
    assert (await rig.table.claim("b", 1, "w")).reason.details["address"] == "u/shop"  # pyright: ignore
    await claimed(rig.table, "c")
    await rig.table.commit(claim, "x", Spent(2.0, 5))
    for address in ("u", "u/shop"):
        assert (await tenant(rig.table, address)).spent == Spent(2.0, 5)


async def test_world_without_room_keeps_no_other_one_waiting(rig: Rig) -> None:
    await rig.table.add_universe("u")
    await rig.table.assign("p1", "u", "shop")
    claim = await full_pool(rig, of_u("a", project="p1"), of_u("b", project="p2"))
    await rig.table.set_caps("u/shop", Caps(max_cost_usd_per_day=3.0))
    await rig.table.end(claim, ENDED)
    assert "b:2" in await rig.pending()
    # No new worker helps the other one.
    reason = (await get(rig.table, "a")).reason
    assert reason
    assert (reason.kind, reason.details["address"]) == (ReasonKind.BUDGET, "u/shop")


async def test_raised_caps_give_room_in_every_pool(rig: Rig) -> None:
    await rig.table.add_universe("u", Caps(max_working_actors=1))
    for number in range(3):
        await rig.table.add(of_u(f"r{number}", actor=f"a{number}", pool=f"p{number}"))
    await rig.table.add(of_u("plain"))
    await claimed(rig.table, "r0")
    await claimed(rig.table, "plain")
    for name in ("r1", "r2"):
        full = await rig.table.claim(name, 1, "w")
        assert isinstance(full, NotClaimed)
        assert full.reason
        assert (full.reason.kind, full.reason.details["held"]) == (ReasonKind.LIMIT, 1)
        await rig.finish(f"{name}:1")
    assert await rig.table.sweep("s") == []
    await rig.table.set_caps("u", Caps(max_working_actors=3))
    assert {"r1:2", "r2:2"} <= {*await rig.pending()}


async def test_share_of_a_universe_limits_it_in_each_pool(rig: Rig) -> None:
    await rig.table.set_pool(Pool("p", 4))
    await rig.table.add_universe("u", Caps(share=0.25))
    for name in ("a", "b"):
        await rig.table.add(of_u(name))
    await claimed(rig.table, "a")
    full = {"pool": "p", "universe": "u", "running": 1, "share": 1, "concurrency": 4}
    reason = Reason(ReasonKind.LIMIT, {**full, "cap": "share", "address": "u"})
    assert await rig.table.claim("b", 1, "w") == NotClaimed(reason)
    await running(rig.table, "c")


async def test_caps_are_never_exceeded_by_workers_at_once(rig: Rig) -> None:
    await rig.table.add_universe("u", Caps(max_cost_usd_per_day=40.0, max_working_actors=3))
    runs = [f"r{number}" for number in range(9)]
    for number, run_id in enumerate(runs):
        await rig.table.add(of_u(run_id, actor=f"a{number}"))
    await rig.table.beat(a_worker("w"))
    ended: list[str] = []

    async def work() -> None:
        while len(ended) < len(runs):
            for attempt in await rig.pending():
                run_id, _, number = attempt.rpartition(":")
                claim = await rig.table.claim(run_id, int(number), "w")
                await rig.finish(attempt)
                assert len(await rig.table.runs(states=[RowState.RUNNING])) <= 3
                if isinstance(claim, Claim) and run_id not in ended:
                    ended.append(run_id)
                    claim = await rig.table.commit(claim, "x", Spent(4.0, 1))
                    await rig.table.end(claim, ENDED)
            await rig.table.sweep("s")

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(work() for _ in range(3)))
    assert (await tenant(rig.table)).spent == Spent(36.0, 9)
