"""The page of the drafts of a suite: one after the other beside its sentences, taken or skipped."""

from typing import Annotated, Literal

from fastapi import Form, Request
from fastapi.responses import Response

from attractor.base.errors import AttractorError
from attractor.factory.registration.taking import DraftView, Standing, folder_of, skip, take, view
from attractor.server.html.highlighting import LARGEST, highlighted
from attractor.server.html.rendering import PageRouter, render
from attractor.server.html.version_forms import NOT_REFUSED, EndText, Refusal
from attractor.server.http.scopes import OPERATE, READ, ProjectService
from attractor.server.resources.suite_drafts import draft_of
from attractor.server.service import Service

part = PageRouter()

LOOKS = {
    Standing.WAITING: "unreached",
    Standing.TAKEN: "done",
    Standing.SKIPPED: "skipped",
    Standing.FAULTY: "failed",
}


@part.get("/suites/drafts/{run}", dependencies=[READ])
def show_drafts(request: Request, service: ProjectService, run: str) -> Response:
    """Show how many drafts wait, and ask for a token: they are as hidden as holdouts."""
    return _page(request, service, _view(service, run), None, NOT_REFUSED)


@part.post("/suites/drafts/{run}/take", dependencies=[OPERATE])
def take_draft(
    request: Request,
    service: ProjectService,
    run: str,
    token: EndText = "",
    folder: EndText = "",
    shown: EndText = "",
    act: Annotated[Literal["", "take", "skip"], Form()] = "",
    at: Annotated[int | None, Form()] = None,
) -> Response:
    """Take or skip the draft that is shown, and show the next one, or the one at a place."""
    found, place, said = _view(service, run), None, ""
    try:
        service.prove(token)
        found = _view(service, run, folder)
        place = at - 1 if at and at <= len(found.parts) else found.after(-1)
        if shown and act:
            place = found.place_of(shown)
            said = _settle(found, place, act)
            found = _view(service, run, folder)
            place = found.after(place)
    except AttractorError as error:
        return _page(request, service, found, place, Refusal({"folder": folder}, error))
    return _page(request, service, found, place, NOT_REFUSED, said, is_proved=True)


def _settle(found: DraftView, place: int, act: str) -> str:
    part = found.parts[place][0]
    if act == "skip":
        skip(found.draft, part)
        return f"{part.id} is skipped."
    done = take(found.draft, part, found.folder)
    return f"{part.id} {'was taken before' if done.was_taken else 'is taken'}."


def _view(service: Service, run: str, folder: str = "") -> DraftView:
    draft = draft_of(service, run)
    return view(draft, folder_of(draft, service.project.root, folder))


def _page(
    request: Request,
    service: Service,
    found: DraftView,
    place: int | None,
    refusal: Refusal,
    said: str = "",
    *,
    is_proved: bool = False,
) -> Response:
    chosen, standing = found.parts[place] if place is not None else (None, None)
    name = chosen.files[-1].replace(".patch", ".diff") if chosen and chosen.files else ""
    values = {
        "found": found,
        "numbers": found.to_record(service.project.root),
        "looks": LOOKS,
        "place": place,
        "chosen": chosen,
        "standing": standing,
        "text": highlighted(chosen.text[:LARGEST], name) if chosen else "",
        "is_cut": chosen is not None and len(chosen.text) > LARGEST,
        "is_proved": is_proved or place is not None,
        "said": said,
        "refusal": refusal,
    }
    return render(request, "suite_drafts.html.j2", values, status=refusal.status)
