"""Asks service twins without a connection."""

import json
from pathlib import Path
from typing import Any

from attractor.twins.services.dispatch import ServiceDispatcher
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.service import parse_service

PEOPLE = """
[[state.people]]
id = "ada"
city = "London"
age = 36
[[state.people]]
id = "bo"
city = "Oslo"
age = 7
"""


class Asked:
    """A twin of a service in TOML, with a short way to ask it."""

    def __init__(self, toml: str, folder: Path = Path(), **options: Any) -> None:
        service = parse_service(f'name = "s"\n{toml}', folder=folder)
        self.dispatcher = ServiceDispatcher(service, **options)

    def __call__(self, words: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send `GET /path`, and return the status and the body as JSON, or as text."""
        method, target = words.split(" ")
        content = b"" if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.dispatcher.answer(ServiceRequest(method, target, given, content))
        try:
            return reply.status, json.loads(reply.body or b"null")
        except ValueError:
            return reply.status, reply.body.decode()


def fixed(json_: str, more: str = "") -> str:
    """Return a route at /x that answers with a JSON value, given as TOML."""
    return f'[[routes]]\npath = "/x"\nkind = "fixed"\njson = {json_}\n{more}'
