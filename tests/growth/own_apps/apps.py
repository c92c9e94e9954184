"""Two apps that no page of the documentation has, and records of them."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

from attractor.growth.specification.document import read_document
from attractor.growth.specification.graph import SpecGraph

CAFE, CHOIR = (Path(__file__).with_name(f"{name}.yaml") for name in ("repair_cafe", "choir"))

Rows = Iterator[tuple[str, Mapping[str, object]]]


def graph_of(file: Path) -> SpecGraph:
    """Return the specification of an app."""
    return read_document(file.read_text(), source=file.name)


def cafe_records(number: int) -> Rows:
    """Yield bookings, after their sessions and helpers, each with its entity."""
    for week in range(1 + number // 5):
        day = date(2026, 12, 5) + timedelta(weeks=week)
        yield "session", {"day": day.isoformat(), "hall": "Library hall"}
    for name in ("Ann", "Bo"):
        yield "helper", {"name": name, "phone": f"0123 {name}"}
    for one in range(number):
        day = date(2026, 12, 5) + timedelta(weeks=one // 5)
        yield (
            "booking",
            {
                **{"id": f"b-{one}", "guest": f"Guest {one}", "session": day.isoformat()},
                **{"thing": "Lamp", "kind": ("lamp", "radio")[one % 2], "status": "booked"},
                **{"helped_by": ("Ann", "Bo")[one % 2], "paid": 0.1 * (one % 3)},
            },
        )


def choir_records(number: int) -> Rows:
    """Yield attendances, after their singers, a rehearsal, a score and a loan of it."""
    yield "rehearsal", {"day": "2026-12-05", "place": "Library hall"}
    yield "score", {"title": "Requiem", "composer": "Fauré", "copies": 30}
    for one in range(number):
        voice = ("soprano", "alto", "tenor", "bass")[one % 4]
        yield "singer", {"name": f"Singer {one}", "voice": voice, "phone": f"0123 {one}"}
        attendance = {"rehearsal": "2026-12-05", "singer": f"Singer {one}", "came": one % 3 > 0}
        yield "attendance", attendance
    yield "loan", {"id": "l-1", "score": "Requiem", "singer": "Singer 0", "back": "2026-12-20"}
