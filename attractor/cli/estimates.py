"""Tells a person what a run may take, as two tables and the reasons."""

from collections.abc import Callable, Iterator, Sequence

from attractor.cli.diagnoses import lasted
from attractor.language.source.text import visible
from attractor.pipeline.estimate.estimate import Estimate, StageEstimate
from attractor.pipeline.estimate.samples import Range

UNKNOWN = "unknown"

_Write = Callable[[float], str]


def estimate_text(one: Estimate) -> str:
    """Return an estimate in lines."""
    return "\n".join(map(visible, _lines(one)))


def _lines(one: Estimate) -> Iterator[str]:
    yield f"{one.pipeline}: {one.basis[0]}"
    yield from (f"  {reason}" for reason in one.basis[1:])
    yield ""
    yield from _table(
        [
            ("", "low", "likely", "high"),
            ("time", *_three(one.seconds, lasted)),
            ("cost", *_three(one.cost_usd, money)),
            ("tokens", *_three(one.tokens, whole)),
        ]
    )
    if one.unknown:
        yield f"not counted, for no earlier run has them: {', '.join(one.unknown)}"
    yield ""
    heading = ("stage", "type", "visits a run", "time a visit", "cost a visit", "known from")
    yield from _table([heading, *map(_row, one.stages)])


def _row(one: StageEstimate) -> tuple[str, ...]:
    return (
        one.node,
        one.type,
        _short(one.visits, lambda value: f"{value:g}"),
        _short(one.seconds, lasted),
        _short(one.cost_usd, money),
        one.basis,
    )


def money(dollars: float) -> str:
    """Return dollars for people."""
    return f"${dollars:.2f}" if dollars >= 1 or not dollars else f"${dollars:.4f}"


def whole(number: float) -> str:
    """Return a count for people."""
    return f"{round(number):,}"


def _three(one: Range, write: _Write) -> tuple[str, ...]:
    return tuple(
        UNKNOWN if value is None else write(value) for value in (one.low, one.likely, one.high)
    )


def _short(one: Range, write: _Write) -> str:
    """Return a range in one word: the likely value, and its ends where they differ."""
    if one.likely is None:
        return UNKNOWN if one.high is None else f"at most {write(one.high)}"
    low, likely, high = _three(one, write)
    return likely if low == high else f"{likely} ({low} to {high})"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
