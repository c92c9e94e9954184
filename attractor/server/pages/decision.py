"""The page of a decision: verdict of the gate, trials, changes, and the forms to decide."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from attractor.base.durations import parse_duration
from attractor.base.errors import AttractorError
from attractor.engine.state.run_state import APPROVED
from attractor.factory.decisions.decide import DecisionKind, answers_of
from attractor.factory.decisions.review import Review
from attractor.factory.evaluation.failed_scenarios import count_failures, in_words
from attractor.factory.history.records import marked_defects
from attractor.pipeline.status import allowed_actions, read_status
from attractor.records.about import given_of
from attractor.records.receipts import IGNORED_SENTENCE, PROOF_SENTENCE
from attractor.server.access.callers import Caller
from attractor.server.html.changes import read_changes, split_query
from attractor.server.html.rendering import Flash, PageRouter, in_address, render, see_other
from attractor.server.html.run_view import judge_address, run_tabs
from attractor.server.html.version_forms import NOT_REFUSED, Refusal
from attractor.server.http.scopes import OPERATE, READ, Calling, ProjectService
from attractor.server.service import Service

part = PageRouter()

Text = Annotated[str, Form(max_length=5000)]
PLACE = "/runs/{run}/decision"
_FIELDS = ("form", "rationale", "also_promote", "branch", "scenario", "reason", "expires")
_MARKS = ("defect", "repaired_by", "no_defect")
_NOTHING_TYPED = dict.fromkeys((*_FIELDS, "rollback_reason", "note", *_MARKS), "")


@part.get(PLACE, dependencies=[READ])
def show_decision(request: Request, service: ProjectService, caller: Calling, run: str) -> Response:
    """Show the facts for a decision on a run."""
    return _page(request, service, run, NOT_REFUSED, seen_by=caller)


def _page(
    request: Request,
    service: Service,
    run: str,
    refusal: Refusal,
    recorded: str = "",
    *,
    to_operator: bool = False,
    seen_by: Caller | None = None,
) -> Response:
    """Return the page; after a refusal, with the values that the person wrote.

    `recorded`: what was done before the refusal. `to_operator`: with the words of hidden scenarios.
    """
    root = service.root(run)
    review = asyncio.run(service.factory.review(root))
    found = read_status(root, service.project.runs_dir)
    status, actions = found.summary, allowed_actions(found)
    suite = review.judged.suite
    now = service.project.machine.clock.now()
    history = service.factory.history(run=root)
    if seen_by and "decide" in actions:
        service.sights.note(seen_by, root.name, now)
    return render(
        request,
        "decision.html.j2",
        {
            "run": root.name,
            "tabs": run_tabs(f"/runs/{in_address(root.name)}"),
            "review": review,
            "to_operator": to_operator,
            "report": review.report,
            "failures": in_words(count_failures(review.judged)),
            "has_suite": suite is not None,
            "judge_address": judge_address(review.facts.manifest, service),
            "gauge": _gauge(review),
            "status": status,
            "subject": status.subject,
            "given": given_of(review.facts.manifest),
            "history": history,
            "marked": "".join(marked_defects(one.entry for one in history).values()),
            "can_decide": "decide" in actions,
            "can_mark": review.facts.state.status == APPROVED,
            "can_promote": "promote" in actions and "rollback" not in actions,
            "promoted_to": status.promoted_to,
            "changes": read_changes(root, service.project),
            "changes_address": _address(run),
            "split_query": split_query(request),
            "now": now,
            "ignored_sentence": IGNORED_SENTENCE.capitalize(),
            "proof_sentence": PROOF_SENTENCE,
            "refusal": refusal,
            "typed": {**_NOTHING_TYPED, **refusal.values},
            **({"flash": Flash(recorded)} if recorded else {}),
        },
        status=refusal.status,
    )


def _gauge(review: Review) -> dict[str, float]:
    """Return the figures of the gate in percent."""
    suite, report = review.judged.suite, review.report
    gate = suite.settings.gate if suite else None
    return {
        "satisfaction": 100 * float(report.satisfaction),
        "bound": 100 * report.bound,
        "wanted": 100 * float(gate.min_satisfaction) if gate else 0.0,
        "wanted_bound": 100 * gate.min_lower_bound if gate else 0.0,
    }


@part.post(f"{PLACE}/scenarios", dependencies=[OPERATE])
def name_scenarios(
    request: Request, service: ProjectService, run: str, token: Text = ""
) -> Response:
    """Show the page with the titles of hidden scenarios, for a token of the scope `decide`."""
    try:
        service.prove(token)
    except AttractorError as error:
        return _page(request, service, run, Refusal({"form": "scenarios"}, error))
    return _page(request, service, run, NOT_REFUSED, to_operator=True)


@part.post(PLACE, dependencies=[OPERATE])
def decide(
    request: Request,
    service: ProjectService,
    caller: Calling,
    run: str,
    verdict: Annotated[DecisionKind, Form()],
    rationale: Text = "",
    token: Text = "",
    also_promote: Text = "",
    branch: Text = "main",
    agree: Annotated[list[int], Form()] = [],  # noqa: B006
    dismiss: Annotated[list[int], Form()] = [],  # noqa: B006
) -> Response:
    """Approve or reject a run, with a token of the scope `decide`; promote it after an approval."""
    typed = {"rationale": rationale, "also_promote": also_promote, "branch": branch}
    try:
        root, now = service.root(run), service.project.machine.clock.now()
        shown_s = service.sights.seconds(caller, root.name, now)
        entry = service.factory.decide(
            root,
            verdict,
            rationale,
            token=token,
            shown_s=shown_s,
            answers=answers_of(agree, dismiss),
        )
    except AttractorError as error:
        return _page(request, service, run, Refusal({"form": "decide", **typed}, error))
    recorded = f"{verdict.value.capitalize()} by {entry.data['by']}."
    if verdict is DecisionKind.APPROVED and also_promote:
        act = partial(_promote, service, run, branch, token)
        return _done(request, service, run, act, recorded, form="promote", branch=branch)
    return see_other(_address(run) + split_query(request), recorded)


@part.post(f"{PLACE}/waive", dependencies=[OPERATE])
def waive(
    request: Request,
    service: ProjectService,
    run: str,
    scenario: Text,
    reason: Text = "",
    expires: Text = "7d",
    token: Text = "",
) -> Response:
    """Waive a failed scenario of a run."""

    def act() -> str:
        entry = service.factory.waive(
            service.root(run), scenario, reason, token=token, expires_in=parse_duration(expires)
        )
        return f"Scenario {entry.data['scenario']} is waived until {entry.data['expires']}."

    return _done(
        request, service, run, act, form="waive", scenario=scenario, reason=reason, expires=expires
    )


@part.post(f"{PLACE}/amend", dependencies=[OPERATE])
def amend(
    request: Request,
    service: ProjectService,
    run: str,
    note: Text = "",
    defect: Text = "",
    repaired_by: Text = "",
    no_defect: Text = "",
    token: Text = "",
) -> Response:
    """Add a note to the decision on a run, mark an approval as wrong, or withdraw the mark."""
    words = {"note": note, "defect": defect, "repaired_by": repaired_by, "no_defect": no_defect}

    def act() -> str:
        service.factory.amend(service.root(run), token=token, **words)
        return f"The {'mark' if defect or no_defect else 'note'} is on record."

    return _done(
        request, service, run, act, form="mark" if defect or no_defect else "amend", **words
    )


@part.post(f"{PLACE}/promote", dependencies=[OPERATE])
def promote(
    request: Request, service: ProjectService, run: str, branch: Text = "main", token: Text = ""
) -> Response:
    """Move a branch to the result of an approved run."""

    act = partial(_promote, service, run, branch, token)
    return _done(request, service, run, act, form="promote", branch=branch)


def _promote(service: Service, run: str, branch: str, token: str) -> str:
    by = service.prove(token).name
    done = asyncio.run(service.factory.promote(service.root(run), by=by, to=branch))
    return f"{done.branch} is now {done.commit[:12]} (tag {done.tag})."


@part.post(f"{PLACE}/rollback", dependencies=[OPERATE])
def roll_back(
    request: Request,
    service: ProjectService,
    run: str,
    branch: Text,
    reason: Text = "",
    token: Text = "",
) -> Response:
    """Take the changes of a promoted run out of a branch."""

    def act() -> str:
        by = service.prove(token).name
        root = service.root(run)
        done = asyncio.run(service.factory.roll_back(root, reason, by=by, branch=branch))
        return f"Rolled back: {done.branch} is now {done.commit[:12]}."

    return _done(request, service, run, act, form="roll_back", rollback_reason=reason)


def _done(
    request: Request,
    service: Service,
    run: str,
    act: Callable[[], str],
    recorded: str = "",
    **typed: str,
) -> Response:
    """Execute the action of a form, and show the page again with the result.

    If the action is refused, the page keeps what the person wrote, but never the token.
    """
    try:
        said = act()
    except AttractorError as error:
        return _page(request, service, run, Refusal(typed, error), recorded)
    return see_other(_address(run) + split_query(request), f"{recorded} {said}".strip())


def _address(run: str) -> str:
    return f"/runs/{in_address(run)}/decision"
