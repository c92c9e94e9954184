"""Begins and ends the session of a browser."""

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from attractor.server.access.callers import COOKIE
from attractor.server.access.origins import scheme_of
from attractor.server.access.sessions import LIFETIME
from attractor.server.errors import Unauthenticated
from attractor.server.html.assets import MEDIA_TYPES, static_files
from attractor.server.html.rendering import PageRouter, answer_error, own_page, safe_login
from attractor.server.http.methods import is_head
from attractor.server.http.scopes import READ, ServingAll

part = PageRouter()


@part.get("/login")
def log_in_with_code(
    request: Request, service: ServingAll, code: str = "", next: str = "/"
) -> Response:
    """Begin a session by the one-time address, or show the form for a token."""
    if address := safe_login(request, next, **({"code": code} if code else {})):
        return RedirectResponse(address, 303)
    if not code or is_head(request):
        return answer_error(request, Unauthenticated())
    return _begun(request, service.access.log_in(code), next)


@part.get("/login.css")
def show_style_sheet() -> Response:
    """Show the style sheet of the form, which needs no session, unlike all other files."""
    return Response(static_files()["pages.css"], media_type=MEDIA_TYPES[".css"])


@part.post("/login")
def log_in_with_token(
    request: Request, service: ServingAll, token: Annotated[str, Form()], next: str = "/"
) -> Response:
    """Begin a session with a token, which is not stored."""
    if address := safe_login(request, next):
        return RedirectResponse(address, 303)
    return _begun(request, service.access.log_in_with_token(token), next)


@part.post("/logout", dependencies=[READ])
def log_out(request: Request, service: ServingAll) -> Response:
    """End the session."""
    service.access.log_out(request.headers)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def _begun(request: Request, secret: str, page: str) -> Response:
    response = RedirectResponse(own_page(page), 303)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=scheme_of(request.headers) == "https",
    )
    return response
