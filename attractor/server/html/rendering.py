"""Renders templates as pages, fragments of pages, and files."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import cast
from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from attractor.base.amounts import (
    format_cost,
    format_number,
    format_seconds,
    format_size,
    number_of,
)
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.outcome import format_usage_cost
from attractor.engine.questions.edge_labels import without_accelerator
from attractor.factory.operator_process import Scope
from attractor.factory.project import list_project_folders
from attractor.language.drawing.picture import encoded
from attractor.pipeline.status import plain_status
from attractor.server.access.callers import Caller
from attractor.server.access.origins import is_of_this_user, is_plain_loopback
from attractor.server.drawings import inline_drawing
from attractor.server.errors import Unauthenticated
from attractor.server.html.assets import icon, inline_style_sheet, static_address
from attractor.server.html.states import state_look
from attractor.server.http.problems import InvalidRequest, headers_of, problem_of, problem_response
from attractor.server.http.unsent import UnsentForm
from attractor.server.pieces import PieceSource
from attractor.server.service import Service

FLEET = "/fleet"
"""The address of the page of the fleet."""

_FLASH = "attractor_flash"
_LONGEST_FLASH = 2900
"""The bytes of a message: browsers drop a cookie above 4096 bytes."""


@dataclass(frozen=True)
class NavigationEntry:
    """A link of the navigation; entries are ordered by position.

    The entry is also marked on the pages at the addresses `marked_at`. With `shown_if`, it is only
    there for the services of which this holds.
    """

    label: str
    address: str
    position: int
    marked_at: tuple[str, ...] = ()
    shown_if: Callable[[Service], bool] | None = None

    def length_at(self, path: str) -> int:
        """Return the length of the address that a path lies below; 0 for another page."""
        addresses = [self.address, *self.marked_at]
        return max((len(one) for one in addresses if f"{path}/".startswith(f"{one}/")), default=0)


class PageRouter(APIRouter):
    """The routes of a page, with its entry in the navigation (default: no entry)."""

    def __init__(
        self,
        label: str = "",
        address: str = "",
        *,
        position: int = 0,
        marked_at: tuple[str, ...] = (),
        shown_if: Callable[[Service], bool] | None = None,
    ) -> None:
        super().__init__(include_in_schema=False)
        entry = NavigationEntry(label, address, position, marked_at, shown_if)
        self.entry = entry if label else None


def navigation_of(pages: Iterable[PageRouter]) -> Sequence[NavigationEntry]:
    """Return the navigation to pages."""
    return sorted((page.entry for page in pages if page.entry), key=lambda entry: entry.position)


@dataclass(frozen=True)
class Flash:
    """A message about the last action of a person: done, or refused."""

    text: str
    is_error: bool = False


def render(
    request: Request,
    template: str,
    values: Mapping[str, object],
    *,
    status: int = 200,
    fragments: Sequence[str] = (),
) -> Response:
    """Return a page: a template that extends `layout.html.j2`.

    `fragments`: templates of parts of the page, named as the ids of their elements. A script of the
    page asks for some of them by name, separated by commas, and inserts them again after a change.
    """
    if fragments and (names := request.query_params.get("fragment")):
        own = {**_own_values(request), **values}
        return _render_fragments(names.split(","), fragments, own, status)
    path = request.url.path
    service = _shown(request)
    known: Sequence[NavigationEntry] = request.app.state.navigation
    entries = [entry for entry in known if entry.shown_if is None or entry.shown_if(service)]
    inside = [entry for entry in entries if entry.length_at(path)]
    caller: Caller | None = getattr(request.state, "caller", None)
    state = service.project.machine.state_dir
    frame = {
        "navigation": entries,
        "current": max(inside, key=lambda one: one.length_at(path), default=None),
        "project": service.project.root.name,
        "project_id": service.project_id,
        "projects": [
            one
            for one in list_project_folders(state)
            if caller and caller.reaches(one.project_id) and one.root.is_dir()
        ],
        "flash": _read_flash(request),
        **_own_values(request),
    }
    response = HTMLResponse(render_text(template, {**frame, **values}), status)
    if _FLASH in request.cookies:
        response.delete_cookie(_FLASH)
    return response


IN_PIECES = ("head", "graph", "timeline")
"""The fragments of which only changed pieces travel."""


def _render_fragments(
    wanted: list[str], fragments: Sequence[str], values: Mapping[str, object], status: int
) -> Response:
    templates = {one.rpartition("/")[2]: f"{one}.html.j2" for one in fragments}
    if unknown := [one for one in wanted if one not in templates]:
        raise InvalidRequest(f"query.fragment: unknown fragment '{unknown[0]}'")
    pieces = values.get("pieces")
    texts: dict[str, str] = {}
    versions: list[str] = []
    # Fragments that travel whole take their room first.
    for name in sorted(wanted, key=lambda one: one in IN_PIECES):
        render = partial(render_text, templates[name], values)
        if isinstance(pieces, PieceSource):
            texts[name], version = pieces.settle(name, render)
            versions += [version] if version else []
        else:
            texts[name] = render()
    content = "\n".join(texts[name] for name in wanted)
    return HTMLResponse(content, status, headers={"x-fragment-versions": ",".join(versions)})


def _shown(request: Request) -> Service:
    """Return the service of the project that a page shows (default: that of the server, or the
    first one that the caller may reach).
    """
    if found := getattr(request.state, "service", None):
        return found
    service: Service = request.app.state.service
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller and not caller.reaches(service.project_id):
        for project_id in caller.projects:
            # The folder of a project may be gone.
            with suppress(AttractorError):
                return service.of_project(project_id)
    return service


def _own_values(request: Request) -> Mapping[str, object]:
    """Return the values of each template: the session, and the project for its addresses."""
    service = _shown(request)
    field = '<input type="hidden" name="project" value="{}">'
    caller: Caller | None = getattr(request.state, "caller", None)
    may_write = caller is None or caller.scope.includes(Scope.OPERATE)
    return {
        # None: the forms that change something are not shown.
        "csrf": csrf_of(request) if may_write else None,
        "read_csrf": csrf_of(request),
        "here": service.here,
        "and_here": service.and_here,
        "here_field": Markup(field).format(service.named) if service.named else "",
    }


def render_text(template: str, values: Mapping[str, object]) -> str:
    """Return the text of a template."""
    return _environment().get_template(template).render(values)


def csrf_of(request: Request) -> str:
    """Return the value that a form of this session must send, and that the guard requires."""
    return getattr(request.state, "csrf", "")


def see_other(address: str, said: str = "", *, is_error: bool = False) -> Response:
    """Return the answer to a form: another page, which shows a message."""
    response = RedirectResponse(address, 303)
    if said:
        content = urlsafe_b64encode(
            bytes([is_error]) + said.encode(errors="replace")[:_LONGEST_FLASH]
        ).decode()
        response.set_cookie(_FLASH, content, max_age=60, httponly=True, samesite="strict")
    return response


def after(act: Callable[[], tuple[str, str]], address: str) -> Response:
    """Execute the action of a form; return the answer, with an error as a message.

    `act` returns the address of the page to show, and a message. After an error it is `address`.
    """
    try:
        return see_other(*act())
    except AttractorError as error:
        return see_other(address, error.in_one_line, is_error=True)


def _read_flash(request: Request) -> Flash | None:
    # Any program of this machine may have set the cookie.
    try:
        content = urlsafe_b64decode(request.cookies.get(_FLASH, ""))
    except ValueError:
        return None
    return Flash(content[1:].decode(errors="replace"), content[0] == 1) if content else None


def wants_page(request: Request) -> bool:
    """Return whether a person's browser asks, rather than a program."""
    return "text/html" in request.headers.get("accept", "")


def safe_login(request: Request, page: str, **query: str) -> str:
    """Return the address that signs a browser in under the name that no other program knows.

    `page`: what is opened afterwards. Empty if the request was sent to another name than a plain
    address of this machine, or asked to sign in here: `here` in its query. The name is shown to
    processes of this user only: others that knew it could get the cookie.
    """
    host, names = request.headers.get("host", ""), request.app.state.names
    if not is_plain_loopback(host) or not names or not names[0].endswith(".localhost"):
        return ""
    client, server = request.client, request.scope["server"]
    if "here" in request.query_params or not client or not is_of_this_user(client.port, server[1]):
        return ""
    # Another port than that of the server if the connection was forwarded.
    port = urlsplit(f"//{host}").port or 80
    return f"http://{names[0]}:{port}/login?{urlencode({**query, 'next': own_page(page)})}"


_PAGE = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def own_page(address: str) -> str:
    """Return the address of a page of this server, otherwise that of the first page.

    A browser takes `//` and `/\\` for the begin of another host.
    """
    return address if _PAGE.fullmatch(address) else "/"


def answer_error(request: Request, error: AttractorError) -> Response:
    """Return an error as a page for a browser, otherwise as a problem."""
    if not wants_page(request):
        return problem_response(error)
    problem = problem_of(error)
    if isinstance(error, Unauthenticated):
        address = _left_page(request)
        unsent: UnsentForm | None = getattr(request.state, "unsent", None)
        # A form is sent again at the address at which its page was.
        safe = "" if unsent else safe_login(request, address)
        values = {"problem": problem, "address": address, "safe": safe, "unsent": unsent}
        return HTMLResponse(render_text("signed_out.html.j2", values), problem.status)
    response = render(request, "error.html.j2", {"problem": problem}, status=problem.status)
    response.headers.update(headers_of(error))
    return response


def _left_page(request: Request) -> str:
    """Return the address of the page to open after signing in: for a form, the page that has it."""
    if request.url.path == "/login":
        return own_page(request.query_params.get("next", "/"))
    is_form = request.method == "POST"
    url = urlsplit(request.headers.get("referer", "") if is_form else str(request.url))
    return own_page(f"/{url.path.lstrip('/')}?{url.query}".rstrip("?"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("attractor.server.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "money": format_cost,
        "usage_cost": format_usage_cost,
        "lasted": format_seconds,
        "whole": format_number,
        "size": format_size,
        "sentence": _sentence,
        "in_address": in_address,
        "markdown": rendered,
        "element_id": encoded,
        "safe_drawing": inline_drawing,
        "without_accelerator": without_accelerator,
    }
    # The type of the library lists its own functions only.
    functions = cast(dict[str, object], environment.globals)
    functions |= {
        "static": static_address,
        "icon": icon,
        "look": state_look,
        "plain_status": plain_status,
        "number_of": number_of,
        "style_sheet": inline_style_sheet,
        # Overwritten in pages of a server.
        "here": "",
        "and_here": "",
        "here_field": "",
    }
    return environment


def _sentence(text: str) -> str:
    """Return a message with a full stop; one that ends with a sign stays as it is."""
    # Added, because an f-string would make HTML a plain text again.
    return text if not text or text.rstrip()[-1:] in ".!?:…" else text.rstrip() + "."


@cache
def _markdown() -> MarkdownIt:
    # HTML of others is text, and no image of others is fetched.
    return MarkdownIt("commonmark", {"html": False}).disable("image")


def rendered(text: str) -> Markup:
    """Return a Markdown text of a person or an agent as HTML, of which nothing is theirs."""
    return Markup(_markdown().render(text))


def in_address(text: str) -> str:
    """Return a text as one segment of an address."""
    return quote(text, safe="@:,")
