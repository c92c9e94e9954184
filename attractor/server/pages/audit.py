"""The page of the audit: the lines of the ledger, and the verification of all records."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import Response

from attractor.factory.history.audit import audit
from attractor.factory.history.entries import line_author, line_words
from attractor.factory.history.index import LineQuery
from attractor.factory.ledger.ledger import LineKind
from attractor.server.errors import OtherProjects
from attractor.server.html.rendering import PageRouter, render
from attractor.server.http.scopes import READ, Calling, ProjectService

part = PageRouter("Audit", "/audit", position=6)

PAGE_SIZE = 100
"""The number of lines of a page."""

Word = Annotated[str, Query(max_length=200)]


@part.get("/audit", dependencies=[READ])
def show_ledger(
    request: Request,
    service: ProjectService,
    caller: Calling,
    *,
    run: Word = "",
    kind: Word = "",
    before: Annotated[int, Query(ge=0, lt=1 << 63)] = 0,
    verify: bool = False,
) -> Response:
    """Show the lines of the ledger, newest first; verify the records on request."""
    if verify and caller.projects:
        raise OtherProjects(caller.name)
    root = service.root(run) if run else None
    query = LineQuery(
        service.opened.identity.project_id(),
        run_id=root.name if root else "",
        kind=kind,
        before=before,
        limit=PAGE_SIZE + 1,
        is_whole=not caller.projects,
    )
    lines = service.index.lines(service.project.runs_dir, query)
    filters = {"run": root.name if root else "", "kind": kind}
    older = {**filters, "before": lines[PAGE_SIZE - 1].seq} if len(lines) > PAGE_SIZE else {}
    return render(
        request,
        "audit.html.j2",
        {
            "lines": lines[:PAGE_SIZE],
            "next": f"/audit?{urlencode(older)}{service.and_here}" if older else "",
            "kinds": list(LineKind),
            "filters": filters,
            "is_filtered": any(filters.values()),
            "verification": ""
            if caller.projects
            else f"/audit?{urlencode({**filters, 'verify': 'true'})}{service.and_here}",
            "report": audit(service.project.machine.state_dir, service.project.runs_dir, only=root)
            if verify
            else None,
            "line_words": line_words,
            "line_author": line_author,
        },
    )
