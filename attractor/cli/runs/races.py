"""Prints races: a table of their attempts, best first, and what is left to do."""

from collections.abc import Iterator, Sequence

from attractor.base.amounts import format_cost, format_seconds, number_of
from attractor.cli.output.streams import table
from attractor.factory.operations.race import AttemptView, rank_views
from attractor.factory.races import AttemptResult, Race, Stop, is_time_decided, winner_of
from attractor.language.source.text import visible

_HEAD = ("rank", "attempt", "verdict", "trials", "bound", "changes", "cost", "time", "run")


def race_lines(race: Race, views: Sequence[AttemptView], *, has_ended: bool) -> list[str]:
    """Return a race for people."""
    lines = [
        f"race {race.race_id} of {race.pipeline.partition('#')[0]} from {race.commit[:12]}, "
        f"judged by {race.suite.partition('#')[0]}",
        f"  the bound counts {race.counted} attempts with this suite from this commit",
        *_stop_lines(race, [view.result for view in views], has_ended=has_ended),
        *table([_HEAD, *(_row(place, view) for place, view in rank_views(views))]),
        *(f"  {_name(view)}: {view.left}" for view in views if view.left),
        _next(race, views, has_ended=has_ended),
    ]
    return [*map(visible, lines)]


def _stop_lines(race: Race, results: Sequence[AttemptResult], *, has_ended: bool) -> Iterator[str]:
    """Yield how time decides in a race that ends with the first go."""
    if has_ended and is_time_decided(race, results):
        yield "  time decided: the first go ended the race before other attempts were judged"
    elif race.stop is Stop.FIRST_GO:
        yield "  the first go ends the race, so time may decide"


def _next(race: Race, views: Sequence[AttemptView], *, has_ended: bool) -> str:
    """Return the winner of a race, and the next command."""
    if not has_ended:
        words = f"The race has not ended; continue it: attractor race resume {race.race_id}"
        if any(view.root is None for view in views):
            words += f"; or give up attempts that have not begun: attractor race end {race.race_id}"
        return words
    winner = winner_of(view.result for view in views)
    for view in views:
        if winner and view.attempt.run_id == winner.run_ids[0]:
            return f"winner: {_name(view)}; decide with: attractor decide {_name(view)}"
    _, best = rank_views(views)[0]
    return "no attempt has a go" + (f"; see: attractor gate {_name(best)}" if best.root else "")


def _name(view: AttemptView) -> str:
    """Return the id of the newest run of an attempt."""
    return view.root.name if view.root else view.attempt.run_id


def _row(place: int, view: AttemptView) -> Sequence[str]:
    result = view.result
    figures = ["-"] * 5
    if result.verdict:
        files = number_of(result.changed_files, "file")
        figures = [
            result.verdict,
            f"{result.satisfied} of {result.played}",
            f"{result.bound:.3f}",
            f"{files}, {number_of(result.changed_lines, 'line')}",
            format_cost(result.cost_usd),
        ]
    run = f"{_name(view)} {result.status}"
    rank_ = f"{place}" if place else "-"
    return (rank_, str(view.attempt), *figures, format_seconds(view.seconds), run)
