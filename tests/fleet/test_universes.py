"""Caps that only narrow, and budgets that no set of runs exceeds."""

import math
import time
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import Refused, UsageError
from attractor.base.records import read_record, write_record
from attractor.fleet.decisions import Waiting, next_in, why_no_room
from attractor.fleet.errors import CapRefused
from attractor.fleet.records import NewRun, Pool, ReasonKind, Spent
from attractor.fleet.universes import (
    Caps,
    Share,
    Tenant,
    caps_in,
    effective_caps,
    free_address,
    need_of,
    require_allowed,
    require_name,
    tenants_in,
)
from tests.tables import table

AMOUNTS = st.none() | st.integers(0, 20)
NAMES = st.none() | st.lists(st.sampled_from("abcd"), unique=True).map(tuple)
CAPS = st.builds(
    Caps,
    max_working_actors=AMOUNTS,
    max_cost_usd_per_day=st.none() | st.floats(0, 20),
    max_tokens_per_day=AMOUNTS,
    backends=NAMES,
    models=NAMES,
    share=st.none() | st.floats(0.01, 1),
)
RUNS = st.builds(
    NewRun,
    run_id=st.uuids().map(str),
    head=st.just("h"),
    pool=st.just("p"),
    engine=st.just("1"),
    universe=st.just("u"),
    project=st.sampled_from(["", "p1", "p2"]),
    actor=st.sampled_from(["", "anna"]),
    priority=st.integers(0, 3),
    max_cost_usd=st.none() | st.floats(0, 20),
    max_tokens=AMOUNTS,
)


@given(CAPS, CAPS, CAPS)
def test_no_level_exceeds_the_caps_of_those_above(pool: Caps, outer: Caps, inner: Caps) -> None:
    levels = [("pool", pool), ("universe", outer), ("world", inner)]
    above = effective_caps(levels[:2])
    found = effective_caps(levels)
    for name, one in found.items():
        set_by = [source for source, caps in levels if getattr(caps, name) is not None]
        assert {*one.source.split(" and ")} <= {*set_by}
        for caps in (pool, outer, inner):
            cap = getattr(caps, name)
            if isinstance(cap, tuple):
                assert {*one.value} <= {*cap}
            elif cap is not None:
                assert one.value <= cap
        if " and " not in one.source:
            assert one.value == getattr(dict(levels)[one.source], name)
    assert above.keys() <= found.keys()
    assert read_record(Caps, write_record(inner)) == inner


@given(CAPS, CAPS, st.lists(RUNS, max_size=12), st.floats(0, 10), st.integers(0, 10))
def test_admitted_runs_never_exceed_the_caps_together(
    outer: Caps, inner: Caps, runs: list[NewRun], cost: float, tokens: int
) -> None:
    tenants = [
        Tenant("u", "1", outer, spent=Spent(cost, tokens)),
        Tenant("u/shop", "p1", inner, spent=Spent(cost, tokens)),
    ]
    admitted = list[NewRun]()
    for run in runs:
        with suppress(CapRefused):
            for tenant in tenants_in(tenants, "u", run.project):
                tenant.require_admitted(need_of(vars(run)))
            admitted.append(run)
    waiting = [Waiting(run.run_id, need_of(vars(run)), run.priority, 0.0) for run in admitted]
    chosen = next_in(Pool("p"), {}, waiting, tenants, most=99)
    for tenant in tenants:
        needs = [one.need for one in waiting if one.run_id in chosen and tenant.is_of(one.need)]
        caps, spent = tenant.caps, tenant.spent
        for limit, before, taken in (
            (caps.max_working_actors, 0, sum(one.actors for one in needs)),
            (caps.max_cost_usd_per_day, spent.cost_usd, sum(one.cost_usd for one in needs)),
            (caps.max_tokens_per_day, spent.tokens, sum(one.tokens for one in needs)),
        ):
            assert limit is None or not taken or before + taken <= limit + 1e-6


def test_room_is_found_fast_among_thousands_of_tenants_with_caps() -> None:
    caps = Caps(max_cost_usd_per_day=9.0)
    worlds = [Tenant(f"u{one % 200}/w{one}", f"p{one}", caps) for one in range(2000)]
    waiting = [
        Waiting(f"r{one}", Share(f"u{one % 200}", "", 0, 1.0), 1, one) for one in range(2000)
    ]
    began = time.process_time()
    assert next_in(Pool("p", 1), {"v": 1}, waiting, worlds, most=9) == []
    assert time.process_time() < began + 0.5


def test_share_of_a_universe_narrows_that_of_the_pool() -> None:
    pool, need = Pool("p", 10, 0.5), Share("u")
    for share, own, kind in (
        (0.2, 2, ReasonKind.LIMIT),
        (0.2, 1, None),
        (0.9, 4, None),
        (0.9, 5, ReasonKind.UNIVERSE_FULL),
    ):
        reason = why_no_room(pool, need, {"u": own}, [Tenant("u", "1", Caps(share=share))])
        assert (reason and reason.kind) == kind
    assert why_no_room(pool, need, {"u": 2}, [Tenant("v", "2", Caps(share=0.2))]) is None


def test_run_without_a_budget_takes_all() -> None:
    tenant = Tenant("u", "1", Caps(max_cost_usd_per_day=5))
    run = NewRun(run_id="r", head="", pool="p", engine="1", universe="u")
    need = need_of(vars(run))
    assert need.cost_usd == need.tokens == math.inf
    assert tenant.why_full(need) is None
    assert tenant.with_run(need).why_full(need)


@table(
    "values",
    [
        {"max_cost_usd_per_day": -1},
        {"share": 0.0},
        {"share": math.nan},
        {"max_cost_usd_per_day": math.inf},
        {"max_tokens_per_day": math.nan},
    ],
)
def test_caps_that_make_no_sense_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="invalid"):
        Caps(**values)  # pyright: ignore[reportArgumentType]


@table("name", ["", "A", "a_b", "../a", "-a", "a/b", "a" * 64, "ä", "a\n"])
def test_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="invalid name"):
        require_name(name)


def test_world_gets_a_name_that_is_free() -> None:
    assert free_address("u", "My Shop!", []) == "u/my-shop"
    assert free_address("u", "my-shop", ["u/my-shop", "u/my-shop-2"]) == "u/my-shop-3"
    assert free_address("u", "../..", ["v/world"]) == "u/world"


def test_backends_and_models_that_no_level_lists_are_refused() -> None:
    tenants = [
        Tenant("u/shop", "p", Caps(models=("small",))),
        Tenant("u", "1", Caps(backends=("agent", "codex"))),
        Tenant("u/other", "q", Caps(models=("none",))),
    ]
    caps = caps_in(tenants_in(tenants, "u", "p"))
    require_allowed(caps, {"backends": ["agent"], "models": ["small"]})
    others = caps_in(tenants_in(tenants, "u", ""))
    require_allowed(others, {"backends": ["agent"], "models": ["large"]})
    with pytest.raises(CapRefused, match=r"universe u does not allow these backends: claude"):
        require_allowed(caps, {"backends": ["claude"], "models": []})
    with pytest.raises(Refused, match=r"world u/shop does not allow these models: large"):
        require_allowed(caps, {"backends": [], "models": ["large"]})
