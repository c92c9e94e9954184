"""Words and numbers of the live display, short enough for a narrow terminal."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from attractor.base.durations import describe_duration
from attractor.cli.live.view import Asked, StageRow, View
from attractor.engine.budgets import Budgets
from attractor.engine.outcome import NOTHING_USED, Usage


def lasted(seconds: float) -> str:
    """Return a time that has passed; whole seconds from one second on."""
    if seconds < 1:
        return f"{max(0.0, seconds):.1f}s"
    return describe_duration(timedelta(seconds=int(seconds)))


def counted(number: int) -> str:
    """Return a number of tokens with three digits or so."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= 1000 * size:
            return f"{number // size}{unit}"
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def price(dollars: float) -> str:
    """Return an amount of money."""
    return f"${dollars:.2f}" if dollars >= 0.01 or not dollars else f"${dollars:.4f}"


def tokens_of(usage: Usage) -> int:
    """Return all tokens that were used."""
    return usage.input_tokens + usage.output_tokens


def used(usage: Usage) -> str:
    """Return what was used of models; nothing when nothing was."""
    if usage == NOTHING_USED:
        return ""
    money = f" {price(usage.cost_usd)}" if usage.cost_usd else ""
    return f"{counted(tokens_of(usage))} tok{money}"


def name_of(row: StageRow) -> str:
    """Return which stage a row is about: its branch, its node, its visit and attempt."""
    branch = f"[{row.branch}] " if row.branch else ""
    visit = f"@{row.visit}" if row.visit > 1 else ""
    attempt = f", attempt {row.attempt}" if row.attempt > 1 else ""
    return f"{branch}{row.node}{visit}{attempt}"


def headline(view: View) -> str:
    """Return which run it is and where it stands."""
    status = "paused" if view.is_paused else view.status
    words = [view.pipeline or view.run_id, status]
    reason = f": {view.reason}" if view.reason else ""
    return ", ".join(filter(None, words)) + reason


def summary(view: View) -> str:
    """Return how much was done so far."""
    return ", ".join(filter(None, _summary(view)))


def _summary(view: View) -> Iterator[str]:
    yield f"{view.ended} stage{'' if view.ended == 1 else 's'}"
    yield f"{view.failed} failed" if view.failed else ""
    yield f"{len(view.at_work)} at work" if view.at_work else ""
    if (usage := view.used) != NOTHING_USED:
        yield f"{counted(tokens_of(usage))} tokens"
        yield price(usage.cost_usd) if usage.cost_usd else ""
    trials = view.trials
    yield f"{trials.satisfied} of {trials.played} trials satisfied" if trials.played else ""
    yield f"gate: {trials.gate}" if trials.gate else ""


def budgets_used(budgets: Budgets, usage: Usage, seconds: float) -> Sequence[str]:
    """Return how much of each budget is used."""
    told: list[str] = []
    if budgets.cost_usd is not None:
        told.append(f"{price(usage.cost_usd)} of {price(budgets.cost_usd)}")
    if budgets.tokens is not None:
        told.append(f"{counted(tokens_of(usage))} of {counted(budgets.tokens)} tokens")
    if budgets.duration is not None:
        told.append(f"{lasted(seconds)} of {lasted(budgets.duration.total_seconds())}")
    return told


def question_line(asked: Asked) -> str:
    """Return what is asked, and the choices."""
    where = f" ({'; '.join(asked.where)})" if asked.where else ""
    return "  ".join([f"{asked.stage}: {asked.text}{where}", *asked.choices])
