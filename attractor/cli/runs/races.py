"""Prints races: a table of their attempts, best first, and what is left to do."""

from collections.abc import Collection, Iterator, Sequence

from attractor.base.amounts import format_cost, format_seconds, number_of
from attractor.cli.output.streams import table
from attractor.engine.state.run_state import StatusWord
from attractor.factory.gate_records import VerdictCost
from attractor.factory.operations.race import AttemptView, rank_views
from attractor.factory.races import AttemptResult, Race, Stop, is_time_decided, winner_of
from attractor.language.source.text import visible

_HEAD = ("rank", "attempt", "verdict", "trials", "bound", "changes", "cost", "time", "run")


def race_lines(
    race: Race,
    views: Sequence[AttemptView],
    *,
    has_ended: bool,
    promoted: Collection[str] = (),
    again: str = "resume",
) -> list[str]:
    """Return a race for people.

    `promoted` are the promoted runs. `again` is the command that is to be repeated: `resume` or
    `end`.
    """
    cost = sum((view.cost for view in views), VerdictCost())
    lines = [
        f"race {race.race_id} of {race.pipeline.partition('#')[0]} from {race.commit[:12]}, "
        f"judged by {race.suite.partition('#')[0]}",
        f"  the bound counts {race.counted} attempts with this suite from this tree",
        *_stop_lines(race, [view.result for view in views], has_ended=has_ended),
        *table([_HEAD, *(_row(place, view) for place, view in rank_views(views))]),
        *([f"  cost of the verdicts: {cost}"] if cost.trials else []),
        *(f"  {_name(view)}: {view.left}" for view in views if view.left),
        _result(views, promoted) if has_ended else _next(race, views, again),
    ]
    return [*map(visible, lines)]


def _stop_lines(race: Race, results: Sequence[AttemptResult], *, has_ended: bool) -> Iterator[str]:
    """Yield how time decides in a race that ends with the first go."""
    if has_ended and is_time_decided(race, results):
        yield "  time decided: the first go ended the race before other attempts were judged"
    elif race.stop is Stop.FIRST_GO:
        yield "  the first go ends the race, so time may decide"


def _next(race: Race, views: Sequence[AttemptView], again: str) -> str:
    """Return why a race has not ended, and the next command; `again` is `resume` or `end`."""
    words, repeat = "The race has not ended", f"attractor race {again} {race.race_id}"
    if working := [_name(view) for view in views if view.is_working]:
        words += f": attempts still work ({', '.join(working)}). When they have ended: {repeat}"
        return f"{words}; or give one up: attractor cancel {working[0]}"
    if asking := [_name(view) for view in views if view.asks]:
        words += f": attempts ask people ({', '.join(asking)}). For each: attractor answer"
        return f"{words} {asking[0]}, or attractor cancel {asking[0]}; then: {repeat}"
    words += f"; continue it: attractor race resume {race.race_id}"
    if stopped := [_name(view) for view in views if view.left and view.root]:
        words += f"; or give up attempts that stopped: attractor cancel {stopped[0]}"
        return f"{words}, then: {repeat}" if again == "end" else words
    if any(view.root is None for view in views):
        words += f"; or give up attempts that have not begun: attractor race end {race.race_id}"
    return words


def _result(views: Sequence[AttemptView], promoted: Collection[str]) -> str:
    """Return the winner of a race that has ended, and the next command."""
    winner = winner_of(view.result for view in views)
    for view in views:
        if winner and view.attempt.run_id == winner.run_ids[0]:
            name, status = _name(view), view.result.status
            if name in promoted:
                return f"winner: {name}, promoted"
            if status == StatusWord.APPROVED:
                return f"winner: {name}, approved; promote it: attractor promote {name}"
            if status != StatusWord.AWAITING_HUMAN:
                return f"winner: {name}, {status}"
            return f"winner: {name}; decide with: attractor decide {name}"
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
            format_cost(result.cost_usd, is_partial=result.is_cost_partial),
        ]
    run = f"{_name(view)} {result.status}"
    rank_ = f"{place}" if place else "-"
    return (rank_, view.entrant, *figures, format_seconds(view.seconds), run)
