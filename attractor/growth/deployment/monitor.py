"""Compares the telemetry of the running stage with that of the stage before.

More errors, or other rates of guard hits, propose a roll-back; only a person rolls back.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from attractor.base.dataclasses import dataclass
from attractor.base.files import read_regular
from attractor.base.json import parse_json
from attractor.growth.deployment.release import Release, Releases

TELEMETRY = "telemetry.json"

FEWEST_RUNS = 5
"""Fewer runs of a node show nothing about its guard hits."""
FACTOR = 2

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Change:
    """A node whose errors or guard hits differ from those of the stage before."""

    node: str
    message: str
    proposal: str


def compare_telemetry(releases: Releases) -> Sequence[Change]:
    """Compare the running release with the one that it followed (default: no changes)."""
    now = releases.current
    before = releases.before(now.record.stage) if now else ()
    if now is None or not before:
        return ()
    return find_changes(telemetry_of(before[0]), telemetry_of(now), before[0].record.stage)


def find_changes(
    before: Mapping[str, Counts], now: Mapping[str, Counts], stage: str
) -> Sequence[Change]:
    """Return the nodes that fail more often, or guard much more or much less, than before."""
    proposal = f"attractor grow rollback {stage}"
    found: list[Change] = []
    for node, counts in sorted(now.items()):
        earlier = before.get(node, {})
        if _rate(counts, "errors") > _rate(earlier, "errors"):
            message = f"errors: {_share(counts, 'errors')}, before {_share(earlier, 'errors')}"
            found.append(Change(node, message, proposal))
        rates = _rate(earlier, "guard_hits"), _rate(counts, "guard_hits")
        enough = min(counts.get("runs", 0), earlier.get("runs", 0)) >= FEWEST_RUNS
        if enough and max(rates) > FACTOR * min(rates):
            shares = _share(counts, "guard_hits"), _share(earlier, "guard_hits")
            found.append(Change(node, f"guard hits: {shares[0]}, before {shares[1]}", proposal))
    return found


def telemetry_of(release: Release) -> Mapping[str, Counts]:
    """Return the counts of a release by node (default: none)."""
    file = release.state / TELEMETRY
    value = parse_json(read_regular(file)) if file.exists() else {}
    return cast("Mapping[str, Counts]", value) if isinstance(value, dict) else {}


def _rate(counts: Counts, name: str) -> float:
    return counts.get(name, 0) / max(1, counts.get("runs", 0))


def _share(counts: Counts, name: str) -> str:
    return f"{counts.get(name, 0)} of {counts.get('runs', 0)} runs"
