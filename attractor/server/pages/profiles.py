"""The pages of profiles: revisions, and the policy of each with all defaults."""

from fastapi import Request
from fastapi.responses import Response

from attractor.factory.launch import evaluator_of
from attractor.factory.resources.effective import effective_record
from attractor.factory.resources.versions import RETIRED
from attractor.server.html.endings import EndText, end_by_form
from attractor.server.html.highlighting import highlighted
from attractor.server.html.rendering import PageRouter, render
from attractor.server.html.run_view import pretty
from attractor.server.http.scopes import OPERATE, READ, Serving

part = PageRouter("Profiles", "/profiles", place=5)


@part.get("/profiles", dependencies=[READ])
def show_profiles(request: Request, service: Serving) -> Response:
    """Show the revisions of all profiles, newest first."""
    store = evaluator_of(service.host).stores.profiles.versions
    profiles = [(name, list(reversed(store.versions(name)))) for name in store.names()]
    return render(request, "profiles.html.j2", {"profiles": profiles})


@part.get("/profiles/{name}", dependencies=[READ])
def show_profile(request: Request, service: Serving, name: str) -> Response:
    """Show a revision of a profile, `NAME` or `NAME@REVISION`, with its policy."""
    store = evaluator_of(service.host).stores.profiles
    version = store.versions.find(name)
    policy = highlighted(pretty(effective_record(store.read(version))), "policy.json")
    return render(request, "profile.html.j2", {"version": version, "policy": policy})


@part.post("/profiles/{name}/retire", dependencies=[OPERATE])
def retire(service: Serving, name: str, reason: EndText, token: EndText = "") -> Response:
    """Retire a revision of a profile, with a token of the scope `decide`."""
    store = evaluator_of(service.host).stores.profiles.versions
    return end_by_form(service, store, name, RETIRED, reason=reason, token=token, pages="/profiles")
