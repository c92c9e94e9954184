"""The universes of the fleet: their runs, caps, worlds, money, space and messages."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from attractor.base.records import write_fields
from attractor.fleet.universes import Tenant
from attractor.fleet.views.universe_views import UniverseRow, UniverseView
from attractor.server.fleet.connection import UsedSpace
from attractor.server.fleet.universes import UniverseState, read_universe, read_universes
from attractor.server.http.cursors import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    read_text,
    write_cursor,
)
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import READ, Calling, ServerService
from attractor.server.resources.fleet import FleetRunAnswer
from attractor.worlds.messages import SenderKind

part = APIRouter(tags=["fleet"], responses=problem_statuses(400, 409, 503))


class SpaceAnswer(AnswerModel):
    """The space of the blobs of a universe, as it was measured last."""

    bytes: int
    at: datetime

    @classmethod
    def of(cls, space: UsedSpace | None) -> "SpaceAnswer | None":
        """Return the answer about a space, if it was measured."""
        return cls(bytes=space.bytes, at=space.at) if space else None


class UniverseRowAnswer(AnswerModel, of=UniverseRow):
    """A universe, with its open runs in numbers, and what it spent today (UTC)."""

    unpriced_tokens: int = Field(description="The tokens of calls whose cost is unknown.")
    space: SpaceAnswer | None = Field(description="None until it is measured.")


class CapAnswer(AnswerModel):
    """A cap in force."""

    value: Any
    source: str = Field(description="The pool, universe or world that sets it.")


class TenantAnswer(AnswerModel):
    """A universe or a world, with its caps in force, and what it spent today (UTC)."""

    address: str
    id: str = Field(description="The id of the project of a world.")
    archived: bool
    caps: dict[str, CapAnswer]
    cost_usd: float
    tokens: int
    unpriced_tokens: int = Field(description="The tokens of calls whose cost is unknown.")

    @classmethod
    def of(cls, tenant: Tenant, view: UniverseView) -> "TenantAnswer":
        """Return the answer about a universe or a world."""
        return cls(
            address=tenant.address,
            id=tenant.id,
            archived=tenant.archived,
            caps={
                name: CapAnswer.model_validate(write_fields(cap))
                for name, cap in view.caps_of(tenant).items()
            },
            **vars(tenant.spent),
        )


class UniverseAnswer(AnswerModel):
    """A universe, as the caller may see it."""

    universe: TenantAnswer
    shares: dict[str, CapAnswer] = Field(description="The share of each pool with limits.")
    waiting: list[FleetRunAnswer]
    more: int = Field(description="The number of further runs that wait.")
    running: list[FleetRunAnswer]
    worlds: list[TenantAnswer]
    space: SpaceAnswer | None = Field(description="None until it is measured.")
    messages: dict[SenderKind, int] = Field(
        description="Messages to the actors of this server in its worlds, by their senders."
    )

    @classmethod
    def of(cls, found: UniverseState) -> "UniverseAnswer":
        """Return the answer about a universe."""
        view, runs = found.view, found.runs
        return cls(
            universe=TenantAnswer.of(view.universe, view),
            shares={
                pool: CapAnswer.model_validate(write_fields(cap))
                for pool, cap in view.shares.items()
            },
            waiting=[FleetRunAnswer.of(one) for one in runs.waiting],
            more=runs.more,
            running=[FleetRunAnswer.of(one) for one in runs.running],
            worlds=[TenantAnswer.of(world, view) for world in view.worlds],
            space=SpaceAnswer.of(found.space),
            messages={kind: found.messages.get(kind, 0) for kind in SenderKind},
        )


@part.get("/api/v1/fleet/universes", dependencies=[READ])
def list_universes(
    service: ServerService, caller: Calling, cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Page[UniverseRowAnswer]:
    """List the universes with worlds that the caller may reach, by name; none without a fleet."""
    found = read_universes(service.fleet, caller, after=read_text(cursor), limit=limit + 1)
    items = [
        UniverseRowAnswer.model_validate({**write_fields(row), "space": SpaceAnswer.of(space)})
        for row, space in found[:limit]
    ]
    return Page(
        items=items, next=write_cursor(found[limit - 1][0].name) if len(found) > limit else ""
    )


@part.get("/api/v1/fleet/universes/{name}", dependencies=[READ], responses=problem_statuses(404))
def show_universe(service: ServerService, caller: Calling, name: str) -> UniverseAnswer:
    """Show a universe: its runs and why they wait, caps with sources, worlds, space, messages."""
    state = service.project.machine.state_dir
    return UniverseAnswer.of(read_universe(service.fleet, caller, name, state, service.journals))
