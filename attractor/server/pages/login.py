"""Begins and ends the session of a browser."""

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from attractor.server.access.callers import COOKIE, Caller
from attractor.server.access.origins import scheme_of
from attractor.server.access.sessions import LIFETIME
from attractor.server.errors import Unauthenticated
from attractor.server.html.assets import MEDIA_TYPES, static_files
from attractor.server.html.rendering import PageRouter, answer_error, own_page, render, safe_login
from attractor.server.http.methods import is_head
from attractor.server.http.scopes import READ, ServerService, enter
from attractor.server.http.unsent import UnsentForm, is_secret
from attractor.server.service import Service

part = PageRouter()


@part.get("/login")
def log_in_with_code(
    request: Request, service: ServerService, code: str = "", next: str = "/"
) -> Response:
    """Begin a session by the one-time address, or show the form for a token."""
    if address := safe_login(request, next, **({"code": code} if code else {})):
        return RedirectResponse(address, 303)
    if not code or is_head(request):
        return answer_error(request, Unauthenticated())
    return _with_cookie(request, RedirectResponse(own_page(next), 303), service.access.log_in(code))


@part.get("/login.css")
def show_style_sheet() -> Response:
    """Show the style sheet of the form, which needs no session, unlike all other files."""
    return Response(static_files()["pages.css"], media_type=MEDIA_TYPES[".css"])


@part.post("/login")
def log_in_with_token(
    request: Request,
    service: ServerService,
    token: Annotated[str, Form()] = "",
    unsent_to: Annotated[str, Form()] = "",
    unsent: Annotated[str, Form()] = "",
    next: str = "/",
) -> Response:
    """Begin a session with a token, which is not stored; then show a form that was not sent.

    Without a token, the form is shown to a browser that signed in elsewhere meanwhile.
    """
    access = service.access
    if not unsent_to:
        if address := safe_login(request, next):
            return RedirectResponse(address, 303)
        response = RedirectResponse(own_page(next), 303)
        return _with_cookie(request, response, access.log_in_with_token(token))
    form = request.state.unsent = UnsentForm.decoded(own_page(unsent_to), unsent)
    secret = access.log_in_with_token(token) if token else ""
    caller = access.identify({"cookie": f"{COOKIE}={secret}"} if secret else request.headers)
    if caller is None:
        raise Unauthenticated()
    response = _send_again(request, service, caller, form, own_page(next))
    return _with_cookie(request, response, secret) if secret else response


@part.post("/logout", dependencies=[READ])
def log_out(request: Request, service: ServerService) -> Response:
    """End the session."""
    service.access.log_out(request.headers)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def _send_again(
    request: Request, service: Service, caller: Caller, form: UnsentForm, page: str
) -> Response:
    """Show a form that a person may send again, with the value of the new session."""
    request.state.caller, request.state.csrf = caller, caller.csrf
    request.state.service = enter(service, caller, "")
    values = {"form": form, "is_secret": is_secret, "page": page}
    return render(request, "send_again.html.j2", values)


def _with_cookie(request: Request, response: Response, secret: str) -> Response:
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=scheme_of(request.headers) == "https",
    )
    return response
