"""Prints the facts of a run that a person sees before deciding."""

from collections.abc import Iterator, Sequence

from attractor.base.amounts import format_cost, format_seconds
from attractor.cli.runs.questions import rule_lines, terminal_width, verdict_text
from attractor.engine.outcome import describe_usage
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.engine.truncation import one_line
from attractor.factory.decisions.review import Review, ScenarioTrials
from attractor.factory.evaluation.run_facts import RunFacts
from attractor.language.source.text import visible
from attractor.pipeline.status import status_words

SHOWN_HASH = 12
MOST_NAMED = 5
LONGEST = 200


def review_text(review: Review, reference: str, *, to_operator: bool) -> str:
    """Return the facts of a run for people, with the commands to decide."""
    return "\n".join(_lines(review, reference, to_operator=to_operator))


def _lines(review: Review, reference: str, *, to_operator: bool) -> Iterator[str]:
    facts = review.facts
    yield visible(f"run {facts.run_id}: {status_words(facts.state.status)}")
    yield visible(f"  goal: {one_line(facts.manifest.goal or facts.manifest.pipeline, LONGEST)}")
    if review.changes:
        yield from review.changes.lines()
    if review.look:
        yield visible(f"  all changes: {review.look}")
    yield f"gate: {verdict_text(facts, review.judged, to_operator=to_operator)}"
    yield "rules of the gate, with figure and threshold:"
    yield from rule_lines(review.report, terminal_width())
    if review.scenarios:
        yield "hidden scenarios, with satisfied trials now and in earlier runs, oldest first:"
        yield from (_scenario(one, to_operator=to_operator) for one in review.scenarios)
    judge = f", judge {format_cost(review.judge_usd)}" if review.judge_usd else ""
    yield f"cost: {describe_usage(review.usage)}{judge}"
    work, trials = format_seconds(review.work_seconds), format_seconds(review.trial_seconds)
    yield f"time: {work} of work, {trials} of trials"
    yield visible(f"assumed: {_assumed(review)}")
    yield visible(f"left out: {_left_out(review)}")
    yield judges_line(facts)
    if facts.state.status == AWAITING_DECISION:
        verdict = "--approve" if review.report.go else "--reject"
        yield f'decide with: attractor decide {reference} {verdict} --rationale "..."'


def _scenario(one: ScenarioTrials, *, to_operator: bool) -> str:
    name = f"{one.name} {one.id} ({one.title})" if to_operator else one.name
    verdict = "passed" if one.passed else "failed"
    earlier = f"; earlier {' '.join(map(str, one.earlier))}" if one.earlier else ""
    waived = f"; waived until {one.waived_until:%Y-%m-%d %H:%M} UTC" if one.waived_until else ""
    return visible(f"  {name}: {verdict} {one.now}{earlier}{waived}")


def _assumed(review: Review) -> str:
    stages = f"success of {_some(review.assumed)}" if review.assumed else ""
    count = review.auto_approved
    gates = f"{count} gate{'' if count == 1 else 's'} approved automatically" if count else ""
    return "; ".join(filter(None, [stages, gates])) or "nothing"


def _left_out(review: Review) -> str:
    out = review.left_out
    return (
        "; ".join(
            filter(
                None,
                [
                    f"of the project {_some(out.excluded)}" if out.excluded else "",
                    f"new files that match {_some(out.ignored)}" if out.ignored else "",
                    f"refused files {_some(out.refused)}" if out.refused else "",
                ],
            )
        )
        or "nothing"
    )


def judges_line(facts: RunFacts) -> str:
    """Return name, version and seal of all that judges a run, for people."""
    manifest = facts.manifest
    pipeline = f"{manifest.pipeline}#{facts.pipeline_hash}"
    pins = (("suite", manifest.suite), ("profile", manifest.profile), ("pipeline", pipeline))
    shown = (f"{kind} {_pin(pinned)}" if pinned else f"no {kind}" for kind, pinned in pins)
    return visible(f"judged by: {', '.join(shown)}")


def _pin(pinned: str) -> str:
    name, _, digest = pinned.partition("#")
    return f"{name} (seal {digest[:SHOWN_HASH]})"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"
