"""The static files of the pages."""

from pathlib import PurePath

from fastapi.responses import Response

from attractor.base.errors import UnknownName
from attractor.server.html.assets import MEDIA_TYPES, static_files, static_version
from attractor.server.html.rendering import PageRouter
from attractor.server.http.scopes import READ

_LONG = "private, max-age=31536000, immutable"

part = PageRouter()


@part.get("/static/{version}/{name}", dependencies=[READ])
def read_static(version: str, name: str) -> Response:
    """Show a static file; its address has the hash of all files, so that it can be cached."""
    content = static_files().get(name)
    if content is None:
        raise UnknownName("file", name, [])
    caching = _LONG if version == static_version() else "no-store"
    return Response(
        content,
        media_type=MEDIA_TYPES[PurePath(name).suffix],
        headers={"cache-control": caching},
    )
