"""The pages of profiles: revisions, and the policy of each with all defaults."""

from functools import partial
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from attractor.base.errors import AttractorError
from attractor.factory.resources.effective import effective_record
from attractor.factory.resources.profiles import parse_profile
from attractor.factory.resources.versions import RETIRED
from attractor.server.html.highlighting import highlighted
from attractor.server.html.json_parts import pretty
from attractor.server.html.rendering import PageRouter, in_address, render, see_other
from attractor.server.html.version_forms import NOT_REFUSED, EndText, Refusal, end_by_form
from attractor.server.http.scopes import OPERATE, READ, ProjectService
from attractor.server.service import Service

part = PageRouter("Profiles", "/profiles", position=5)

ProfileText = Annotated[str, Form(max_length=100_000)]

EXAMPLE = """name = "strict"

[policy]
max_cost_usd = 5.0
"""
"""The text in the form of a new profile."""


@part.get("/profiles", dependencies=[READ])
def show_profiles(request: Request, service: ProjectService) -> Response:
    """Show the revisions of all profiles, newest first."""
    return _list(request, service, NOT_REFUSED)


@part.post("/profiles", dependencies=[OPERATE])
def create(
    request: Request, service: ProjectService, source: ProfileText, token: EndText = ""
) -> Response:
    """Create a profile, with a token of the scope `decide`; the text is kept if it is refused."""
    opened = service.opened
    try:
        caller = service.prove(token)
        profile = parse_profile(source, "profile")
        store = opened.profiles
        version = store.create(profile, by=caller.name, now=opened.now())
    except AttractorError as error:
        return _list(request, service, Refusal({"source": source}, error))
    return see_other(
        f"/profiles/{in_address(version.name)}{service.here}", f"{version} is created."
    )


def _list(request: Request, service: Service, refusal: Refusal) -> Response:
    store = service.opened.profiles.versions
    profiles = [(name, list(reversed(store.versions(name)))) for name in store.names()]
    values = {"profiles": profiles, "refusal": refusal, "example": EXAMPLE}
    return render(request, "profiles.html.j2", values, status=409 if refusal.error else 200)


@part.get("/profiles/{name}", dependencies=[READ])
def show_profile(request: Request, service: ProjectService, name: str) -> Response:
    """Show a revision of a profile, `NAME` or `NAME@REVISION`, with its policy."""
    return _page(request, service, name, NOT_REFUSED)


def _page(request: Request, service: Service, name: str, refusal: Refusal) -> Response:
    store = service.opened.profiles
    version = store.versions.find(name)
    policy = highlighted(pretty(effective_record(store.read(version))), "policy.json")
    values = {"version": version, "policy": policy, "refusal": refusal}
    return render(request, "profile.html.j2", values, status=refusal.status)


@part.post("/profiles/{name}/retire", dependencies=[OPERATE])
def retire(
    request: Request, service: ProjectService, name: str, reason: EndText, token: EndText = ""
) -> Response:
    """Retire a revision of a profile, with a token of the scope `decide`."""
    store = service.opened.profiles.versions
    page = partial(_page, request, service, name)
    return end_by_form(
        service, store, name, RETIRED, reason=reason, token=token, address="/profiles", page=page
    )
