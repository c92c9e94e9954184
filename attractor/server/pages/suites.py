"""The pages of suites: versions, train scenarios, and the history of the hidden ones."""

import asyncio
from functools import partial

from fastapi import Request
from fastapi.responses import Response

from attractor.base.errors import AttractorError
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.suite_history import suite_history
from attractor.factory.registration.register_suite import register_suite
from attractor.factory.registration.taking import views_of
from attractor.factory.resources.versions import ARCHIVED, BURNED
from attractor.pipeline.source.files import path_in
from attractor.scenarios.satisfaction import failures_allowed
from attractor.scenarios.suite_files import SUITE_FILE
from attractor.server.html.rendering import PageRouter, in_address, render, see_other
from attractor.server.html.version_forms import NOT_REFUSED, EndText, Refusal, end_by_form
from attractor.server.http.scopes import OPERATE, READ, ProjectService
from attractor.server.service import Service

part = PageRouter("Suites", "/suites", position=4)

MOST_RUNS = 30
"""The number of runs whose trials are shown for each scenario."""


@part.get("/suites", dependencies=[READ])
def show_suites(request: Request, service: ProjectService) -> Response:
    """Show the versions of all suites, newest first."""
    return _list(request, service, NOT_REFUSED)


@part.post("/suites", dependencies=[OPERATE])
def register(
    request: Request, service: ProjectService, folder: EndText, token: EndText = ""
) -> Response:
    """Register a suite of the project after its trials, with a token of the scope `decide`."""
    opened = service.opened
    try:
        caller = service.prove(token)
        place = path_in(opened.project.root, folder)
        found = asyncio.run(register_suite(place, opened, sandbox="auto", by=caller.name))
    except AttractorError as error:
        return _list(request, service, Refusal({"folder": folder}, error))
    said = f"{found.version} is {'registered' if found.is_new else 'unchanged'}."
    return see_other(f"/suites/{in_address(found.version.name)}{service.here}", said)


def _list(request: Request, service: Service, refusal: Refusal) -> Response:
    store = service.opened.suites.versions
    suites = [(name, list(reversed(store.versions(name)))) for name in store.names()]
    project = service.project.root
    found = sorted(project.glob(f"scenarios/*/{SUITE_FILE}"))
    folders = [str(one.parent.relative_to(project)) for one in found]
    drafts = [one.to_record(project) for one in views_of(service.opened)]
    values = {"suites": suites, "folders": folders, "drafts": drafts, "refusal": refusal}
    return render(request, "suites.html.j2", values, status=409 if refusal.error else 200)


@part.get("/suites/{name}", dependencies=[READ])
def show_suite(request: Request, service: ProjectService, name: str) -> Response:
    """Show a version of a suite, `NAME` or `NAME@VERSION`, without its hidden scenarios."""
    return _page(request, service, name, NOT_REFUSED)


def _page(request: Request, service: Service, name: str, refusal: Refusal) -> Response:
    evaluator = Evaluator(service.opened)
    version = evaluator.opened.suites.versions.find(name)
    suite = evaluator.opened.suites.open(version).suite
    return render(
        request,
        "suite.html.j2",
        {
            "version": version,
            "settings": suite.settings,
            "allowed": failures_allowed(suite),
            "train": suite.of_split("train"),
            "hidden": len(suite.of_split("holdout")),
            "history": suite_history(version, evaluator, to_operator=False),
            "most": MOST_RUNS,
            "refusal": refusal,
        },
        status=refusal.status,
    )


@part.post("/suites/{name}/archive", dependencies=[OPERATE])
def archive(
    request: Request, service: ProjectService, name: str, reason: EndText, token: EndText = ""
) -> Response:
    """Archive a version of a suite, with a token of the scope `decide`."""
    return _end(request, service, name, ARCHIVED, reason, token)


@part.post("/suites/{name}/burn", dependencies=[OPERATE])
def burn(
    request: Request, service: ProjectService, name: str, reason: EndText, token: EndText = ""
) -> Response:
    """Burn a version of a suite, with a token of the scope `decide`."""
    return _end(request, service, name, BURNED, reason, token)


def _end(
    request: Request, service: Service, name: str, how: str, reason: str, token: str
) -> Response:
    store = service.opened.suites.versions
    page = partial(_page, request, service, name)
    return end_by_form(
        service, store, name, how, reason=reason, token=token, address="/suites", page=page
    )
