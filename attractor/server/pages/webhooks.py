"""Takes webhooks of a forge: requests with a secret to read pull requests and issues again.

A webhook has no token of this server: GitHub signs it by a secret, and GitLab sends the secret. Its
content is not believed: it names a repository, and the pull requests or issues of this repository
are read from the forge. So a repeated webhook changes nothing, and one with a signature is refused.
A large body, such as one with a long issue, is only signed, and not parsed: then all pull requests
and labelled issues are read.
"""

import hmac
from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import PlainTextResponse, Response

from attractor.automations.store import look_for_issues
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.files import make_private_folder
from attractor.base.json import parse_object
from attractor.factory.open_project import OpenProject
from attractor.factory.pulls.readings import PullReadings
from attractor.server.access.limits import LIMITS
from attractor.server.errors import Forbidden
from attractor.server.html.rendering import PageRouter
from attractor.server.http.problems import InvalidRequest
from attractor.server.http.scopes import ServerService
from attractor.server.service import Service

part = PageRouter()

SIGNATURE = "x-hub-signature-256"
GITLAB_TOKEN = "x-gitlab-token"
_MOST_KEPT = 1000


@dataclass(frozen=True)
class _Sent:
    """A webhook: the signature of its whole body, and the body (None: too large to be parsed)."""

    signature: str
    body: bytes | None


async def _receive(request: Request, service: ServerService) -> _Sent:
    """Receive a webhook; sign its whole body, but keep no more of it than of other requests."""
    signed = hmac.new(_secret_of(service.opened).encode(), digestmod="sha256")
    kept = bytearray()
    async for piece in request.stream():
        signed.update(piece)
        if len(kept) <= LIMITS.body_bytes:
            kept += piece
    is_whole = len(kept) <= LIMITS.body_bytes
    return _Sent(signed.hexdigest(), bytes(kept) if is_whole else None)


Sent = Annotated[_Sent, Depends(_receive)]


@part.post("/webhooks/github")
def take_webhook(request: Request, service: ServerService, sent: Sent) -> Response:
    """Check the signature of a webhook, and let pull requests or labelled issues be read."""
    sign = request.headers.get(SIGNATURE, "")
    _require_same("signature", sign, f"sha256={sent.signature}")
    if sent.body is None:
        _keep_once(service.opened, sent.signature)
        return _ask_for_all(service)
    match parse_object(sent.body):
        case {"action": "labeled", "issue": dict()}:
            repository = ""
        case {"repository": {"full_name": str(repository)}}:
            pass
        case _:
            raise InvalidRequest("the webhook names no repository")
    _keep_once(service.opened, sent.signature)
    return _ask_for(service, repository)


@part.post("/webhooks/gitlab")
def take_gitlab_webhook(request: Request, service: ServerService, sent: Sent) -> Response:
    """Check the token of a webhook, and let merge requests or labelled issues be read."""
    _require_same("token", request.headers.get(GITLAB_TOKEN, ""), _secret_of(service.opened))
    if sent.body is None:
        return _ask_for_all(service)
    match parse_object(sent.body):
        case {"object_kind": "issue"}:
            repository = ""
        case {"project": {"path_with_namespace": str(repository)}}:
            pass
        case _:
            raise InvalidRequest("the webhook names no project")
    return _ask_for(service, repository)


def _ask_for(service: Service, repository: str) -> Response:
    """Let the pull requests of a repository be read soon, or without one, labelled issues."""
    if repository:
        service.asked_pulls.put((service.project_id, repository))
    else:
        look_for_issues(service.opened)
    return Response(status_code=202)


def _ask_for_all(service: Service) -> Response:
    """Let all pull requests and labelled issues be read soon, after a large body."""
    look_for_issues(service.opened)
    # A damaged reading is a trouble of *Attention*, and no pull request is read before it is fixed.
    with suppress(AttractorError):
        for repository in {reading.repository for reading in PullReadings.of(service.opened).all()}:
            service.asked_pulls.put((service.project_id, repository))
    words = "The body is too large to be parsed: all pull requests and issues are read again.\n"
    return PlainTextResponse(words, status_code=202)


def _secret_of(opened: OpenProject) -> str:
    """Return the secret of webhooks; refuse webhooks without one."""
    secret = opened.project.pull_request.hook_secret.get_secret_value()
    if not secret:
        raise Forbidden(
            "webhooks are not accepted", hint="set pull_request.hook_secret in the project"
        )
    return secret


def _require_same(proof: str, sent: str, expected: str) -> None:
    """Refuse a webhook with another signature or token, in constant time."""
    if not hmac.compare_digest(sent.encode(), expected.encode()):
        raise Forbidden(
            f"invalid {proof} of a webhook",
            hint="give the webhook the secret of pull_request.hook_secret",
        )


def _keep_once(opened: OpenProject, signature: str) -> None:
    """Remember a webhook; refuse one that came before."""
    folder = opened.project.machine.state_dir / "server" / "webhooks"
    make_private_folder(folder)
    try:
        (folder / signature).touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise Forbidden("replayed webhook") from None
    oldest = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[:-_MOST_KEPT]
    for file in oldest:
        file.unlink(missing_ok=True)
