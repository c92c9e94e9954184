"""The actors that an actor started, and what is set aside for them of its budget."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused
from attractor.factory.open_project import OpenProject
from attractor.worlds.actors import ActorFolder, ActorHistory, actors_of_project
from attractor.worlds.status import ActorView, read_actor


def started_by(name: str, opened: OpenProject) -> Sequence[ActorView]:
    """Return the actors of a project that an actor started; damaged records hide no other one."""
    found: list[ActorView] = []
    for folder in actors_of_project(opened):
        with suppress(AttractorError, OSError):
            if folder.read().actor.spawner.is_actor(name):
                found.append(read_actor(folder))
    return found


def set_aside(view: ActorView) -> float:
    """Return what a started actor may cost; an archived one costs no more than it did."""
    limit = view.history.actor.life_usd or 0.0
    return view.usage.cost_usd if view.history.archived else max(limit, view.usage.cost_usd)


@dataclass(frozen=True)
class Funds:
    """What is set aside of an actor's budget: for each actor that it started, and what is left."""

    given: Mapping[str, float]
    left: float

    def __str__(self) -> str:
        each = [f"{usd:g} USD to {name}" for name, usd in self.given.items()]
        return f"gave {', '.join(each) or 'nothing'}; {self.left:g} USD left for others"


def funds_of(history: ActorHistory, opened: OpenProject) -> Funds | None:
    """Return what an actor has for others; None if it never led any."""
    if not history.has_led:
        return None
    given = {one.name: set_aside(one) for one in started_by(history.actor.name, opened)}
    leads = history.actor.leads
    return Funds(given, max(0.0, (leads.usd if leads else 0.0) - sum(given.values())))


def usd_for_others(history: ActorHistory, opened: OpenProject) -> float:
    """Return what an actor cannot use itself: it is for others, or they have it already."""
    funds = funds_of(history, opened)
    return sum(funds.given.values()) + funds.left if funds else 0.0


def require_room(folder: ActorFolder, opened: OpenProject) -> None:
    """Refuse to take an archived actor back if the one that started it has others instead."""
    spawner = folder.read().actor.spawner
    if not spawner.is_actor(spawner.name):
        return
    leader = ActorFolder(folder.root.with_name(spawner.name), folder.project)
    leads, others = leader.read().actor.leads, started_by(spawner.name, opened)
    at_work = [one for one in others if not one.history.archived]
    own = next(one for one in others if one.name == folder.name)
    limit = own.history.actor.life_usd or 0.0
    usd = sum(map(set_aside, others)) - own.usage.cost_usd + max(limit, own.usage.cost_usd)
    if leads is None or len(at_work) >= leads.most or usd > leads.usd:
        raise Refused(
            f"the actor {leader.name}, which started {folder.name}, has no room for it any more",
            hint=f"raise its rights: attractor actor change {leader.name} --leads RIGHTS",
        )
