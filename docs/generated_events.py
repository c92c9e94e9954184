"""Writes the table of the engine's events; cog puts it into the reference."""

from dataclasses import fields
from typing import get_args

from attractor.engine.journal.events import EngineEvent


def engine_events() -> str:
    """Return what each of the engine's events says, in the order of its module."""
    rows = [_row(one) for one in get_args(EngineEvent)]
    return "\n".join(["| type | data | what happened |", "|---|---|---|", *rows])


def _row(kind: type[EngineEvent]) -> str:
    data = ", ".join(f"`{field.name}`" for field in fields(kind))
    sentence = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return f"| `{kind.__name__}` | {data} | {sentence} |"
