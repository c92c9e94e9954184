"""The lives of the examples: what people wish for, write and see in three versions of each app."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from attractor.base.json import Json

Records = Sequence[Mapping[str, Json]]

_TODAY = datetime.now(UTC).date()


def day(number: int) -> str:
    """Return the date of a day from now."""
    return str(_TODAY + timedelta(days=number))


@dataclass(frozen=True)
class Version:
    """A version of an app: its wish, records of people, a pipeline, and the values after its run.

    `shown` is by path and field; the wishes of a first version lie in the example.
    """

    given: Mapping[str, Records]
    run: str
    shown: Mapping[str, Sequence[Json]]
    wish: str = ""


@dataclass(frozen=True)
class Life:
    """Three versions of an example, and the wish of a second person that collides with the third.

    `letters` is the number of letters that leave until the third version runs.
    """

    example: str
    versions: tuple[Version, Version, Version]
    colliding: str
    letters: int = 0


FARM = Life(
    "farmer-contract-allocation",
    (
        Version(
            {
                "block": [{"id": "b1", "crop": "tomato", "cultivar": "Roma", "plant_count": 40}],
                "contract": [
                    {
                        **{"id": id_, "buyer": buyer, "sku": "tomato", "qty_per_week": qty},
                        **{"price_floor": 2.0, "delivery_day": weekday, "priority": 1},
                    }
                    for id_, buyer, qty, weekday in (
                        ("c1", "Inn", 12, "Tuesday"),
                        ("c2", "Shop", 8, "Friday"),
                    )
                ],
            },
            "contract_allocation",
            {"/data/reservation qty": [8, 12]},
        ),
        Version(
            {"skip": [{"id": "s1", "contract": "c2", "week_of": day(0)}]},
            "contract_allocation",
            {
                "/data/reservation contract_id": ["c1"],
                "/data/shortfall_alert contract_id": [],
                "/panels/weeks_off contract": ["c2"],
            },
            "Let a buyer skip a week",
        ),
        Version(
            {
                "weather": [
                    {"id": "w1", "crop": "tomato", "day": day(-1), "loss_percent": 50},
                    {"id": "w2", "crop": "tomato", "day": day(-9), "loss_percent": 90},
                ]
            },
            "contract_allocation",
            {"/data/reservation qty": [10], "/data/shortfall_alert missing": [2]},
            "Derate the forecast after bad weather",
        ),
    ),
    "Show when it rains, to plan the work on the fields",
)

OFFICE = Life(
    "immigration-policy-impact",
    (
        Version(
            {
                "policy_update": [
                    {
                        **{"id": "p1", "title": "New form", "category": "work"},
                        **{"effective": day(0), "requires": "file the form", "days": 10},
                    }
                ],
                "case": [
                    {
                        **{"id": "c1", "client": "Lin", "category": "work"},
                        **{"status": "active", "worker": "Rosa"},
                    }
                ],
            },
            "policy_impact",
            {"/data/action_plan case_id": ["c1"]},
        ),
        Version(
            {
                "policy_update": [
                    {
                        **{"id": "p2", "title": "New fee", "category": "work"},
                        **{"effective": day(0), "requires": "pay the fee", "days": 20},
                    }
                ]
            },
            "policy_impact",
            {"/panels/due_dates due": [day(10), day(20)]},
            "Show all due dates of the office in a calendar",
        ),
        Version(
            {
                "case": [
                    {
                        **{"id": "c2", "client": "Max", "category": "student", "worker": "Rosa"},
                        **{"status": "active", "mail": "max@clients.example"},
                    }
                ],
                "letter": [
                    {
                        **{"id": id_, "case": "c2", "subject": subject},
                        **{"text": "Please come on Monday.", "reviewed_by": "Rosa"},
                    }
                    for id_, subject in (
                        ("l1", "Your visit"),
                        ("l2", "Your visit\nBcc: x@y.example"),
                    )
                ],
            },
            "post",
            {
                "/data/sent_letter letter": ["l1", "l2"],
                "/panels/letters_that_left state": ["not sent", "sent"],
            },
            "Send reviewed letters to clients by e-mail",
        ),
    ),
    "Find the letters that clients sent us on paper",
    letters=1,
)

STREET = Life(
    "lending",
    (
        Version(
            {
                "tool": [{"name": "Drill", "kind": "power"}, {"name": "Saw", "kind": "hand"}],
                "neighbour": [{"name": "Ada", "mail": "ada@street.example"}],
                "wish": [{"id": "w1", "tool": "Drill", "neighbour": "Ada", "due": day(7)}],
            },
            "lending",
            {"/data/loan tool": ["Drill"]},
        ),
        Version(
            {"loan": [{"id": "l1", "tool": "Saw", "neighbour": "Ada", "due": day(1)}]},
            "reminders",
            {"/data/loan tool": ["Drill", "Saw"]},
            "Remind neighbours by e-mail",
        ),
        Version(
            {},
            "lending",
            {"/panels/bring_back due": [day(1), day(7)]},
            "Show in a calendar which tool comes back on which day",
        ),
    ),
    "Show on a board which tools each neighbour has",
    letters=1,
)

LIVES = (FARM, OFFICE, STREET)


async def use(client: httpx.AsyncClient, version: Version) -> None:
    """Write the records of people, run the pipeline, and require the values that people see."""
    for entity, records in version.given.items():
        require(await client.post(f"/data/{entity}", json=list(records)))
    await look(client, version)


async def look(client: httpx.AsyncClient, version: Version) -> None:
    """Run the pipeline of a version, and require the values that people see."""
    require(await client.post(f"/run/{version.run}"))
    for place, values in version.shown.items():
        path, field = place.split()
        found = [one[field] for one in await rows(client, path)]
        assert sorted(found, key=str) == sorted(values, key=str), place


async def require_kept(client: httpx.AsyncClient, versions: Sequence[Version]) -> None:
    """Require each record that people wrote for these versions."""
    for version in versions:
        for entity, records in version.given.items():
            there = await rows(client, f"/data/{entity}")
            for record in records:
                assert any(record.items() <= one.items() for one in there), (entity, record)


async def rows(client: httpx.AsyncClient, path: str) -> list[dict[str, Json]]:
    """Return the records of an entity, or the rows of a panel."""
    answer = require(await client.get(path, headers={"accept": "application/json"})).json()
    return answer["rows"] if path.startswith("/panels/") else answer["records"]


def require(answer: httpx.Response) -> httpx.Response:
    """Return an answer that is no error."""
    assert answer.is_success, answer.text
    return answer
