"""What a sandbox was proved to guard, as the manifest and the sealed evaluations have it."""

from dataclasses import asdict, fields

from attractor.base.json import Json
from attractor.engine.fields import Fields
from attractor.environments.environment import Promises

NAMES = tuple(field.name for field in fields(Promises))
"""Every promise by name."""


def promises_to_record(promises: Promises) -> dict[str, Json]:
    """Return promises as JSON has them."""
    return asdict(promises)


def promises_from_record(record: Fields) -> Promises:
    """Read promises back."""
    return Promises(**{name: record.flag(name) for name in NAMES})
