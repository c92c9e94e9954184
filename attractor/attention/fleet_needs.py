"""What the fleet needs of a person, as a file that a server writes again and again.

What is older than some seconds is not shown: then no server looks after the fleet.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import make_private_folder, write_whole
from attractor.base.json import canonical_json
from attractor.base.records import read_object, read_record, write_record

FRESH = timedelta(seconds=15)
_FILE = Path("fleet", "needs.json")


@dataclass(frozen=True)
class FleetNeed:
    """One thing that the fleet needs, about a run of a project or about all of them."""

    id: str
    project: str
    name: str
    reason: str
    since: datetime
    command: str
    run_id: str = ""


@dataclass(frozen=True)
class FleetNeeds:
    """All that the fleet needs, at a time."""

    at: datetime
    needs: Sequence[FleetNeed] = ()


def publish_needs(state: Path, needs: FleetNeeds) -> None:
    """Write what the fleet needs, in place of what it needed before."""
    make_private_folder((state / _FILE).parent)
    write_whole(state / _FILE, canonical_json(write_record(needs)), sync=False)


def read_needs(state: Path, now: datetime) -> Sequence[FleetNeed]:
    """Return what the fleet needs now; nothing without a server that looks after it."""
    file = state / _FILE
    if not file.exists():
        return ()
    found = read_record(FleetNeeds, read_object(file, VerificationError))
    return found.needs if now - found.at < FRESH else ()
